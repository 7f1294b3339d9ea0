"""What a part is: one program that runs as long as Scrip does. And an errand: one that does its work and ends."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from embedded.failures import CannotStart


def nothing_first() -> None:
    """A part that needs nothing before it starts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program to keep running.

    name          names its log, its trace and its entry in ready.json.
    title         what people read.
    command       the whole argument vector, already tethered (`embedded.tether`).
    environment   all of it; nothing is inherited.
    is_ready      asked again and again with the moment (UTC) at which the program was started.
    before        called before each start, also when it is started again.
    grace_seconds how long it may take to end after `stop_signal`; then it is killed.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[datetime], Awaitable[bool]]
    before: Callable[[], None] = nothing_first
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 4.0
    start_seconds_max: float = 60.0


@dataclass(frozen=True, slots=True)
class Errand:
    """A program that does its work and ends; fields as of a part."""

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    seconds_max: float = 120.0


class PartFailed(CannotStart):
    """A part or an errand did not do what it was started for; the message ends with the end of its log."""

    def __init__(self, title: str, what: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        ending = "".join(f"\n    {line}" for line in lines)
        super().__init__(f"{title} {what}. The end of {log}:{ending}")
