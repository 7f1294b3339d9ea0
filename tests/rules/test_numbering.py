"""Invoice numbers as they are printed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.numbering import CREDIT_NOTE_PREFIX, INVOICE_PREFIX, number_in, series_of


@pytest.mark.parametrize(
    ("prefix", "issued_at", "ordinal", "number"),
    [
        (INVOICE_PREFIX, datetime(2026, 1, 1, tzinfo=UTC), 1, "TOK-2026-000001"),
        (INVOICE_PREFIX, datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 42, "TOK-2026-000042"),
        (INVOICE_PREFIX, datetime(2027, 1, 1, tzinfo=UTC), 1, "TOK-2027-000001"),
        (CREDIT_NOTE_PREFIX, datetime(2026, 3, 1, tzinfo=UTC), 999_999, "TCN-2026-999999"),
        (INVOICE_PREFIX, datetime(2026, 3, 1, tzinfo=UTC), 1_000_000, "TOK-2026-1000000"),
    ],
)
def test_a_number_names_its_series_its_year_and_its_place(
    prefix: str, issued_at: datetime, ordinal: int, number: str
) -> None:
    assert number_in(series_of(prefix, issued_at), ordinal) == number


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_two_places_never_share_a_number(one: int, other: int) -> None:
    assert (number_in("TOK-2026", one) == number_in("TOK-2026", other)) == (one == other)
