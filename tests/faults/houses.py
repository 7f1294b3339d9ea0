"""A house is the whole product in processes, with a database, a Temporal server and a gateway of its own.

Houses are independent, so several faults can be waited out at the same time. All are furnished alike: one buyer with
some methods of payment, made once in a database that is cloned for each.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from embedded.ports import free_port
from embedded.postgres import PostgresCluster
from embedded.temporal import TemporalServer
from models.database import Connection, Row, open_database
from models.migrate import migrate
from models.purchases import purchase_id_of
from models.reconciliation import violations
from settings import Settings
from tests.activities.gateway_processes import API_KEY
from tests.builders import Member, a_member, a_payment_method, an_organization, gives
from tests.faults.callers import Caller
from tests.faults.processes import Door, Gateway
from tests.patience import LOOK_AGAIN_SECONDS, PATIENCE_SECONDS
from tests.simulators.mailbox import Mailbox
from tests.simulators.world import WEBHOOK_SECRET
from workflows.purchase import purchase_workflow_id

APPLICATION, OWNER, PASSWORD = "scrip_app", "scrip_owner", "for-tests"
METHODS = ("pm_success", "pm_late", "pm_three_d_secure")
TOKENS = "1000"
POOL_SIZE = 4
numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Furniture:
    """A database to clone, and who lives in it. `methods` are global ids by the sandbox's token."""

    cluster: PostgresCluster
    database: str
    member: Member
    methods: Mapping[str, str]


async def migrated(cluster: PostgresCluster) -> str:
    """The name of a migrated, empty database in a new cluster."""
    admin = await asyncpg.connect(cluster.dsn())
    try:
        for role in (OWNER, APPLICATION):
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        await admin.execute(f"CREATE DATABASE migrated OWNER {OWNER}")
    finally:
        await admin.close()
    await migrate(cluster.dsn("migrated", OWNER, password=PASSWORD), APPLICATION)
    return "migrated"


async def furnish(cluster: PostgresCluster, template: str) -> Furniture:
    """A clone of the migrated `template` with one buyer, who has 1000 tokens. No other database may be open."""
    name = f"furnished_{next(numbers)}"
    await _clone(cluster, template, name)
    async with open_database(cluster.dsn(name, APPLICATION, password=PASSWORD), 2, application_name="scrip-furniture"):
        organization = await an_organization()
        member = await a_member(organization)
        methods = {token: await a_payment_method(organization, token) for token in METHODS}
        await gives(organization, TOKENS)
    return Furniture(cluster, name, member, methods)


async def _clone(cluster: PostgresCluster, source: str, name: str) -> None:
    admin = await asyncpg.connect(cluster.dsn())
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {source} OWNER {OWNER} STRATEGY file_copy")
    finally:
        await admin.close()


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """What the books say of one purchase.

    lots        the tokens of each of its lots.
    invoices    the total of each of its invoices.
    documents   how many papers were made of them.
    violations  the rules of the books that do not hold.
    """

    lots: tuple[Decimal, ...]
    invoices: tuple[Decimal, ...]
    documents: int
    violations: tuple[str, ...]


BEING_CHARGED = "SELECT 1 FROM token_purchases WHERE id = $1 AND status = 'processing'"
LOTS = "SELECT granted_tokens AS amount FROM token_lots WHERE purchase_id = $1"
INVOICES = "SELECT total_amount AS amount FROM token_invoices WHERE purchase_id = $1"
DOCUMENTS = """
SELECT 1 FROM token_invoice_documents AS paper JOIN token_invoices AS invoice ON invoice.id = paper.invoice_id
WHERE invoice.purchase_id = $1
"""


