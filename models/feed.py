"""The event spine: what has happened, in one gapless order that everybody can read again from any point.

    a change's own transaction ──▶ outbox ──▶ Sequencer (one per database) ──▶ feed(seq) ──▶ NOTIFY, a hint

Writers insert into `outbox` and nothing more: a NOTIFY there would make all commits queue behind one lock. An outbox id
is taken at the insert and becomes visible at the commit, so ids appear out of order; therefore the sequencer takes what
it sees and deletes it, and never asks for "id > last". Events of one wallet keep their order, because its writers hold
the wallet's row lock from before the insert until the commit. `seq` has one writer: no gaps, nothing appears behind it.

Reading is done by `models.hub` (people who watch) and `models.reader` (work that must happen).
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self, TypeAlias
from uuid import UUID

import asyncpg

from models.database import Connection, Row

CHANNEL = "feed"
BATCH = 1000
# How long the sequencer rests between looks: short after a find, doubling while there is nothing.
REST_SECONDS_MIN = 0.002
REST_SECONDS_MAX = 0.05
# After a find it rests this many times as long as the move took. Its commits queue for the same disk as those of the
# writers it serves: when that is busy, it moves more events less often instead of taking the writers' turns.
REST_PER_WORK = 4
# How long a candidate waits before it asks again whether the place has become free.
CANDIDATE_SECONDS = 0.5
HINT_SECONDS = 2.0

RECONNECT_SECONDS_MIN = 0.1
RECONNECT_SECONDS_MAX = 5.0
# A connection that lasted this long was a good one: the next loss starts from the shortest pause again.
GOOD_CONNECTION_SECONDS = 10.0
# A host that vanished without a word must not keep its place for hours.
KEEPALIVE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

ANNOUNCE = "INSERT INTO outbox (organization_id, topic, body) VALUES ($1, $2, $3::jsonb)"
TAKE_PLACE = "SELECT pg_try_advisory_lock(hashtextextended('scrip/' || $1, 0))"
OLDEST_WAITING = "SELECT clock_timestamp() - min(occurred_at) FROM outbox"
MOVE = f"""
WITH batch AS (
    DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1)
    RETURNING id, organization_id, topic, body, occurred_at
), moved AS (
    INSERT INTO feed (seq, organization_id, topic, body, occurred_at)
    SELECT (SELECT coalesce(max(seq), 0) FROM feed) + row_number() OVER (ORDER BY id),
           organization_id, topic, body, occurred_at
    FROM batch
    RETURNING seq
)
SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('{CHANNEL}', max(seq)::text) END FROM moved
"""
# The last event always stays, because the next number is counted from it.
FORGET = """
DELETE FROM feed WHERE seq < least(
    (SELECT seq FROM feed WHERE occurred_at >= $1 ORDER BY seq LIMIT 1),
    (SELECT max(seq) FROM feed),
    (SELECT min(seq) + 1 FROM feed_cursors)
)
"""

LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError)

OwnConnection: TypeAlias = "asyncpg.Connection[Row]"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    seq                1, 2, 3 … without a gap over the whole platform; the cursor a client resumes from.
    organization_id    None for what concerns no single organization.
    body               parsed JSON; a number with a fraction is a Decimal.
    occurred_at        when its transaction wrote it, by the database's clock, UTC.
    """

    seq: int
    organization_id: UUID | None
    topic: str
    body: Mapping[str, object]
    occurred_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `feed` read over a connection of the spine, which leaves JSON as text."""
        body = json.loads(row["body"], parse_float=Decimal)
        return cls(row["seq"], row["organization_id"], row["topic"], body, row["occurred_at"])


async def announce(
    connection: Connection, topic: str, *, organization_id: UUID | None, body: Mapping[str, object]
) -> None:
    """The event will be in the feed if, and only if, the connection's transaction commits."""
    await connection.execute(ANNOUNCE, organization_id, topic, dict(body))


async def forget_events(connection: Connection, before: datetime) -> int:
    """Events older than `before` are deleted from the feed's old end; returns how many.

    Stays: the newest event, and everything a durable reader has not handled yet.
    """
    return await connection.execute(FORGET, before)


