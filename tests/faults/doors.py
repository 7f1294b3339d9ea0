"""The product's doors as processes of their own, which may die, and a scenario around them: an own database, an own
Temporal server, an own gateway. A door that ends with 137 was killed at a failpoint and is started again."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from embedded.ports import free_port
from embedded.temporal import TemporalServer
from models.failpoints import KILLED
from tests.activities.gateway_processes import API_KEY, sandbox_provider
from tests.simulators.mailbox import Mailbox
from tests.simulators.world import START_PURCHASE, WEBHOOK_SECRET

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Door:
    """One door as a process; `deaths` counts how often a failpoint ended it."""

    script: str
    environment: Mapping[str, str]
    deaths: int = 0
    exit_code: int | None = None
    process: asyncio.subprocess.Process | None = None
    _keeper: "asyncio.Task[None] | None" = None

    async def open(self) -> None:
        await self._start()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> int | None:
        """SIGTERM; returns how it ended."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        return None if self.process is None else self.process.returncode

    async def _start(self) -> None:
        log = Path(self.environment["DOOR_LOGS"]) / f"{self.script}.log"
        with log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, self.script, cwd=ROOT, env=dict(self.environment), stdout=output, stderr=output
            )

    async def _keep(self) -> None:
        while True:
            assert self.process is not None
            self.exit_code = await self.process.wait()
            if self.exit_code not in (KILLED, -9):
                return
            self.deaths += 1
            await self._start()


@dataclass(slots=True)
class Scenario:
    """A running product made of processes."""

    url: str
    gateway_url: str
    api: Door
    worker: Door
    folder: Path
    http: httpx2.AsyncClient
    token: str | None = field(default=None, repr=False)

    def struck(self, failpoint: str) -> bool:
        return (self.folder / failpoint).exists()

    async def insists(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an operation, asked again whenever the connection breaks or nobody is there."""
        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    answer = await self.http.post(
                        f"{self.url}/graphql", json={"query": query, "variables": variables}, headers=headers
                    )
                    told = answer.json()
                    if "errors" not in told:
                        data: dict[str, Any] = told["data"]
                        return data
                except (httpx2.HTTPError, ValueError):
                    pass
                await asyncio.sleep(PAUSE_SECONDS)

    async def signs_in(self, email: str, password: str) -> None:
        query = "mutation ($i: SignInInput!) { signIn(input: $i) { ... on SignInSuccess { accessToken } } }"
        told = await self.insists(query, i={"email": email, "password": password})
        self.token = told["signIn"]["accessToken"]

    async def buys_until_completed(self, **order: Any) -> dict[str, Any]:
        """The same order with the same key until the purchase is completed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                told = (await self.insists(START_PURCHASE, input=order))["startPurchase"]
                if told["__typename"] == "StartPurchaseSuccess" and told["purchase"]["status"] == "COMPLETED":
                    purchase: dict[str, Any] = told["purchase"]
                    return purchase
                await asyncio.sleep(PAUSE_SECONDS)

    async def payments(self, key: str) -> list[dict[str, Any]]:
        """What the gateway knows under our key."""
        answer = await self.http.get(
            f"{self.gateway_url}/v1/payments", params={"key": key}, headers={"authorization": f"Bearer {API_KEY}"}
        )
        found: list[dict[str, Any]] = answer.json()["payments"]
        return found


def environment(
    dsn: str, temporal: str, port: int, gateway_url: str, mailbox: Mailbox, folder: Path, failpoint: str | None
) -> dict[str, str]:
    """All that a door is told."""
    own = {
        "DATABASE_URL": dsn,
        "DATABASE_POOL_SIZE": "4",
        "TEMPORAL_ADDRESS": temporal,
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_GATEWAY_URL": gateway_url,
        "SANDBOX_API_KEY": API_KEY,
        "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SMTP_PORT": str(mailbox.smtp_port),
        "LOG_FILE": "",
        "DOOR_LOGS": str(folder),
        "SCRIP_FAILPOINT_FOLDER": str(folder),
    }
    if failpoint is not None:
        own["SCRIP_FAILPOINTS"] = failpoint
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Doors are started again and again; compiled modules are kept beside the test's other files.
    return {**inherited, "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"), **own}


@asynccontextmanager
async def scenario(
    dsn: str, mailbox: Mailbox, folder: Path, *, failpoint: str | None = None
) -> AsyncIterator[Scenario]:
    """API and worker on their own Temporal server and gateway, with one failpoint armed."""
    folder.mkdir(parents=True)
    port = free_port()
    async with AsyncExitStack() as stack:
        temporal = await stack.enter_async_context(TemporalServer(None, ui_port=None))
        provider = stack.enter_context(
            sandbox_provider(
                folder / "sandbox.db",
                webhook_secret=WEBHOOK_SECRET,
                webhook_url=f"http://127.0.0.1:{port}/webhooks/sandbox",
                late_seconds="0.3",
            )
        )
        told = environment(dsn, temporal.address, port, provider.url, mailbox, folder, failpoint)
        api, worker = Door("server.py", told), Door("worker.py", told)
        for door in (api, worker):
            await door.open()
            stack.push_async_callback(door.close)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=15))
        yield Scenario(f"http://127.0.0.1:{port}", provider.url, api, worker, folder, http)
