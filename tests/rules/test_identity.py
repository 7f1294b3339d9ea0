"""Ids and fingerprints: the same intention is recognised, and no other one is taken for it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.identity import derived_id, fingerprint

AURORA = UUID("6f1c1d0e-5b7a-5a39-8c59-0a4d8a2b1c01")
LONG = "1.00000000000000000000000000000000001"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

SAME = [
    (Decimal(10), Decimal("10.0")),
    (Decimal(10), Decimal("1E+1")),
    (Decimal(10), 10),
    (Decimal(0), Decimal("-0.00")),
    (NOON, datetime(2026, 3, 1, 15, tzinfo=timezone(timedelta(hours=3)))),
    (AURORA, UUID(str(AURORA))),
]
DIFFERENT = [
    (Decimal(10), Decimal("10.0001")),
    (Decimal(10), Decimal(-10)),
    (Decimal(1), Decimal(LONG)),
    (Decimal(10), "10"),
    (1, True),
    (0, None),
    (None, ""),
    (None, "None"),
    ("a", "A"),
    ("a", "a "),
    (NOON, NOON + timedelta(microseconds=1)),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_inputs_have_equal_fingerprints(one: object, other: object) -> None:
    assert fingerprint({"tokens": one}) == fingerprint({"tokens": other})


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_inputs_have_different_fingerprints(one: object, other: object) -> None:
    assert fingerprint({"tokens": one}) != fingerprint({"tokens": other})


def test_a_value_belongs_to_its_name() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"a": "1", "b": "2"}) != fingerprint({"a": "2", "b": "1"})
    assert fingerprint({"a": None}) != fingerprint({})


texts = st.text(max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
inputs = st.dictionaries(texts, texts | decimals | st.none() | st.booleans(), max_size=4)


@given(decimals, decimals)
def test_decimals_have_equal_fingerprints_exactly_when_they_are_equal(one: Decimal, other: Decimal) -> None:
    assert (fingerprint({"tokens": one}) == fingerprint({"tokens": other})) == (one == other)


@given(inputs, inputs)
def test_inputs_have_equal_fingerprints_exactly_when_they_are_equal(
    one: dict[str, object], other: dict[str, object]
) -> None:
    # Python takes True for 1; here a yes is not a number, which the list above shows.
    assume(not any(isinstance(value, bool) for values in (one, other) for value in values.values()) or one != other)

    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4))
def test_ids_are_equal_exactly_when_their_paths_are(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_ids_stay_what_they_are_because_rows_are_kept_under_them() -> None:
    assert derived_id("wallet", AURORA) == UUID("5ed679ac-ca6f-58a4-b507-51a5415ee243")
    assert derived_id("purchase", AURORA, "order 7") == UUID("986da8d5-56c9-5e44-97a7-3554d5679a68")
    assert derived_id("a", "b,c") != derived_id("a", "b", "c")
    assert derived_id("a", 'b","c') != derived_id("a", "b", "c")
