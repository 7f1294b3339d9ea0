"""Budgets where windows meet: clocks differ and locks are waited for, so a budget may be set by an instant that is past
when it takes effect. What its actor used meanwhile counts where it belongs, and no budget ever blocks the books."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from models.budgets import BudgetOrder, BudgetView, read_budgets, remove_budget, set_budget
from models.database import Connection, transaction
from models.errors import BudgetExceeded
from models.expiring import book_expiry
from models.holding import CaptureOrder
from models.locking import lock_wallet
from models.reconciliation import violations
from models.spending import SpendOrder
from rules.budgets import BudgetPeriod
from rules.holding import CaptureExcess
from tests.builders import (
    Organization,
    an_organization,
    gives,
    holds,
    numbers,
    releases,
    sets_a_budget,
    settle_hold,
    spend,
)

A_MOMENT = timedelta(milliseconds=1)
A_MINUTE = timedelta(minutes=1)
# A Tuesday, a Monday, and the first of a month that is a Wednesday: each begins windows of one period and of no longer.
MIDNIGHTS = {
    BudgetPeriod.DAY: datetime(2026, 3, 3, tzinfo=UTC),
    BudgetPeriod.WEEK: datetime(2026, 3, 9, tzinfo=UTC),
    BudgetPeriod.MONTH: datetime(2026, 4, 1, tzinfo=UTC),
}
MIDNIGHT = MIDNIGHTS[BudgetPeriod.DAY]
ADA = "user/ada"
Number = Decimal | int


async def aurora_with_100(midnight: datetime = MIDNIGHT) -> Organization:
    aurora = await an_organization()
    await gives(aurora, "100", at=midnight - 60 * A_MINUTE)
    return aurora


async def spends(organization: Organization, tokens: str, *, at: datetime) -> None:
    await spend(SpendOrder(organization.id, Decimal(tokens), f"spend-{next(numbers)}", ADA), at=at)


async def caps(organization: Organization, limit: str, *, at: datetime) -> BudgetView:
    """Ada's new budget of a day, as whoever sets it is told."""
    order = BudgetOrder(organization.id, ADA, BudgetPeriod.DAY, Decimal(limit), set_by="user/test")
    async with transaction() as db:
        wallet = await lock_wallet(db, organization.id, at=at)
        return await set_budget(db, wallet, order, at=at)


async def lifts(organization: Organization, budget_id: UUID, *, at: datetime) -> None:
    async with transaction() as db:
        wallet = await lock_wallet(db, organization.id, at=at)
        await remove_budget(db, wallet, budget_id, actor="user/test", request_id=None)


async def used(db: Connection, organization: Organization, *, at: datetime) -> list[Number]:
    """What is used of each of the organization's budgets."""
    views = await read_budgets(db, organization.id, at=at, limit=9, after=None)
    return [view.used for view in views]


@pytest.mark.parametrize("period", BudgetPeriod)
async def test_a_budget_set_by_a_clock_that_is_behind_counts_the_hold_of_the_new_window_and_blocks_nothing(
    db: Connection, period: BudgetPeriod
) -> None:
    # given: a hold of the first moment of a window was committed before a budget by the last moment of the one before
    midnight = MIDNIGHTS[period]
    aurora = await aurora_with_100(midnight)
    await holds(aurora, "5", seconds=60, actor=ADA, at=midnight + A_MOMENT)
    await sets_a_budget(aurora, ADA, "10", period=period, at=midnight - A_MOMENT)

    # when: Ada spends beside the hold, which then ends by itself
    await spends(aurora, "3", at=midnight + 2 * A_MOMENT)
    while_held = await used(db, aurora, at=midnight + 2 * A_MOMENT)
    booked = await book_expiry(aurora.id, at=midnight + 2 * A_MINUTE)
    await spends(aurora, "1", at=midnight + 2 * A_MINUTE)

    # then
    assert while_held == [8]
    assert booked == 1
    assert await used(db, aurora, at=midnight + 2 * A_MINUTE) == [4]
    assert await violations(db) == []


async def test_the_cap_holds_in_the_new_window_from_the_first_spend_on(db: Connection) -> None:
    # given: what was held and spent in the new window before a budget by the last moment of the old one
    aurora = await aurora_with_100()
    await holds(aurora, "5", seconds=60, actor=ADA, at=MIDNIGHT + A_MOMENT)
    await spends(aurora, "2", at=MIDNIGHT + 2 * A_MOMENT)

    # when
    budget = await caps(aurora, "10", at=MIDNIGHT - A_MOMENT)
    with pytest.raises(BudgetExceeded) as refused:
        await spends(aurora, "3.0001", at=MIDNIGHT + 3 * A_MOMENT)
    await spends(aurora, "3", at=MIDNIGHT + 4 * A_MOMENT)

    # then
    assert (budget.used, budget.resets_at) == (Decimal(7), MIDNIGHT + timedelta(days=1))
    assert (refused.value.left, refused.value.resets_at) == (Decimal(3), MIDNIGHT + timedelta(days=1))
    assert await used(db, aurora, at=MIDNIGHT + 4 * A_MOMENT) == [10]
    assert await violations(db) == []


