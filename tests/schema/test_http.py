"""The product's own endpoint over plain HTTP: the reference audit, health that tells the truth, and invoices as PDF."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import httpx2
import orjson
import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from embedded.ports import free_port
from embedded.postgres import PostgresCluster
from embedded.web import WEB, node_executable
from models.database import connection, open_database
from schema import routes as plain_routes
from schema.routes import Routes
from server import application, connect_temporal, running
from settings import Settings
from tests.activities.gateway_processes import Running
from tests.builders import a_member
from tests.conftest import Database
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.scene import a_scene
from tests.schema.edge.conftest import ROOT
from tests.simulators.mailbox import Mailbox
from tests.simulators.world import World, settings_for

AUDIT = ROOT / "tests" / "schema" / "edge" / "audit.mjs"


async def test_the_http_audit_of_the_product_finds_neither_errors_nor_warnings(world: World) -> None:
    # given
    if not (WEB / "node_modules" / "graphql-http").is_dir():
        pytest.fail("web/node_modules has no graphql-http: run `npm ci` in the folder web/ first")
    command = [str(node_executable()), str(AUDIT), str(WEB / "node_modules"), f"{world.url}/graphql"]

    # when
    audit = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=PATIENCE_SECONDS)

    # then
    assert (audit.returncode, audit.stderr) == (0, b"")
    report = orjson.loads(audit.stdout)
    assert report["total"] == 61
    assert [finding for finding in report["findings"] if finding["status"] != "notice"] == []


@dataclass(frozen=True, slots=True)
class Api:
    """The application without a server around it, so that a test may reach its routes."""

    http: httpx2.AsyncClient
    routes: Routes

    async def readiness(self) -> tuple[int, dict[str, bool]]:
        answer = await self.http.get("/readyz")
        told = answer.json()
        assert told["ready"] is all(told["checks"].values())
        return answer.status_code, told["checks"]

    async def becomes(self, status: int, **checks: bool) -> None:
        """It is as ready as that, as soon as what it asks answers in time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.readiness() != (status, checks):
                await asyncio.sleep(0.05)


@pytest.fixture
async def durable(database: Database) -> AsyncIterator[Database]:
    """The test's database, opened, and told to keep what it has committed, as the tests' cluster is not."""
    owner = await asyncpg.connect(database.owner_dsn)
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    await owner.close()
    async with open_database(database.app_dsn, 4, application_name="scrip-tests"):
        yield database


@pytest.fixture
async def api(
    durable: Database,
    temporal: WorkflowEnvironment,
    sandbox: Running,
    mailbox: Mailbox,
    api_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Api]:
    monkeypatch.setattr(plain_routes, "FRESH_SECONDS", -1.0)
    settings = settings_for(durable.app_dsn, temporal, sandbox.url, mailbox, api_port)
    async with AsyncExitStack() as stack:
        yield await served(stack, settings, temporal.client)


async def served(stack: AsyncExitStack, settings: Settings, client: Client) -> Api:
    app, routes = application(settings, await stack.enter_async_context(running(settings, client)))
    transport = httpx2.ASGITransport(app)
    http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://api.example"))
    return Api(http, routes)


async def test_an_api_with_all_it_needs_is_alive_ready_and_healthy(api: Api) -> None:
    await api.becomes(200, database=True, temporal=True, accepting=True)
    alive, health = await api.http.get("/livez"), await api.http.get("/api/health")

    assert (alive.status_code, alive.text) == (200, "ok")
    told = health.json()
    assert (health.status_code, told["status"], told["version"]) == (200, "healthy", "0.1.0")
    assert told["services"] == {"database": "up", "temporal": "up", "accepting": "up"}
    assert told["uptime"] >= 0


async def test_an_api_that_drains_is_alive_and_not_ready(api: Api) -> None:
    api.routes.is_draining = True

    await api.becomes(503, database=True, temporal=True, accepting=False)
    assert (await api.http.get("/livez")).status_code == 200
    assert (await api.http.get("/api/health")).status_code == 503


