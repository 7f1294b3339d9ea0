"""Nobody is at work: orders and wishes are kept, and dealt with when a worker comes. Many at once are one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from models.database import Connection
from schema.ids import global_id
from tests.builders import a_buyer
from tests.conftest import Opening
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, paid, traces, unpaid
from tests.simulators.world import World
from worker import on_duty

CANCEL = """
mutation ($input: CancelPurchaseInput!) { cancelPurchase(input: $input) {
  __typename ... on CancelPurchaseSuccess { purchase { status } } } }
"""
ORDER = {"tokens": "40", "idempotencyKey": "order"}


@pytest.fixture
async def unattended(open_world: Opening) -> AsyncIterator[World]:
    """The API alone, which answers after half a second."""
    async with open_world(with_worker=False, purchase_answer_timeout=timedelta(milliseconds=500)) as world:
        yield world


async def test_an_order_without_a_worker_is_queued_and_completed_when_one_comes(
    unattended: World, db: Connection
) -> None:
    # given
    world, ada = unattended, await a_buyer()

    # when
    queued = await world.buys(ada, **ORDER)

    # then
    assert queued["__typename"] == "PurchaseQueued"
    assert queued["workflowId"] == world.story(queued["purchaseId"]).id
    assert await world.purchase(ada, queued["purchaseId"]) is None
    assert await Provider.of(world).payments(queued["purchaseId"]) == []

    # when
    async with on_duty(world.settings, world.client):
        purchase = await world.becomes(ada, await world.places(ada, **ORDER), "COMPLETED")

    # then
    assert purchase["id"] == queued["purchaseId"]
    assert len(await Provider.of(world).payments(purchase["id"])) == 1
    assert await traces(db, purchase["id"]) == paid("40")
    assert await world.broken_rules() == []


async def test_a_queued_key_is_refused_for_another_order(unattended: World, db: Connection) -> None:
    # given
    world, ada = unattended, await a_buyer()
    queued = await world.buys(ada, **ORDER)

    # when
    async with on_duty(world.settings, world.client):
        other = await world.buys(ada, tokens="41", idempotencyKey="order")
        purchase = await world.becomes(ada, await world.places(ada, **ORDER), "COMPLETED")

    # then
    assert other["code"] == "IDEMPOTENCY_CONFLICT"
    assert purchase["id"] == queued["purchaseId"]
    assert await traces(db, purchase["id"]) == paid("40")
    assert await world.broken_rules() == []


async def test_a_cancellation_without_a_worker_is_kept_for_the_one_that_comes(
    unattended: World, db: Connection
) -> None:
    # given
    world, ada = unattended, await a_buyer("pm_three_d_secure")
    async with on_duty(world.settings, world.client):
        purchase_id = await world.places(ada, **ORDER)
        await world.becomes(ada, purchase_id, "REQUIRES_ACTION")

    # when
    told = (await world.data_in_the_end(CANCEL, ada, input={"purchaseId": purchase_id}))["cancelPurchase"]

    # then
    assert told == {"__typename": "CancelPurchaseSuccess", "purchase": {"status": "REQUIRES_ACTION"}}
    async with on_duty(world.settings, world.client):
        await world.becomes(ada, purchase_id, "CANCELLED")
    assert (await Provider.of(world).payment(purchase_id))["status"] == "CANCELLED"
    assert await traces(db, purchase_id) == unpaid("CANCELLED")
    assert await world.broken_rules() == []


async def test_thirty_orders_at_once_with_one_key_are_one_purchase(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer()
    await world.token_of(ada)

    # when
    told = await asyncio.gather(*(world.buys(ada, **ORDER) for _ in range(30)))

    # then
    assert {answer["purchase"]["id"] for answer in told} == {told[0]["purchase"]["id"]}
    purchase = await world.becomes(ada, told[0]["purchase"]["id"], "COMPLETED")
    assert len(await Provider.of(world).payments(purchase["id"])) == 1
    assert await traces(db, purchase["id"]) == paid("40")
    assert await audited(db, purchase["id"]) == ["placed", "processing", "completed"]
    rows = await db.fetch("SELECT id FROM token_purchases")
    assert [global_id("Purchase", row["id"]) for row in rows] == [purchase["id"]]
    assert await world.broken_rules() == []
