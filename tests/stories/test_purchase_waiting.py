"""A gateway that takes its time: late, silent, or with its events lost."""

from datetime import timedelta

import pytest

from models.database import Connection
from tests.builders import a_buyer
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, paid, traces, unpaid
from tests.simulators.world import World, key_of

ONE_POLL = timedelta(minutes=5, seconds=1)
SOON = {"purchase_answer_timeout": timedelta(milliseconds=500)}
PAST_THE_WINDOW = timedelta(hours=1, minutes=1)
# The gateway may still be telling of what an earlier test has paid.
GATEWAY_EVENTS = "SELECT count(*) AS number FROM gateway_events WHERE purchase_key = $1"


async def test_a_buyer_waits_for_a_payment_that_is_decided_soon(world: World, db: Connection) -> None:
    ada = await a_buyer("pm_late")

    told = await world.buys(ada, tokens="40", idempotencyKey="order")

    assert told["purchase"]["status"] == "COMPLETED"
    assert await traces(db, told["purchase"]["id"]) == paid("40")
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [SOON])
async def test_a_payment_that_takes_longer_is_processing_and_completes_by_its_event(
    world: World, db: Connection
) -> None:
    # given
    ada = await a_buyer("pm_silent")

    # when
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")

    # then
    await world.becomes(ada, purchase_id, "PROCESSING")
    assert await traces(db, purchase_id) == unpaid("PROCESSING")

    # when
    await Provider.of(world).forces(purchase_id, "CAPTURED")

    # then
    purchase = await world.becomes(ada, purchase_id, "COMPLETED")
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [SOON])
async def test_a_payment_whose_events_are_lost_is_found_by_asking(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_lost_events")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await Provider.of(world).payment(purchase_id, "CAPTURED")

    # when
    await world.passes(purchase_id, ONE_POLL)

    # then
    await world.becomes(ada, purchase_id, "COMPLETED")
    assert await traces(db, purchase_id) == paid("40")
    events = await db.fetch_one(GATEWAY_EVENTS, str(key_of(purchase_id, "Purchase")))
    assert events is not None
    assert events["number"] == 0
    assert await world.broken_rules() == []


@pytest.mark.parametrize(
    "altered_settings",
    [{**SOON, "purchase_processing_window": timedelta(hours=1), "purchase_poll_interval": timedelta(minutes=20)}],
)
async def test_a_gateway_that_never_decides_lets_the_purchase_expire(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_silent")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")

    # when
    await world.passes(purchase_id, PAST_THE_WINDOW)

    # then
    purchase = await world.becomes(ada, purchase_id, "EXPIRED")
    assert purchase["failure"] == {"code": None, "message": "Nobody paid in time."}
    assert (await Provider.of(world).payment(purchase_id))["status"] == "CANCELLED"
    await world.mailbox.wait_for(world.story(purchase_id).id, "purchase-expired")
    assert await traces(db, purchase_id) == unpaid("CANCELLED")
    assert await audited(db, purchase_id) == ["placed", "processing", "expired"]
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [{**SOON, "purchase_processing_window": timedelta(hours=1)}])
async def test_a_capture_that_beats_the_end_of_the_window_is_not_lost(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_uncancellable")
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")

    # when
    await world.passes(purchase_id, PAST_THE_WINDOW)

    # then
    purchase = await world.becomes(ada, purchase_id, "COMPLETED")
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []
