"""The embedded Temporal server: searchable, durable when it has a folder, and gone when it should be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from embedded.ports import is_answered
from embedded.temporal import SEARCH_ATTRIBUTES, TemporalFailed, TemporalServer
from tests.patience import PATIENCE_SECONDS

STAGE = SearchAttributeKey.for_keyword("ScripStage")


@workflow.defn(name="Patience")
class Patience:
    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(timedelta(milliseconds=100))
        return "waited"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[TemporalServer]:
    async with TemporalServer(None, ui_port=None) as running:
        yield running


async def test_the_attributes_that_workflows_are_searched_by_are_registered() -> None:
    assert SEARCH_ATTRIBUTES == (
        ("ScripOrganization", "Keyword"),
        ("ScripPurchase", "Keyword"),
        ("ScripAmount", "Double"),
        ("ScripStage", "Keyword"),
    )


async def test_a_timer_fires_on_time_and_the_workflow_is_found_by_its_stage(server: TemporalServer) -> None:
    # given
    client = await Client.connect(server.address)
    queue = uuid4().hex
    stage = TypedSearchAttributes([SearchAttributePair(STAGE, queue)])

    async def elapses() -> float:
        started = asyncio.get_running_loop().time()
        answer = await client.execute_workflow(Patience.run, id=queue, task_queue=queue, search_attributes=stage)
        assert answer == "waited"
        return asyncio.get_running_loop().time() - started

    async def is_found() -> bool:
        return {each.id async for each in client.list_workflows(f"ScripStage = '{queue}'")} == {queue}

    # when
    async with Worker(client, task_queue=queue, workflows=[Patience], workflow_runner=UnsandboxedWorkflowRunner()):
        # then: unless the server is told otherwise every timer is a second late, the quickest of many too
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await elapses() >= 0.9:
                pass
    await _eventually(is_found)


async def test_workflows_outlive_the_server_when_it_has_a_folder(tmp_path: Path) -> None:
    server = TemporalServer(tmp_path, ui_port=None)
    async with server:
        client = await Client.connect(server.address)
        await client.start_workflow("Patience", id="kept", task_queue="nobody-listens")

    async with server:
        client = await Client.connect(server.address)
        description = await client.get_workflow_handle("kept").describe()

    assert description.status is not None
    assert description.status.name == "RUNNING"


async def test_a_database_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "temporal.db").write_bytes(b"half a database")

    async with TemporalServer(tmp_path, ui_port=None) as server:
        await _eventually(server.is_ready)


async def test_the_web_interface_answers_on_its_own_port() -> None:
    async with TemporalServer(None) as server:
        ui_port = server.ui_port
        assert ui_port is not None
        await _eventually(lambda: asyncio.to_thread(is_answered, ui_port))
        assert server.ui_url == f"http://127.0.0.1:{server.ui_port}"


async def test_a_port_in_use_is_a_failure_that_says_so(server: TemporalServer) -> None:
    second = TemporalServer(None, port=server.port, ui_port=None)

    with pytest.raises(TemporalFailed, match="the port is in use"):
        await second.start()
    await _eventually(server.is_ready)


async def test_nothing_is_left_after_the_server_was_stopped() -> None:
    async with TemporalServer(None) as server:
        pass

    ours = [child for child in psutil.Process().children() if str(server.port) in " ".join(child.cmdline())]
    assert ours == []
    assert not is_answered(server.port)


async def _eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.02)
