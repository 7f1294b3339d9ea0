"""Money that comes after all: whoever paid gets tokens, an invoice and a receipt, though the purchase was closed."""

from datetime import timedelta
from uuid import UUID

import pytest

from models.database import Connection
from schema.ids import read_id
from tests.builders import Member, a_buyer
from tests.simulators.provider import Provider, event_for, post_event
from tests.simulators.traces import audited, dispatched, paid, traces, unpaid
from tests.simulators.world import World
from workflows.late_payment import late_payment_workflow_id

SOON = {"purchase_answer_timeout": timedelta(milliseconds=500)}
PAST_THE_WINDOW = timedelta(minutes=31)
CANCEL = """mutation ($input: CancelPurchaseInput!) { cancelPurchase(input: $input) { __typename } }"""


def late_story(purchase_id: str) -> str:
    key = read_id(purchase_id, "Purchase")
    assert isinstance(key, UUID)
    return late_payment_workflow_id(key)


async def test_a_capture_after_the_purchase_expired_completes_it(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await world.passes(purchase_id, PAST_THE_WINDOW)
    await world.becomes(ada, purchase_id, "EXPIRED")

    # when
    await captured_late(world, ada, purchase_id)

    # then
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "requires_action", "expired", "completed"]
    assert await world.broken_rules() == []


async def test_a_capture_after_the_purchase_was_cancelled_completes_it(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await world.data(CANCEL, ada, input={"purchaseId": purchase_id})
    await world.becomes(ada, purchase_id, "CANCELLED")

    # when
    await captured_late(world, ada, purchase_id)

    # then
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "requires_action", "cancelled", "completed"]
    assert await world.broken_rules() == []


async def test_a_capture_after_the_payment_was_declined_completes_the_purchase(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_declined_do_not_honor")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")

    # when
    await captured_late(world, ada, purchase_id)

    # then
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "failed", "completed"]
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [SOON])
async def test_a_capture_completes_a_purchase_whose_story_was_ended_by_hand(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_silent")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await Provider.of(world).payment(purchase_id)
    await world.story(purchase_id).terminate("by an operator's mistake")

    # when
    await captured_late(world, ada, purchase_id)

    # then
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []


async def test_a_false_claim_of_a_late_capture_changes_nothing(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_declined_do_not_honor")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await dispatched(db, purchase_id, count=1)
    await world.ends(purchase_id)

    # when
    assert await post_event(world, event_for(purchase_id, "CAPTURED")) == 200
    await dispatched(db, purchase_id, count=2)
    world.started.append(late_story(purchase_id))
    ended = await world.client.get_workflow_handle(late_story(purchase_id)).result()

    # then
    assert ended == "nothing was captured"
    assert (await world.purchase(ada, purchase_id))["status"] == "FAILED"
    assert await traces(db, purchase_id) == unpaid("DECLINED")
    assert await world.broken_rules() == []


async def captured_late(world: World, ada: Member, purchase_id: str) -> None:
    """The gateway captures the payment of a closed purchase, and the buyer gets what they paid for."""
    # A story that is about to end would take the news itself.
    await world.ends(purchase_id)
    await Provider.of(world).forces(purchase_id, "CAPTURED")
    purchase = await world.becomes(ada, purchase_id, "COMPLETED")
    world.started.append(late_story(purchase_id))
    assert purchase["failure"] is None
    assert purchase["invoice"]["total"] == purchase["total"] == {"amount": "23.20"}
    letter = await world.mailbox.wait_for(world.story(purchase_id).id, "receipt")
    assert letter["to"] == ada.email
    number = await world.client.get_workflow_handle(late_story(purchase_id)).result()
    assert number == purchase["invoice"]["number"]
