"""A gateway that answers badly: twice, out of order, not at all, or only at the second try. It is charged once."""

from decimal import Decimal

import pytest

from models.database import Connection
from tests.builders import a_buyer
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, dispatched, paid, traces
from tests.simulators.world import World

OUT_OF_ORDER = ["payment.captured", "payment.declined", "payment.processing"]


@pytest.mark.parametrize("method", ["pm_timeout_after_charge", "pm_fault_before_charge"])
async def test_a_charge_that_is_asked_for_again_is_made_once(world: World, db: Connection, method: str) -> None:
    # given
    ada = await a_buyer(method)

    # when
    told = await world.buys(ada, tokens="40", idempotencyKey="order")

    # then
    purchase = await world.becomes(ada, told["purchase"]["id"], "COMPLETED")
    (payment,) = await Provider.of(world).payments(purchase["id"])
    assert (payment["status"], Decimal(payment["amount"])) == ("CAPTURED", Decimal("23.20"))
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []


async def test_an_event_that_comes_three_times_completes_the_purchase_once(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_duplicate_events")

    # when
    told = await world.buys(ada, tokens="40", idempotencyKey="order")

    # then
    purchase = await world.becomes(ada, told["purchase"]["id"], "COMPLETED")
    assert await dispatched(db, purchase["id"], count=1) == ["payment.captured"]
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []


async def test_a_failure_told_late_does_not_undo_a_success(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_reordered_events")
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    purchase_id = told["purchase"]["id"]
    await world.becomes(ada, purchase_id, "COMPLETED")

    # when
    assert await dispatched(db, purchase_id, count=3) == OUT_OF_ORDER

    # then
    assert (await world.purchase(ada, purchase_id))["status"] == "COMPLETED"
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []
