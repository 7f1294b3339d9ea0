"""Subscriptions to the feed: everything after a cursor, then what happens from now on, each event once and in order.

A process has one hub. One connection listens and reads the feed's new end once for all subscriptions; it hands events
to the bounded queues of those that want them. A subscription that is too slow for its queue loses nothing: it is
marked as lagging and reads what it missed from the table. So memory is bounded and the table is the only truth.

A cursor is the `seq` of the last event a client has seen; any process can continue from it. Nothing is kept about
clients; whoever must not miss an event while away for longer than the feed is kept reads with `models.reader`.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import asyncpg

from models.database import Row
from models.feed import Event, Hint, Lifeline, OwnConnection

QUEUE_SIZE = 256
READ_SIZE = 500
PAGE_SIZE = 200
REPLAY_CONNECTIONS = 4
PAGE_TRIES = 6
FIRST_PAUSE_SECONDS = 0.1

COLUMNS = "seq, organization_id, topic, body, occurred_at"
NEWEST = "SELECT coalesce(max(seq), 0) FROM feed"
KEPT = "SELECT coalesce(min(seq), 1) AS oldest, coalesce(max(seq), 0) AS newest FROM feed"
FOLLOW = f"SELECT {COLUMNS} FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2"
PAGE_OF_ALL = f"""
SELECT {COLUMNS} FROM feed
WHERE seq > $1 AND seq <= $2 AND ($3::text[] IS NULL OR topic = ANY ($3)) ORDER BY seq LIMIT $4
"""
PAGE_OF_ONE = f"""
SELECT {COLUMNS} FROM feed
WHERE seq > $1 AND seq <= $2 AND ($3::text[] IS NULL OR topic = ANY ($3)) AND organization_id = $5
ORDER BY seq LIMIT $4
"""

log = logging.getLogger(__name__)


class CursorUnknown(Exception):
    """The feed cannot continue from this cursor: it is ahead of the newest event, or what followed it is forgotten.

    The client reads the present state afresh and subscribes without a cursor, or from `newest`.
    """

    def __init__(self, cursor: int, *, oldest: int, newest: int) -> None:
        super().__init__(f"cursor {cursor} is unknown: the feed holds {oldest} to {newest}")
        self.cursor = cursor
        self.oldest = oldest
        self.newest = newest


@dataclass(frozen=True, slots=True)
class _Interest:
    organization_id: UUID | None
    topics: frozenset[str] | None

    def covers(self, topic: str) -> bool:
        return self.topics is None or topic in self.topics


class _Subscription:
    """One subscriber's queue. When it is full it stops taking and remembers that it has missed something."""

    __slots__ = ("interest", "lagging", "waiting", "woken")

    def __init__(self, interest: _Interest) -> None:
        self.interest = interest
        self.waiting: deque[Event] = deque()
        self.lagging = False
        self.woken = asyncio.Event()

    def offer(self, event: Event) -> None:
        if self.lagging or len(self.waiting) >= QUEUE_SIZE:
            self.lagging = True
        else:
            self.waiting.append(event)
        self.woken.set()

    def fall_behind(self) -> None:
        self.lagging = True
        self.woken.set()


