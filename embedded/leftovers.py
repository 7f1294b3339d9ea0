"""Parts that survived a Scrip which was killed: recognised, and ended.

Each part leaves a trace, a file with its number, its start and its command. A number alone proves nothing, for the
system gives it away again; only a process with the same number, start and command is ours, and only such are ended.
"""

import json
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from embedded.folder import write_private

# The system counts the start of a process from its own, and corrects its clock meanwhile.
START_SECONDS_APART_MAX: Final = 2.0
END_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Trace:
    """What tells a process of ours from any other."""

    pid: int
    started: float
    command: tuple[str, ...]
    stop_signal: int

    @classmethod
    def of(cls, pid: int, command: Sequence[str], stop_signal: signal.Signals) -> Self | None:
        """The trace of a process of ours that was started just now; None when it has already ended."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return None
        return cls(pid, started, tuple(command), int(stop_signal))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The trace in `path`, or None when it is not one."""
        try:
            values = json.loads(path.read_text())
            command = tuple(str(word) for word in values["command"])
            return cls(int(values["pid"]), float(values["started"]), command, int(values["stop_signal"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))

    def process(self) -> psutil.Process | None:
        """The process that left this trace, when it still runs."""
        try:
            process = psutil.Process(self.pid)
            same_start = abs(process.create_time() - self.started) < START_SECONDS_APART_MAX
            words = tuple(process.cmdline())
        except psutil.Error:
            return None
        # The tether turns into the command it ends with.
        same_command = bool(words) and self.command[-len(words) :] == words
        return process if same_start and same_command else None


def end_leftovers(folder: Path) -> list[str]:
    """No process that left a trace in `folder` runs any more; returns the names of those that had to be ended."""
    found: dict[str, psutil.Process] = {}
    for path in sorted(folder.glob("*.json")):
        trace = Trace.read(path)
        process = trace.process() if trace else None
        if trace and process:
            found[path.stem] = process
            _send(process, trace.stop_signal)
    end(list(found.values()))
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)
    return list(found)


def end(processes: Sequence[psutil.Process]) -> None:
    """The processes, already asked to end, have ended; those that take too long are killed."""
    _, stubborn = psutil.wait_procs(list(processes), timeout=END_SECONDS_MAX)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=END_SECONDS_MAX)


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
