"""Pages by keyset: a cursor is the place of the last row, so a page costs the same wherever it is.

A cursor also names the list it is a place of, so that one of another list is refused and never skips rows in silence.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import strawberry

from schema.edge.masking import ErrorCode, public_error
from schema.scalars import Cursor

PAGE_MAX = 100
CURSOR_LENGTH_MAX = 200

# The lists that cursors are places of.
ENTRIES = "entries"
LOTS = "lots"
PURCHASES = "purchases"
INVOICES = "invoices"
NOTICES = "notices"
COUPONS = "coupons"
FEED = "feed"
HOLDS = "holds"
BUDGETS = "budgets"
ORGANIZATIONS = "organizations"
MEMBERS = "members"
KEYS = "keys"

NodeType = TypeVar("NodeType")
Place = TypeVar("Place")

First = Annotated[int, strawberry.argument(description="How many to answer with, 1 to 100.")]
After = Annotated[
    Cursor | None, strawberry.argument(description="Continue behind this place: an `endCursor` or an edge's `cursor`.")
]


@strawberry.type(description="Where a page ends and whether there is more behind it.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is at least one more behind `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with `after`.")
    start_cursor: Cursor | None = strawberry.field(description="The place of the first row; null on an empty page.")
    end_cursor: Cursor | None = strawberry.field(description="The place of the last row; null on an empty page.")


@strawberry.type(description="One row of a page and its place.")
class Edge(Generic[NodeType]):
    cursor: Cursor = strawberry.field(description="The row's place, for `after`.")
    node: NodeType = strawberry.field(description="The row itself.")


@strawberry.type(description="A page of rows, newest first.")
class Connection(Generic[NodeType]):
    edges: list[Edge[NodeType]] = strawberry.field(description="The rows with their places.")
    nodes: list[NodeType] = strawberry.field(description="The rows alone, for those who do not need places.")
    page_info: PageInfo = strawberry.field(description="Where the page ends.")


def page_size(first: int) -> int:
    """Raises BAD_USER_INPUT outside 1 to 100."""
    if not 1 <= first <= PAGE_MAX:
        raise public_error(f"first must be between 1 and {PAGE_MAX}.", ErrorCode.BAD_USER_INPUT, field="first")
    return first


def page_of(rows: Sequence[tuple[Cursor, NodeType]], first: int, *, continued: bool) -> Connection[NodeType]:
    """A page from up to `first` + 1 rows; the one too many only says that there is more."""
    shown = rows[:first]
    info = PageInfo(
        has_next_page=len(rows) > first,
        has_previous_page=continued,
        start_cursor=shown[0][0] if shown else None,
        end_cursor=shown[-1][0] if shown else None,
    )
    edges = [Edge(cursor=cursor, node=node) for cursor, node in shown]
    return Connection(edges=edges, nodes=[node for _, node in shown], page_info=info)


def sequence_cursor(sequence: int, *, of: str = ENTRIES) -> Cursor:
    return _sealed(of, str(sequence))


def read_sequence(cursor: Cursor | None, *, of: str = ENTRIES) -> int | None:
    """Raises BAD_USER_INPUT for anything that was never a cursor of this list."""
    if cursor is None:
        return None
    text = _opened(of, cursor)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _bad_cursor()
    return _as_given(int(text), sequence_cursor(int(text), of=of), cursor)


def moment_cursor(moment: datetime, key: UUID, *, of: str) -> Cursor:
    return _sealed(of, f"{moment.isoformat()}|{key}")


def read_moment(cursor: Cursor | None, *, of: str) -> tuple[datetime, UUID] | None:
    """Raises BAD_USER_INPUT for anything that was never a cursor of this list."""
    if cursor is None:
        return None
    text, _, key = _opened(of, cursor).partition("|")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise _bad_cursor()
        # Years at either end of the calendar have no UTC, and the database would fall over them.
        place = moment.astimezone(UTC), UUID(key)
        return _as_given(place, moment_cursor(*place, of=of), cursor)
    except (ValueError, OverflowError):
        raise _bad_cursor() from None


def key_cursor(key: UUID, *, of: str) -> Cursor:
    return _sealed(of, str(key))


def read_key_cursor(cursor: Cursor | None, *, of: str) -> UUID | None:
    """Raises BAD_USER_INPUT for anything that was never a cursor of this list."""
    if cursor is None:
        return None
    try:
        key = UUID(_opened(of, cursor))
        return _as_given(key, key_cursor(key, of=of), cursor)
    except ValueError:
        raise _bad_cursor() from None


def _as_given(place: Place, only_spelling: Cursor, cursor: Cursor) -> Place:
    """The place, if the cursor is spelled as we spell it: decoders overlook much, and take many texts for the same."""
    if cursor != only_spelling:
        raise _bad_cursor()
    return place


def _sealed(of: str, text: str) -> Cursor:
    return Cursor(base64.urlsafe_b64encode(f"{of}:{text}".encode()).decode().rstrip("="))


def _opened(of: str, cursor: Cursor) -> str:
    if len(cursor) > CURSOR_LENGTH_MAX:
        raise _bad_cursor()
    try:
        name, _, text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (ValueError, binascii.Error, UnicodeError):
        raise _bad_cursor() from None
    if name != of:
        raise _bad_cursor()
    return text


def _bad_cursor() -> Exception:
    return public_error("after is not a cursor of this list.", ErrorCode.BAD_USER_INPUT, field="after")
