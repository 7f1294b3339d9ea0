"""A wallet's history, page by page: any filter, the same cost wherever the page is.

Each filter has an index that ends with what its pages are ordered by, and a question has only the conditions that
somebody asked for, because "this filter or none" can be served by no index at all. Entries come newest first by their
sequence; with an interval of time by when they happened, and then by their sequence, for a late entry may tell of an
earlier instant than the one before it. A place in the list is an entry's sequence in both orders.

The draws of a lot are walked by their own ids, which grow with the sequence of their entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.database import Connection
from models.paging import Question, read_pages
from models.wallets import ENTRY_COLUMNS, EntryView

SEQUENCE = "sequence DESC"
MOMENT = "occurred_at DESC, sequence DESC"
BY_SEQUENCE = f"ORDER BY {SEQUENCE} LIMIT $2"
BY_MOMENT = f"ORDER BY {MOMENT} LIMIT $2"
BY_DRAW = "ORDER BY d.id DESC LIMIT $2"

# Where an entry stands in time. A sequence the wallet has not come to yet stands in front of all of them.
MOMENT_OF = """coalesce(
    (SELECT occurred_at FROM token_balance_history WHERE wallet_id = $1 AND sequence = {0}), 'infinity')"""

# The last draw of all entries behind a place: entries that only hold or release have none, and are stepped over.
LAST_DRAW_BEHIND = """(
    SELECT drawn.id FROM token_balance_history earlier
    JOIN LATERAL (SELECT max(id) AS id FROM token_draws WHERE entry_id = earlier.id) drawn ON drawn.id IS NOT NULL
    WHERE earlier.wallet_id = $1 AND earlier.sequence < {0} ORDER BY earlier.sequence DESC LIMIT 1)"""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are wanted; what is None or empty does not matter. The interval is half-open: from ≤ t < until."""

    kinds: tuple[str, ...] = ()
    occurred_from: datetime | None = None
    occurred_until: datetime | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    actor: str | None = None
    lot_id: UUID | None = None

    @property
    def is_by_moment(self) -> bool:
        return self.occurred_from is not None or self.occurred_until is not None


ALL_ENTRIES = EntryFilter()


async def read_entries(
    db: Connection, wallet_ids: Sequence[UUID], *, limit: int, before: int | None, wanted: EntryFilter = ALL_ENTRIES
) -> dict[UUID, list[EntryView]]:
    """The wanted entries behind the one whose sequence is `before`, newest first; at most `limit` of each wallet."""
    question = Question(limit)
    if wanted.is_by_moment:
        sql = _by_moment(question, wanted, before)
    elif wanted.lot_id is not None:
        sql = _by_draw(question, wanted, before)
    elif wanted.kinds:
        sql = _by_kind(question, wanted, before)
    else:
        sql = f"{ENTRY_COLUMNS} FROM token_balance_history e WHERE {_behind(question, wanted, before)} {BY_SEQUENCE}"
    order = MOMENT if wanted.is_by_moment else SEQUENCE
    return await read_pages(db, sql, wallet_ids, *question.args, order=order, view=EntryView)


def _by_moment(question: Question, wanted: EntryFilter, before: int | None) -> str:
    source, conditions = "FROM token_balance_history e", _conditions(question, wanted)
    if wanted.lot_id is not None:
        source += f" JOIN token_draws d ON d.entry_id = e.id AND d.lot_id = {question.given(wanted.lot_id)}"
    if wanted.kinds:
        conditions.append(f"e.change_type = ANY ({question.given(sorted(set(wanted.kinds)))}::text[])")
    if wanted.occurred_from is not None:
        conditions.append(f"e.occurred_at >= {question.given(wanted.occurred_from)}")
    if before is not None:
        conditions.append(_behind_moment(question, wanted.occurred_until, before))
    elif wanted.occurred_until is not None:
        conditions.append(f"e.occurred_at < {question.given(wanted.occurred_until)}")
    return f"{ENTRY_COLUMNS} {source} WHERE {' AND '.join(conditions)} {BY_MOMENT}"


def _behind_moment(question: Question, until: datetime | None, before: int) -> str:
    """Behind a place, and before `until`: as one bound, for of two an index would use one and read past the other."""
    place = f"{question.given(before)}::bigint"
    moment, last = MOMENT_OF.format(place), place
    if until is not None:
        end = f"{question.given(until)}::timestamptz"
        moment, last = f"least({moment}, {end})", f"CASE WHEN {moment} < {end} THEN {place} ELSE 0 END"
    return f"(e.occurred_at, e.sequence) < ({moment}, {last}) AND {place} > 0"


def _by_draw(question: Question, wanted: EntryFilter, before: int | None) -> str:
    conditions = [f"d.lot_id = {question.given(wanted.lot_id)}", *_conditions(question, wanted)]
    if wanted.kinds:
        conditions.append(f"e.change_type = ANY ({question.given(sorted(set(wanted.kinds)))}::text[])")
    if before is not None:
        place = f"{question.given(before)}::bigint"
        conditions.append(f"d.id <= {LAST_DRAW_BEHIND.format(place)}")
    source = "FROM token_draws d JOIN token_balance_history e ON e.id = d.entry_id"
    return f"{ENTRY_COLUMNS} {source} WHERE {' AND '.join(conditions)} {BY_DRAW}"


def _by_kind(question: Question, wanted: EntryFilter, before: int | None) -> str:
    """A page of each kind by itself, of which the newest are the page: no index has several kinds in one order."""
    kinds = question.given(sorted(set(wanted.kinds)))
    behind = _behind(question, wanted, before)
    page = f"SELECT * FROM token_balance_history e WHERE e.change_type = wanted.kind AND {behind} {BY_SEQUENCE}"
    source = f"FROM unnest({kinds}::text[]) AS wanted (kind) CROSS JOIN LATERAL ({page}) e"
    return f"{ENTRY_COLUMNS} {source} {BY_SEQUENCE}"


def _behind(question: Question, wanted: EntryFilter, before: int | None) -> str:
    conditions = _conditions(question, wanted)
    if before is not None:
        conditions.append(f"e.sequence < {question.given(before)}::bigint")
    return " AND ".join(conditions)


def _conditions(question: Question, wanted: EntryFilter) -> list[str]:
    conditions = ["e.wallet_id = $1"]
    for column in ("reference_type", "reference_id", "actor"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"e.{column} = {question.given(value)}")
    return conditions