async def test_the_window_of_the_clock_that_is_behind_is_counted_as_well_and_by_itself(db: Connection) -> None:
    # given: 4 tokens used before midnight, 5 held after it
    aurora = await aurora_with_100()
    await spends(aurora, "4", at=MIDNIGHT - A_MINUTE)
    await holds(aurora, "5", seconds=60, actor=ADA, at=MIDNIGHT + A_MOMENT)

    # when: somebody else's clock is behind too
    await caps(aurora, "10", at=MIDNIGHT - 2 * A_MOMENT)
    with pytest.raises(BudgetExceeded) as refused:
        await spends(aurora, "7", at=MIDNIGHT - A_MOMENT)

    # then
    assert (refused.value.left, refused.value.resets_at) == (Decimal(6), MIDNIGHT)
    assert await used(db, aurora, at=MIDNIGHT - A_MOMENT) == [4]
    assert await used(db, aurora, at=MIDNIGHT + A_MOMENT) == [5]
    assert await violations(db) == []


async def test_a_lifted_budget_set_again_by_a_clock_that_is_behind_forgets_what_came_back_meanwhile(
    db: Connection,
) -> None:
    # given: the new window was counted, and what was held in it came back when nobody counted
    aurora = await aurora_with_100()
    first = await caps(aurora, "10", at=MIDNIGHT)
    hold_id = await holds(aurora, "5", seconds=60, actor=ADA, at=MIDNIGHT + A_MOMENT)
    await lifts(aurora, first.id, at=MIDNIGHT + 2 * A_MOMENT)
    await releases(aurora, hold_id, at=MIDNIGHT + 3 * A_MOMENT)

    # when
    again = await caps(aurora, "10", at=MIDNIGHT - A_MOMENT)

    # then
    assert (again.used, again.resets_at) == (Decimal(0), MIDNIGHT + timedelta(days=1))
    assert await used(db, aurora, at=MIDNIGHT + 4 * A_MOMENT) == [0]
    assert await violations(db) == []


async def test_what_others_use_in_a_later_window_does_not_move_a_budget_there(db: Connection) -> None:
    aurora = await aurora_with_100()
    await holds(aurora, "5", seconds=60, actor="user/grace", at=MIDNIGHT + A_MOMENT)

    budget = await caps(aurora, "10", at=MIDNIGHT - A_MOMENT)

    assert (budget.used, budget.resets_at) == (Decimal(0), MIDNIGHT)
    assert await violations(db) == []


async def test_a_counter_that_says_too_little_stops_at_nothing_and_the_books_go_on(db: Connection) -> None:
    # given: whatever the reason, less is counted than is going to come back
    aurora = await aurora_with_100()
    await caps(aurora, "10", at=MIDNIGHT)
    await holds(aurora, "5", seconds=60, actor=ADA, at=MIDNIGHT)
    await db.execute("UPDATE spend_budget_usage SET used_tokens = 2")

    # when
    booked = await book_expiry(aurora.id, at=MIDNIGHT + A_MINUTE)

    # then
    assert booked == 1
    assert await used(db, aurora, at=MIDNIGHT + A_MINUTE) == [0]
    assert await violations(db) == []


@pytest.mark.parametrize("is_booked", [False, True])
async def test_what_was_held_before_a_budget_counted_is_not_given_back_to_it_whether_or_not_it_was_booked(
    db: Connection, is_booked: bool
) -> None:
    # given a window that no budget has counted: 5 tokens were held in it until an hour later, and 1 still is
    aurora = await aurora_with_100()
    before = MIDNIGHT - 30 * A_MINUTE
    await holds(aurora, "5", seconds=60, actor=ADA, at=before)
    hold_id = await holds(aurora, "1", seconds=86_400, actor=ADA, at=before)
    await caps(aurora, "10", at=MIDNIGHT)
    if is_booked:
        await book_expiry(aurora.id, at=MIDNIGHT)

    # when 12 tokens more than were held are asked for
    excess = CaptureExcess.TAKE_AVAILABLE
    capture = CaptureOrder(
        organization_id=aurora.id, key="all", actor="user/test", hold_id=hold_id, tokens=Decimal(13), excess=excess
    )
    with pytest.raises(BudgetExceeded) as refused:
        await settle_hold(capture, at=MIDNIGHT)

    # then
    assert (refused.value.limit, refused.value.needed, refused.value.left) == (Decimal(10), Decimal(12), Decimal(10))
    assert await violations(db) == []
