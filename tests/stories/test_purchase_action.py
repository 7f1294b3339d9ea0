"""3-D Secure: the purchase waits for its buyer, who approves, refuses, or never comes."""

from datetime import timedelta
from typing import Any

from models.database import Connection
from tests.builders import Member, a_buyer
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, paid, traces, unpaid
from tests.simulators.world import World

PAST_THE_WINDOW = timedelta(minutes=31)


async def a_purchase_that_waits_for_its_buyer(world: World) -> tuple[Member, dict[str, Any]]:
    ada = await a_buyer("pm_three_d_secure")
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    return ada, told["purchase"]


async def test_a_buyer_is_sent_to_the_page_and_told_so_by_letter(world: World, db: Connection) -> None:
    ada, purchase = await a_purchase_that_waits_for_its_buyer(world)

    assert purchase["status"] == "REQUIRES_ACTION"
    assert purchase["actionUrl"] == (await Provider.of(world).payment(purchase["id"]))["action_url"]
    letter = await world.mailbox.wait_for(world.story(purchase["id"]).id, "action-required")
    assert letter["to"] == ada.email
    assert await traces(db, purchase["id"]) == unpaid("REQUIRES_ACTION")
    assert await world.broken_rules() == []


async def test_an_approved_payment_completes_the_purchase(world: World, db: Connection) -> None:
    # given
    ada, waiting = await a_purchase_that_waits_for_its_buyer(world)

    # when
    await Provider.of(world).clicks(waiting["actionUrl"], "approve")

    # then
    purchase = await world.becomes(ada, waiting["id"], "COMPLETED")
    assert purchase["actionUrl"] is None
    assert purchase["invoice"]["total"] == purchase["total"] == {"amount": "23.20"}
    await world.mailbox.wait_for(world.story(purchase["id"]).id, "receipt")
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "requires_action", "completed"]
    assert await world.broken_rules() == []


async def test_a_refused_payment_fails_the_purchase(world: World, db: Connection) -> None:
    # given
    ada, waiting = await a_purchase_that_waits_for_its_buyer(world)

    # when
    await Provider.of(world).clicks(waiting["actionUrl"], "refuse")

    # then
    purchase = await world.becomes(ada, waiting["id"], "FAILED")
    assert purchase["failure"]["code"] == "authentication_failed"
    assert purchase["actionUrl"] is None
    await world.mailbox.wait_for(world.story(purchase["id"]).id, "payment-failed")
    assert await traces(db, purchase["id"]) == unpaid("DECLINED")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "requires_action", "failed"]
    assert await world.broken_rules() == []


async def test_a_buyer_who_never_comes_lets_the_purchase_expire(world: World, db: Connection) -> None:
    # given
    ada, waiting = await a_purchase_that_waits_for_its_buyer(world)

    # when
    await world.passes(waiting["id"], PAST_THE_WINDOW)

    # then
    purchase = await world.becomes(ada, waiting["id"], "EXPIRED")
    assert purchase["failure"] == {"code": None, "message": "Nobody paid in time."}
    assert (await Provider.of(world).payment(waiting["id"]))["status"] == "CANCELLED"
    letter = await world.mailbox.wait_for(world.story(purchase["id"]).id, "purchase-expired")
    assert letter["to"] == ada.email
    assert await traces(db, purchase["id"]) == unpaid("CANCELLED")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "requires_action", "expired"]
    assert await world.broken_rules() == []
