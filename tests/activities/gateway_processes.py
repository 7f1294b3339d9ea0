"""Payment providers as processes, and an inbox for what they send: the small worlds of the gateway tests."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from urllib.parse import parse_qsl

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
API_KEY = "sandbox-key-for-tests"


@dataclass(frozen=True, slots=True)
class Running:
    """A provider that listens at `url`."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """A provider's process, from the moment it says that it listens until the block ends."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output, process:
        try:
            yield Running(json.loads(output.readline())["listening"], process)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def sandbox_provider(data: Path, **options: str) -> Iterator[Running]:
    """`options` without their SANDBOX_ prefix, in lower case."""
    environment = {f"SANDBOX_{name.upper()}": value for name, value in options.items()}
    environment = {"SANDBOX_DATA": str(data), "SANDBOX_API_KEY": API_KEY, **environment}
    with running(["-m", "activities.gateways.sandbox_provider"], environment) as provider:
        yield provider


@contextmanager
def stripe_emulator() -> Iterator[Running]:
    with running(["-W", "ignore", str(Path(__file__).with_name("stripe_emulator.py"))], {}) as emulator:
        yield emulator


@dataclass(frozen=True, slots=True)
class Letter:
    """One request as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    def content(self) -> dict[str, object]:
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content


class Inbox:
    """Keeps every request it is sent. Refuses the next `refusals` of them with a 500, keeping those too."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.refusals = 0
        self.url = ""
        self._changed = Condition()

    def receive(self, letter: Letter) -> int:
        """The HTTP status to answer with."""
        with self._changed:
            self.letters.append(letter)
            self._changed.notify_all()
            if self.refusals:
                self.refusals -= 1
                return 500
            return 204

    async def wait_for(self, is_wanted: Callable[[Letter], bool], *, count: int = 1) -> list[Letter]:
        """The first `count` letters that are wanted, in the order of their arrival."""

        def wanted() -> list[Letter]:
            return [letter for letter in self.letters if is_wanted(letter)]

        def wait() -> list[Letter]:
            with self._changed:
                if not self._changed.wait_for(lambda: len(wanted()) >= count, PATIENCE_SECONDS):
                    raise AssertionError(f"{len(wanted())} of {count} letters arrived")
                return wanted()[:count]

        return await asyncio.to_thread(wait)


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    inbox = Inbox()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status = inbox.receive(Letter({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with _serving(Door) as url:
        inbox.url = url
        yield inbox


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """`fields` are those of a form body; the last of each name."""

    method: str
    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]


@contextmanager
def scripted_server(
    answers: Mapping[tuple[str, str], Answer], *, otherwise: Answer, heard: list[Question] | None = None
) -> Iterator[str]:
    """A server that answers by method and path (without the query), and adds what it was asked to `heard`."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if heard is not None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard.append(Question(self.command, self.path, headers, dict(parse_qsl(body.decode()))))
            answer = answers.get((self.command, self.path.partition("?")[0]), otherwise)
            self.send_response(answer.status)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with _serving(Door) as url:
        yield url


@contextmanager
def _serving(door: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
