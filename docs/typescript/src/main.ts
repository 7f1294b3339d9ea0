// A first visit: sign in, look at the wallet, spend, buy, and follow the purchase until it is over.
// node dist/main.js <address> <email> <password> <word for idempotency keys>, prints one line of JSON for each step.
import { never, Scrip } from './scrip.js';
import { BuyDocument, FollowDocument, SignInDocument, SpendDocument, WalletPageDocument } from './generated/graphql.js';
import type { BuyMutation, SpendMutation } from './generated/graphql.js';

function tell(step: string, what: unknown): void {
  console.log(JSON.stringify({ [step]: what }));
}

async function signIn(scrip: Scrip, email: string, password: string): Promise<void> {
  const { signIn: answer } = await scrip.ask(SignInDocument, { input: { email, password } });
  switch (answer.__typename) {
    case 'SignInSuccess':
      scrip.signedIn(answer.accessToken);
      return tell('signedIn', answer.viewer.organization?.name ?? null);
    case 'SignInRefused':
    case 'SignInLocked':
      throw new Error(answer.message);
    default:
      return never(answer);
  }
}

/** What became of a spend, for people. Every refusal is here, and the compiler knows whether one is missing. */
function spent(answer: SpendMutation['spendTokens']): string {
  switch (answer.__typename) {
    case 'SpendTokensSuccess':
      return answer.replayed ? `spent before, ${answer.available} left` : `spent, ${answer.available} left`;
    case 'InsufficientTokens':
      return `${answer.needed} needed, ${answer.available} there`;
    case 'WalletSuspended':
      return `suspended: ${answer.reason}`;
    case 'BudgetExceeded':
      return `${answer.needed} needed, ${answer.left} left of your budget until ${answer.resetsAt}`;
    case 'InvalidTokens':
    case 'InvalidUnits':
    case 'OperationNotFound':
    case 'BatchRefused':
    case 'IdempotencyConflict':
    case 'TokenSystemDisabled':
    case 'WalletNotFound':
    case 'WalletBusy':
      return answer.message;
    default:
      return never(answer);
  }
}

/** The id to follow an order by, or why there is none. */
function ordered(answer: BuyMutation['startPurchase']): string {
  if (answer.__typename === 'StartPurchaseSuccess') return answer.purchase.id;
  if (answer.__typename === 'PurchaseQueued') return answer.purchaseId;
  throw new Error(answer.message);
}

async function visit(scrip: Scrip, email: string, password: string, word: string): Promise<void> {
  await signIn(scrip, email, password);
  const { wallet } = await scrip.ask(WalletPageDocument, { first: 5 });
  tell('wallet', { available: wallet?.available, kinds: wallet?.entries.nodes.map((entry) => entry.kind) });

  // One key for each intention, made up before it is sent: whoever asks again gets the same answer.
  for (const [tokens, key] of [['1.5', 'report'], ['1.5', 'report'], ['1000000', 'everything']] as const) {
    const { spendTokens } = await scrip.ask(SpendDocument, { input: { tokens, idempotencyKey: `${word}-${key}` } });
    tell('spend', spent(spendTokens));
  }

  const { startPurchase } = await scrip.ask(BuyDocument, { input: { tokens: '10', idempotencyKey: `${word}-order` } });
  for await (const { purchaseProgress } of scrip.follow(FollowDocument, { purchaseId: ordered(startPurchase) })) {
    if (purchaseProgress.status !== 'COMPLETED') continue;
    tell('bought', { tokens: purchaseProgress.purchase.tokens, total: purchaseProgress.purchase.total.formatted });
  }
}

const [address = 'http://127.0.0.1:3000', email = '', password = '', word = crypto.randomUUID()] = process.argv.slice(2);
await visit(new Scrip(address), email, password, word);
