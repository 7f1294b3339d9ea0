"""Reading holds, as they count at an instant: one whose time is over has expired, whether or not that was booked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.database import Connection
from models.paging import Question, read_pages
from rules.holding import HoldStatus

# $2 is the instant. The status and the end of an overdue hold are those it has by itself.
COLUMNS = """
SELECT id, organization_id, wallet_id, tokens, captured_tokens,
       CASE WHEN status = 'HELD' AND expires_at <= $2 THEN 'EXPIRED' ELSE status END AS status,
       held_at, expires_at,
       CASE WHEN status = 'HELD' AND expires_at <= $2 THEN expires_at ELSE resolved_at END AS resolved_at,
       reference_type, reference_id, description, actor
FROM token_holds
"""

NEWEST = "held_at DESC, id DESC"
BY_AGE = f"ORDER BY {NEWEST} LIMIT $3"

PARTS = """
SELECT part.hold_id, part.lot_id, part.tokens, lot.kind FROM token_hold_lots part
JOIN token_lots lot ON lot.id = part.lot_id WHERE part.hold_id = ANY ($1) ORDER BY part.id
"""


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as it counts at an instant."""

    id: UUID
    organization_id: UUID
    wallet_id: UUID
    tokens: Decimal
    captured_tokens: Decimal
    status: HoldStatus
    held_at: datetime
    expires_at: datetime
    resolved_at: datetime | None
    reference_type: str | None
    reference_id: str | None
    description: str
    actor: str


@dataclass(frozen=True, slots=True)
class PartView:
    """How many of a hold's tokens are, or were, reserved in one lot."""

    hold_id: UUID
    lot_id: UUID
    tokens: Decimal
    kind: str


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """Which holds are wanted, by what they are at an instant; what is None or empty does not matter."""

    statuses: tuple[HoldStatus, ...] = ()
    reference_type: str | None = None
    reference_id: str | None = None


ALL_HOLDS = HoldFilter()


async def read_holds(
    db: Connection,
    wallet_ids: Sequence[UUID],
    *,
    at: datetime,
    limit: int,
    before: tuple[datetime, UUID] | None,
    wanted: HoldFilter = ALL_HOLDS,
) -> dict[UUID, list[HoldView]]:
    """The wanted holds, newest first, those placed before the given place; at most `limit` of each wallet."""
    question = Question(at, limit)
    conditions = ["wallet_id = $1"]
    for column in ("reference_type", "reference_id"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = {question.given(value)}")
    if before is not None:
        moment, hold_id = before
        conditions.append(f"(held_at, id) < ({question.given(moment)}, {question.given(hold_id)})")
    page = f"{COLUMNS} WHERE {' AND '.join(conditions)}"
    sql = _by_status(question, page, wanted.statuses) if wanted.statuses else f"{page} {BY_AGE}"
    return await read_pages(db, sql, wallet_ids, *question.args, order=NEWEST, view=_view)


def _by_status(question: Question, page: str, statuses: Sequence[HoldStatus]) -> str:
    """A page of each status by itself, of which the newest are the page: no index has several in one order.

    What is over but has not been booked stands among those that are held.
    """
    written = {*statuses, *([HoldStatus.HELD] if HoldStatus.EXPIRED in statuses else [])}
    if HoldStatus.HELD not in statuses:
        page += " AND (status <> 'HELD' OR expires_at <= $2)"
    elif HoldStatus.EXPIRED not in statuses:
        page += " AND (status <> 'HELD' OR expires_at > $2)"
    wanted = f"unnest({question.given(sorted(written))}::text[]) AS wanted (status)"
    return f"SELECT page.* FROM {wanted} CROSS JOIN LATERAL ({page} AND status = wanted.status {BY_AGE}) page {BY_AGE}"


async def holds_by_id(db: Connection, hold_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, HoldView]:
    """Holds as they count at an instant, by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(hold_ids), at)
    return {row["id"]: _view(*row.values()) for row in rows}


async def read_parts(db: Connection, hold_ids: Sequence[UUID]) -> dict[UUID, list[PartView]]:
    """The parts of many holds in one statement, by hold."""
    found: dict[UUID, list[PartView]] = {hold_id: [] for hold_id in hold_ids}
    for row in await db.fetch(PARTS, list(hold_ids)):
        found[row["hold_id"]].append(PartView(*row.values()))
    return found


def _view(*columns: Any) -> HoldView:
    view = HoldView(*columns)
    return replace(view, status=HoldStatus(view.status))
