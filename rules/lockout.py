"""When an address may be signed in with, after so many wrong passwords.

Every attempt is counted before its password is looked at, as if it were wrong, and forgotten when it was right. So of
any number of attempts at once no more than five are guesses. The fifth within a quarter of an hour locks the address;
each lock that follows soon after another lasts twice as long, up to a day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

ATTEMPTS_MAX = 5
WINDOW = timedelta(minutes=15)
FIRST_LOCK = timedelta(minutes=15)
LONGEST_LOCK = timedelta(days=1)
# A lock counts as the next one of a series when it begins less than this after the end of the one before.
REMEMBERED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of an address: nothing, before its first attempt.

    recent        when the attempts were made that still count; fewer than five, and none once the address is locked.
    locks         how many locks have followed each other.
    locked_until  the end of the last lock; None before the first.
    """

    recent: tuple[datetime, ...] = ()
    locks: int = 0
    locked_until: datetime | None = None


def lock_end(known: Attempts, *, at: datetime) -> datetime | None:
    """When the next attempt may be made, or None when one may be made now. A lock is over at its very end."""
    return known.locked_until if known.locked_until is not None and at < known.locked_until else None


def counted(known: Attempts, *, at: datetime) -> Attempts:
    """What is known after one more attempt, which may be made now; the fifth within the window locks the address."""
    recent = (*(moment for moment in known.recent if moment > at - WINDOW), at)
    locks = known.locks
    if known.locked_until is not None and at >= known.locked_until + REMEMBERED:
        locks = 0
    if len(recent) < ATTEMPTS_MAX:
        return Attempts(recent, locks, known.locked_until)
    return Attempts((), locks + 1, at + lock_duration(locks + 1))


def lock_duration(ordinal: int) -> timedelta:
    """How long the first, second, third … lock of a series lasts."""
    # Beyond the tenth the doubling would only make numbers that the day cuts off anyway.
    doublings: int = min(ordinal - 1, 10)
    return min(LONGEST_LOCK, FIRST_LOCK * (1 << doublings))
