"""A declined payment: the buyer is told the gateway's code, and nothing else happens."""

import pytest

from models.database import Connection
from tests.builders import a_buyer
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, traces, unpaid
from tests.simulators.world import World

WALLET = "{ wallet { available totalPurchased entries { nodes { sequence } } invoices { nodes { number } } } }"
EMPTY = {
    "available": "0.0000",
    "totalPurchased": "0.0000",
    "entries": {"nodes": []},
    "invoices": {"nodes": []},
}


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_declined_insufficient_funds", "insufficient_funds"),
        ("pm_declined_expired_card", "expired_card"),
        ("pm_declined_lost_card", "lost_card"),
        ("pm_declined_do_not_honor", "do_not_honor"),
        ("pm_declined_fraud", "fraudulent"),
    ],
)
async def test_a_declined_payment_moves_nothing_and_tells_why(
    world: World, db: Connection, method: str, code: str
) -> None:
    # given
    ada = await a_buyer(method)

    # when
    told = await world.buys(ada, tokens="40", idempotencyKey="order")

    # then
    purchase = told["purchase"]
    assert purchase["status"] == "FAILED"
    assert purchase["failure"] == {"code": code, "message": f"The payment was declined ({code})."}
    assert purchase["invoice"] is None
    letter = await world.mailbox.wait_for(world.story(purchase["id"]).id, "payment-failed")
    assert letter["to"] == ada.email
    assert await traces(db, purchase["id"]) == unpaid("DECLINED")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "failed"]
    assert (await world.data(WALLET, ada))["wallet"] == EMPTY
    assert await world.broken_rules() == []


async def test_a_payment_declined_later_fails_the_purchase(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_late_decline")

    # when
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    purchase = await world.becomes(ada, told["purchase"]["id"], "FAILED")

    # then
    assert purchase["failure"]["code"] == "insufficient_funds"
    await world.mailbox.wait_for(world.story(purchase["id"]).id, "payment-failed")
    assert await traces(db, purchase["id"]) == unpaid("DECLINED")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "failed"]
    assert await world.broken_rules() == []


async def test_a_declined_purchase_is_not_tried_again_by_its_key(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_declined_do_not_honor")
    first = await world.buys(ada, tokens="40", idempotencyKey="order")

    # when
    second = await world.buys(ada, tokens="40", idempotencyKey="order")

    # then
    assert second["replayed"] is True
    assert second["purchase"] == first["purchase"]
    assert len(await Provider.of(world).payments(first["purchase"]["id"])) == 1
    assert await audited(db, first["purchase"]["id"]) == ["placed", "processing", "failed"]
    assert await world.broken_rules() == []
