"""What comes in at the webhook: verified, stored once, and harmless when it concerns nobody."""

import asyncio
from datetime import UTC, datetime, timedelta

from models.database import Connection
from tests.builders import a_buyer
from tests.simulators.provider import Event, event_for, post_event
from tests.simulators.traces import audited, dispatched, paid, traces
from tests.simulators.world import World

FORGERS_SECRET = "whsec_Zm9yZ2VkLXNlY3JldC1vZi1zb21lYm9keS1lbHNlLTEyMzQ="
UNKNOWN_PURCHASE = "5d1c3f0e-0000-4000-8000-000000000001"


# The gateway's own events have ids of chance, and it may still be telling of what an earlier test has paid.
STORED = "SELECT event_id FROM gateway_events WHERE event_id !~ '^evt_[0-9a-f]{24}$' ORDER BY event_id"


async def stored(db: Connection) -> list[str]:
    """The ids of the events in the books that a test has sent itself."""
    return [row["event_id"] for row in await db.fetch(STORED)]


async def test_the_same_event_twenty_times_at_once_is_stored_once(world: World, db: Connection) -> None:
    event = Event("evt_again", UNKNOWN_PURCHASE, "CAPTURED")

    answers = await asyncio.gather(*(post_event(world, event) for _ in range(20)))

    assert answers == [200] * 20
    assert await stored(db) == ["evt_again"]
    rows = await db.fetch(
        "SELECT body FROM (SELECT topic, body FROM outbox UNION ALL SELECT topic, body FROM feed) told"
        " WHERE topic = 'gateway.event' AND body::jsonb ->> 'purchase_key' = $1",
        UNKNOWN_PURCHASE,
    )
    assert len(rows) == 1
    assert await world.broken_rules() == []


async def test_events_about_nobody_are_stored_and_harmless(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer()

    # when
    strangers = (
        Event("evt_1", UNKNOWN_PURCHASE, "CAPTURED"),
        Event("evt_2", "not an id at all", "CAPTURED"),
        Event("evt_3", "", "DECLINED"),
    )
    answers = [await post_event(world, event) for event in strangers]

    # then
    assert answers == [200, 200, 200]
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    assert await dispatched(db, told["purchase"]["id"], count=1) == ["payment.captured"]
    assert await stored(db) == ["evt_1", "evt_2", "evt_3"]
    assert await traces(db, told["purchase"]["id"]) == paid("40")
    assert await world.broken_rules() == []


async def test_a_forged_event_is_refused_and_not_stored(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    forged = event_for(told["purchase"]["id"], "CAPTURED", id="evt_forged")

    # when
    answer = await post_event(world, forged, secret=FORGERS_SECRET)

    # then
    assert answer == 400
    assert "evt_forged" not in await stored(db)
    assert (await world.purchase(ada, told["purchase"]["id"]))["status"] == "REQUIRES_ACTION"
    assert await world.broken_rules() == []


async def test_an_old_event_sent_again_is_refused_and_not_stored(world: World, db: Connection) -> None:
    event = Event("evt_old", UNKNOWN_PURCHASE, "CAPTURED")
    six_minutes_ago, in_six_minutes = (datetime.now(UTC) + timedelta(minutes=by) for by in (-6, 6))

    assert await post_event(world, event, sent_at=six_minutes_ago) == 400
    assert await post_event(world, event, sent_at=in_six_minutes) == 400

    assert await stored(db) == []


async def test_an_unknown_gateway_has_no_webhook(world: World, db: Connection) -> None:
    event = Event("evt_1", UNKNOWN_PURCHASE, "CAPTURED")

    assert await post_event(world, event, gateway="nobody") == 404
    assert await post_event(world, event, gateway="stripe") == 404

    assert await stored(db) == []


async def test_a_true_event_that_lies_about_the_payment_is_not_believed(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]
    await dispatched(db, purchase_id, count=1)

    # when
    assert await post_event(world, event_for(purchase_id, "CAPTURED")) == 200
    await dispatched(db, purchase_id, count=2)

    # then
    assert await world.story(purchase_id).query("stage") == "requires_action"
    assert (await world.purchase(ada, purchase_id))["status"] == "REQUIRES_ACTION"
    assert await audited(db, purchase_id) == ["placed", "processing", "requires_action"]
    assert await world.broken_rules() == []
