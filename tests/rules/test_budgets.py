"""Budgets: windows of the calendar in UTC, and what counts in them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.budgets import Budget, BudgetPeriod, OverBudget, Usage, window_of
from rules.holding import CaptureExcess
from rules.spending import Capture, Moved, Release, Spend, decide
from tests.rules.test_holding import HOLD, held_5, reserve, two_lots
from tests.rules.test_spends import ADA, NOON

EVE = "key/eve"
DAILY, WEEKLY, MONTHLY = UUID(int=1), UUID(int=2), UUID(int=3)
TODAY = datetime(2026, 3, 1, tzinfo=UTC)
TOMORROW = TODAY + timedelta(days=1)


def a_budget(limit: str, *, actor: str = ADA, period: BudgetPeriod = BudgetPeriod.DAY, key: UUID = DAILY) -> Budget:
    return Budget(key, actor, period, Decimal(limit))


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        (BudgetPeriod.DAY, "2026-03-01T00:00:00+00:00", "2026-03-01", "2026-03-02"),
        (BudgetPeriod.DAY, "2026-03-01T23:59:59.999999+00:00", "2026-03-01", "2026-03-02"),
        (BudgetPeriod.DAY, "2026-03-02T01:00:00+03:00", "2026-03-01", "2026-03-02"),
        (BudgetPeriod.WEEK, "2026-03-01T12:00:00+00:00", "2026-02-23", "2026-03-02"),
        (BudgetPeriod.WEEK, "2026-03-02T00:00:00+00:00", "2026-03-02", "2026-03-09"),
        (BudgetPeriod.MONTH, "2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01"),
        (BudgetPeriod.MONTH, "2026-12-31T23:00:00+00:00", "2026-12-01", "2027-01-01"),
        (BudgetPeriod.MONTH, "2026-01-31T12:00:00+00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_a_window_is_a_day_a_week_from_monday_or_a_month(period: BudgetPeriod, at: str, start: str, end: str) -> None:
    midnight = "T00:00:00+00:00"

    window = window_of(period, datetime.fromisoformat(at))

    assert window == (datetime.fromisoformat(start + midnight), datetime.fromisoformat(end + midnight))


@given(st.sampled_from(BudgetPeriod), st.integers(0, 60 * 24 * 36_500))
def test_every_instant_lies_in_one_window_and_windows_follow_each_other(period: BudgetPeriod, minutes: int) -> None:
    at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

    start, end = window_of(period, at)

    assert start <= at < end
    assert window_of(period, end)[0] == end
    assert window_of(period, end - timedelta(microseconds=1)) == (start, end)


def test_a_spend_within_the_budget_is_counted_and_one_beyond_it_is_refused_and_not_counted() -> None:
    usage = Usage([a_budget("5")], {(DAILY, TODAY): Decimal(2)})

    decision = decide(two_lots(), [Spend(Decimal(4), ADA), Spend(Decimal(3), ADA), Spend(Decimal(1), ADA)], NOON, usage)

    assert isinstance(decision.answers[1], Moved)
    over = OverBudget(BudgetPeriod.DAY, Decimal(5), Decimal(4), Decimal(3), TOMORROW)
    assert decision.answers[0] == over
    assert decision.answers[2] == OverBudget(BudgetPeriod.DAY, Decimal(5), Decimal(1), Decimal(0), TOMORROW)
    assert usage.changes == {(DAILY, TODAY): Decimal(3)}


def test_a_budget_binds_its_actor_alone() -> None:
    usage = Usage([a_budget("1", actor=EVE)], {})

    decision = decide(two_lots(), [Spend(Decimal(2), ADA), Spend(Decimal(2), EVE)], NOON, usage)

    assert isinstance(decision.answers[0], Moved)
    assert isinstance(decision.answers[1], OverBudget)
    assert usage.changes == {}


def test_of_several_budgets_the_one_with_the_least_left_is_told() -> None:
    budgets = [
        a_budget("5"),
        a_budget("6", period=BudgetPeriod.WEEK, key=WEEKLY),
        a_budget("9", period=BudgetPeriod.MONTH, key=MONTHLY),
    ]
    week, month = datetime(2026, 2, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    usage = Usage(budgets, {(WEEKLY, week): Decimal(4), (MONTHLY, month): Decimal(1)})

    over = usage.refusal(ADA, Decimal(7), NOON)

    assert over == OverBudget(BudgetPeriod.WEEK, Decimal(6), Decimal(7), Decimal(2), TOMORROW)
    assert usage.refusal(ADA, Decimal(2), NOON) is None


def test_a_lowered_budget_has_nothing_left_rather_than_less_than_nothing() -> None:
    usage = Usage([a_budget("1")], {(DAILY, TODAY): Decimal(3)})

    assert usage.refusal(ADA, Decimal(1), NOON) == OverBudget(
        BudgetPeriod.DAY, Decimal(1), Decimal(1), Decimal(0), TOMORROW
    )


def test_what_comes_back_to_a_window_that_was_not_counted_leaves_no_more_than_the_limit() -> None:
    usage = Usage([a_budget("5")], {})

    usage.add(ADA, Decimal(-3), NOON)

    assert usage.refusal(ADA, Decimal(5), NOON) is None
    assert usage.refusal(ADA, Decimal("5.0001"), NOON) == OverBudget(
        BudgetPeriod.DAY, Decimal(5), Decimal("5.0001"), Decimal(5), TOMORROW
    )
    assert usage.changes == {(DAILY, TODAY): Decimal(0)}


def test_a_hold_uses_the_budget_when_it_is_placed_and_gives_back_what_it_does_not_need() -> None:
    usage = Usage([a_budget("5")], {})

    decision = decide(
        two_lots(), [reserve("5"), Spend(Decimal(1), ADA), capture_of("3"), Spend(Decimal(2), ADA)], NOON, usage
    )

    assert isinstance(decision.answers[1], OverBudget)
    assert isinstance(decision.answers[3], Moved)
    assert usage.changes == {(DAILY, TODAY): Decimal(5)}


def capture_of(tokens: str, excess: CaptureExcess = CaptureExcess.REJECT) -> Capture:
    return Capture(HOLD, Decimal(tokens), excess)


def test_what_is_captured_beyond_the_hold_must_fit_into_the_budget_too() -> None:
    usage = Usage([a_budget("6")], {(DAILY, TODAY): Decimal(5)})

    decision = decide(held_5(), [capture_of("7", CaptureExcess.TAKE_AVAILABLE)], NOON, usage)

    assert decision.answers == (OverBudget(BudgetPeriod.DAY, Decimal(6), Decimal(2), Decimal(1), TOMORROW),)
    assert decision.movements == ()
    assert usage.changes == {}


@pytest.mark.parametrize("ends", [timedelta(hours=1), timedelta(0)], ids=["released", "overdue"])
def test_a_hold_that_ends_unspent_gives_everything_back(ends: timedelta) -> None:
    usage = Usage([a_budget("6")], {(DAILY, TODAY): Decimal(5)})
    request = Release(HOLD) if ends else Spend(Decimal(6), ADA)

    decide(held_5(ends), [request], NOON, usage)

    assert usage.changes == {(DAILY, TODAY): Decimal(-5) if ends else Decimal(1)}
