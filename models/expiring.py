"""Expiry: booking what has expired where nobody else has, and warning of what will probably be lost.

Reading leaves out an expired lot at its instant (see `models.wallets`); booking only writes down what is already so. It
runs under the wallet's lock like every other change, and a lot that has lost its tokens has none left to lose, so it
may be repeated and may meet spends, and itself, at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from models import budgets, ledger, notices
from models.actors import SCRIP_ITSELF
from models.database import Connection, connection, retrying, transaction
from models.hold_rows import end_holds
from models.locking import lock_wallet, lot_from
from rules.expiring import HORIZON, Consumption, Loss, look_back, probable_losses, warning_days
from rules.notices import NoticeKind
from rules.sheet import Sheet

# What one transaction books of a wallet: the wallet's own callers wait meanwhile.
AT_ONCE = 500
NOTICES_AT_ONCE = 50

DUE = """
SELECT id, organization_id, expires_at FROM token_lots
WHERE NOT is_exhausted AND expires_at <= $1 AND remaining_tokens > held_tokens
    AND (expires_at, id) > (coalesce($2, '-infinity'::timestamptz),
                            coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid))
ORDER BY expires_at, id LIMIT $4
"""

OVERDUE = """
SELECT DISTINCT organization_id FROM token_holds
WHERE status = 'HELD' AND expires_at <= $1
    AND organization_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
ORDER BY organization_id LIMIT $3
"""

REACH = """
SELECT h.expires_at FROM organization_token_wallets w JOIN token_holds h ON h.wallet_id = w.id
WHERE w.organization_id = $1 AND h.status = 'HELD' AND h.expires_at <= $2
ORDER BY h.expires_at OFFSET $3 LIMIT 1
"""

EXPIRING_SOON = """
SELECT w.organization_id FROM organization_token_wallets w
WHERE w.organization_id > coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid) AND EXISTS (
    SELECT 1 FROM token_lots
    WHERE wallet_id = w.id AND NOT is_exhausted AND expires_at > $1 AND expires_at <= $2
        AND remaining_tokens > held_tokens)
ORDER BY w.organization_id LIMIT $4
"""

LOTS_OF = """
SELECT l.id, l.remaining_tokens, l.held_tokens, l.unit_cost, l.priority, l.effective_at, l.expires_at, l.created_at,
    w.created_at AS wallet_since
FROM organization_token_wallets w JOIN token_lots l ON l.wallet_id = w.id
WHERE w.organization_id = $1 AND NOT l.is_exhausted
"""

CONSUMED = """
SELECT coalesce(-sum(change_amount), 0) AS tokens FROM token_balance_history
WHERE organization_id = $1 AND timestamp > $2 AND timestamp <= $3 AND change_type IN ('SPEND', 'CAPTURE')
"""


@dataclass(frozen=True, slots=True)
class DueLot:
    """A lot whose time has come and whose tokens nobody has booked away yet."""

    id: UUID
    organization_id: UUID
    expires_at: datetime


async def due_lots(
    db: Connection, *, at: datetime, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[DueLot]:
    """Lots that have expired by `at` with tokens to lose, the earliest expiry first, those behind the given place."""
    moment, lot_id = after or (None, None)
    return [DueLot(*row.values()) for row in await db.fetch(DUE, at, moment, lot_id, limit)]


async def wallets_with_overdue_holds(
    db: Connection, *, at: datetime, limit: int, after: UUID | None = None
) -> list[UUID]:
    """The organizations with holds whose time is over and that nobody has ended, by id, those behind the given one."""
    return [row["organization_id"] for row in await db.fetch(OVERDUE, at, after, limit)]


async def book_expiry(organization_id: UUID, *, at: datetime) -> int:
    """What was over in the wallet by `at` is in its books: overdue holds have ended and expired tokens have left.

    Answers with how many holds and lots that were. A suspended wallet loses its tokens like any other. Safe to repeat.
    Raises WalletNotFound.
    """
    booked = 0
    while True:
        some, is_all = await retrying(lambda: _book_some(organization_id, at))
        booked += some
        # Whoever came between and left a pass nothing to write has booked the rest, or is about to.
        if is_all or not some:
            return booked


async def _book_some(organization_id: UUID, at: datetime) -> tuple[int, bool]:
    """The earliest of what is over is booked; how much that was, and whether it was all."""
    async with transaction() as db:
        until = await _reach(db, organization_id, at)
        wallet = await lock_wallet(db, organization_id, at=until)
        sheet = Sheet(wallet.state, until)
        some = sheet.settle(at_most=AT_ONCE)
        await end_holds(db, wallet, sheet.ended, resolved_by=SCRIP_ITSELF)
        await budgets.give_back(db, wallet, sheet.ended)
        await ledger.post(db, wallet, ledger.Books(ledger.settled_postings(sheet.movements)))
    return some, until == at and some < AT_ONCE


async def _reach(db: Connection, organization_id: UUID, at: datetime) -> datetime:
    """How far one pass books: no further than it needs, because every hold that is overdue by then is read.

    It is asked before the wallet is locked; holds that end meanwhile only leave the pass less to do.
    """
    row = await db.fetch_one(REACH, organization_id, at, AT_ONCE - 1)
    return at if row is None else row["expires_at"]


async def wallets_expiring_soon(db: Connection, *, at: datetime, limit: int, after: UUID | None = None) -> list[UUID]:
    """The organizations with tokens that expire within the widest warning, by id, those behind the given one."""
    return [row["organization_id"] for row in await db.fetch(EXPIRING_SOON, at, at + HORIZON, after, limit)]


async def foresee_losses(db: Connection, organization_id: UUID, *, at: datetime) -> tuple[Loss, ...]:
    """What each lot of the wallet that expires within the widest warning will probably lose.

    The wallet is taken to go on consuming as it did in the last 30 days, or since it was made.
    """
    rows: list[Any] = await db.fetch(LOTS_OF, organization_id)
    if not rows:
        return ()
    over = look_back(rows[0]["wallet_since"], at)
    consumed: Any = await db.fetch_one(CONSUMED, organization_id, at - over, at)
    lots = [lot_from(row) for row in rows]
    return probable_losses(lots, Consumption(consumed["tokens"], over), at=at, until=at + HORIZON)


async def warn_of_expiry(organization_id: UUID, *, at: datetime) -> int:
    """A notice stands for every lot that will probably lose tokens, at its present warning; how many are new."""
    async with connection() as db:
        losses = await foresee_losses(db, organization_id, at=at)
        warnings = [warning for loss in losses if (warning := _warning_of(organization_id, loss, at)) is not None]
        new = await notices.not_yet_told(db, warnings)
    recorded = 0
    for start in range(0, len(new), NOTICES_AT_ONCE):
        # Two who warn at once may foresee different losses, and meet each other's notices in different orders.
        recorded += await retrying(partial(_tell, new[start : start + NOTICES_AT_ONCE]))
    return recorded


async def _tell(some: Sequence[notices.NewNotice]) -> int:
    async with transaction() as db:
        return sum([await notices.record(db, one) for one in some])


def _warning_of(organization_id: UUID, loss: Loss, at: datetime) -> notices.NewNotice | None:
    days = warning_days(loss.expires_at, at)
    if days is None:
        return None
    return notices.NewNotice(
        organization_id,
        NoticeKind.TOKENS_EXPIRING,
        "lot",
        loss.lot_id,
        level=days,
        tokens=loss.tokens,
        expires_at=loss.expires_at,
    )
