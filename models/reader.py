"""Durable readers of the feed: work that must happen for every event, in order, whatever fails meanwhile.

A reader has a name and a cursor under that name in the database. Its handler gets the events after the cursor one by
one; when it has returned, the cursor moves. At least once: an event whose cursor could not be moved any more is handled
again, perhaps by another process while this one is still finishing. So a handler must be idempotent, and `event.seq`
is a good key. One process per name is active; the others wait for its place.

A handler that fails is tried again until it succeeds. Nothing is skipped: what comes after a payment may depend on it.
The reader says in the log and by `stuck_on` where it stands.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection

from models.database import Row
from models.feed import Event, Hint, Lifeline, OwnConnection, take_place

PAGE_SIZE = 200
RETRY_SECONDS_MIN = 0.1
RETRY_SECONDS_MAX = 30.0
# Events on other topics move the cursor in memory; in the table only this many at a time, to spare the writes.
SKIP_SIZE = 1000

CURSOR = "SELECT seq FROM feed_cursors WHERE reader = $1"
NEWEST = "SELECT coalesce(max(seq), 0) FROM feed"
PAGE = """
SELECT seq, organization_id, topic, body, occurred_at FROM feed
WHERE seq > $1 AND seq <= $2 AND ($3::text[] IS NULL OR topic = ANY ($3)) ORDER BY seq LIMIT $4
"""
MOVE_CURSOR = """
INSERT INTO feed_cursors (reader, seq) VALUES ($1, $2)
ON CONFLICT (reader) DO UPDATE SET seq = excluded.seq, updated_at = now() WHERE feed_cursors.seq < excluded.seq
"""
STILL_HERE = "SELECT 1"

log = logging.getLogger(__name__)


class FeedReader:
    """Calls `handle` for every event on these topics (None is all), from the oldest that the feed keeps on.

    is_active    this process holds the reader's place.
    cursor       the last event this process knows to be done; handled counts its own successes.
    stuck_on     the event whose handling has failed and is being tried again; None when all is well.
    """

    def __init__(
        self, dsn: str, name: str, topics: Collection[str] | None, handle: Callable[[Event], Awaitable[None]]
    ) -> None:
        self.name = name
        self.is_active = False
        self.cursor = 0
        self.handled = 0
        self.stuck_on: Event | None = None
        self._topics = None if topics is None else sorted(topics)
        self._handle = handle
        self._hint = Hint()
        self._written = 0
        # A cursor lost in a crash of PostgreSQL is an event handled twice, which handlers bear; a wait for the disk
        # after every event is not needed for that.
        settings = {"synchronous_commit": "off"}
        self._lifeline = Lifeline(dsn, self._read, name=f"scrip-reader-{name}", settings=settings)

    @property
    def reconnects(self) -> int:
        return self._lifeline.reconnects

    def start(self) -> None:
        self._lifeline.start()

    async def stop(self) -> None:
        """The handler has been cancelled where it was; its event comes again at the next start."""
        await self._lifeline.stop()

    async def _read(self, connection: OwnConnection) -> None:
        await take_place(connection, f"reader/{self.name}")
        self.is_active = True
        try:
            await self._hint.listen(connection)
            self._written = self.cursor = await connection.fetchval(CURSOR, self.name) or 0
            await self._move_cursor(connection, self.cursor)
            while True:
                self._hint.forget()
                await self._catch_up(connection)
                await self._hint.wait()
        finally:
            self.is_active = False
            self.stuck_on = None

    async def _catch_up(self, connection: OwnConnection) -> None:
        newest: int = await connection.fetchval(NEWEST)
        while self.cursor < newest:
            rows = await connection.fetch(PAGE, self.cursor, newest, self._topics, PAGE_SIZE)
            for row in rows:
                await self._handle_surely(connection, row)
            if len(rows) < PAGE_SIZE:
                await self._skip_to(connection, newest)

    async def _handle_surely(self, connection: OwnConnection, row: Row) -> None:
        event = Event.of(row)
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                await self._handle(event)
                break
            except Exception:
                self.stuck_on = event
                log.exception("reader %s is stuck on event %d (%s)", self.name, event.seq, event.topic)
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, RETRY_SECONDS_MAX)
            # With the connection the place is lost, and then it is for somebody else to try.
            await connection.execute(STILL_HERE)
        self.stuck_on = None
        self.handled += 1
        await self._move_cursor(connection, event.seq)

    async def _skip_to(self, connection: OwnConnection, seq: int) -> None:
        self.cursor = seq
        if seq - self._written >= SKIP_SIZE:
            await self._move_cursor(connection, seq)

    async def _move_cursor(self, connection: OwnConnection, seq: int) -> None:
        await connection.execute(MOVE_CURSOR, self.name, seq)
        self.cursor = self._written = seq