class Lifeline:
    """A task with a PostgreSQL connection of its own, which it replaces for ever when it breaks.

    `work` gets each new connection and runs until that breaks; what it raises is logged, and it starts again after a
    pause that grows from 0.1 s to 5 s.
    """

    def __init__(
        self,
        dsn: str,
        work: Callable[[OwnConnection], Awaitable[None]],
        *,
        name: str,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`name` appears in pg_stat_activity and in the log; `settings` are PostgreSQL's, for this connection."""
        self.reconnects = 0
        self._dsn = dsn
        self._work = work
        self._name = name
        self._settings = {**KEEPALIVE, **(settings or {}), "application_name": name}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name=self._name)

    async def stop(self) -> None:
        """The task has ended and its connection is closed."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _live(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = RECONNECT_SECONDS_MIN
        while True:
            began = clock()
            # Whatever goes wrong is answered by starting again: asyncpg raises errors of many families when a
            # connection dies, and a spine that stops because of an unexpected one stops in silence.
            try:
                await self._live_once()
            except Exception as error:
                self._report(error)
            except asyncio.CancelledError as error:
                # A cancellation that nobody sent to this task has leaked out of something that `work` waited for.
                if self._is_cancelled():
                    raise
                self._report(error)
            if clock() - began >= GOOD_CONNECTION_SECONDS:
                pause = RECONNECT_SECONDS_MIN
            self.reconnects += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, RECONNECT_SECONDS_MAX)

    async def _live_once(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=10, server_settings=self._settings)
        try:
            await self._work(connection)
        finally:
            connection.terminate()

    def _is_cancelled(self) -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _report(self, error: BaseException) -> None:
        is_loss = isinstance(error, LOST)
        log.warning("%s lost its connection and starts again: %r", self._name, error, exc_info=not is_loss)


async def take_place(connection: OwnConnection, name: str) -> None:
    """This session is the only one in the database that holds the place called `name`, until it ends.

    Waits by asking again, because a session that waits inside PostgreSQL would keep old rows from being vacuumed.
    """
    is_mine: bool = await connection.fetchval(TAKE_PLACE, name)
    while not is_mine:
        await asyncio.sleep(CANDIDATE_SECONDS)
        is_mine = await connection.fetchval(TAKE_PLACE, name)


class Hint:
    """Wakes a reader when the feed may have grown; a lost notification costs at most two seconds."""

    def __init__(self) -> None:
        self._given = asyncio.Event()

    async def listen(self, connection: OwnConnection) -> None:
        await connection.add_listener(CHANNEL, self._give)
        # A broken connection wakes as well, so that the reader notices at its next statement.
        connection.add_termination_listener(self._give)

    def _give(self, *_: object) -> None:
        self._given.set()

    def forget(self) -> None:
        """To be called before reading, so that a hint given during the reading counts."""
        self._given.clear()

    async def wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HINT_SECONDS):
                await self._given.wait()


class Sequencer:
    """Moves events from the outbox to the feed and numbers them. Every process runs one; one of them at a time works.

    The place of the one that works is a lock of its session: it becomes free when that session ends, however it ends.
    """

    def __init__(self, dsn: str) -> None:
        self.is_leader = False
        self.moved = 0
        self._dsn = dsn
        self._lifeline = Lifeline(dsn, self._lead, name="scrip-sequencer")

    @property
    def reconnects(self) -> int:
        return self._lifeline.reconnects

    def start(self) -> None:
        self._lifeline.start()

    async def stop(self) -> None:
        await self._lifeline.stop()

    async def lag(self) -> timedelta:
        """The age of the oldest event that is not in the feed yet; zero when there is none.

        Asked over a connection made for it, so it tells the truth in every process and while the sequencer is down.
        """
        connection = await asyncpg.connect(self._dsn, timeout=2, command_timeout=2)
        try:
            return await connection.fetchval(OLDEST_WAITING) or timedelta()
        finally:
            await connection.close(timeout=2)

    async def _lead(self, connection: OwnConnection) -> None:
        await take_place(connection, "sequencer")
        self.is_leader = True
        try:
            await self._move_for_ever(connection)
        finally:
            self.is_leader = False

    async def _move_for_ever(self, connection: OwnConnection) -> None:
        clock = asyncio.get_running_loop().time
        rest = REST_SECONDS_MIN
        while True:
            began = clock()
            moved: int = await connection.fetchval(MOVE, BATCH)
            took = clock() - began
            self.moved += moved
            if moved == BATCH:
                continue
            rest = max(REST_SECONDS_MIN, took * REST_PER_WORK) if moved else rest * 2
            rest = min(rest, REST_SECONDS_MAX)
            await asyncio.sleep(rest)
