"""Budgets as frontends use them: a hard cap on what one member uses, counted when it is used, given back when it is."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from models.errors import BudgetExceeded, Refusal
from models.outcomes import Booked
from models.spending import SpendOrder
from rules.budgets import BudgetPeriod, window_of
from schema.ids import global_id
from tests.builders import EVERYTHING, Member, Organization, a_member, gives, holds, spend
from tests.schema.clients.tokens import (
    aurora_with,
    balances,
    budgets,
    does,
    far_from_midnight,
    instant,
    kinds,
    movements,
    refusal,
)
from tests.simulators.world import World, key_of

pytestmark = pytest.mark.usefixtures("within_one_day")


@pytest.fixture
async def within_one_day() -> None:
    await far_from_midnight()


def subject(member: Member) -> str:
    return global_id("Member", member.id)


async def caps(
    world: World, by: Member, member: Member, tokens: str, period: str = "DAY", **more: object
) -> dict[str, Any]:
    """The member's new budget."""
    told = await does(world, by, "setSpendBudget", subjectId=subject(member), period=period, tokens=tokens, **more)
    budget: dict[str, Any] = told["budget"]
    return budget


async def used(world: World, member: Member) -> list[tuple[str, str, str]]:
    """Of each budget its limit, what is used of it, and what is left."""
    return [(one["limit"], one["used"], one["left"]) for one in await budgets(world, member)]


async def spends(world: World, member: Member, tokens: str, key: str) -> dict[str, Any]:
    return await does(world, member, "spendTokens", tokens=tokens, idempotencyKey=key)


async def test_twenty_spends_at_once_use_a_budget_of_ten_and_no_more(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    budget = await caps(world, ada, ada, "10")
    end = window_of(BudgetPeriod.DAY, datetime.now(UTC))[1]

    # when
    answers = await asyncio.gather(*(spends(world, ada, "1", f"spend {number}") for number in range(20)))

    # then
    assert kinds(answers) == {"BudgetExceeded": 10, "SpendTokensSuccess": 10}
    refused = next(told for told in answers if told["__typename"] == "BudgetExceeded")
    assert refusal(refused) == {
        "__typename": "BudgetExceeded",
        "period": "DAY",
        "limit": "10.0000",
        "needed": "1.0000",
        "left": "0.0000",
        "resetsAt": end.isoformat().replace("+00:00", "Z"),
        "code": "BUDGET_EXCEEDED",
    }
    assert await budgets(world, ada) == [{**budget, "used": "10.0000", "left": "0.0000"}]
    assert await balances(world, ada) == ("90.0000", "0.0000")
    assert await world.broken_rules() == []


async def test_a_budget_caps_its_member_and_nobody_else(world: World) -> None:
    aurora, ada = await aurora_with("100")
    grace = await a_member(aurora)
    await caps(world, grace, ada, "3")

    mine, theirs = await spends(world, ada, "4", "mine"), await spends(world, grace, "4", "theirs")

    assert (mine["__typename"], theirs["__typename"]) == ("BudgetExceeded", "SpendTokensSuccess")
    assert await used(world, grace) == [("3.0000", "0.0000", "3.0000")]
    assert await world.broken_rules() == []


async def test_a_hold_uses_the_budget_and_gives_back_what_it_does_not_take(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    await caps(world, ada, ada, "10")

    # when
    first = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="one"))["hold"]["id"]
    over = await does(world, ada, "holdTokens", tokens="5", idempotencyKey="two")
    while_held = await used(world, ada)
    await does(world, ada, "captureHold", holdId=first, tokens="2.5", idempotencyKey="one")
    after_a_part = await used(world, ada)
    second = (await does(world, ada, "holdTokens", tokens="7.5", idempotencyKey="three"))["hold"]["id"]
    full = await spends(world, ada, "0.0001", "nothing left")
    await does(world, ada, "releaseHold", holdId=second, idempotencyKey="three")

    # then
    assert (over["__typename"], over["needed"], over["left"]) == ("BudgetExceeded", "5.0000", "4.0000")
    assert while_held == [("10.0000", "6.0000", "4.0000")]
    assert after_a_part == [("10.0000", "2.5000", "7.5000")]
    assert (full["__typename"], full["left"]) == ("BudgetExceeded", "0.0000")
    assert await used(world, ada) == [("10.0000", "2.5000", "7.5000")]
    assert await world.broken_rules() == []


