"""Spending: one PostgreSQL transaction, never Temporal.

The wallet is locked, what has expired leaves, the lots burn in order, and the answer is remembered under the caller's
key, a refusal as well: whoever was told "not enough" is told so again, and is never debited later by a slow first try.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson

from models import ledger
from models.database import Connection, transaction
from models.errors import InsufficientTokens, InvalidTokens, Refusal
from models.intentions import Intention, remember
from models.outcomes import Booked, booked_from
from rules.entries import EntryKind
from rules.identity import fingerprint
from rules.pricing import TOKEN_PLACES, places_of
from rules.spending import Movement, Shortage, decide_spends

SPEND_MIN = Decimal("0.0001")
SPEND_MAX = Decimal(1_000_000_000)
OPERATION = "spendTokens"


@dataclass(frozen=True, slots=True)
class SpendOrder:
    """Tokens to be spent once by `key`. `reference` is the caller's own name for what they were spent on."""

    organization_id: UUID
    tokens: Decimal
    key: str
    actor: str
    reference_type: str | None = None
    reference_id: str | None = None
    description: str = ""
    request_id: str | None = None

    def intention(self) -> Intention:
        values = {
            "tokens": self.tokens,
            "reference_type": self.reference_type,
            "reference_id": self.reference_id,
            "description": self.description,
        }
        return Intention(OPERATION, self.key, fingerprint(values))


def check_amount(tokens: Decimal) -> None:
    """Raises InvalidTokens unless the number can be spent; nothing is remembered of such a request."""
    if not tokens.is_finite() or not SPEND_MIN <= tokens <= SPEND_MAX or places_of(tokens) > TOKEN_PLACES:
        raise InvalidTokens(minimum=SPEND_MIN, maximum=SPEND_MAX)


async def spend(order: SpendOrder, *, at: datetime) -> Booked:
    """The tokens have left the wallet, once. `at` is now, UTC.

    Raises InvalidTokens, WalletNotFound, WalletSuspended, InsufficientTokens, IdempotencyConflict; nothing moved then.
    """
    check_amount(order.tokens)
    async with transaction() as db:
        answer = await _decide_and_write(db, order, at)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def _decide_and_write(db: Connection, order: SpendOrder, at: datetime) -> Booked | Refusal:
    intention = order.intention()
    wallet = await ledger.lock_wallet(db, order.organization_id, intention=intention)
    if wallet.first_answer is not None:
        return booked_from(intention.first_answer(*wallet.first_answer))
    try:
        wallet.refuse_when_suspended()
        return await _write(db, wallet, order, intention, at)
    except Refusal as refusal:
        await remember(db, order.organization_id, intention, refusal)
        return refusal


async def _write(
    db: Connection, wallet: ledger.LockedWallet, order: SpendOrder, intention: Intention, at: datetime
) -> Booked:
    decision = decide_spends(wallet.state, (order.tokens,), at)
    (outcome,) = decision.answers
    if isinstance(outcome, Shortage):
        await ledger.post(db, wallet, ledger.Books(expirations(wallet, decision.expirations, at)))
        raise InsufficientTokens(needed=outcome.needed, available=outcome.available)
    booked = Booked(
        ledger.entry_id(wallet.id, outcome.sequence),
        outcome.sequence,
        outcome.tokens,
        outcome.available_after,
        wallet.state.held,
        at,
    )
    posting = ledger.outgoing(
        EntryKind.SPEND,
        outcome,
        held=wallet.state.held,
        actor=order.actor,
        at=at,
        key=order.key,
        reference_type=order.reference_type,
        reference_id=order.reference_id,
        description=order.description,
    )
    books = ledger.Books(
        (*expirations(wallet, decision.expirations, at), posting),
        answers=((intention, orjson.dumps(booked.as_answer()).decode()),),
        request_id=order.request_id,
    )
    await ledger.post(db, wallet, books)
    return booked


def expirations(
    wallet: ledger.LockedWallet, movements: tuple[Movement, ...], at: datetime
) -> tuple[ledger.Posting, ...]:
    """The postings that book what expired: one for each lot that lost tokens."""
    return tuple(
        ledger.outgoing(
            EntryKind.EXPIRATION,
            movement,
            held=wallet.state.held,
            actor="scrip",
            at=at,
            reference_type="lot",
            reference_id=str(movement.draws[0].lot_id),
        )
        for movement in movements
    )
