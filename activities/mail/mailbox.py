"""The captured mailbox: an SMTP server that delivers to a folder, and a view of it, in one process.

`python -m activities.mail.mailbox` listens where the environment says (0 is any free port), prints one JSON line
`{"smtp_port": 1025, "http": "http://127.0.0.1:8025"}` when both servers answer, and ends on Ctrl-C or SIGTERM.

    MAILBOX_HOST          127.0.0.1
    MAILBOX_SMTP_PORT     1025
    MAILBOX_HTTP_PORT     8025
    MAILBOX_FOLDER        .scrip/mailbox

Two domains play the failures of the world: mail to `@undeliverable.example` is refused for good (550), mail to
`@deferred.example` for now (451). Nothing is ever sent on.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

from activities.mail.captured import CapturedFolder
from activities.mail.mailbox_pages import mailbox_app

UNDELIVERABLE_DOMAIN = "undeliverable.example"
DEFERRED_DOMAIN = "deferred.example"
GOODBYE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class MailboxPlace:
    """Where a mailbox listens and keeps its mail; a port of 0 is any free one."""

    host: str
    smtp_port: int
    http_port: int
    folder: Path


def place_from(environment: Mapping[str, str]) -> MailboxPlace:
    """The place that the MAILBOX_ variables name. Raises ValueError when a port is no number."""
    return MailboxPlace(
        host=environment.get("MAILBOX_HOST", "127.0.0.1"),
        smtp_port=int(environment.get("MAILBOX_SMTP_PORT", "1025")),
        http_port=int(environment.get("MAILBOX_HTTP_PORT", "8025")),
        folder=Path(environment.get("MAILBOX_FOLDER", ".scrip/mailbox")),
    )


class _Delivery:
    """What the SMTP server asks about each recipient and each message."""

    def __init__(self, folder: CapturedFolder) -> None:
        self._folder = folder

    async def handle_RCPT(  # noqa: N802 - the SMTP server finds its handlers by these names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        domain = address.rpartition("@")[2].lower()
        if domain == UNDELIVERABLE_DOMAIN:
            return "550 5.1.1 No such mailbox"
        if domain == DEFERRED_DOMAIN:
            return "451 4.2.0 Mailbox busy, try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        try:
            await asyncio.to_thread(
                self._folder.keep, content, sender=envelope.mail_from or "", recipients=tuple(envelope.rcpt_tos)
            )
        except OSError as failure:
            return f"451 4.3.0 The message could not be kept: {failure.strerror}"
        return "250 2.0.0 Kept"


class _HttpServer(uvicorn.Server):
    """uvicorn, except that signals stay ours and that it says when it answers."""

    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(place: MailboxPlace, *, say: Callable[[str], None]) -> None:
    """Run the mailbox until Ctrl-C or SIGTERM; `say` is given the JSON line once both servers answer.

    Raises    OSError when a port is taken or the folder cannot be written.
    """
    loop = asyncio.get_running_loop()
    folder = await asyncio.to_thread(CapturedFolder, place.folder, clock=_now)
    smtp = await loop.create_server(lambda: _smtp_session(folder, loop), place.host, place.smtp_port)
    http_socket = _listening(place.host, place.http_port)
    smtp_port, http_port = smtp.sockets[0].getsockname()[1], http_socket.getsockname()[1]
    shown_host = f"[{place.host}]" if ":" in place.host else place.host
    ready = json.dumps({"smtp_port": smtp_port, "http": f"http://{shown_host}:{http_port}"})
    config = uvicorn.Config(
        mailbox_app(folder, host=place.host),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    server = _HttpServer(config, on_ready=lambda: say(ready))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    async with smtp:
        await server.serve(sockets=[http_socket])


def _smtp_session(folder: CapturedFolder, loop: asyncio.AbstractEventLoop) -> SMTP:
    return SMTP(_Delivery(folder), hostname="mailbox", ident="Scrip mailbox", enable_SMTPUTF8=True, loop=loop)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(place_from(os.environ), say=_say))