class Hub:
    """The subscriptions of this process. `start()` once, `finish()` when the server is asked to stop, `stop()` last.

    head           the newest event this process has seen; another process may be ahead by some milliseconds.
    replays        how often a subscription has read from the table: for its cursor, or because its queue was full.
    """

    def __init__(self, dsn: str) -> None:
        self.head = 0
        self.replays = 0
        self._dsn = dsn
        self._hint = Hint()
        self._has_head = asyncio.Event()
        self._is_finished = False
        self._by_organization: defaultdict[UUID | None, set[_Subscription]] = defaultdict(set)
        self._lifeline = Lifeline(dsn, self._follow, name="scrip-hub")
        self._pool: asyncpg.Pool[Row] | None = None

    @property
    def reconnects(self) -> int:
        return self._lifeline.reconnects

    @property
    def subscribers(self) -> int:
        return sum(map(len, self._by_organization.values()))

    async def start(self) -> None:
        """Returns when the newest event is known, so that "from now on" means from here. Waits for the database."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=REPLAY_CONNECTIONS,
            command_timeout=10,
            server_settings={"application_name": "scrip-hub-replay"},
        )
        self._lifeline.start()
        await self._has_head.wait()

    def finish(self) -> None:
        """Every subscription ends now, also those that begin later; clients resume elsewhere by their cursor."""
        self._is_finished = True
        for subscription in chain.from_iterable(self._by_organization.values()):
            subscription.woken.set()

    async def stop(self) -> None:
        self.finish()
        await self._lifeline.stop()
        if self._pool is not None:
            self._pool.terminate()

    def subscribe(
        self, organization_id: UUID, topics: Collection[str] | None = None, after: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """One organization's events on these topics (None is all), in order, each once, until `finish()`.

        after    the cursor of the last event seen; 0 from the very first; None from this call on.
        Raises   CursorUnknown, when the first event is asked for or when a slow subscriber's next events are forgotten.
        """
        return self._events(_interest(organization_id, topics), after, now=self.head)

    def subscribe_all(
        self, topics: Collection[str] | None = None, after: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """As `subscribe`, over all organizations and what belongs to none; for those who may see the whole platform."""
        return self._events(_interest(None, topics), after, now=self.head)

    async def _events(self, interest: _Interest, after: int | None, *, now: int) -> AsyncGenerator[Event, None]:
        subscription = _Subscription(interest)
        # It takes its place in the queues first and reads the table second, so that nothing falls between the two.
        # What comes both ways is recognised by its number.
        self._by_organization[interest.organization_id].add(subscription)
        subscription.lagging = after is not None or now < self.head
        seen = now if after is None else after
        try:
            while not self._is_finished:
                while subscription.waiting and not self._is_finished:
                    event = subscription.waiting.popleft()
                    if event.seq > seen:
                        seen = event.seq
                        yield event
                if subscription.lagging:
                    subscription.lagging = False
                    self.replays += 1
                    target = max(self.head, seen)
                    async for event in self._replay(interest, seen, target):
                        yield event
                    seen = target
                elif not subscription.waiting:
                    subscription.woken.clear()
                    await subscription.woken.wait()
        finally:
            self._leave(subscription)

    async def _replay(self, interest: _Interest, seen: int, target: int) -> AsyncGenerator[Event, None]:
        await self._check_cursor(seen)
        while not self._is_finished:
            rows = await self._page(interest, seen, target)
            for row in rows:
                yield Event.of(row)
            if len(rows) < PAGE_SIZE:
                return
            seen = rows[-1]["seq"]

    async def _check_cursor(self, cursor: int) -> None:
        (kept,) = await self._read(KEPT)
        if not kept["oldest"] - 1 <= cursor <= kept["newest"]:
            raise CursorUnknown(cursor, oldest=kept["oldest"], newest=kept["newest"])

    async def _page(self, interest: _Interest, seen: int, target: int) -> list[Row]:
        topics = None if interest.topics is None else sorted(interest.topics)
        if interest.organization_id is None:
            return await self._read(PAGE_OF_ALL, seen, target, topics, PAGE_SIZE)
        return await self._read(PAGE_OF_ONE, seen, target, topics, PAGE_SIZE, interest.organization_id)

    async def _read(self, sql: str, *args: object) -> list[Row]:
        """Reading is safe to repeat: a connection that breaks now is no reason to end a subscription."""
        if self._pool is None:
            raise RuntimeError("the hub has not been started")
        pause = FIRST_PAUSE_SECONDS
        for _ in range(PAGE_TRIES - 1):
            try:
                return await self._pool.fetch(sql, *args)
            except Exception as error:
                log.warning("a subscription reads again: %r", error)
                await asyncio.sleep(pause)
                pause *= 2
        return await self._pool.fetch(sql, *args)

    def _leave(self, subscription: _Subscription) -> None:
        place = subscription.interest.organization_id
        self._by_organization[place].discard(subscription)
        if not self._by_organization[place]:
            del self._by_organization[place]

    async def _follow(self, connection: OwnConnection) -> None:
        await self._hint.listen(connection)
        newest: int = await connection.fetchval(NEWEST)
        if not self._has_head.is_set():
            self.head = newest
            self._has_head.set()
        elif newest < self.head:
            # The database has been set back to an earlier state. Subscriptions find out from the table.
            self._set_back(newest)
        while True:
            self._hint.forget()
            rows = await connection.fetch(FOLLOW, self.head, READ_SIZE)
            for row in rows:
                self._deliver(row)
            if len(rows) < READ_SIZE:
                await self._hint.wait()

    def _set_back(self, newest: int) -> None:
        log.error("the feed ends at %d, this process has seen %d; all subscriptions must resume", newest, self.head)
        self.head = newest
        for subscription in chain.from_iterable(self._by_organization.values()):
            subscription.fall_behind()

    def _deliver(self, row: Row) -> None:
        self.head = row["seq"]
        concerned = chain.from_iterable(self._at(place) for place in {row["organization_id"], None})
        wanting = [subscription for subscription in concerned if subscription.interest.covers(row["topic"])]
        if wanting:
            event = Event.of(row)
            for subscription in wanting:
                subscription.offer(event)

    def _at(self, place: UUID | None) -> Collection[_Subscription]:
        return self._by_organization.get(place, ())


def _interest(organization_id: UUID | None, topics: Collection[str] | None) -> _Interest:
    return _Interest(organization_id, None if topics is None else frozenset(topics))