async def test_an_api_whose_database_may_forget_what_it_committed_is_not_ready(
    books: Database, temporal: WorkflowEnvironment, sandbox: Running, mailbox: Mailbox, api_port: int
) -> None:
    settings = settings_for(books.app_dsn, temporal, sandbox.url, mailbox, api_port)
    async with AsyncExitStack() as stack:
        api = await served(stack, settings, temporal.client)

        await api.becomes(503, database=False, temporal=True, accepting=True)


async def test_an_api_whose_database_is_away_is_not_ready_until_it_is_back(api: Api, cluster: PostgresCluster) -> None:
    # given
    async with connection() as db:
        (row,) = await db.fetch("SELECT current_database() AS name")
    name = row["name"]
    admin = await asyncpg.connect(cluster.dsn())
    try:
        # when
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

        # then
        await api.becomes(503, database=False, temporal=True, accepting=True)
        health = await api.http.get("/api/health")
        assert (health.status_code, health.json()["status"]) == (503, "degraded")
        assert health.json()["services"]["database"] == "down"
        assert (await api.http.get("/livez")).status_code == 200
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
    await api.becomes(200, database=True, temporal=True, accepting=True)


async def test_an_api_starts_and_reads_while_temporal_is_away_and_says_that_it_is_not_ready(
    durable: Database, temporal: WorkflowEnvironment, sandbox: Running, mailbox: Mailbox, api_port: int
) -> None:
    settings = settings_for(
        durable.app_dsn, temporal, sandbox.url, mailbox, api_port, temporal_address=f"127.0.0.1:{free_port()}"
    )
    async with AsyncExitStack() as stack:
        api = await served(stack, settings, await connect_temporal(settings, lazy=True))

        await api.becomes(503, database=True, temporal=False, accepting=True)
        answer = await api.http.post("/graphql", json={"query": "{ tokenPackages { id } }"})
        assert answer.json() == {"data": {"tokenPackages": []}}


async def test_an_invoice_is_downloaded_by_those_who_may_see_it(world: World) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(None, permissions=("tokens.view", "platform.admin"))
    blind = await a_member(scene.aurora, permissions=("tokens.spend", "tokens.purchase", "tokens.configure"))
    query = "query ($number: String!) { invoice(number: $number) { pdfUrl } }"
    url = (await world.data(query, scene.ada, number=scene.invoice_number))["invoice"]["pdfUrl"]

    async def download(address: str, token: str | None) -> httpx2.Response:
        return await world.http.get(address, headers={"authorization": f"Bearer {token}"} if token else {})

    # when
    own = await download(url, await world.token_of(scene.ada))
    admins = await download(url, await world.token_of(admin))
    foreign = await download(url, await world.token_of(scene.bjorn))
    unknown = await download(url.replace("000001", "999999"), await world.token_of(scene.bjorn))
    unseeing = await download(url, await world.token_of(blind))
    nobody, forged = await download(url, None), await download(url, "forged")

    # then
    assert url == f"{world.settings.public_url}/invoices/{scene.invoice_number}.pdf"
    assert own.content.startswith(b"%PDF-")
    assert own.content == admins.content
    headers = ("content-type", "content-disposition", "x-content-type-options", "cache-control")
    assert [own.headers[name] for name in headers] == [
        "application/pdf",
        f'inline; filename="{scene.invoice_number}.pdf"',
        "nosniff",
        "no-store",
    ]
    assert {own.status_code, admins.status_code} == {200}
    assert [answer.status_code for answer in (foreign, unknown, unseeing, nobody, forged)] == [404, 404, 404, 401, 401]
    assert foreign.json() == unknown.json() == unseeing.json()


async def test_odd_invoice_numbers_are_not_found(world: World) -> None:
    scene = await a_scene(world)
    headers = {"authorization": f"Bearer {await world.token_of(scene.ada)}"}

    for odd in ("%00", "..%2f..%2fetc%2fpasswd", "x" * 500, "%E2%80%AE", "%22%0d%0aset-cookie:%20a", "TOK-2026-1"):
        answer = await world.http.get(f"{world.url}/invoices/{odd}.pdf", headers=headers)
        assert answer.status_code == 404, odd
        assert "set-cookie" not in answer.headers
