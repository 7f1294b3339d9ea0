"""`python -m benchmarks.caller`: a client in a process of its own, so that it never waits for the server's loop.

It reads one job as JSON from standard input, keeps one request in flight on each connection until the time is over,
and prints how many were answered. Every answer is looked at: one that is not what the job expects ends the run. With
several ports the connections are dealt out among them.
"""

import asyncio
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast
from uuid import UUID

import httptools
import orjson
import uvloop

from schema.ids import global_id

KEY = b"@KEY@"
ORGANIZATION = b"@ORGANIZATION@"
WARM_UP_SECONDS = 0.3
# Whoever was asked last may take as long as the API lets a request take, which is ten seconds, and a good while more.
GOODBYE_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One operation and what stands in every good answer. `wallets` is over how many organizations it is spread."""

    query: str
    variables: Mapping[str, object]
    expects: str
    wallets: int = 0

    def body(self) -> str:
        return orjson.dumps({"query": self.query, "variables": self.variables}).decode()


@dataclass(frozen=True, slots=True)
class Job:
    """Calls to make.

    ports    of the APIs on 127.0.0.1.
    seconds  how long answers are counted, after a short warm-up.
    run      a word that no other run uses; part of every idempotency key.
    tokens   access tokens, one for each connection.
    body     of each request; `@KEY@` in it becomes a key that is used once, `@ORGANIZATION@` the id of one of
             `wallets` organizations by chance.
    expects  what stands in every good answer.
    """

    ports: list[int]
    seconds: float
    run: str
    tokens: list[str]
    body: str
    expects: str
    wallets: int = 0

    def as_json(self) -> bytes:
        return orjson.dumps(asdict(self))


@dataclass(slots=True)
class Tally:
    """What all connections share: the count, and whether to go on."""

    answered: int = 0
    is_over: bool = False
    failure: str | None = None


class Line(asyncio.Protocol):
    """One keep-alive connection: ask, read the answer, ask again."""

    def __init__(self, job: Job, number: int, tally: Tally) -> None:
        self._job = job
        self._tally = tally
        self._prefix = f"{job.run}c{number:03d}"
        self._asked = 0
        self._body = job.body.encode()
        self._chance = random.Random(f"{job.run} {number}")
        self._head = self._head_for(job.tokens[number])
        self._answer = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self.done = asyncio.get_running_loop().create_future()

    def _head_for(self, token: str) -> bytes:
        length = len(self._filled())
        return (
            f"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"accept: application/graphql-response+json\r\nauthorization: Bearer {token}\r\n"
            f"content-length: {length}\r\n\r\n"
        ).encode()

    def _key(self) -> bytes:
        return f"{self._prefix}k{self._asked:09d}".encode()

    def _filled(self) -> bytes:
        """The body of the next request; all of them are equally long."""
        body = self._body.replace(KEY, self._key())
        if self._job.wallets:
            number = self._chance.randrange(1, self._job.wallets + 1)
            body = body.replace(ORGANIZATION, global_id("Organization", UUID(int=number)).encode())
        return body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports write, but do not say so by their type.
        self._transport = cast(asyncio.WriteTransport, transport)
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked += 1
        self._answer = b""
        self._transport.write(self._head + self._filled())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._answer += part

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200 or self._job.expects.encode() not in self._answer:
            self._tally.failure = self._answer.decode(errors="replace")[:500]
            self._tally.is_over = True
        self._tally.answered += 1
        if self._tally.is_over:
            self._close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._tally.is_over:
            self._tally.failure = f"the connection was lost: {exc!r}"
            self._tally.is_over = True
        self._close()

    def _close(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


async def rate_of(job: Job) -> float:
    """Answers per second. Raises RuntimeError with the first answer that was not the expected one."""
    tally = Tally()
    lines = [await connected(job, number, tally) for number in range(len(job.tokens))]
    await asyncio.sleep(WARM_UP_SECONDS)
    before, began = tally.answered, time.perf_counter()
    counted, took = 0, 0.0
    # A time in which nobody was answered, because the machine stood still, measures nothing yet.
    while counted == 0 and not tally.is_over:
        await asyncio.sleep(job.seconds)
        counted, took = tally.answered - before, time.perf_counter() - began
    tally.is_over = True
    async with asyncio.timeout(GOODBYE_SECONDS_MAX):
        await asyncio.gather(*(line.done for line in lines))
    if tally.failure is not None:
        raise RuntimeError(tally.failure)
    return counted / took


async def connected(job: Job, number: int, tally: Tally) -> Line:
    loop = asyncio.get_running_loop()
    port = job.ports[number % len(job.ports)]
    _, line = await loop.create_connection(lambda: Line(job, number, tally), "127.0.0.1", port)
    return line


def main() -> None:
    job = Job(**orjson.loads(sys.stdin.buffer.read()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(f"{runner.run(rate_of(job))}\n")


if __name__ == "__main__":
    main()