async def test_capturing_more_than_is_held_needs_room_in_the_budget_of_whoever_holds(world: World) -> None:
    # given: Ada holds, Grace captures
    aurora, ada = await aurora_with("100")
    grace = await a_member(aurora)
    await caps(world, grace, ada, "10")
    await caps(world, grace, grace, "0")
    hold_id = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="job"))["hold"]["id"]

    # when
    more = {"holdId": hold_id, "whenMore": "TAKE_AVAILABLE"}
    over = await does(world, grace, "captureHold", **more, tokens="10.5", idempotencyKey="too much")
    fits = await does(world, grace, "captureHold", **more, tokens="10", idempotencyKey="fits")

    # then
    assert (over["__typename"], over["needed"], over["left"]) == ("BudgetExceeded", "4.5000", "4.0000")
    assert fits["hold"]["capturedTokens"] == "10.0000"
    assert sorted(await used(world, grace)) == [("0.0000", "0.0000", "0.0000"), ("10.0000", "10.0000", "0.0000")]
    assert await world.broken_rules() == []


async def test_what_a_hold_reserved_is_back_in_the_budget_when_its_time_is_over(world: World) -> None:
    # given: holds that ended by themselves, and that nobody has booked; one budget is older than them, one is newer
    aurora, ada = await aurora_with()
    day = window_of(BudgetPeriod.DAY, datetime.now(UTC))[0]
    await gives(aurora, "100", at=day)
    older = await caps(world, ada, ada, "10", "MONTH")
    await holds(aurora, "6", seconds=1, actor=f"user/{ada.id}", at=day)
    assert await balances(world, ada) == ("100.0000", "0.0000")

    # when
    newer = await caps(world, ada, ada, "8")

    # then
    assert (newer["used"], newer["left"]) == ("0.0000", "8.0000")
    assert sorted(await used(world, ada)) == [("10.0000", "0.0000", "10.0000"), ("8.0000", "0.0000", "8.0000")]
    assert (await by_id(world, ada, older["id"]))["used"] == "0.0000"

    # when: it is booked
    told = await spends(world, ada, "8", "all of it")

    # then
    assert told["__typename"] == "SpendTokensSuccess"
    assert [kind for kind, _, _ in await movements(world, ada)] == ["GRANT", "HOLD", "RELEASE", "SPEND"]
    assert sorted(await used(world, ada)) == [("10.0000", "8.0000", "2.0000"), ("8.0000", "8.0000", "0.0000")]
    assert await world.broken_rules() == []


