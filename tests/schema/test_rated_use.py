"""Tokens used by the rate card: the caller names an operation and its units, and the price of that moment counts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from models.keepers import Keeper
from models.rates import RateDraft, remove_rate, set_rate
from rules.budgets import BudgetPeriod
from schema.ids import global_id
from tests.builders import Member, a_program
from tests.schema.clients.tokens import aurora_with, balances, does, far_from_midnight
from tests.simulators.world import World

KEEPER = Keeper("user/keeper")
ENTRIES = "{ wallet { entries(first: 1) { nodes { kind tokens availableAfter } } } }"


async def costs(operation: str, tokens: str) -> None:
    """One unit of the operation costs so many tokens from now on."""
    await set_rate(RateDraft(operation, Decimal(tokens), "page", ""), KEEPER, at=datetime.now(UTC))


async def uses(world: World, member: Member, name: str, key: str, **what: object) -> dict[str, Any]:
    return await does(world, member, name, idempotencyKey=key, **what)


async def test_units_of_an_operation_are_spent_at_its_price_rounded_up(world: World) -> None:
    _, ada = await aurora_with("100")
    await costs("ocr.page", "0.33335")

    told = await uses(world, ada, "spendTokens", "pages", operation="ocr.page", units="3")

    assert (told["__typename"], told["tokens"], told["available"]) == ("SpendTokensSuccess", "1.0001", "98.9999")
    (entry,) = (await world.data(ENTRIES, ada))["wallet"]["entries"]["nodes"]
    assert entry == {"kind": "SPEND", "tokens": "-1.0001", "availableAfter": "98.9999"}


async def test_a_price_that_has_changed_since_does_not_make_a_repeated_request_another_one(world: World) -> None:
    # given
    _, ada = await aurora_with("100")
    await costs("ocr.page", "2")
    first = await uses(world, ada, "spendTokens", "pages", operation="ocr.page", units="3")

    # when it is dearer, and then on the card no more
    await costs("ocr.page", "5")
    dearer = await uses(world, ada, "spendTokens", "pages", operation="ocr.page", units="3.0")
    await remove_rate("ocr.page", KEEPER, at=datetime.now(UTC))
    gone = await uses(world, ada, "spendTokens", "pages", operation="ocr.page", units="3")

    # then
    assert dearer == gone == {**first, "replayed": True}
    assert (await balances(world, ada))[0] == "94.0000"
    other = await uses(world, ada, "spendTokens", "pages", operation="ocr.page", units="4")
    assert other["code"] == "IDEMPOTENCY_CONFLICT"
    new = await uses(world, ada, "spendTokens", "more pages", operation="ocr.page", units="4")
    assert new["code"] == "OPERATION_NOT_FOUND"


async def test_an_operation_is_held_at_its_price_and_captured_in_tokens(world: World) -> None:
    _, ada = await aurora_with("100")
    await costs("report.custom", "7.5")

    held = await uses(world, ada, "holdTokens", "report", operation="report.custom", units="2")
    taken = await uses(world, ada, "captureHold", "report", holdId=held["hold"]["id"], tokens="10")

    assert (held["hold"]["tokens"], held["available"]) == ("15.0000", "85.0000")
    assert (taken["hold"]["capturedTokens"], taken["available"], taken["held"]) == ("10.0000", "90.0000", "0.0000")


async def test_a_batch_may_mix_tokens_and_operations_and_one_without_a_price_is_refused_alone(world: World) -> None:
    _, ada = await aurora_with("100")
    await costs("ocr.page", "2")
    spends = [
        {"tokens": "1", "idempotencyKey": "a"},
        {"operation": "ocr.page", "units": "2.5", "idempotencyKey": "b"},
        {"operation": "unknown", "units": "1", "idempotencyKey": "c"},
    ]

    told = await does(world, ada, "spendTokensBatch", spends=spends)
    others = [{**one, "idempotencyKey": one["idempotencyKey"] * 2} for one in spends]
    nothing = await does(world, ada, "spendTokensBatch", mode="ALL_OR_NOTHING", spends=others)

    assert (told["spent"], told["refused"], told["spentTokens"]) == (2, 1, "6.0000")
    assert [item["result"].get("code") for item in told["items"]] == [None, None, "OPERATION_NOT_FOUND"]
    codes = [item["result"]["code"] for item in nothing["items"]]
    assert codes == ["BATCH_REFUSED", "BATCH_REFUSED", "OPERATION_NOT_FOUND"]
    assert (await balances(world, ada))[0] == "94.0000"


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({}, "BAD_USER_INPUT"),
        ({"tokens": "1", "operation": "ocr.page", "units": "1"}, "BAD_USER_INPUT"),
        ({"operation": "ocr.page"}, "BAD_USER_INPUT"),
        ({"units": "1"}, "BAD_USER_INPUT"),
        ({"tokens": "1", "units": "1"}, "BAD_USER_INPUT"),
        ({"operation": "OCR page", "units": "1"}, "BAD_USER_INPUT"),
        ({"operation": "ocr.page", "units": "0"}, "INVALID_UNITS"),
        ({"operation": "ocr.page", "units": "-1"}, "INVALID_UNITS"),
        ({"operation": "ocr.page", "units": "1000000001"}, "INVALID_UNITS"),
        ({"operation": "ocr.page", "units": "1000000000"}, "INVALID_TOKENS"),
        ({"operation": "ocr.pages", "units": "1"}, "OPERATION_NOT_FOUND"),
        ({"operation": "ocr.pages", "units": "0"}, "INVALID_UNITS"),
    ],
)
@pytest.mark.parametrize("name", ["spendTokens", "holdTokens"])
async def test_what_cannot_be_priced_is_refused_and_leaves_its_key_free(
    world: World, name: str, what: dict[str, str], code: str
) -> None:
    _, ada = await aurora_with("100")
    await costs("ocr.page", "2")
    kind = f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($input: {kind}!) {{ answer: {name}(input: $input) {{ __typename ... on Problem {{ code }} }} }}"

    told = await world.ask(query, ada, input={**what, "idempotencyKey": "key"})

    codes = {error["extensions"]["code"] for error in told.get("errors", ())} or {told["data"]["answer"]["code"]}
    assert codes == {code}
    assert await balances(world, ada) == ("100.0000", "0.0000")
    free = await uses(world, ada, name, "key", tokens="1")
    assert free["replayed"] is False


async def test_a_program_has_a_budget_of_its_own(world: World) -> None:
    # given
    await far_from_midnight()
    aurora, ada = await aurora_with("100")
    program = await a_program(aurora)
    key = global_id("ApiKey", program.id)
    told = await does(world, ada, "setSpendBudget", subjectId=key, period=BudgetPeriod.DAY.value, tokens="5")

    # when
    within = await uses(world, program, "spendTokens", "a", tokens="4")
    beyond = await uses(world, program, "spendTokens", "b", tokens="2")
    by_ada = await uses(world, ada, "spendTokens", "c", tokens="20")

    # then
    assert told["budget"]["subjectId"] == key
    assert within["__typename"] == by_ada["__typename"] == "SpendTokensSuccess"
    assert (beyond["code"], beyond["left"]) == ("BUDGET_EXCEEDED", "1.0000")
    assert await world.broken_rules() == []
