"""What a wallet held at an instant that is over, and how its available number came about, lot by lot.

Worked out backwards: what the entries after the instant took from a lot is given back to it, so that asking about
yesterday costs what happened since yesterday. A lot counts from its effective instant to its expiry, whether or not
anybody has booked that expiry, and when: whatever was left of an expired lot had expired.

For each lot, in tokens and never negative:

    granted   = spent + expired + refunded + removed + remaining
    remaining = available + held + waiting
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.database import Connection
from models.paging import read_pages

# $1 is the wallet, $2 the instant. A lot that was put in later has no row. A hold reserves its parts from when it was
# placed until it was resolved, or until its time is over, whether or not that has been booked.
LOTS_THEN = """
WITH since AS (
    SELECT d.lot_id, sum(d.tokens) AS tokens,
           bool_or(d.tokens < 0 AND e.change_type IN ('PURCHASE', 'GRANT', 'ADJUSTMENT')) AS began
    FROM token_balance_history e JOIN token_draws d ON d.entry_id = e.id
    WHERE e.wallet_id = $1 AND e.occurred_at > $2 GROUP BY d.lot_id
), apart AS (
    SELECT d.lot_id,
           sum(d.tokens) FILTER (WHERE e.change_type = 'EXPIRATION') AS expired,
           sum(d.tokens) FILTER (WHERE e.change_type = 'REFUND') AS refunded,
           sum(d.tokens) FILTER (WHERE e.change_type = 'ADJUSTMENT') AS removed
    FROM token_balance_history e JOIN token_draws d ON d.entry_id = e.id
    WHERE e.wallet_id = $1 AND e.change_type IN ('EXPIRATION', 'REFUND', 'ADJUSTMENT') AND e.occurred_at <= $2
        AND d.tokens > 0
    GROUP BY d.lot_id
), reserved AS (
    SELECT part.lot_id, sum(part.tokens) AS tokens
    FROM token_holds h JOIN token_hold_lots part ON part.hold_id = h.id
    WHERE h.wallet_id = $1 AND h.held_at <= $2 AND coalesce(h.resolved_at, h.expires_at) > $2 GROUP BY part.lot_id
), stood AS (
    SELECT l.id, l.kind, l.granted_tokens AS granted, l.priority, l.effective_at, l.expires_at, l.created_at,
           l.remaining_tokens + coalesce(since.tokens, 0) AS left_over, coalesce(reserved.tokens, 0) AS held,
           coalesce(apart.expired, 0) AS booked, coalesce(apart.refunded, 0) AS refunded,
           coalesce(apart.removed, 0) AS removed,
           coalesce(l.expires_at <= $2, false) AS is_over, l.effective_at > $2 AS is_to_come
    FROM token_lots l
    LEFT JOIN since ON since.lot_id = l.id
    LEFT JOIN apart ON apart.lot_id = l.id
    LEFT JOIN reserved ON reserved.lot_id = l.id
    WHERE l.wallet_id = $1 AND since.began IS NOT TRUE
), told AS (
    SELECT id, kind, priority, effective_at, expires_at, created_at, granted,
           granted - left_over - booked - refunded - removed AS spent,
           booked + CASE WHEN is_over THEN left_over - held ELSE 0 END AS expired,
           refunded, removed, held,
           CASE WHEN is_to_come AND NOT is_over THEN left_over - held ELSE 0 END AS waiting,
           CASE WHEN is_to_come OR is_over THEN 0 ELSE left_over - held END AS available,
           CASE WHEN booked > 0 OR (is_over AND left_over > 0) THEN 'EXPIRED'
                WHEN left_over = 0 THEN 'EXHAUSTED'
                WHEN is_to_come THEN 'NOT_YET_EFFECTIVE' ELSE 'COUNTS' END AS state
    FROM stood
)
"""

BY_KIND = (
    LOTS_THEN
    + """
SELECT kind, sum(available) AS available, sum(held) AS held FROM told
WHERE available > 0 OR held > 0 GROUP BY kind ORDER BY kind
"""
)

TOTALS = (
    LOTS_THEN
    + """
SELECT coalesce(sum(granted), 0) AS granted, coalesce(sum(spent), 0) AS spent, coalesce(sum(expired), 0) AS expired,
       coalesce(sum(refunded), 0) AS refunded, coalesce(sum(removed), 0) AS removed, coalesce(sum(held), 0) AS held,
       coalesce(sum(waiting), 0) AS waiting, coalesce(sum(available), 0) AS available
FROM told
"""
)

LOTS_TOLD = (
    LOTS_THEN
    + """
SELECT id, kind, state, priority, effective_at, expires_at, created_at, granted, spent, expired, refunded, removed,
       held, waiting, available
FROM told
WHERE ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
    AND ($5::boolean IS NULL OR (available + held + waiting > 0) = $5)
