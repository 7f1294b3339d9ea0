"""Real servers for the tests: PostgreSQL, Temporal, the sandbox gateway and the mailbox, started once a session when a
test first needs them. Every test that writes gets a database of its own, cloned from a migrated template."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from embedded.ports import free_port
from embedded.postgres import PostgresCluster
from embedded.temporal import dynamic_config_arguments, temporal_binary
from models.database import Connection, connection, open_database
from models.migrate import migrate
from tests.activities.gateway_processes import Running, sandbox_provider
from tests.simulators.mailbox import Mailbox, running_mailbox
from tests.simulators.world import WEBHOOK_SECRET, World, settings_for
from workflows.attributes import SEARCH_ATTRIBUTES

OWNER = "scrip_owner"
APPLICATION = "scrip_app"
TEMPLATE = "scrip_template"
POOL_SIZE = 8

numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test: the application's way in, and the owner's."""

    app_dsn: str
    owner_dsn: str


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
async def database(cluster: PostgresCluster, template: str) -> AsyncIterator[Database]:
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


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server whose workflows stand still in time until a test moves them."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(temporal_binary()),
        dev_server_extra_args=list(dynamic_config_arguments(time_skipping=True)),
        dev_server_log_level="never",
        data_converter=pydantic_data_converter,
        search_attributes=list(SEARCH_ATTRIBUTES),
        ts_config=TimeSkippingConfig(enabled=False, max_session_skip_count=100_000),
    )
    async with environment:
        yield environment


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
async def world(
    books: Database,
    temporal: WorkflowEnvironment,
    sandbox: Running,
    mailbox: Mailbox,
    api_port: int,
    altered_settings: Mapping[str, object],
) -> AsyncIterator[World]:
    """The whole product in this process, on the test's own database: API, worker, gateway, mailbox, Temporal."""
    settings = settings_for(books.app_dsn, temporal, sandbox.url, mailbox, api_port, **altered_settings)
    async with AsyncExitStack() as stack:
        yield await World.open(stack, settings, temporal, mailbox)
    await asyncio.sleep(0)
