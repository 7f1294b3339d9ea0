"""The scenes whose histories are kept: each plays one story to its end and writes it down.

Not part of the suite; `python -m tests.workflows.record` plays them.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from schema.ids import read_id
from tests.builders import Member, a_buyer
from tests.simulators.provider import Provider
from tests.simulators.world import World
from tests.workflows.recorded import keep
from workflows.late_payment import late_payment_workflow_id

PAST_THE_WINDOW = timedelta(minutes=31)
CANCEL = "mutation ($input: CancelPurchaseInput!) { cancelPurchase(input: $input) { __typename } }"


async def ordered(world: World, method: str) -> tuple[Member, dict[str, Any]]:
    ada = await a_buyer(method)
    return ada, (await world.buys(ada, tokens="40", idempotencyKey="order"))["purchase"]


async def kept(world: World, name: str, workflow_id: str) -> None:
    """The story has ended and its history is kept."""
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.result()
    keep(name, await handle.fetch_history())


async def test_record_completed(world: World) -> None:
    _, purchase = await ordered(world, "pm_success")
    await kept(world, "completed", world.story(purchase["id"]).id)


async def test_record_declined(world: World) -> None:
    _, purchase = await ordered(world, "pm_declined_insufficient_funds")
    await kept(world, "declined", world.story(purchase["id"]).id)


async def test_record_approved(world: World) -> None:
    _, purchase = await ordered(world, "pm_three_d_secure")
    await Provider.of(world).clicks(purchase["actionUrl"], "approve")
    await kept(world, "approved", world.story(purchase["id"]).id)


async def test_record_expired(world: World) -> None:
    ada, purchase = await ordered(world, "pm_three_d_secure")
    await world.passes(purchase["id"], PAST_THE_WINDOW)
    await world.becomes(ada, purchase["id"], "EXPIRED")
    await kept(world, "expired", world.story(purchase["id"]).id)


async def test_record_cancelled_and_paid_late(world: World) -> None:
    ada, purchase = await ordered(world, "pm_three_d_secure")
    await world.data(CANCEL, ada, input={"purchaseId": purchase["id"]})
    await kept(world, "cancelled", world.story(purchase["id"]).id)

    await world.ends(purchase["id"])
    await Provider.of(world).forces(purchase["id"], "CAPTURED")
    await world.becomes(ada, purchase["id"], "COMPLETED")
    key = read_id(purchase["id"], "Purchase")
    assert isinstance(key, UUID)
    await kept(world, "paid_late", late_payment_workflow_id(key))
