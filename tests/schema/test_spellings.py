"""Ids and cursors have one spelling each: what else a decoder would take for them is an id, or a place, of nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from graphql import GraphQLError

from schema.ids import global_id, read_id
from schema.pages import (
    _sealed,
    key_cursor,
    moment_cursor,
    read_key_cursor,
    read_moment,
    read_sequence,
    sequence_cursor,
)
from schema.scalars import Cursor

KEY, MOMENT = UUID(int=7), datetime(2026, 3, 1, 9, 0, 0, 25, tzinfo=UTC)
ODD_KEYS = (f"{{urn:uuid:{KEY}}}", KEY.hex, str(KEY).replace("7", "٧"), f"{KEY} ", str(UUID(int=171)).upper())
READERS: dict[str, tuple[Cursor, Callable[[Cursor], object], object]] = {
    "a sequence": (sequence_cursor(12), lambda cursor: read_sequence(cursor, of="entries"), 12),
    "a moment": (
        moment_cursor(MOMENT, KEY, of="lots"),
        lambda cursor: read_moment(cursor, of="lots"),
        (MOMENT, KEY),
    ),
    "a key": (key_cursor(KEY, of="budgets"), lambda cursor: read_key_cursor(cursor, of="budgets"), KEY),
}


def misspelled(text: str) -> list[str]:
    """What Python's decoder takes for the same as a text in base64."""
    return [
        text + "%%%%",
        "\x00\x00\x00\x00" + text,
        text[:2] + "\n\n\n\n" + text[2:],
        text + "=" * (-len(text) % 4 or 4),
    ]


def test_an_id_has_one_spelling() -> None:
    known = global_id("Lot", KEY)

    assert read_id(known, "Lot") == KEY
    assert [read_id(text, "Lot") for text in misspelled(known)] == [None] * 4
    assert [read_id(_sealed("Lot", key), "Lot") for key in ODD_KEYS] == [None] * len(ODD_KEYS)


@pytest.mark.parametrize("name", READERS)
def test_a_cursor_has_one_spelling(name: str) -> None:
    cursor, read, place = READERS[name]

    assert read(cursor) == place
    for text in misspelled(cursor):
        with pytest.raises(GraphQLError, match="not a cursor of this list"):
            read(Cursor(text))


@pytest.mark.parametrize("text", ["012", "1_2", "12 ", "+12", "١٢"])
def test_a_sequence_is_written_in_one_way(text: str) -> None:
    with pytest.raises(GraphQLError, match="not a cursor of this list"):
        read_sequence(_sealed("entries", text), of="entries")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_is_written_in_one_way(key: str) -> None:
    with pytest.raises(GraphQLError, match="not a cursor of this list"):
        read_key_cursor(_sealed("budgets", key), of="budgets")
    with pytest.raises(GraphQLError, match="not a cursor of this list"):
        read_moment(_sealed("lots", f"{MOMENT.isoformat()}|{key}"), of="lots")


@pytest.mark.parametrize(
    "moment", ["2026-03-01T10:00:00.000025+01:00", "2026-03-01 09:00:00.000025+00:00", "2026-03-01T09:00:00.000025Z"]
)
def test_a_moment_is_written_in_one_way(moment: str) -> None:
    with pytest.raises(GraphQLError, match="not a cursor of this list"):
        read_moment(_sealed("lots", f"{moment}|{KEY}"), of="lots")
