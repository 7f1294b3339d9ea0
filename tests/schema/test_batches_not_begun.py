"""All-or-nothing batches in which not every spend can be decided: what their keys had done before stays done."""

from datetime import UTC, datetime

from models.keepers import Keeper
from models.rates import remove_rate
from tests.offers import a_rate
from tests.schema.clients.tokens import aurora_with, balances, does
from tests.schema.test_batches import a_spend, batch, results, types
from tests.simulators.world import World


async def test_a_batch_that_is_not_begun_tells_of_earlier_spends_what_they_did(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    done = results(await batch(world, ada, [a_spend("4", "done")]))[0]
    refused = results(await batch(world, ada, [a_spend("99", "refused")]))[0]

    # when
    told = await batch(
        world,
        ada,
        [
            a_spend("1", "new"),
            a_spend("4", "done"),
            a_spend("99", "refused"),
            a_spend("5", "done"),
            a_spend("0", "bad"),
        ],
        "ALL_OR_NOTHING",
    )

    # then: the new key is free, and a key that is used for something else is told so
    assert types(told) == [
        "BatchRefused", "SpendTokensSuccess", "InsufficientTokens", "IdempotencyConflict", "InvalidTokens",
    ]  # fmt: skip
    assert (results(told)[0]["position"], results(told)[0]["because"]) == (4, "INVALID_TOKENS")
    assert results(told)[1] == {**done, "replayed": True}
    assert results(told)[2] == refused
    assert (told["spent"], told["refused"], told["spentTokens"]) == (1, 4, "4.0000")
    assert await balances(world, ada) == ("6.0000", "0.0000")
    assert types(await batch(world, ada, [a_spend("1", "new")])) == ["SpendTokensSuccess"]


async def test_a_refusal_is_named_by_its_place_in_the_batch_as_it_was_sent(world: World) -> None:
    # given a spend of an operation that has no price any more
    _, ada = await aurora_with("10")
    await a_rate("ocr.page", "2")
    by_units: dict[str, object] = {"operation": "ocr.page", "units": "1", "idempotencyKey": "by units"}
    await does(world, ada, "spendTokens", **by_units)
    await remove_rate("ocr.page", Keeper("user/keeper"), at=datetime.now(UTC))

    # when
    told = await batch(world, ada, [by_units, a_spend("99", "too much"), a_spend("1", "new")], "ALL_OR_NOTHING")

    # then
    assert types(told) == ["SpendTokensSuccess", "InsufficientTokens", "BatchRefused"]
    assert (results(told)[2]["position"], results(told)[2]["because"]) == (1, "INSUFFICIENT_TOKENS")
    assert await balances(world, ada) == ("8.0000", "0.0000")
    again = await batch(world, ada, [a_spend("1", "new")], "ALL_OR_NOTHING")
    assert (results(again)[0]["position"], types(again)) == (1, ["BatchRefused"])
