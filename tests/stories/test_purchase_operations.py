"""What operators see of a purchase: in Temporal by its search attributes and texts, in GraphQL while a gateway is down.
And what they must not see there: people's names, addresses, and what is paid with."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecution

from embedded.ports import free_port
from models.database import Connection
from settings import Settings
from tests.activities.gateway_processes import sandbox_provider
from tests.builders import Member, a_buyer, a_member, a_payment_method, an_organization
from tests.conftest import Opening
from tests.patience import PATIENCE_SECONDS
from tests.simulators.provider import Provider
from tests.simulators.traces import paid, traces
from tests.simulators.world import WEBHOOK_SECRET, World, key_of
from tests.workflows.recorded import readable
from workflows.attributes import AMOUNT, ORGANIZATION, PURCHASE, STAGE

WORKFLOW = """query ($id: ID!) { purchase(id: $id) { workflow { id status stage attempt nextRetryAt url } } }"""
CHARGE_PAUSE_MAX = timedelta(seconds=20)


async def workflow_of(world: World, member: Member, purchase_id: str) -> dict[str, Any]:
    told: dict[str, Any] = await world.data(WORKFLOW, member, id=purchase_id)
    found: dict[str, Any] = told["purchase"]["workflow"]
    return found


async def found_by(world: World, query: str) -> list[WorkflowExecution]:
    """The workflows that operators find, as soon as there are any: Temporal's index follows by a moment."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = [each async for each in world.client.list_workflows(query)]
            if found:
                return found
            await asyncio.sleep(0.05)


async def test_a_purchase_is_found_by_its_search_attributes(world: World) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    assert ada.organization is not None
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    key = key_of(told["purchase"]["id"], "Purchase")

    # when
    by_stage = f"ScripOrganization = '{ada.organization.id}' AND ScripStage = 'requires_action' AND ScripAmount > 23.1"
    (found,) = await found_by(world, by_stage)

    # then
    assert found.id == f"purchase/{key}"
    attributes = found.typed_search_attributes
    assert attributes.get(ORGANIZATION) == str(ada.organization.id)
    assert attributes.get(PURCHASE) == str(key)
    assert attributes.get(AMOUNT) == 23.2
    assert attributes.get(STAGE) == "requires_action"
    (same,) = await found_by(world, f"ScripPurchase = '{key}'")
    assert same.id == found.id


async def test_a_purchase_explains_itself_in_the_temporal_ui(world: World) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    story = world.story(told["purchase"]["id"])

    # when
    described = await story.describe()
    details = await story.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)

    # then
    assert ada.organization is not None
    assert await described.static_summary() == "Purchase of 40 tokens"
    assert f"organization `{ada.organization.id}`" in (await described.static_details() or "")
    assert details.current_details == (
        "**requires_action** \n\n40.0000 tokens (Tokens) for 23.2000 USD by sandbox"
        f"\n\norganization `{ada.organization.id}`"
    )


@pytest.mark.parametrize("method", ["pm_success", "pm_declined_fraud"])
async def test_a_history_holds_no_names_addresses_or_payment_tokens(world: World, db: Connection, method: str) -> None:
    # given
    canary = await an_organization("Canary Dental Group")
    ada = await a_member(canary, email=f"ada.canary.{method}@dental.example")
    method_id = await a_payment_method(canary, method)
    row = await db.fetch_one(
        "SELECT tokenized_data AS token FROM payment_methods WHERE id = $1", key_of(method_id, "PaymentMethod")
    )
    assert row is not None

    # when
    told = await world.buys(ada, tokens="40", idempotencyKey="order")
    await world.story(told["purchase"]["id"]).result()
    text = readable(json.loads((await world.story(told["purchase"]["id"]).fetch_history()).to_json()))

    # then
    assert str(canary.id) in text
    assert f"user/{ada.id}" in text
    for secret in (ada.email, "canary", "Canary", "Wanjiku", "dental", "Harbour Road", row["token"], "pm_"):
        assert secret not in text


async def test_a_step_that_is_lost_with_its_worker_comes_to_another_before_a_buyer_is_answered(world: World) -> None:
    bought = await world.buys(await a_buyer(), tokens="40", idempotencyKey="order")

    history = await world.story(bought["purchase"]["id"]).fetch_history()

    started = history.events[0].workflow_execution_started_event_attributes
    assert started.workflow_task_timeout.ToTimedelta() == timedelta(seconds=3)
    assert timedelta(seconds=3) < Settings.model_fields["purchase_answer_timeout"].default


@pytest.fixture
async def ungated(open_world: Opening) -> AsyncIterator[World]:
    """The product whose gateway is down, which answers after half a second."""
    soon, nowhere = timedelta(milliseconds=500), f"http://127.0.0.1:{free_port()}"
    async with open_world(sandbox_gateway_url=nowhere, purchase_answer_timeout=soon) as world:
        yield world


async def test_a_gateway_that_is_down_is_seen_and_the_purchase_completes_when_it_is_back(
    ungated: World, db: Connection, tmp_path: Path
) -> None:
    # given
    world, ada = ungated, await a_buyer()
    purchase_id = await world.places(ada, tokens="40", idempotencyKey="order")
    await world.becomes(ada, purchase_id, "PROCESSING")

    # when
    seen = await retried(world, ada, purchase_id)

    # then
    workflow_id = world.story(purchase_id).id
    assert (seen["id"], seen["status"], seen["stage"]) == (workflow_id, "RUNNING", "paying")
    assert seen["url"].endswith(f"/namespaces/default/workflows/{quote(workflow_id, safe='')}")
    assert datetime.fromisoformat(seen["nextRetryAt"]).tzinfo is not None

    # when
    with back_again(world, tmp_path):
        await world.passes(purchase_id, CHARGE_PAUSE_MAX)
        await world.becomes(ada, purchase_id, "COMPLETED")
        await world.story(purchase_id).result()
        assert len(await Provider.of(world).payments(purchase_id)) == 1

    # then
    assert await traces(db, purchase_id) == paid("40")
    ended = await workflow_of(world, ada, purchase_id)
    assert (ended["status"], ended["stage"], ended["attempt"], ended["nextRetryAt"]) == (
        "COMPLETED",
        "completed",
        None,
        None,
    )
    assert await world.broken_rules() == []


async def retried(world: World, member: Member, purchase_id: str) -> dict[str, Any]:
    """The workflow as GraphQL shows it, from the second attempt of its step on."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            seen = await workflow_of(world, member, purchase_id)
            if (seen["attempt"] or 0) >= 2 and seen["nextRetryAt"] is not None:
                return seen
            await asyncio.sleep(0.03)


@contextmanager
def back_again(world: World, folder: Path) -> Iterator[None]:
    """The gateway listens where nobody did, for as long as the block lasts."""
    _, _, port = str(world.settings.sandbox_gateway_url).rpartition(":")
    with sandbox_provider(
        folder / "sandbox.db",
        port=port,
        webhook_secret=WEBHOOK_SECRET,
        webhook_url=f"{world.url}/webhooks/sandbox",
    ):
        yield
