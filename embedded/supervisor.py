"""Starts parts in order, keeps them running, and stops them in the reverse order.

A part that ends by itself is started again, at once at first and then after longer and longer pauses, so that a part
which cannot live does not keep the machine busy. The next part is started when the one before is ready. Whatever a part
prints goes to its own log.
It does not know what the parts are: tests run it with tiny ones.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from embedded.leftovers import Trace
from embedded.parts import Errand, Part, PartFailed, nothing_first

POLL_SECONDS: Final = 0.05
PAUSE_SECONDS_FIRST: Final = 0.2
PAUSE_SECONDS_MAX: Final = 5.0
# A part that lived this long was well; its next end is a new misfortune and not more of the old one.
WELL_SECONDS: Final = 30.0
LOG_BYTES_MAX: Final = 20_000_000


@dataclass(slots=True)
class _Run:
    """One part and the process that currently plays it."""

    part: Part
    process: asyncio.subprocess.Process
    started_at: datetime
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    def __init__(
        self,
        logs: Path,
        traces: Path,
        *,
        announce: Callable[[str], None],
        changed: Callable[[], None] = nothing_first,
    ) -> None:
        """
        logs, traces  existing folders.
        announce      told one line for people at every event.
        changed       called when `pids()` has new numbers.
        """
        self._logs = logs
        self._traces = traces
        self._announce = announce
        self._changed = changed
        self._runs: list[_Run] = []

    def pids(self) -> dict[str, int]:
        """The process number of every part that was started, by its name, in the order of starting."""
        return {run.part.name: run.process.pid for run in self._runs}

    async def start(self, part: Part) -> None:
        """The part is ready and will be kept running. Raises PartFailed."""
        began = time.monotonic()
        run = _Run(part, *await self._spawn(part))
        self._runs.append(run)
        try:
            async with asyncio.timeout(part.start_seconds_max):
                ready = await self._is_ready_before_it_ends(run)
        except TimeoutError:
            raise PartFailed(
                part.title, f"was not ready after {part.start_seconds_max:.0f} s", self._log(part)
            ) from None
        if not ready:
            raise PartFailed(part.title, f"ended at once ({_ending(run)})", self._log(part))
        self._announce(f"{part.title} ... ready in {time.monotonic() - began:.1f} s")
        run.keeper = asyncio.create_task(self._keep(run), name=f"keep {part.name}")

    async def run(self, errand: Errand) -> str:
        """The errand was done; returns what it printed on standard output. Raises PartFailed."""
        began = time.monotonic()
        log = self._log(errand)
        with _appended(log) as output:
            process = await asyncio.create_subprocess_exec(
                *errand.command,
                env=dict(errand.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
            )
        try:
            async with asyncio.timeout(errand.seconds_max):
                printed, _ = await process.communicate()
        except TimeoutError:
            raise PartFailed(errand.title, f"was not done after {errand.seconds_max:.0f} s", log) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise PartFailed(errand.title, f"failed (exit code {process.returncode})", log)
        self._announce(f"{errand.title} ... done in {time.monotonic() - began:.1f} s")
        return printed.decode()

    async def stop(self) -> None:
        """No part runs any more; the last one started was the first to end."""
        for run in self._runs:
            if run.keeper is not None:
                run.keeper.cancel()
        await asyncio.gather(*(run.keeper for run in self._runs if run.keeper), return_exceptions=True)
        while self._runs:
            await self._end(self._runs.pop())

    async def _spawn(self, part: Part) -> tuple[asyncio.subprocess.Process, datetime]:
        await asyncio.to_thread(part.before)
        started_at = datetime.now(UTC)
        with _appended(self._log(part)) as output:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                env=dict(part.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        trace = Trace.of(process.pid, part.command, part.stop_signal)
        if trace is not None:
            trace.write(self._trace(part))
        return process, started_at

    async def _is_ready_before_it_ends(self, run: _Run) -> bool:
        """True as soon as the part says so; False when its process has ended."""
        ended = asyncio.create_task(run.process.wait())
        try:
            while not ended.done():
                if await run.part.is_ready(run.started_at):
                    return True
                await asyncio.wait([ended], timeout=POLL_SECONDS)
        finally:
            ended.cancel()
        return False

    async def _keep(self, run: _Run) -> None:
        """For ever: wait for the end of the process, pause, start it again."""
        pause = PAUSE_SECONDS_FIRST
        while True:
            began = time.monotonic()
            await run.process.wait()
            if time.monotonic() - began > WELL_SECONDS:
                pause = PAUSE_SECONDS_FIRST
            self._announce(f"{run.part.title} ended ({_ending(run)}); starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
            try:
                run.process, run.started_at = await self._spawn(run.part)
            except (OSError, RuntimeError) as error:
                # Out of memory or processes, for example: that passes, and nobody else would try again.
                self._announce(f"{run.part.title} could not be started: {error}")
                continue
            self._changed()
            if await self._is_ready_before_it_ends(run):
                self._announce(f"{run.part.title} ... ready again")

    async def _end(self, run: _Run) -> None:
        process = run.process
        if process.returncode is None:
            process.send_signal(run.part.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), run.part.grace_seconds)
            except TimeoutError:
                self._announce(f"{run.part.title} took longer than {run.part.grace_seconds:.0f} s to end; killed")
                process.kill()
                await process.wait()
        self._trace(run.part).unlink(missing_ok=True)

    def _log(self, part: Part | Errand) -> Path:
        return self._logs / f"{part.name}.log"

    def _trace(self, part: Part) -> Path:
        return self._traces / f"{part.name}.json"


def _appended(log: Path) -> BinaryIO:
    """The log, open for adding to its end; a big one is first put aside, in place of the one before it."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")


def _ending(run: _Run) -> str:
    code = run.process.returncode
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
