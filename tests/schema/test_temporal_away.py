"""An API that was started while Temporal is away: what is asked of Temporal is unavailable, and the rest goes on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from embedded.ports import free_port
from schema.ids import global_id
from server import connect_temporal
from tests.builders import an_order
from tests.schema.clients.books import everything
from tests.schema.clients.scene import Scene, a_scene
from tests.simulators.world import World

BUY = 'mutation { startPurchase(input: { tokens: "5", idempotencyKey: "order" }) { __typename } }'
CANCEL = "mutation ($id: ID!) { cancelPurchase(input: { purchaseId: $id }) { __typename } }"
WORKFLOW = "{ purchases(first: 1) { nodes { status workflow { id } } } }"
ASKED = ("execute_update_with_start_workflow", "get_workflow_handle")


@pytest.fixture
async def scene(world: World) -> AsyncIterator[Scene]:
    """A scene whose API has a client of Temporal that has never reached it, until the test is over."""
    scene = await a_scene(world)
    away = world.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    nobody = await connect_temporal(away, lazy=True)
    with pytest.MonkeyPatch.context() as patch:
        for method in ASKED:
            patch.setattr(world.client, method, getattr(nobody, method))
        yield scene


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


async def test_an_order_is_unavailable_and_leaves_nothing(
    world: World, scene: Scene, owner: asyncpg.Connection
) -> None:
    await world.token_of(scene.ada)
    before = await everything(owner)

    told = await world.ask(BUY, scene.ada)

    assert codes(told) == ["UNAVAILABLE"]
    assert told["errors"][0]["message"] == (
        "Purchases cannot be taken right now. Ask again with the same key; it never buys twice."
    )
    assert await everything(owner) == before


async def test_a_cancellation_is_unavailable_and_changes_nothing(
    world: World, scene: Scene, owner: asyncpg.Connection
) -> None:
    order = await an_order(scene.aurora, "7", at=datetime.now(UTC))
    before = await everything(owner)

    told = await world.ask(CANCEL, scene.ada, id=global_id("Purchase", order.id))

    assert codes(told) == ["UNAVAILABLE"]
    assert await everything(owner) == before


async def test_a_purchase_is_read_without_its_workflow(world: World, scene: Scene) -> None:
    told = await world.data(WORKFLOW, scene.ada)

    assert told["purchases"]["nodes"] == [{"status": "COMPLETED", "workflow": None}]