@dataclass(slots=True)
class House:
    """One running product. `api` and `worker` are opened by the test; the rest runs for as long as the house."""

    furniture: Furniture
    database: str
    folder: Path
    bytecode: Path
    settings: Settings
    gateway: Gateway
    temporal: TemporalServer
    mailbox: Mailbox

    def api(self, *, failpoints: Iterable[str] = (), port: int | None = None) -> Door:
        changed = {} if port is None else {"port": port}
        settings = self.settings.model_copy(update=changed)
        return Door("server.py", settings, self.folder, bytecode=self.bytecode, failpoints=failpoints)

    def worker(self, *, failpoints: Iterable[str] = ()) -> Door:
        return Door("worker.py", self.settings, self.folder, bytecode=self.bytecode, failpoints=failpoints)

    @asynccontextmanager
    async def caller(self, *doors: Door) -> AsyncIterator[Caller]:
        """The buyer, signed in at the API of these doors, or at the house's own."""
        urls = [door.url for door in doors] or [f"http://127.0.0.1:{self.settings.port}"]
        known = self.furniture.member
        member = Member(known.id, known.email, known.organization, known.permissions)
        caller = Caller(urls, member)
        try:
            await caller.sign_in()
            yield caller
        finally:
            await caller.aclose()

    def purchase(self, key: str) -> UUID:
        """The purchase that the buyer's key makes, also before it is made."""
        organization = self.furniture.member.organization
        assert organization is not None
        return purchase_id_of(organization.id, key)

    async def story(self, key: str) -> WorkflowHandle[Any, Any]:
        """The workflow of the purchase a key makes."""
        client = await Client.connect(self.temporal.address, data_converter=pydantic_data_converter)
        return client.get_workflow_handle(purchase_workflow_id(self.purchase(key)))

    async def charge_under_way(self, key: str) -> WorkflowHandle[Any, Any]:
        """The story of the purchase, as soon as a worker is asking the gateway for the money."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.books() as books:
            # What Temporal calls started may still be on its way to the worker, and be lost with it.
            while await books.fetch_one(BEING_CHARGED, self.purchase(key)) is None:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return await self.story(key)

    async def bookkeeping(self, key: str) -> Bookkeeping:
        async with self.books() as books:
            found = [await books.fetch(sql, self.purchase(key)) for sql in (LOTS, INVOICES, DOCUMENTS)]
            lots, invoices, documents = found
            broken = tuple(violation.rule for violation in await violations(books))
            return Bookkeeping(_amounts(lots), _amounts(invoices), len(documents), broken)

    async def broken_rules(self) -> list[str]:
        """The rules of the books that do not hold now."""
        async with self.books() as books:
            return [violation.rule for violation in await violations(books)]

    def charges(self, key: str) -> list[tuple[str, Decimal]]:
        """Status and amount of every payment the gateway has made for the purchase of a key."""
        purchase = str(self.purchase(key))
        return [(charge.status, charge.amount) for charge in self.gateway.charges() if charge.key == purchase]

    async def kill_temporal(self) -> None:
        """SIGKILL. `temporal.start()` starts it again, from its file when the house keeps one."""
        process = self.temporal._process
        assert process is not None
        process.kill()
        await process.wait()

    async def stored_events(self) -> list[str]:
        """The gateway's events in our books, by the gateway's ids."""
        async with self.books() as books:
            return [row["event_id"] for row in await books.fetch("SELECT event_id FROM gateway_events")]

    @asynccontextmanager
    async def books(self) -> AsyncIterator[Connection]:
        """The database as its owner sees it."""
        here = await asyncpg.connect(self.furniture.cluster.dsn(self.database, OWNER, password=PASSWORD))
        try:
            yield Connection(here)
        finally:
            await here.close()


def _amounts(rows: Sequence[Row]) -> tuple[Decimal, ...]:
    return tuple(row["amount"] for row in rows)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What houses share: their furniture, a mailbox, a folder, and Python's bytecode."""

    furniture: Furniture
    mailbox: Mailbox
    folder: Path

    @asynccontextmanager
    async def house(self, *, keeps_temporal: bool = False, **others: Any) -> AsyncIterator[House]:
        """A house of one's own. `keeps_temporal`: its Temporal server keeps a file and can be killed and restarted."""
        name = f"house_{next(numbers)}"
        folder = self.folder / name
        folder.mkdir()
        await _clone(self.furniture.cluster, self.furniture.database, name)
        port = free_port()
        gateway = Gateway(folder, webhook_port=port, webhook_secret=WEBHOOK_SECRET)
        temporal = TemporalServer(folder / "temporal" if keeps_temporal else None, ui_port=None)
        settings = _settings(self, name, port, gateway, temporal, others)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(temporal)
            await gateway.start()
            stack.push_async_callback(gateway.stop)
            yield House(
                self.furniture, name, folder, self.folder / "bytecode", settings, gateway, temporal, self.mailbox
            )


def _settings(
    place: Neighbourhood,
    database: str,
    port: int,
    gateway: Gateway,
    temporal: TemporalServer,
    others: Mapping[str, Any],
) -> Settings:
    values: dict[str, Any] = {
        "database_url": SecretStr(place.furniture.cluster.dsn(database, APPLICATION, password=PASSWORD)),
        "database_pool_size": POOL_SIZE,
        "temporal_address": temporal.address,
        "port": port,
        "public_url": f"http://127.0.0.1:{port}",
        "sandbox_gateway_url": gateway.url,
        "sandbox_api_key": SecretStr(API_KEY),
        "sandbox_webhook_secret": SecretStr(WEBHOOK_SECRET),
        "smtp_port": place.mailbox.smtp_port,
        "log_file": None,
        "purchase_poll_interval": timedelta(minutes=5),
    }
    return Settings(_env_file=None, **{**values, **others})