ORDER BY created_at DESC, id DESC LIMIT $6
"""
)

# The newest entries behind each of many lots, walked by the ids of the draws, which grow with the sequence. The walk
# begins where the wallet stood at the instant, a thousand entries later to be safe from those that were booked out of
# turn; an expiry, which may be booked much later than it happened, is found by what it refers to.
BEHIND_LOTS = """
SELECT lot.id AS lot_id, found.id, found.sequence, found.kind, found.tokens, found.occurred_at
FROM token_lots lot
CROSS JOIN LATERAL (
    SELECT drawn.id FROM token_balance_history earlier
    JOIN LATERAL (SELECT max(id) AS id FROM token_draws WHERE entry_id = earlier.id) drawn ON drawn.id IS NOT NULL
    WHERE earlier.wallet_id = lot.wallet_id AND earlier.sequence <= 1000 + (
        SELECT sequence FROM token_balance_history WHERE wallet_id = lot.wallet_id AND occurred_at <= $2
        ORDER BY occurred_at DESC, sequence DESC LIMIT 1)
    ORDER BY earlier.sequence DESC LIMIT 1
) last_draw
CROSS JOIN LATERAL (
    (SELECT e.id, e.sequence, e.change_type AS kind, -d.tokens AS tokens, e.occurred_at
     FROM token_draws d JOIN token_balance_history e ON e.id = d.entry_id
     WHERE d.lot_id = lot.id AND d.id <= last_draw.id AND e.occurred_at <= $2 ORDER BY d.id DESC LIMIT $3)
    UNION
    SELECT e.id, e.sequence, e.change_type, e.change_amount, e.occurred_at FROM token_balance_history e
    WHERE e.wallet_id = lot.wallet_id AND e.reference_type = 'lot' AND e.reference_id = lot.id::text
        AND e.change_type = 'EXPIRATION' AND e.occurred_at <= $2
    ORDER BY sequence DESC LIMIT $3
) found
WHERE lot.id = ANY ($1::uuid[])
ORDER BY found.sequence DESC
"""


@dataclass(frozen=True, slots=True)
class KindBalance:
    """Tokens of one kind of lot at an instant."""

    kind: str
    available: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True)
class Sums:
    """How granted tokens became available ones: available = granted minus everything else."""

    granted: Decimal
    spent: Decimal
    expired: Decimal
    refunded: Decimal
    removed: Decimal
    held: Decimal
    waiting: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class LotThen:
    """One lot as it stood at an instant; `state` is a `rules.explanations.LotState`."""

    id: UUID
    kind: str
    state: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    created_at: datetime
    sums: Sums


@dataclass(frozen=True, slots=True)
class EntryBehind:
    """An entry behind a lot. `tokens` is signed: what it put into the lot, or took from it when negative."""

    id: UUID
    sequence: int
    kind: str
    tokens: Decimal
    occurred_at: datetime


SUMS = tuple(field.name for field in fields(Sums))


async def read_balances(db: Connection, wallet_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, list[KindBalance]]:
    """What was available and held at an instant, by kind of lot, of each wallet; kinds with neither are left out."""
    return await read_pages(db, BY_KIND, wallet_ids, at, order="kind", view=KindBalance)


async def read_sums(db: Connection, wallet_id: UUID, *, at: datetime) -> Sums:
    """The sums over all lots that were in the wallet at an instant."""
    (row,) = await db.fetch(TOTALS, wallet_id, at)
    return Sums(*row.values())


async def read_lots_then(
    db: Connection,
    wallet_id: UUID,
    *,
    at: datetime,
    limit: int,
    before: tuple[datetime, UUID] | None,
    with_tokens: bool | None = None,
) -> list[LotThen]:
    """The lots that were in the wallet at an instant, newest first, those made before the given place.

    with_tokens  only those that had some then: available, held or waiting; or only those that had none.
    """
    moment, lot_id = before or (None, None)
    rows = await db.fetch(LOTS_TOLD, wallet_id, at, moment, lot_id, with_tokens, limit)
    return [
        LotThen(*list(row.values())[: -len(SUMS)], sums=Sums(*(row[name] for name in SUMS)))  # type: ignore[misc]
        for row in rows
    ]


async def entries_behind(
    db: Connection, lot_ids: Sequence[UUID], *, at: datetime, limit: int
) -> dict[UUID, list[EntryBehind]]:
    """For each lot the newest entries that moved its tokens up to an instant, at most `limit` of them."""
    found: dict[UUID, list[EntryBehind]] = {lot_id: [] for lot_id in lot_ids}
    for row in await db.fetch(BEHIND_LOTS, list(lot_ids), at, limit):
        lot_id, *entry = row.values()
        found[lot_id].append(EntryBehind(*entry))
    return found
