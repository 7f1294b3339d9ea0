"""Notices: what an organization is told about its wallet, read, marked and watched."""

from collections.abc import AsyncGenerator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.database import connection
from models.hub import CursorUnknown
from models.notices import NoticeView, count_unread, mark_read, notices_by_id, read_notices
from models.topics import Topic
from rules.permissions import Permission
from schema.context import Info
from schema.edge.costs import sized
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import NoticeKind
from schema.ids import global_id, read_id
from schema.nodes import Node
from schema.pages import (
    FEED,
    NOTICES,
    After,
    Connection,
    First,
    moment_cursor,
    page_of,
    page_size,
    read_moment,
    read_sequence,
    sequence_cursor,
)
from schema.problems import NoticeNotFound, OrganizationNotFound
from schema.scalars import Cursor
from schema.scope import organization_of, required_organization
from schema.updates import StreamAfter, cursor_unknown

IDS_MAX = 100

Whose = Annotated[strawberry.ID | None, strawberry.argument(description="Whose; null for the caller's own.")]


@strawberry.type(description="Something an organization is told once. Whoever reads it reads it for all its members.")
class Notice(Node):
    about_type: strawberry.Private[str]
    about_key: strawberry.Private[UUID]
    level: strawberry.Private[int]
    kind: NoticeKind = strawberry.field(description="What it tells.")
    tokens: Decimal | None = strawberry.field(
        description="TOKENS_EXPIRING: how many will probably be lost, if tokens go on being spent as they were."
    )
    expires_at: datetime | None = strawberry.field(description="TOKENS_EXPIRING: when they are lost.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    read_at: datetime | None = strawberry.field(description="When it was marked read; null while it is unread.")

    @classmethod
    def of(cls, view: NoticeView) -> Self:
        return cls(
            key=view.id,
            about_type=view.about_type,
            about_key=view.about_id,
            level=view.level,
            kind=NoticeKind(view.kind),
            tokens=view.tokens,
            expires_at=view.expires_at,
            created_at=view.created_at,
            read_at=view.read_at,
        )

    @strawberry.field(description="The lot it is about; null when it is about none.")
    def lot_id(self) -> strawberry.ID | None:
        return global_id("Lot", self.about_key) if self.about_type == "lot" else None

    @strawberry.field(
        description="TOKENS_EXPIRING: within how many days, 30, 7 or 1. A lot is warned of once at each of them."
    )
    def days_ahead(self) -> int | None:
        return self.level or None


@strawberry.type(description="A notice as it is recorded.")
class NoticeReceived:
    cursor: Cursor = strawberry.field(description="For `after`, when you come back.")
    notice: Notice = strawberry.field(description="The notice as it stands now.")


@strawberry.input(description="Which notices have been read.")
class MarkNoticesReadInput:
    notice_ids: list[strawberry.ID] = strawberry.field(description="1 to 100 notices. Those already read stay so.")
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")


@strawberry.type(description="The notices are read.")
class MarkNoticesReadSuccess:
    marked_count: int = strawberry.field(description="How many of them were unread until now.")
    unread_count: int = strawberry.field(description="How many of the organization's notices are unread still.")


MarkNoticesReadResult: TypeAlias = Annotated[
    MarkNoticesReadSuccess | NoticeNotFound | OrganizationNotFound, strawberry.union("MarkNoticesReadResult")
]


def notice_keys(ids: list[strawberry.ID]) -> list[UUID]:
    """Raises BAD_USER_INPUT for none or too many, NoticeNotFound for an id of anything else."""
    if not 1 <= len(ids) <= IDS_MAX:
        raise public_error(f"noticeIds takes 1 to {IDS_MAX}.", ErrorCode.BAD_USER_INPUT, field="noticeIds")
    keys = [key for each in ids if (key := read_id(each, "Notice")) is not None]
    if len(keys) != len(ids):
        raise errors.NoticeNotFound
    return keys


@strawberry.type
class NoticeQueries:
    @strawberry.field(
        description="An organization's notices, newest first. Null when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def notices(
        self,
        info: Info,
        organization_id: Whose = None,
        first: First = 20,
        after: After = None,
        unread_only: Annotated[bool, strawberry.argument(description="Only those nobody has read.")] = False,
    ) -> Connection[Notice] | None:
        owner = organization_of(info, organization_id)
        if owner is None:
            return None
        size, before = page_size(first), read_moment(after, of=NOTICES)
        async with connection() as db:
            views = await read_notices(db, owner, limit=size + 1, before=before, unread_only=unread_only)
        rows = [(moment_cursor(view.created_at, view.id, of=NOTICES), Notice.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class NoticeMutations:
    @strawberry.mutation(
        description="Mark notices as read, for everybody in the organization. When one is not found, none is marked.",
        directives=[*requires(Permission.TOKENS_VIEW), *sized("input.noticeIds")],
    )
    async def mark_notices_read(
        self,
        info: Info,
        input: Annotated[MarkNoticesReadInput, strawberry.argument(description="The notices.")],
    ) -> MarkNoticesReadResult:
        owner, context = required_organization(info, input.organization_id), info.context
        keys = notice_keys(input.notice_ids)
        actor = context.caller().name
        marked = await mark_read(owner, keys, actor=actor, at=context.now, request_id=context.request_id)
        async with connection() as db:
            unread = await count_unread(db, owner)
        return MarkNoticesReadSuccess(marked_count=marked, unread_count=unread)


@strawberry.type
class NoticeSubscriptions:
    @strawberry.subscription(
        description="Every notice of an organization, as it is recorded. An error when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def notice_received(
        self, info: Info, organization_id: Whose = None, after: StreamAfter = None
    ) -> AsyncGenerator[NoticeReceived, None]:
        owner = organization_of(info, organization_id)
        if owner is None:
            raise public_error("There are no such notices.", ErrorCode.NOT_FOUND)
        seen = read_sequence(after, of=FEED)
        try:
            async for event in info.context.product.hub.subscribe(owner, [Topic.NOTICE_RECORDED], seen):
                async with connection() as db:
                    found = await notices_by_id(db, [UUID(str(event.body["notice_id"]))])
                for view in found.values():
                    yield NoticeReceived(cursor=sequence_cursor(event.seq, of=FEED), notice=Notice.of(view))
        except CursorUnknown:
            raise cursor_unknown() from None
