"""Tokens that will probably be lost: what is still in a lot when its time comes, if consumption goes on as it was.

Consumption is taken as a steady stream that burns the lots in burn order, each between its effective and expiry
instants. Held tokens are left out: they burn or come back by another decision. All is reckoned in whole numbers, so
nothing is rounded until the end, and then downwards.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from rules.lots import Lot, burn_order

# A month to plan, a week to act, a last day. A lot is warned of once at each.
WARNING_DAYS = (30, 7, 1)
HORIZON = timedelta(days=max(WARNING_DAYS))
# What people consumed in this time is what they are expected to go on consuming.
LOOK_BACK = timedelta(days=30)
# A younger wallet is judged by its own age, but never by less than this: an hour says nothing about a month.
LOOK_BACK_MIN = timedelta(days=1)

TOKEN_UNIT = Decimal("0.0001")
A_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Consumption:
    """Tokens (≥ 0, at most 4 places) that were consumed over a time (> 0)."""

    tokens: Decimal
    over: timedelta


@dataclass(frozen=True, slots=True)
class Loss:
    """Tokens of one lot that nobody will have used when it expires; > 0, at most 4 places."""

    lot_id: UUID
    tokens: Decimal
    expires_at: datetime


def warning_days(expires_at: datetime, at: datetime) -> int | None:
    """The tightest warning that an expiry has come into, in days; None while it is far away, and once it is over."""
    if expires_at <= at:
        return None
    return min((days for days in WARNING_DAYS if expires_at <= at + timedelta(days=days)), default=None)


def look_back(since: datetime, at: datetime) -> timedelta:
    """Over which time consumption is measured for a wallet that exists since then."""
    return max(LOOK_BACK_MIN, min(LOOK_BACK, at - since))


def probable_losses(
    lots: Iterable[Lot], consumption: Consumption, *, at: datetime, until: datetime
) -> tuple[Loss, ...]:
    """What each lot that expires after `at` and not after `until` will probably lose, the earliest expiry first."""
    stock = _Stock([lot for lot in lots if lot.free > 0 and not lot.has_expired(at)], consumption)
    losses: list[Loss] = []
    now = at
    for moment in stock.moments(after=at, until=until):
        stock.admit(now)
        stock.burn(now, moment)
        losses += stock.lose(moment)
        now = moment
    return tuple(losses)


class _Stock:
    """The lots while the simulation runs; `left` is in ten-thousandths of a token times the microseconds measured."""

    def __init__(self, lots: list[Lot], consumption: Consumption) -> None:
        self._scale = consumption.over // A_MICROSECOND
        self._per_microsecond = int(consumption.tokens / TOKEN_UNIT)
        self._left = {lot.id: int(lot.free / TOKEN_UNIT) * self._scale for lot in lots}
        # The next to begin and the next to expire stand last.
        self._waiting = sorted(lots, key=lambda lot: (lot.effective_at, lot.id), reverse=True)
        ending = [(lot.expires_at, lot) for lot in lots if lot.expires_at is not None]
        self._ending = sorted(ending, key=lambda each: (each[0], each[1].id), reverse=True)
        self._burning: list[tuple[tuple[object, ...], Lot]] = []

    def moments(self, *, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every instant at which a lot begins or ends."""
        begins = {lot.effective_at for lot in self._waiting}
        ends = {expires_at for expires_at, _ in self._ending}
        yield from sorted(moment for moment in begins | ends if after < moment <= until)

    def admit(self, now: datetime) -> None:
        while self._waiting and self._waiting[-1].effective_at <= now:
            lot = self._waiting.pop()
            heapq.heappush(self._burning, (burn_order(lot), lot))

    def burn(self, start: datetime, end: datetime) -> None:
        """What is consumed between two moments is taken from the lots that count, in burn order."""
        wanted = (end - start) // A_MICROSECOND * self._per_microsecond
        while wanted > 0 and self._burning:
            lot = self._burning[0][1]
            left = 0 if lot.has_expired(start) else self._left[lot.id]
            taken = min(left, wanted)
            wanted -= taken
            self._left[lot.id] -= taken
            if taken == left:
                heapq.heappop(self._burning)

    def lose(self, moment: datetime) -> Iterator[Loss]:
        """The losses of the lots that expire at a moment."""
        while self._ending and self._ending[-1][0] <= moment:
            expires_at, lot = self._ending.pop()
            tokens = Decimal(self._left[lot.id] // self._scale).scaleb(-4)
            if tokens > 0:
                yield Loss(lot.id, tokens, expires_at)
