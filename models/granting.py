"""Putting lots into a wallet: purchases and grants share the one way in.

What has expired leaves first, so that the balances around the new entry are the ones people see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson

from models import ledger
from models.database import Connection, transaction
from models.errors import InvalidExpiry, InvalidTokens
from models.intentions import Intention
from models.outcomes import Booked, booked_from
from models.spending import expirations
from rules.entries import EntryKind
from rules.identity import derived_id, fingerprint
from rules.lots import Draw, LotKind
from rules.pricing import TOKEN_PLACES, places_of
from rules.spending import settle_expired

GRANT_MIN = Decimal("0.0001")
GRANT_MAX = Decimal(1_000_000_000)
OPERATION = "grantTokens"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A lot on its way in, and how its entry explains it."""

    lot: ledger.NewLot
    kind: EntryKind
    reference_type: str
    reference_id: str
    description: str


@dataclass(frozen=True, slots=True)
class GrantOrder:
    """Tokens given to an organisation, once by `key`. They cost nothing and never create revenue."""

    organization_id: UUID
    tokens: Decimal
    kind: LotKind
    reason: str
    key: str
    actor: str
    expires_at: datetime | None = None
    priority: int = 50
    request_id: str | None = None

    def intention(self) -> Intention:
        values = {
            "tokens": self.tokens,
            "kind": self.kind,
            "reason": self.reason,
            "expires_at": self.expires_at,
            "priority": self.priority,
        }
        return Intention(OPERATION, self.key, fingerprint(values))


async def put(
    db: Connection,
    wallet: ledger.LockedWallet,
    incoming: Sequence[Incoming],
    *,
    actor: str,
    at: datetime,
    key: str | None = None,
    request_id: str | None = None,
    intention: Intention | None = None,
) -> tuple[ledger.Posting, ...]:
    """The lots are in the locked wallet, each with its entry. Returns the postings of the lots, in order."""
    state, expired = settle_expired(wallet.state, at)
    postings: list[ledger.Posting] = []
    available, sequence = state.available, state.sequence
    for one in incoming:
        await ledger.insert_lot(db, wallet, one.lot)
        sequence += 1
        after = available + one.lot.tokens
        postings.append(
            ledger.Posting(
                one.kind,
                one.lot.tokens,
                sequence,
                available,
                after,
                state.held,
                (Draw(one.lot.id, -one.lot.tokens),),
                actor,
                at,
                reference_type=one.reference_type,
                reference_id=one.reference_id,
                description=one.description,
                key=key,
            )
        )
        available = after
    answers = () if intention is None else ((intention, _answer(wallet, postings[-1])),)
    books = ledger.Books(
        (*expirations(wallet, expired, at), *postings),
        answers,
        frozenset(one.lot.id for one in incoming),
        request_id,
    )
    await ledger.post(db, wallet, books)
    return tuple(postings)


def check_amount(tokens: Decimal) -> None:
    """Raises InvalidTokens unless the number can be granted; nothing is remembered of such a request."""
    if not tokens.is_finite() or not GRANT_MIN <= tokens <= GRANT_MAX or places_of(tokens) > TOKEN_PLACES:
        raise InvalidTokens(minimum=GRANT_MIN, maximum=GRANT_MAX)


async def grant(order: GrantOrder, *, at: datetime) -> Booked:
    """The tokens are in the wallet, once, in a lot of their own. `at` is now, UTC.

    Raises InvalidTokens, InvalidExpiry, WalletNotFound, IdempotencyConflict. A suspended wallet may be granted tokens.
    """
    check_amount(order.tokens)
    intention = order.intention()
    async with transaction() as db:
        wallet = await ledger.lock_wallet(db, order.organization_id, intention=intention)
        if wallet.first_answer is not None:
            return booked_from(intention.first_answer(*wallet.first_answer))
        # Only a new grant must expire in the future: a repeated one may come back after its tokens have expired.
        if order.expires_at is not None and order.expires_at <= at:
            raise InvalidExpiry(expires_at=order.expires_at)
        lot = _lot_of(order, at)
        given = Incoming(lot, EntryKind.GRANT, "grant", str(lot.id), order.reason)
        (posting,) = await put(
            db,
            wallet,
            (given,),
            actor=order.actor,
            at=at,
            key=order.key,
            request_id=order.request_id,
            intention=intention,
        )
    return _outcome(wallet, posting)


def _lot_of(order: GrantOrder, at: datetime) -> ledger.NewLot:
    return ledger.NewLot(
        id=derived_id("lot", "grant", order.organization_id, order.key),
        kind=order.kind,
        tokens=order.tokens,
        unit_cost=Decimal(0),
        cost=Decimal(0),
        effective_at=at,
        expires_at=order.expires_at,
        priority=order.priority,
        reason=order.reason,
    )


def _outcome(wallet: ledger.LockedWallet, posting: ledger.Posting) -> Booked:
    return Booked(
        ledger.entry_id(wallet.id, posting.sequence),
        posting.sequence,
        posting.change,
        posting.available_after,
        posting.held_after,
        posting.occurred_at,
    )


def _answer(wallet: ledger.LockedWallet, posting: ledger.Posting) -> str:
    return orjson.dumps(_outcome(wallet, posting).as_answer()).decode()
