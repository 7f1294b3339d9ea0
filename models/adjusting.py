"""Correcting a wallet by hand: tokens put in or taken out, with a reason, once by a key.

Tokens put in are a lot of their own that cost nothing. Tokens taken out burn like spent ones, from what is available
and never from what is held, and are counted apart from them: nobody used them. A suspended wallet can be corrected.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models import budgets, ledger
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import InsufficientTokens, InvalidExpiry, InvalidTokens, Refusal
from models.granting import Incoming, put
from models.hold_rows import end_holds
from models.intentions import Intention, answer_text
from models.locking import LockedWallet, lock_wallet
from models.outcomes import Booked, booked, booked_from
from rules.entries import EntryKind
from rules.identity import derived_id, fingerprint
from rules.lots import LotKind, NotEnough
from rules.pricing import TOKEN_PLACES, places_of
from rules.sheet import Movement, Sheet

ADJUSTMENT_MAX = Decimal(1_000_000_000)
OPERATION = "adjustBalance"
REFERENCE = "adjustment"


@dataclass(frozen=True, slots=True)
class AdjustmentOrder:
    """A correction: `tokens` > 0 are put in, and may expire; `tokens` < 0 are taken out."""

    organization_id: UUID
    tokens: Decimal
    reason: str
    key: str
    actor: str
    expires_at: datetime | None = None
    request_id: str | None = None

    def intention(self) -> Intention:
        values = {"tokens": self.tokens, "reason": self.reason, "expires_at": self.expires_at}
        return Intention(OPERATION, self.key, fingerprint(values))

    @property
    def reference_id(self) -> str:
        return str(derived_id("adjustment", self.organization_id, self.key))


def check_amount(tokens: Decimal) -> None:
    """Raises InvalidTokens unless the number can be put in or taken out; nothing is remembered of such a request."""
    if not tokens.is_finite() or tokens == 0 or abs(tokens) > ADJUSTMENT_MAX or places_of(tokens) > TOKEN_PLACES:
        raise InvalidTokens(minimum=-ADJUSTMENT_MAX, maximum=ADJUSTMENT_MAX)


async def adjust(order: AdjustmentOrder, *, at: datetime) -> Booked:
    """The tokens are in the wallet, or out of it, once. `at` is now, UTC.

    Raises InvalidTokens, InvalidExpiry, WalletNotFound, InsufficientTokens, IdempotencyConflict; nothing moved then.
    """
    check_amount(order.tokens)
    async with transaction() as db:
        answer = await _decide_and_write(db, order, at)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def _decide_and_write(db: Connection, order: AdjustmentOrder, at: datetime) -> Booked | Refusal:
    intention = order.intention()
    wallet = await lock_wallet(db, order.organization_id, at=at, intentions=(intention,))
    first = wallet.first_answer_to(intention)
    if first is not None:
        return booked_from(intention.told_again(first))
    decide = _put_in if order.tokens > 0 else _take_out
    return await decide(db, wallet, order, at)


async def _put_in(db: Connection, wallet: LockedWallet, order: AdjustmentOrder, at: datetime) -> Booked:
    # Only a new correction must expire in the future: a repeated one may come back after its tokens have expired.
    if order.expires_at is not None and order.expires_at <= at:
        raise InvalidExpiry(expires_at=order.expires_at)
    lot = ledger.NewLot(
        id=derived_id("lot", "adjustment", order.organization_id, order.key),
        kind=LotKind.ADJUSTMENT,
        tokens=order.tokens,
        unit_cost=Decimal(0),
        cost=Decimal(0),
        effective_at=at,
        expires_at=order.expires_at,
        reason=order.reason,
    )
    given = Incoming(lot, EntryKind.ADJUSTMENT, REFERENCE, order.reference_id, order.reason)
    (posting,) = await put(
        db,
        wallet,
        (given,),
        actor=order.actor,
        at=at,
        key=order.key,
        request_id=order.request_id,
        intention=order.intention(),
    )
    return booked(wallet.id, posting.movement)


async def _take_out(db: Connection, wallet: LockedWallet, order: AdjustmentOrder, at: datetime) -> Booked | Refusal:
    sheet = Sheet(wallet.state, at)
    sheet.settle()
    postings = list(ledger.settled_postings(tuple(sheet.movements)))
    answer: Booked | Refusal
    try:
        movement = sheet.write(EntryKind.ADJUSTMENT, draws=sheet.draw(-order.tokens))
        postings.append(_posting(order, movement))
        answer = booked(wallet.id, movement)
    except NotEnough as short:
        answer = InsufficientTokens(needed=short.needed, available=short.available)
    await end_holds(db, wallet, sheet.ended, resolved_by=SCRIP_ITSELF)
    await budgets.give_back(db, wallet, sheet.ended)
    told = answer_text(answer if isinstance(answer, Refusal) else answer.as_answer())
    await ledger.post(db, wallet, ledger.Books(tuple(postings), ((order.intention(), told),)))
    return answer


def _posting(order: AdjustmentOrder, movement: Movement) -> ledger.Posting:
    return ledger.Posting(
        movement,
        order.actor,
        reference_type=REFERENCE,
        reference_id=order.reference_id,
        description=order.reason,
        key=order.key,
        request_id=order.request_id,
    )
