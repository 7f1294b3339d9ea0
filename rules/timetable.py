"""When a scheduled job runs: every so often, counted in UTC from midnight."""

from dataclasses import dataclass
from datetime import timedelta

A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
A_MINUTE = timedelta(minutes=1)
CATCH_UP_MAX = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Runs at midnight UTC + `offset` and `every` so often after it; `every` divides a day, offset < every.

    Raises ValueError for anything else, because such runs would wander through the day.
    """

    every: timedelta
    offset: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if self.every < A_MINUTE or A_DAY % self.every or not timedelta(0) <= self.offset < self.every:
            raise ValueError(f"every {self.every} with offset {self.offset} is no timetable")

    @property
    def catch_up(self) -> timedelta:
        """For how long a run that Temporal missed while it was away is made up for: until the next one is due."""
        return min(self.every, CATCH_UP_MAX)

    def in_words(self) -> str:
        """Such as "every 5 minutes", "every hour at :10", "daily at 02:30 UTC"."""
        hours, minutes = divmod(self.offset // A_MINUTE, 60)
        if self.every == A_DAY:
            return f"daily at {hours:02}:{minutes:02} UTC"
        if self.every == AN_HOUR:
            return f"every hour at :{minutes:02}"
        often = _so_often(self.every)
        return f"every {often}" if not self.offset else f"every {often}, first at {hours:02}:{minutes:02} UTC"


def _so_often(every: timedelta) -> str:
    number, unit = (every // AN_HOUR, "hour") if not every % AN_HOUR else (every // A_MINUTE, "minute")
    return unit if number == 1 else f"{number} {unit}s"
