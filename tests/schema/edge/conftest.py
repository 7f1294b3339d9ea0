"""The harbour server in a process of its own, so that its log can be weighed and its event loop really blocks."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.schema.edge import harbour

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the harbour answers, and what it has logged so far."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def logged(self) -> str:
        return self.log.read_text()


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    harbour.done.clear()
    harbour.contexts.clear()


@pytest.fixture(scope="session")
def built_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>GraphiQL</title>")
    (folder / "LICENSE").write_text("<b>MIT</b>")
    (folder / "assets" / "index-4f2a.js").write_text("export {}")
    (folder / "assets" / "index-4f2a.css").write_text("body {}")
    (folder / "assets" / "codicon-4f2a.ttf").write_bytes(b"\0\1\0\0")
    (folder.parent / "private.txt").write_text("not for you")
    return folder


@contextmanager
def serving(page: Path, log: Path, *, receive_seconds: float, answer_seconds: float) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        # The socket listens already, so that the first request waits for the server instead of failing.
        told = (listener.fileno(), page, receive_seconds, answer_seconds)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.schema.edge.harbour_server", *map(str, told)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[listener.fileno()],
            stderr=output,
        )
        port = listener.getsockname()[1]
    try:
        yield Server(port, log)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def server(built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives up nobody for being slow."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(built_page, log, receive_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS) as running:
        yield running


@pytest.fixture(scope="session")
def hasty_server(built_page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits two seconds for a request and answers within three."""
    log = tmp_path_factory.mktemp("hasty") / "log"
    with serving(built_page, log, receive_seconds=2.0, answer_seconds=3.0) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as connected:
        yield connected


@pytest.fixture
async def hasty_client(hasty_server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=hasty_server.url, timeout=PATIENCE_SECONDS) as connected:
        yield connected
