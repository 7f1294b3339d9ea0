"""Putting lots into a wallet: purchases and grants share the one way in.

What has expired leaves first, so that the balances around the new entry are the ones people see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models import budgets, ledger
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import InvalidExpiry, InvalidTokens
from models.hold_rows import end_holds
from models.intentions import Intention, answer_text
from models.locking import LockedWallet, lock_wallet
from models.outcomes import Booked, booked, booked_from
from rules.entries import EntryKind
from rules.identity import derived_id, fingerprint
from rules.lots import LotKind
from rules.pricing import TOKEN_PLACES, places_of
from rules.sheet import Sheet

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
    """Tokens given to an organization, once by `key`. They cost nothing and never create revenue."""

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
    wallet: LockedWallet,
    incoming: Sequence[Incoming],
    *,
    actor: str,
    at: datetime,
    key: str | None = None,
    request_id: str | None = None,
    intention: Intention | None = None,
) -> tuple[ledger.Posting, ...]:
    """The lots are in the locked wallet, each with its entry. Returns the postings of the lots, in order."""
    sheet = Sheet(wallet.state, at)
    sheet.settle()
    settled = tuple(sheet.movements)
    postings: list[ledger.Posting] = []
    for one in incoming:
        await ledger.insert_lot(db, wallet, one.lot)
        postings.append(
            ledger.Posting(
                sheet.put(one.kind, one.lot.id, one.lot.tokens),
                actor,
                reference_type=one.reference_type,
                reference_id=one.reference_id,
                description=one.description,
                key=key,
                request_id=request_id,
            )
        )
    await end_holds(db, wallet, sheet.ended, resolved_by=SCRIP_ITSELF)
    await budgets.give_back(db, wallet, sheet.ended)
    answers = () if intention is None else ((intention, _answer(wallet, postings[-1])),)
    fresh = frozenset(one.lot.id for one in incoming)
    await ledger.post(db, wallet, ledger.Books((*ledger.settled_postings(settled), *postings), answers, fresh))
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
        wallet = await lock_wallet(db, order.organization_id, at=at, intentions=(intention,))
        first = wallet.first_answer_to(intention)
        if first is not None:
            return booked_from(intention.told_again(first))
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


def _outcome(wallet: LockedWallet, posting: ledger.Posting) -> Booked:
    return booked(wallet.id, posting.movement)


def _answer(wallet: LockedWallet, posting: ledger.Posting) -> str:
    return answer_text(_outcome(wallet, posting).as_answer())
