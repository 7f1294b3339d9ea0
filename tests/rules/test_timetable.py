"""When a job runs, and how that is said."""

from datetime import timedelta

import pytest

from rules.timetable import Timetable

MINUTES = timedelta(minutes=1)
HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("timetable", "words"),
    [
        (Timetable(MINUTES), "every minute"),
        (Timetable(5 * MINUTES), "every 5 minutes"),
        (Timetable(90 * MINUTES), "every 90 minutes"),
        (Timetable(HOURS), "every hour at :00"),
        (Timetable(HOURS, 10 * MINUTES), "every hour at :10"),
        (Timetable(6 * HOURS), "every 6 hours"),
        (Timetable(6 * HOURS, 65 * MINUTES), "every 6 hours, first at 01:05 UTC"),
        (Timetable(24 * HOURS), "daily at 00:00 UTC"),
        (Timetable(24 * HOURS, 150 * MINUTES), "daily at 02:30 UTC"),
    ],
)
def test_a_timetable_is_said_in_words(timetable: Timetable, words: str) -> None:
    assert timetable.in_words() == words


@pytest.mark.parametrize(
    ("every", "offset"),
    [
        (timedelta(0), timedelta(0)),
        (timedelta(seconds=30), timedelta(0)),
        (-HOURS, timedelta(0)),
        (7 * HOURS, timedelta(0)),
        (48 * HOURS, timedelta(0)),
        (HOURS, HOURS),
        (HOURS, -MINUTES),
    ],
)
def test_runs_that_would_wander_through_the_day_are_no_timetable(every: timedelta, offset: timedelta) -> None:
    with pytest.raises(ValueError, match="is no timetable"):
        Timetable(every, offset)


def test_a_missed_run_is_made_up_for_until_the_next_is_due_and_for_half_a_day_at_most() -> None:
    assert Timetable(5 * MINUTES).catch_up == 5 * MINUTES
    assert Timetable(24 * HOURS).catch_up == 12 * HOURS
