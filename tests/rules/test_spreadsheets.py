"""What a spreadsheet gets: records that any reader takes apart as they were, and no text that runs."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.spreadsheets import csv_line, neutralised

FORMULAS = [
    '=HYPERLINK("https://evil.example","click")',
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "＝1+1",
]
HARMLESS = ["", "report 7", "a=b", "user/42", "'=1", "1-2", "é", " plain"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_and_loses_nothing(text: str) -> None:
    assert neutralised(text) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutralised(text) == text


def test_numbers_and_times_stay_what_they_are() -> None:
    nairobi = timezone(timedelta(hours=3))
    moment = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=nairobi)

    line = csv_line([Decimal("-12.5000"), -3, Decimal("1E+2"), None, moment, datetime(2026, 3, 1, tzinfo=UTC)])

    assert line == "-12.5000,-3,100,,2026-03-01T09:00:00.250000Z,2026-03-01T00:00:00Z\r\n"


def test_quotes_commas_and_line_ends_are_quoted_as_rfc_4180_says() -> None:
    assert csv_line(['say "hi", Ada', "two\r\nlines", "plain"]) == '"say ""hi"", Ada","two\r\nlines",plain\r\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=1))
def test_any_texts_come_back_as_one_record_of_the_same_cells(texts: list[str]) -> None:
    (record,) = csv.reader(io.StringIO(csv_line(texts), newline=""), strict=True)

    assert record == [neutralised(text) for text in texts]
    assert not any(cell.lstrip()[:1] in "=+-@" for cell in record if cell.strip())
