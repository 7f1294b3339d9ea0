"""The product as processes of their own, so that they can be killed as production kills them.

A `Door` is one `server.py` or `worker.py`: opened with an environment made of typed settings, ended by any signal, and
opened again; a `caretaker` opens it again whenever it has died. A `Gateway` is the sandbox provider on one port, its
memory on disk. Nothing here looks inside a process: what happened is read from exit codes, files and databases.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from embedded.ports import free_port, is_answered
from embedded.tether import tethered
from settings import Settings
from tests.activities.gateway_processes import Running, sandbox_provider
from tests.patience import until

ROOT = Path(__file__).parents[2]
LATE_SECONDS = "0.3"


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment a process reads these settings from; what is None is left out."""
    told = settings.model_dump(mode="json", exclude_none=True)
    secrets = {name: value for name, value in settings if isinstance(value, SecretStr)}
    told |= {name: secret.get_secret_value() for name, secret in secrets.items()}
    return {name.upper(): str(value) for name, value in told.items()}


class Door:
    """One process of the product. `failpoints` are armed at every opening; each strikes once in all."""

    def __init__(
        self, script: str, settings: Settings, folder: Path, *, bytecode: Path, failpoints: Iterable[str] = ()
    ) -> None:
        """
        script     "server.py" or "worker.py".
        folder     where the process stands, and leaves its log and what struck; it holds no `.env`.
        bytecode   where Python keeps what it has compiled, so that only the first of many openings is slow.
        """
        self.settings = settings
        self.log = folder / f"{script}-{settings.port}.log"
        self._script = script
        self._folder = folder
        self._process: Process | None = None
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **environment_of(settings),
            "PYTHONPYCACHEPREFIX": str(bytecode),
            "SCRIP_FAILPOINTS": ",".join(failpoints),
            "SCRIP_FAILPOINT_FOLDER": str(folder),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def is_open(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def open(self) -> None:
        """The process has been started; it may not answer yet."""
        command = tethered((sys.executable, str(ROOT / self._script)), self._folder, farewell=signal.SIGKILL)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def answers(self) -> None:
        """Returns when the API listens, or the process has ended."""
        await until(lambda: not self.is_open or is_answered(self.settings.port))

    async def says(self, words: str) -> None:
        """Returns when the log holds these words."""
        await until(lambda: words in self.log.read_text())

    def send(self, number: signal.Signals) -> None:
        self._running.send_signal(number)

    async def ended(self) -> int:
        """The exit code, or minus the number of the signal that ended it."""
        return await self._running.wait()

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        with suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        await self.ended()

    @property
    def _running(self) -> Process:
        assert self._process is not None
        return self._process


@asynccontextmanager
async def caretaker(*doors: Door) -> AsyncIterator[Mapping[Door, list[int]]]:
    """The doors are open; whichever ends is opened again. Yields what each has ended with so far."""
    ends: dict[Door, list[int]] = {door: [] for door in doors}

    async def look_after(door: Door) -> None:
        while True:
            ends[door].append(await door.ended())
            await door.open()

    for door in doors:
        await door.open()
    tasks = [asyncio.create_task(look_after(door)) for door in doors]
    try:
        yield ends
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for door in doors:
            await door.kill()


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment as the gateway keeps it."""

    key: str
    status: str
    amount: Decimal


class Gateway:
    """The sandbox provider on a port of its own. What it knows is in a file, so it can be killed and started again."""

    def __init__(self, folder: Path, *, webhook_port: int, webhook_secret: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._file = folder / "gateway.db"
        self._options = {
            "port": str(self.port),
            "webhook_url": f"http://127.0.0.1:{webhook_port}/webhooks/sandbox",
            "webhook_secret": webhook_secret,
            "late_seconds": LATE_SECONDS,
        }
        self._stack = AsyncExitStack()
        self._running: Running | None = None

    async def start(self) -> None:
        self._running = await asyncio.to_thread(
            self._stack.enter_context, sandbox_provider(self._file, **self._options)
        )

    async def stop(self) -> None:
        await self.wake()
        await self._stack.aclose()

    async def freeze(self) -> None:
        """SIGSTOP: it takes connections and answers none, until `wake`."""
        self._send(signal.SIGSTOP)

    async def wake(self) -> None:
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL, frozen or not."""
        assert self._running is not None
        await asyncio.to_thread(self._running.kill)
        self._running = None

    def charges(self) -> list[Charge]:
        """Every payment it has ever made."""
        rows = self._read("SELECT key, status, amount FROM payments")
        return [Charge(key, status, Decimal(amount)) for key, status, amount in rows]

    def events(self) -> set[str]:
        """The ids of all events it has told, or will."""
        return {str(row[0]) for row in self._read("SELECT event_id FROM deliveries")}

    def undelivered(self) -> int:
        """How many of its letters have not been taken yet."""
        return len(self._read("SELECT id FROM deliveries WHERE due_at IS NOT NULL"))

    def _read(self, sql: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as store:
            return list(store.execute(sql))

    def _send(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.process.send_signal(number)
