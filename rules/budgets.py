"""Budgets: how many tokens a member or an API key may use in a day, a week or a month.

Windows are those of the calendar in UTC: days, weeks from Monday, months. A hold uses the budget when it is placed, in
the window of that instant; what it gives back, it gives back to the same window.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class BudgetPeriod(StrEnum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap in tokens (≥ 0) on what `actor` uses in each window of `period`."""

    id: UUID
    actor: str
    period: BudgetPeriod
    limit: Decimal


@dataclass(frozen=True, slots=True)
class OverBudget:
    """A refused request: the budget it would break, what was needed, what is left of it, and when it begins anew."""

    period: BudgetPeriod
    limit: Decimal
    needed: Decimal
    left: Decimal
    resets_at: datetime


def window_of(period: BudgetPeriod, at: datetime) -> tuple[datetime, datetime]:
    """The window an instant lies in: start inclusive, end exclusive, both midnight in UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is BudgetPeriod.DAY:
        return day, day + timedelta(days=1)
    if period is BudgetPeriod.WEEK:
        start = day - timedelta(days=day.weekday())
        return start, start + timedelta(days=7)
    start = day.replace(day=1)
    return start, (start + timedelta(days=32)).replace(day=1)


class Usage:
    """How much of each budget is used, while requests are decided one after the other.

    `known` is what the books say for the windows that matter; a window they do not know is unused. `changes` is what
    the decided requests add to it, by budget and window.
    """

    def __init__(self, budgets: Iterable[Budget], known: Mapping[tuple[UUID, datetime], Decimal]) -> None:
        self._by_actor: dict[str, list[Budget]] = {}
        for budget in budgets:
            self._by_actor.setdefault(budget.actor, []).append(budget)
        self._known = known
        self.changes: dict[tuple[UUID, datetime], Decimal] = {}

    def refusal(self, actor: str, tokens: Decimal, at: datetime) -> OverBudget | None:
        """Why `actor` may not use so many tokens more; the tightest budget when several say no. None when it may."""
        refused = [
            OverBudget(budget.period, budget.limit, tokens, max(left, Decimal(0)), window_of(budget.period, at)[1])
            for budget in self._by_actor.get(actor, ())
            if tokens > (left := budget.limit - self._used(budget, at))
        ]
        return min(refused, key=lambda over: (over.left, over.period), default=None)

    def add(self, actor: str, tokens: Decimal, at: datetime) -> None:
        """`actor` has used so many tokens more in the windows of an instant; negative when they come back.

        What was used in a window before the budget counted it is not given back to it: nothing is used less than zero.
        """
        for budget in self._by_actor.get(actor, ()):
            place = (budget.id, window_of(budget.period, at)[0])
            change = max(tokens, -self._used(budget, at))
            self.changes[place] = self.changes.get(place, Decimal(0)) + change

    def _used(self, budget: Budget, at: datetime) -> Decimal:
        place = (budget.id, window_of(budget.period, at)[0])
        return self._known.get(place, Decimal(0)) + self.changes.get(place, Decimal(0))
