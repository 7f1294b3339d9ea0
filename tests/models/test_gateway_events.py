"""A gateway sends its events more than once, also at once; each is stored and announced one time."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from models.database import Connection
from models.gateway_events import StoredEvent, purchase_of_payment, store_event
from tests.builders import an_order, an_organization, is_paid

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CAPTURED = StoredEvent("sandbox", "evt_1", "payment.captured", "pay_1", "purchase 1", "CAPTURED", NOW)


async def stored_and_announced(db: Connection) -> tuple[int, int]:
    row = await db.fetch_one(
        "SELECT (SELECT count(*) FROM gateway_events) AS stored, (SELECT count(*) FROM outbox) AS announced"
    )
    assert row is not None
    return row["stored"], row["announced"]


async def test_events_that_are_each_sent_eight_times_at_once_are_stored_and_announced_once(db: Connection) -> None:
    # Many rounds, because the moment in which two tellings can meet is short.
    for number in range(40):
        event = replace(CAPTURED, event_id=f"evt_{number}")
        answers = await asyncio.gather(*(store_event(event) for _ in range(8)))
        assert sorted(answers) == [False] * 7 + [True]

    assert await stored_and_announced(db) == (40, 40)


async def test_the_first_telling_of_an_event_stands(db: Connection) -> None:
    assert await store_event(CAPTURED)

    assert not await store_event(replace(CAPTURED, claimed_status="DECLINED"))

    row = await db.fetch_one("SELECT claimed_status FROM gateway_events")
    assert row is not None
    assert row["claimed_status"] == "CAPTURED"


async def test_two_gateways_may_use_the_same_id(db: Connection) -> None:
    assert await store_event(CAPTURED)
    assert await store_event(replace(CAPTURED, gateway="stripe"))

    assert await stored_and_announced(db) == (2, 2)


async def test_a_purchase_is_known_by_its_payment(db: Connection) -> None:
    purchase = await an_order(await an_organization(), at=NOW)
    await is_paid(purchase, at=NOW)

    assert await purchase_of_payment(db, "sandbox", f"pay_{purchase.id}") == purchase.id
    assert await purchase_of_payment(db, "stripe", f"pay_{purchase.id}") is None
    assert await purchase_of_payment(db, "sandbox", "pay_of_somebody_else") is None
