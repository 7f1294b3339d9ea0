"""The lots of wallets: what is left in each and how much of that is held, as it is at an instant.

What an overdue hold reserved is held no more and what has expired is not left, whether or not anybody has booked it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.database import Connection
from models.paging import Question, read_pages

ORDER = "created_at DESC, id DESC"

# What still counts as reserved in `lot` by holds that are over at {at}. Read from the holds: few of them are overdue,
# while a lot may have had any number.
OVERDUE = """coalesce((
    SELECT sum(part.tokens) FROM token_holds hold
    JOIN token_hold_lots part ON part.hold_id = hold.id AND part.lot_id = lot.id
    WHERE hold.wallet_id = lot.wallet_id AND hold.status = 'HELD' AND hold.expires_at <= {at}
        AND lot.held_tokens > 0), 0)"""

# OFFSET 0: what is held is worked out once, though it is shown twice.
LOTS = f"""
SELECT lot.id, lot.kind, lot.granted_tokens,
       CASE WHEN lot.expires_at <= {{at}} THEN held.tokens ELSE lot.remaining_tokens END AS remaining_tokens,
       held.tokens AS held_tokens, lot.unit_cost, lot.cost, lot.currency, lot.priority, lot.effective_at,
       lot.expires_at, lot.purchase_id, lot.reason, lot.created_at
FROM (SELECT lot.* FROM token_lots lot WHERE {{conditions}}) lot
CROSS JOIN LATERAL (SELECT lot.held_tokens - {OVERDUE} AS tokens OFFSET 0) held
"""

HAS_TOKENS = f"""(NOT is_exhausted AND (expires_at IS NULL OR expires_at > {{at}}
    OR (held_tokens > 0 AND held_tokens > {OVERDUE})))"""


@dataclass(frozen=True, slots=True)
class LotView:
    """One lot at an instant; `remaining_tokens` includes what is held."""

    id: UUID
    kind: str
    granted_tokens: Decimal
    remaining_tokens: Decimal
    held_tokens: Decimal
    unit_cost: Decimal
    cost: Decimal
    currency: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    purchase_id: UUID | None
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LotFilter:
    """Which lots are wanted; what is None or empty does not matter.

    with_tokens      whether some are left that have not expired, held ones included.
    expires_before   only lots that expire, and before this instant.
    """

    kinds: tuple[str, ...] = ()
    with_tokens: bool | None = None
    expires_before: datetime | None = None


ALL_LOTS = LotFilter()


async def read_lots(
    db: Connection,
    wallet_ids: Sequence[UUID],
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    at: datetime,
    wanted: LotFilter = ALL_LOTS,
) -> dict[UUID, list[LotView]]:
    """The wanted lots, newest first, those made before the given place; at most `limit` of each wallet. `at` is now."""
    question = Question(limit)
    now = question.given(at)
    conditions = ["wallet_id = $1"]
    if wanted.kinds:
        conditions.append(f"kind = ANY ({question.given(sorted(set(wanted.kinds)))}::text[])")
    if wanted.with_tokens is not None:
        has_some = HAS_TOKENS.format(at=now)
        conditions.append(has_some if wanted.with_tokens else f"NOT {has_some}")
    if wanted.expires_before is not None:
        conditions.append(f"expires_at < {question.given(wanted.expires_before)}")
    if before is not None:
        moment, lot_id = before
        conditions.append(f"(created_at, id) < ({question.given(moment)}, {question.given(lot_id)})")
    page = f"{' AND '.join(conditions)} ORDER BY {ORDER} LIMIT $2"
    sql = f"{LOTS.format(at=now, conditions=page)} ORDER BY {ORDER}"
    return await read_pages(db, sql, wallet_ids, *question.args, order=ORDER, view=LotView)


async def lots_by_id(db: Connection, lot_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, LotView]:
    """Lots by their ids; what does not exist is left out. `at` is now."""
    rows = await db.fetch(LOTS.format(at="$2", conditions="id = ANY ($1)"), list(lot_ids), at)
    return {row["id"]: LotView(*row.values()) for row in rows}
