"""Real servers for the tests: PostgreSQL, Temporal, the sandbox gateway and the mailbox, started once a session when a
test first needs them. Every test that writes gets a database of its own, cloned from a migrated template."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment

from embedded import ports
from embedded import temporal as embedded_temporal
from embedded.ports import free_port
from embedded.postgres import PostgresCluster
from embedded.temporal import TemporalServer
from models import database as way_to_postgres
from models.database import Connection, connection, open_database
from models.migrate import migrate
from tests.activities.gateway_processes import Running, sandbox_provider
from tests.patience import PATIENCE_SECONDS
from tests.simulators.mailbox import Mailbox, running_mailbox
from tests.simulators.world import WEBHOOK_SECRET, World, settings_for

OWNER = "scrip_owner"
APPLICATION = "scrip_app"
TEMPLATE = "scrip_template"
POOL_SIZE = 8

numbers = itertools.count(1)
Opening: TypeAlias = Callable[..., AbstractAsyncContextManager[World]]


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test: the application's way in, and the owner's."""

    app_dsn: str
    owner_dsn: str


@pytest.fixture(scope="session", autouse=True)
def beside_others() -> Iterator[None]:
    """Test processes side by side choose from different ports, so that what was chosen is free until it is used; and a
    Temporal server may take as long to start as a test waits."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "CHOICES", ports.CHOICES[number::count])
        patch.setattr(embedded_temporal, "START_SECONDS_MAX", PATIENCE_SECONDS)
        yield


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with PostgresCluster(tmp_path_factory.mktemp("postgres"), durable=False) as running:
        yield running


@pytest.fixture(scope="session")
async def template(cluster: PostgresCluster) -> str:
    """A migrated, empty database; its name."""
    admin = await asyncpg.connect(cluster.dsn())
    try:
        for role in (OWNER, APPLICATION):
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'for-tests'")
        await admin.execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    finally:
        await admin.close()
    await migrate(cluster.dsn(TEMPLATE, OWNER, password="for-tests"), APPLICATION)
    return TEMPLATE


@pytest.fixture
def patient_product() -> Iterator[None]:
    """The product waits for its database as long as a test does, lest it give up while the machine stands still. How
    long it waits in truth is claimed by `tests/models/test_database.py`, which does without this."""
    limits = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
    # A patch of its own: the test's would have to be undone after this, and so after what its other fixtures tidy up.
    with pytest.MonkeyPatch.context() as patch:
        for name in limits:
            patch.setitem(way_to_postgres.SERVER_SETTINGS, name, f"{PATIENCE_SECONDS:.0f}s")
        patch.setattr(way_to_postgres, "ACQUIRE_SECONDS", PATIENCE_SECONDS)
        patch.setattr(way_to_postgres, "COMMAND_SECONDS", PATIENCE_SECONDS + 2.0)
        yield


@pytest.fixture
async def database(cluster: PostgresCluster, template: str, patient_product: None) -> AsyncIterator[Database]:
    """A fresh migrated database; dropped after the test."""
    name = f"scrip_{next(numbers)}"
    admin = await asyncpg.connect(cluster.dsn())
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy")
        yield Database(
            cluster.dsn(name, APPLICATION, password="for-tests"), cluster.dsn(name, OWNER, password="for-tests")
        )
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Database]:
    """The test's database, opened for `models.database` as the application role."""
    async with open_database(database.app_dsn, POOL_SIZE, application_name="scrip-tests"):
        yield database


@pytest.fixture
async def db(books: Database) -> AsyncIterator[Connection]:
    """A connection for looking at what a test has done."""
    async with connection() as here:
        yield here


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the role that owns the tables."""
    here = await asyncpg.connect(database.owner_dsn)
    yield here
    await here.close()


class TimeSkipping(WorkflowEnvironment):
    """A Temporal server whose workflows stand still in time until a test moves them."""

    def __init__(self, client: Client) -> None:
        config = TimeSkippingConfig(enabled=False, max_session_skip_count=100_000)
        self._skipper = TimeSkipper(client, config=config)
        super().__init__(self._skipper.client)

    async def fast_forward(
        self, handle: WorkflowHandle[Any, Any], duration: timedelta | float | None = None, /
    ) -> bool:
        return await self._skipper.fast_forward(handle, duration)


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server. Not the library's own, which is given up when it does not answer within five seconds."""
    async with TemporalServer(None, ui_port=None, time_skipping=True) as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        yield TimeSkipping(client)


@pytest.fixture(scope="session")
def api_port() -> int:
    """The port of every test's API, so that the gateway knows where to send its events."""
    return free_port()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory, api_port: int) -> Iterator[Running]:
    with sandbox_provider(
        tmp_path_factory.mktemp("sandbox") / "sandbox.db",
        webhook_secret=WEBHOOK_SECRET,
        webhook_url=f"http://127.0.0.1:{api_port}/webhooks/sandbox",
        late_seconds="0.3",
    ) as provider:
        yield provider


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with running_mailbox(tmp_path_factory.mktemp("mailbox")) as running:
        yield running


@pytest.fixture
def altered_settings() -> Mapping[str, object]:
    """What a test's product is set to differently; a test alters it by `pytest.mark.parametrize`."""
    return {}


@pytest.fixture
def open_world(
    books: Database, temporal: WorkflowEnvironment, sandbox: Running, mailbox: Mailbox, api_port: int
) -> Opening:
    """Opens the product in this process, on the test's own database; with settings of its own, or without a worker."""

    @asynccontextmanager
    async def open_one(*, with_worker: bool = True, **altered: object) -> AsyncIterator[World]:
        settings = settings_for(books.app_dsn, temporal, sandbox.url, mailbox, api_port, **altered)
        async with AsyncExitStack() as stack:
            yield await World.open(stack, settings, temporal, mailbox, with_worker=with_worker)

    return open_one


@pytest.fixture
async def world(open_world: Opening, altered_settings: Mapping[str, object]) -> AsyncIterator[World]:
    """The whole product in this process: API, worker, gateway, mailbox, Temporal."""
    async with open_world(**altered_settings) as world:
        yield world
    await asyncio.sleep(0)
