"""Giving a purchase up: before money has moved it is cancelled, at the gateway too; afterwards it cannot be."""

import asyncio
from typing import Any

from models.database import Connection
from schema.ids import global_id
from tests.builders import Member, a_buyer
from tests.patience import PATIENCE_SECONDS
from tests.simulators.provider import Provider
from tests.simulators.traces import audited, paid, traces, unpaid
from tests.simulators.world import World

CANCEL = """
mutation ($input: CancelPurchaseInput!) { cancelPurchase(input: $input) {
  __typename
  ... on CancelPurchaseSuccess { purchase { status failure { code message } actionUrl } }
  ... on PurchaseNotCancellable { status }
  ... on Problem { code } } }
"""
CANCELLED = {
    "__typename": "CancelPurchaseSuccess",
    "purchase": {"status": "CANCELLED", "failure": {"code": None, "message": "Cancelled."}, "actionUrl": None},
}


def not_cancellable(status: str) -> dict[str, str]:
    return {"__typename": "PurchaseNotCancellable", "status": status, "code": "PURCHASE_NOT_CANCELLABLE"}


async def cancels(world: World, member: Member, purchase_id: str) -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(CANCEL, member, input={"purchaseId": purchase_id}))["cancelPurchase"]
    return told


async def being_charged(world: World, db: Connection, member: Member) -> tuple["asyncio.Task[dict[str, Any]]", str]:
    """An order whose buyer still waits for the answer while the gateway has its payment; and the purchase's id."""
    order = asyncio.create_task(world.buys(member, tokens="40", idempotencyKey="order"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (rows := await db.fetch("SELECT id FROM token_purchases")):
            await asyncio.sleep(0.03)
    purchase_id = global_id("Purchase", rows[0]["id"])
    await Provider.of(world).payment(purchase_id)
    return order, purchase_id


async def test_a_purchase_that_waits_for_its_buyer_is_cancelled(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]

    # when
    told = await cancels(world, ada, purchase_id)

    # then
    assert told == CANCELLED
    assert (await Provider.of(world).payment(purchase_id))["status"] == "CANCELLED"
    assert await traces(db, purchase_id) == unpaid("CANCELLED")
    assert await audited(db, purchase_id) == ["placed", "processing", "requires_action", "cancelled"]
    row = await db.fetch_one("SELECT actor FROM token_audit_logs WHERE action = 'purchase.cancelled'")
    assert row is not None
    assert row["actor"] == f"user/{ada.id}"
    assert await world.broken_rules() == []


async def test_a_payment_in_processing_is_cancelled(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_silent")
    order, purchase_id = await being_charged(world, db, ada)

    # when
    told = await cancels(world, ada, purchase_id)

    # then
    assert told == CANCELLED
    assert (await order)["purchase"]["status"] == "CANCELLED"
    assert (await Provider.of(world).payment(purchase_id))["status"] == "CANCELLED"
    assert await traces(db, purchase_id) == unpaid("CANCELLED")
    assert await world.broken_rules() == []


async def test_cancelling_twice_cancels_once(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]

    # when
    together = await asyncio.gather(*(cancels(world, ada, purchase_id) for _ in range(3)))
    afterwards = await cancels(world, ada, purchase_id)

    # then
    assert [*together, afterwards] == [CANCELLED] * 4
    assert await audited(db, purchase_id) == ["placed", "processing", "requires_action", "cancelled"]
    assert await world.broken_rules() == []


async def test_a_completed_purchase_cannot_be_cancelled(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer()
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]

    # when
    told = await cancels(world, ada, purchase_id)

    # then
    assert told == not_cancellable("COMPLETED")
    assert (await world.purchase(ada, purchase_id))["status"] == "COMPLETED"
    assert await traces(db, purchase_id) == paid("40")
    assert await world.broken_rules() == []


async def test_a_failed_purchase_cannot_be_cancelled(world: World, db: Connection) -> None:
    ada = await a_buyer("pm_declined_fraud")
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]

    assert await cancels(world, ada, purchase_id) == not_cancellable("FAILED")
    assert await audited(db, purchase_id) == ["placed", "processing", "failed"]
    assert await world.broken_rules() == []


async def test_a_cancellation_that_loses_against_the_capture_completes_the_purchase(
    world: World, db: Connection
) -> None:
    # given
    ada = await a_buyer("pm_uncancellable")
    order, purchase_id = await being_charged(world, db, ada)

    # when
    told = await cancels(world, ada, purchase_id)

    # then
    assert told == not_cancellable("COMPLETED")
    assert (await order)["purchase"]["status"] == "COMPLETED"
    assert (await Provider.of(world).payment(purchase_id))["status"] == "CAPTURED"
    assert await traces(db, purchase_id) == paid("40")
    assert await audited(db, purchase_id) == ["placed", "processing", "completed"]
    assert await world.broken_rules() == []


async def test_the_purchase_of_others_is_not_found(world: World) -> None:
    ada, mallory = await a_buyer("pm_three_d_secure"), await a_buyer()
    purchase_id = (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]["id"]

    told = await cancels(world, mallory, purchase_id)

    assert told == {"__typename": "PurchaseNotFound", "code": "PURCHASE_NOT_FOUND"}
    assert (await world.purchase(ada, purchase_id))["status"] == "REQUIRES_ACTION"
    assert await world.broken_rules() == []
