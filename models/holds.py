"""Reading holds, as they count at an instant: one whose time is over has expired, whether or not that was booked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.database import Connection
from models.paging import read_pages
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

OF_WALLET = f"""
SELECT * FROM ({COLUMNS} WHERE wallet_id = $1 AND ($3::timestamptz IS NULL OR (held_at, id) < ($3, $4))
               AND ($6::text IS NULL OR reference_type = $6) AND ($7::text IS NULL OR reference_id = $7)) h
WHERE $8::text[] IS NULL OR status = ANY ($8)
ORDER BY held_at DESC, id DESC LIMIT $5
"""

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


async def read_holds(
    db: Connection,
    wallet_ids: Sequence[UUID],
    *,
    at: datetime,
    limit: int,
    before: tuple[datetime, UUID] | None,
    statuses: tuple[str, ...] = (),
    reference: tuple[str | None, str | None] = (None, None),
) -> dict[UUID, list[HoldView]]:
    """Holds newest first, those placed before the given place; at most `limit` of each wallet."""
    moment, key = before or (None, None)
    args = (at, moment, key, limit, *reference, list(statuses) or None)
    return await read_pages(db, OF_WALLET, wallet_ids, *args, order="held_at DESC, id DESC", view=_view)


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
