"""What standalone.py is told by its environment: the folder and the ports.

    SCRIP_DATA              .scrip   where everything is kept
    SCRIP_PORT              3000     the API and GraphiQL
    SCRIP_TEMPORAL_PORT     7233     Temporal
    SCRIP_TEMPORAL_UI_PORT  8233     Temporal's Web UI
    SCRIP_POSTGRES_PORT     5433     PostgreSQL
    SCRIP_GATEWAY_PORT      3010     the sandbox payment provider
    SCRIP_MAILBOX_PORT      3020     the captured mailbox, to look at
    SCRIP_SMTP_PORT         3025     the captured mailbox, to send to

A port of 0 is any free one, chosen once, so that several Scrips run side by side. All listen on 127.0.0.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from embedded.failures import CannotStart
from embedded.ports import LOOPBACK, free_port, is_free

PORT_MAX: Final = 65_535
PORTS: Final = {
    "SCRIP_PORT": 3000,
    "SCRIP_TEMPORAL_PORT": 7233,
    "SCRIP_TEMPORAL_UI_PORT": 8233,
    "SCRIP_POSTGRES_PORT": 5433,
    "SCRIP_GATEWAY_PORT": 3010,
    "SCRIP_MAILBOX_PORT": 3020,
    "SCRIP_SMTP_PORT": 3025,
}


class WrongOption(CannotStart):
    """A variable cannot be used; the message names it and says what to set."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All different, all free when they were chosen."""

    api: int
    temporal: int
    temporal_ui: int
    postgres: int
    gateway: int
    mailbox: int
    smtp: int

    @classmethod
    def choose(cls, environment: Mapping[str, str]) -> Self:
        """The ports that the SCRIP_ variables ask for, or their defaults. Raises WrongOption."""
        asked = {name: _number(name, environment.get(name) or str(default)) for name, default in PORTS.items()}
        _refuse_twins(asked)
        for name, port in asked.items():
            if port and not is_free(port):
                raise WrongOption(
                    f"Port {port} of {LOOPBACK} is in use by another program. "
                    f"Set {name} to another number, or to 0 for any free one."
                )
        taken = set(asked.values())
        chosen = []
        for port in asked.values():
            chosen.append(port or free_port(taken))
            taken.add(chosen[-1])
        return cls(*chosen)


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where everything is kept; relative to where the command is given."""
    return Path(environment.get("SCRIP_DATA") or ".scrip").expanduser()


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > PORT_MAX:
        raise WrongOption(f"{name} must be a number from 0 to {PORT_MAX}, where 0 is any free port; it is {text!r}.")
    return int(text)


def _refuse_twins(asked: Mapping[str, int]) -> None:
    owners: dict[int, str] = {}
    for name, port in asked.items():
        if port and port in owners:
            raise WrongOption(f"{owners[port]} and {name} are both {port}. Set one of them to another number, or to 0.")
        owners[port] = name