async def test_what_was_used_before_a_budget_was_set_counts(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    await spends(world, ada, "3", "before")
    hold_id = (await does(world, ada, "holdTokens", tokens="4", idempotencyKey="before"))["hold"]["id"]

    # when
    budget = await caps(world, ada, ada, "8", "WEEK")

    # then
    assert (budget["used"], budget["left"]) == ("7.0000", "1.0000")
    await does(world, ada, "releaseHold", holdId=hold_id, idempotencyKey="given up")
    assert await used(world, ada) == [("8.0000", "3.0000", "5.0000")]
    assert await world.broken_rules() == []


async def test_a_budget_can_be_lowered_below_what_is_used_and_raised_again(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    first = await caps(world, ada, ada, "10")
    await spends(world, ada, "6", "before")

    # when
    lowered = await caps(world, ada, ada, "5")
    refused = await spends(world, ada, "0.0001", "lowered")
    raised = await caps(world, ada, ada, "7")
    allowed = await spends(world, ada, "1", "raised")

    # then
    assert lowered == {**first, "limit": "5.0000", "used": "6.0000", "left": "0.0000"}
    assert (refused["__typename"], refused["limit"], refused["left"]) == ("BudgetExceeded", "5.0000", "0.0000")
    assert (raised["id"], raised["left"]) == (first["id"], "1.0000")
    assert allowed["__typename"] == "SpendTokensSuccess"
    assert await world.broken_rules() == []


async def test_of_several_budgets_the_tightest_refuses(world: World) -> None:
    _, ada = await aurora_with("100")
    for period, tokens in (("DAY", "9"), ("WEEK", "5"), ("MONTH", "7")):
        await caps(world, ada, ada, tokens, period)

    told = await spends(world, ada, "10", "too much")

    assert (told["period"], told["limit"], told["left"]) == ("WEEK", "5.0000", "5.0000")
    assert sorted(one["period"] for one in await budgets(world, ada)) == ["DAY", "MONTH", "WEEK"]


async def test_a_budget_begins_anew_when_its_window_ends(world: World) -> None:
    # given: what was used on the last day of another month
    aurora, ada = await aurora_with()
    before = window_of(BudgetPeriod.MONTH, datetime.now(UTC))[0] - timedelta(hours=1)
    await gives(aurora, "100", at=before)
    await holds(aurora, "6", seconds=30 * 24 * 3600, actor=f"user/{ada.id}", at=before)

    # when
    budget = await caps(world, ada, ada, "6", "MONTH")

    # then
    assert (budget["used"], budget["left"]) == ("0.0000", "6.0000")
    assert instant(budget["resetsAt"]) == window_of(BudgetPeriod.MONTH, datetime.now(UTC))[1]
    assert (await spends(world, ada, "6", "all of it"))["__typename"] == "SpendTokensSuccess"
    assert await world.broken_rules() == []


async def test_a_budget_set_as_a_window_begins_counts_what_a_faster_clock_has_held_in_it(world: World) -> None:
    # given: another host, for which the next day has begun
    aurora, ada = await aurora_with("100")
    midnight = window_of(BudgetPeriod.DAY, datetime.now(UTC))[1]
    await holds(aurora, "5", seconds=60, actor=f"user/{ada.id}", at=midnight)

    # when
    budget = await caps(world, ada, ada, "10")
    over = await spends_at(aurora, ada, "6", at=midnight + timedelta(seconds=1))
    fits = await spends_at(aurora, ada, "5", at=midnight + timedelta(seconds=1))

    # then: and when the hold has ended, the wallet may be written to as ever
    assert (budget["used"], budget["left"]) == ("5.0000", "5.0000")
    assert instant(budget["resetsAt"]) == midnight + timedelta(days=1)
    assert (over, fits) == (BudgetExceeded.__name__, Booked.__name__)
    await gives(aurora, "1", at=midnight + timedelta(minutes=2))
    assert await world.broken_rules() == []


async def spends_at(organization: Organization, member: Member, tokens: str, *, at: datetime) -> str:
    """What a host with a clock of its own answers the member."""
    order = SpendOrder(organization.id, Decimal(tokens), f"spend {tokens} at {at}", f"user/{member.id}")
    try:
        return type(await spend(order, at=at)).__name__
    except Refusal as refused:
        return type(refused).__name__


async def test_a_budget_refuses_before_the_wallet_does_and_is_remembered(world: World) -> None:
    # given
    _, ada = await aurora_with("2")
    budget = await caps(world, ada, ada, "1")
    refused = await spends(world, ada, "3", "report")

    # when: the cap is lifted, and the key comes again
    lifted = await does(world, ada, "removeSpendBudget", budgetId=budget["id"])
    again = await spends(world, ada, "3", "report")
    new = await spends(world, ada, "2", "another report")

    # then
    assert refused["__typename"] == "BudgetExceeded"
    assert lifted == {"__typename": "RemoveSpendBudgetSuccess", "removed": True}
    assert again == refused
    assert new["__typename"] == "SpendTokensSuccess"
    assert await budgets(world, ada) == []
    assert await by_id(world, ada, budget["id"]) is None
    assert await world.broken_rules() == []


async def test_a_lifted_budget_that_is_set_again_counts_what_was_used_meanwhile(world: World) -> None:
    _, ada = await aurora_with("100")
    first = await caps(world, ada, ada, "10")
    await does(world, ada, "removeSpendBudget", budgetId=first["id"])
    await spends(world, ada, "4", "meanwhile")

    again = await caps(world, ada, ada, "10")

    assert again == {**first, "used": "4.0000", "left": "6.0000"}
    second = await does(world, ada, "removeSpendBudget", budgetId=again["id"])
    third = await does(world, ada, "removeSpendBudget", budgetId=again["id"])
    assert (second["__typename"], third["__typename"]) == ("RemoveSpendBudgetSuccess", "BudgetNotFound")


async def test_a_budget_holds_in_a_batch_and_an_undone_batch_uses_none_of_it(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    await caps(world, ada, ada, "5")
    four = [{"tokens": "2", "idempotencyKey": f"spend {number}"} for number in range(4)]

    # when
    undone = await does(world, ada, "spendTokensBatch", spends=four, mode="ALL_OR_NOTHING")
    after_nothing = await used(world, ada)
    fresh = [{**spend, "idempotencyKey": f"new {number}"} for number, spend in enumerate(four)]
    each = await does(world, ada, "spendTokensBatch", spends=fresh)

    # then
    assert [item["result"]["__typename"] for item in undone["items"]] == [
        "BatchRefused", "BatchRefused", "BudgetExceeded", "BudgetExceeded",
    ]  # fmt: skip
    assert after_nothing == [("5.0000", "0.0000", "5.0000")]
    assert (each["spent"], each["refused"]) == (2, 2)
    assert await used(world, ada) == [("5.0000", "4.0000", "1.0000")]
    assert await world.broken_rules() == []


async def test_budgets_are_of_members_of_the_organization(world: World, owner: asyncpg.Connection) -> None:
    # given
    _, ada = await aurora_with("10")
    _, bjorn = await aurora_with()
    admin = await a_member(None, permissions=(*EVERYTHING, "platform.admin"))
    aurora = {"organizationId": ada.organization.global_id} if ada.organization else {}

    # when
    answers = [
        await does(world, asks, "setSpendBudget", subjectId=subject(whom), period="DAY", tokens="5", **of)
        for asks, whom, of in ((ada, bjorn, {}), (ada, admin, {}), (bjorn, ada, aurora), (admin, bjorn, aurora))
    ]
    budget = await caps(world, admin, ada, "5", **aurora)

    # then
    assert [told["__typename"] for told in answers] == [
        "BudgetSubjectNotFound", "BudgetSubjectNotFound", "WalletNotFound", "BudgetSubjectNotFound",
    ]  # fmt: skip
    assert await budgets(world, ada) == [budget]
    assert await budgets(world, bjorn) == []
    assert budget["subjectId"] == subject(ada)
    rows = await owner.fetch("SELECT action, actor, resource_id FROM token_audit_logs WHERE resource = 'budget'")
    assert [tuple(row.values()) for row in rows] == [
        ("budget.set", f"user/{admin.id}", str(key_of(budget["id"], "SpendBudget")))
    ]
    assert await world.broken_rules() == []


NODE = """query ($id: ID!) { node(id: $id) {
  ... on SpendBudget { id subjectId period limit used left resetsAt } } }"""


async def by_id(world: World, member: Member, budget_id: str) -> Any:
    return (await world.data(NODE, member, id=budget_id))["node"]


async def test_a_budget_is_found_by_its_id_with_what_is_used_now(world: World) -> None:
    _, ada = await aurora_with("10")
    budget = await caps(world, ada, ada, "5")
    await spends(world, ada, "2", "report")

    found = await by_id(world, ada, budget["id"])

    assert found == {**budget, "used": "2.0000", "left": "3.0000"}
    assert await budgets(world, ada) == [found]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_budgets_are_read_page_by_page(size: int, world: World) -> None:
    # given
    aurora, ada = await aurora_with()
    grace = await a_member(aurora)
    made = [
        (await caps(world, ada, member, "5", period))["id"]
        for member in (ada, grace)
        for period in ("DAY", "WEEK", "MONTH")
    ]
    query = """query ($first: Int!, $after: Cursor) { spendBudgets(first: $first, after: $after) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""

    # when
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"] if pages else None
        pages.append((await world.data(query, ada, first=size, after=after))["spendBudgets"])

    # then
    seen = [budget["id"] for page in pages for budget in page["nodes"]]
    assert sorted(seen) == sorted(made)
    assert [len(page["nodes"]) for page in pages] == [min(size, 6)] * len(pages)
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False] + [True] * (len(pages) - 1)
