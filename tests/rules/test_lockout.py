"""How many wrong passwords an address may have, and for how long it is locked after that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.lockout import Attempts, counted, lock_duration, lock_end

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def after(*minutes: int, known: Attempts | None = None) -> Attempts:
    """What is known after attempts at some minutes past noon."""
    known = known or Attempts()
    for minute in minutes:
        known = counted(known, at=NOON + minute * MINUTE)
    return known


def test_four_attempts_lock_nothing_and_the_fifth_locks_for_a_quarter_of_an_hour() -> None:
    assert lock_end(after(0, 1, 2, 3), at=NOON + 3 * MINUTE) is None

    fifth = after(0, 1, 2, 3, 4)

    assert fifth == Attempts((), 1, NOON + 19 * MINUTE)
    assert lock_end(fifth, at=NOON + 4 * MINUTE) == NOON + 19 * MINUTE
    assert lock_end(fifth, at=NOON + 19 * MINUTE - timedelta(microseconds=1)) == NOON + 19 * MINUTE
    assert lock_end(fifth, at=NOON + 19 * MINUTE) is None


def test_five_attempts_count_only_within_a_quarter_of_an_hour() -> None:
    assert after(0, 1, 2, 3, 15).locked_until is None  # the first is a quarter of an hour old
    assert after(0, 1, 2, 3, 14).locked_until == NOON + 29 * MINUTE
    assert after(0, 12, 13, 14, 15, 16).locked_until == NOON + 31 * MINUTE


@pytest.mark.parametrize(
    ("ordinal", "minutes"), [(1, 15), (2, 30), (3, 60), (4, 120), (7, 960), (8, 1440), (9, 1440), (10_000, 1440)]
)
def test_each_lock_of_a_series_is_twice_as_long_up_to_a_day(ordinal: int, minutes: int) -> None:
    assert lock_duration(ordinal) == minutes * MINUTE


def test_a_series_of_locks_is_forgotten_a_day_after_the_last_one() -> None:
    locked = after(0, 0, 0, 0, 0)
    soon = after(*[15 + 24 * 60 - 1] * 5, known=locked)
    late = after(*[15 + 24 * 60] * 5, known=locked)

    assert (soon.locks, late.locks) == (2, 1)
    assert late.locked_until == NOON + (15 + 24 * 60 + 15) * MINUTE


@given(st.lists(st.integers(0, 3 * 24 * 60), max_size=60))
def test_nobody_guesses_more_than_five_times_within_any_quarter_of_an_hour(minutes: list[int]) -> None:
    known, guesses = Attempts(), []
    for minute in sorted(minutes):
        at = NOON + minute * MINUTE
        if lock_end(known, at=at) is None:
            guesses.append(at)
            known = counted(known, at=at)

    for guess in guesses:
        assert sum(1 for other in guesses if guess <= other < guess + 15 * MINUTE) <= 5
