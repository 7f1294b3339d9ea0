/**
 * The way to Scrip: queries and mutations over HTTP, subscriptions over graphql-transport-ws, both at /graphql.
 *
 * Whatever the headers editor says wins; otherwise the session's token is sent. Every subscription opens a socket of
 * its own, so it always carries the identity of the moment it was started with and stopping it closes the socket.
 */
import { createClient } from 'graphql-ws';

import { session } from './session.js';

const ENDPOINT = new URL('/graphql', window.location.href);
const ACCEPT = 'application/graphql-response+json, application/json;q=0.9';

const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    __typename
    ... on SignInSuccess { accessToken }
    ... on Problem { message }
  }
}`;

/** GraphiQL's fetcher: a promise of one answer, or for a subscription an observable of many. */
export function fetcher(operation, { headers = {}, documentAST } = {}) {
  const sent = withIdentity(headers);
  return isSubscription(documentAST, operation.operationName) ? listen(operation, sent) : ask(operation, sent);
}

/** Signs in and remembers the token; answers null, or the sentence that says why not. */
export async function signIn(email, password) {
  const operation = { query: SIGN_IN, operationName: 'SignIn', variables: { input: { email, password } } };
  const { data, errors } = await ask(operation, {});
  const result = data?.signIn;
  if (!result?.accessToken) return result?.message ?? errors?.[0]?.message ?? 'The server gave no answer.';
  session.start(email, result.accessToken);
  return null;
}

function withIdentity(headers) {
  const chosen = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  return chosen || !session.token() ? headers : { ...headers, authorization: `Bearer ${session.token()}` };
}

function isSubscription(document, operationName) {
  const operations = document?.definitions.filter(({ kind }) => kind === 'OperationDefinition') ?? [];
  const named = operations.find(({ name }) => name?.value === operationName);
  return (named ?? operations[0])?.operation === 'subscription';
}

async function ask(operation, headers) {
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    headers: { accept: ACCEPT, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(operation),
  });
  const text = await response.text();
  const answer = parsed(text);
  if (!answer) throw new Error(`HTTP ${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
  noticeTheEnd(answer.errors, headers);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function noticeTheEnd(errors, headers) {
  const refused = errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED');
  if (refused && session.token() && headers.authorization === `Bearer ${session.token()}`) {
    session.end('Your session has ended. Sign in again.');
  }
}

function listen(operation, connectionParams) {
  const url = new URL(ENDPOINT);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    subscribe(observer) {
      // No silent retries: whoever watches a stream in an editor wants to see it break.
      const client = createClient({ url: url.href, connectionParams, retryAttempts: 0 });
      const unsubscribe = client.subscribe(operation, {
        next: (result) => observer.next(result),
        error: (reason) => broken(reason, observer, connectionParams),
        complete: () => observer.complete(),
      });
      return { unsubscribe };
    },
  };
}

function broken(reason, observer, headers) {
  if (Array.isArray(reason)) {
    noticeTheEnd(reason, headers);
    observer.next({ errors: reason });
    observer.complete();
  } else if (reason instanceof Error) {
    observer.error(reason);
  } else {
    observer.error(new Error(`The connection closed: ${reason?.code ?? ''} ${reason?.reason ?? ''}`.trim()));
  }
}
