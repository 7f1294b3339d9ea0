"""Notices: what an organization is told about its wallet, once, and whether anybody has read it.

A notice's id is made of what it tells, so that telling it again changes nothing. It belongs to the organization, not to
one reader: whoever marks it read has read it for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import NoticeNotFound
from models.feed import announce
from models.topics import Topic
from rules.identity import derived_id
from rules.notices import NoticeKind

COLUMNS = """
SELECT id, organization_id, kind, about_type, about_id, level, tokens, expires_at, created_at, read_at FROM notices
"""

RECORD = """
INSERT INTO notices (id, organization_id, kind, about_type, about_id, level, tokens, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
"""

PAGE = (
    COLUMNS
    + """
WHERE organization_id = $1 AND (NOT $2 OR read_at IS NULL)
    AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
ORDER BY created_at DESC, id DESC LIMIT $5
"""
)

MARK_READ = """
UPDATE notices SET read_at = $3 WHERE organization_id = $1 AND id = ANY ($2) AND read_at IS NULL RETURNING id
"""
KNOWN = "SELECT count(*) AS known FROM notices WHERE organization_id = $1 AND id = ANY ($2)"
TOLD = "SELECT id FROM notices WHERE id = ANY ($1)"
UNREAD = "SELECT count(*) AS unread FROM notices WHERE organization_id = $1 AND read_at IS NULL"


@dataclass(frozen=True, slots=True)
class NewNotice:
    """Something to be told once. `level` tells warnings about one thing apart; tokens > 0 when given."""

    organization_id: UUID
    kind: NoticeKind
    about_type: str
    about_id: UUID
    level: int = 0
    tokens: Decimal | None = None
    expires_at: datetime | None = None

    @property
    def id(self) -> UUID:
        return derived_id("notice", self.kind, self.about_type, self.about_id, self.level)


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as it stands; `read_at` is None until somebody of the organization has read it."""

    id: UUID
    organization_id: UUID
    kind: str
    about_type: str
    about_id: UUID
    level: int
    tokens: Decimal | None
    expires_at: datetime | None
    created_at: datetime
    read_at: datetime | None


async def not_yet_told(db: Connection, wanted: Sequence[NewNotice]) -> list[NewNotice]:
    """Those of the notices that do not stand in the books, in the order given."""
    told = {row["id"] for row in await db.fetch(TOLD, [notice.id for notice in wanted])}
    return [notice for notice in wanted if notice.id not in told]


async def record(db: Connection, notice: NewNotice) -> bool:
    """The notice stands in the organization's list, with its event and its audit row; False when it did already."""
    new = await db.fetch_one(
        RECORD,
        notice.id,
        notice.organization_id,
        notice.kind.value,
        notice.about_type,
        notice.about_id,
        notice.level,
        notice.tokens,
        notice.expires_at,
    )
    if new is None:
        return False
    body = {"notice_id": str(notice.id), "kind": notice.kind.value}
    await announce(db, Topic.NOTICE_RECORDED, organization_id=notice.organization_id, body=body)
    about = {"about": f"{notice.about_type}/{notice.about_id}", "level": notice.level}
    await audit.record(
        db,
        notice.organization_id,
        action="notice.recorded",
        resource="notice",
        resource_id=notice.id,
        actor=SCRIP_ITSELF,
        details={"kind": notice.kind.value, **about},
    )
    return True


async def read_notices(
    db: Connection, organization_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None, unread_only: bool
) -> list[NoticeView]:
    """The organization's notices, newest first, those recorded before the given place; at most `limit`."""
    moment, notice_id = before or (None, None)
    rows = await db.fetch(PAGE, organization_id, unread_only, moment, notice_id, limit)
    return [NoticeView(*row.values()) for row in rows]


async def notices_by_id(db: Connection, notice_ids: Sequence[UUID]) -> dict[UUID, NoticeView]:
    """Notices by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(notice_ids))
    return {row["id"]: NoticeView(*row.values()) for row in rows}


async def count_unread(db: Connection, organization_id: UUID) -> int:
    """How many of the organization's notices nobody has read."""
    row = await db.fetch_one(UNREAD, organization_id)
    return 0 if row is None else int(row["unread"])


async def mark_read(
    organization_id: UUID, notice_ids: Sequence[UUID], *, actor: str, at: datetime, request_id: str | None = None
) -> int:
    """The notices are read, each since it was first marked; how many were unread until now.

    Raises NoticeNotFound when one of them is not the organization's; then none is marked.
    """
    wanted = sorted(set(notice_ids))
    async with transaction() as db:
        row = await db.fetch_one(KNOWN, organization_id, wanted)
        if row is None or row["known"] != len(wanted):
            raise NoticeNotFound
        marked = await db.fetch(MARK_READ, organization_id, wanted, at)
        if marked:
            await audit.record(
                db,
                organization_id,
                action="notice.read",
                resource="organization",
                resource_id=organization_id,
                actor=actor,
                details={"notices": sorted(str(each["id"]) for each in marked)},
                request_id=request_id,
            )
    return len(marked)
