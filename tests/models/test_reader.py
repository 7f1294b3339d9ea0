"""Durable readers: every event in order, at least once, by one process at a time, whatever fails meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from embedded.postgres import PostgresCluster
from models.feed import Event
from models.reader import SKIP_SIZE, FeedReader
from tests.models.spine_database import NORTH, SOUTH, Observer, empty_spine, end_sessions, publish
from tests.patience import PATIENCE_SECONDS, until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with PostgresCluster(tmp_path_factory.mktemp("postgres"), durable=False) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def observer(cluster: PostgresCluster) -> AsyncIterator[Observer]:
    async with empty_spine(cluster) as observer:
        yield observer


@asynccontextmanager
async def reading(
    cluster: PostgresCluster, handle: Callable[[Event], Awaitable[None]], *, topics: Collection[str] | None = None
) -> AsyncIterator[FeedReader]:
    reader = FeedReader(cluster.dsn(), "journal", topics, handle)
    reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


class Book:
    """A handler that writes down what it was given."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def write(self, event: Event) -> None:
        self.seen.append(event.seq)


async def kept_cursor(observer: Observer) -> int | None:
    cursor: int | None = await observer.fetchval("SELECT seq FROM feed_cursors WHERE reader = 'journal'")
    return cursor


async def test_events_are_handled_in_order_and_the_next_start_continues(
    cluster: PostgresCluster, observer: Observer
) -> None:
    book = Book()
    await publish(observer, NORTH, 250)
    async with reading(cluster, book.write) as reader:
        await until(lambda: reader.cursor == 250)
        await publish(observer, SOUTH, 1)
        await until(lambda: reader.cursor == 251)
    assert await kept_cursor(observer) == 251

    await publish(observer, None, 2)
    async with reading(cluster, book.write) as reader:
        await until(lambda: reader.cursor == 253)

    assert book.seen == list(range(1, 254))


async def test_only_the_topics_asked_for_are_handled(cluster: PostgresCluster, observer: Observer) -> None:
    book = Book()
    await publish(observer, NORTH, 1, topic="sold")
    await publish(observer, NORTH, 10, topic="notice")
    async with reading(cluster, book.write, topics={"sold"}) as reader:
        await until(lambda: reader.cursor == 11)

        # The cursor in the table follows what is skipped only now and then.
        assert await kept_cursor(observer) == 1
        await publish(observer, NORTH, SKIP_SIZE, topic="notice")
        await until(lambda: reader.cursor == SKIP_SIZE + 11)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await kept_cursor(observer) != SKIP_SIZE + 11:
                await asyncio.sleep(0.01)

    assert book.seen == [1]


async def test_an_event_that_fails_is_tried_again_and_nothing_overtakes_it(
    cluster: PostgresCluster, observer: Observer, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []
    repaired = asyncio.Event()

    async def handle(event: Event) -> None:
        tried.append(event.seq)
        if event.seq == 2 and tried.count(2) <= 3:
            raise ValueError("cannot post this")
        if event.seq == 2:
            await repaired.wait()

    await publish(observer, NORTH, 3)
    with caplog.at_level(logging.ERROR, "models.reader"):
        async with reading(cluster, handle) as reader:
            await until(lambda: tried.count(2) == 4)

            # then: it stands there, and says so
            assert reader.stuck_on is not None
            assert reader.stuck_on.seq == 2
            assert await kept_cursor(observer) == 1
            assert "reader journal is stuck on event 2 (balance)" in caplog.messages
            assert 3 not in tried

            # when
            repaired.set()
            await until(lambda: reader.cursor == 3)
            assert reader.stuck_on is None

    assert tried == [1, 2, 2, 2, 2, 3]


async def test_one_process_reads_and_another_takes_over(cluster: PostgresCluster, observer: Observer) -> None:
    first_book, second_book = Book(), Book()
    async with reading(cluster, first_book.write) as first:
        await until(lambda: first.is_active)
        async with reading(cluster, second_book.write) as second:
            await publish(observer, NORTH, 5)
            await until(lambda: first.cursor == 5)
            assert not second.is_active

            await first.stop()
            await publish(observer, NORTH, 5)
            await until(lambda: second.cursor == 10)

    assert first_book.seen == [1, 2, 3, 4, 5]
    assert second_book.seen == [6, 7, 8, 9, 10]


async def test_an_event_is_handled_again_when_its_cursor_could_not_move(
    cluster: PostgresCluster, observer: Observer
) -> None:
    seen: list[int] = []

    async def handle(event: Event) -> None:
        seen.append(event.seq)
        if seen == [1, 2]:
            assert await end_sessions(observer, "scrip-reader-journal") == 1

    await publish(observer, NORTH, 3)
    async with reading(cluster, handle) as reader:
        await until(lambda: reader.cursor == 3)

    assert seen == [1, 2, 2, 3]
    assert reader.reconnects == 1


async def test_a_cancelled_wait_inside_a_handler_does_not_end_the_reader(
    cluster: PostgresCluster, observer: Observer
) -> None:
    seen: list[int] = []

    async def handle(event: Event) -> None:
        seen.append(event.seq)
        if len(seen) == 1:
            raise asyncio.CancelledError

    await publish(observer, NORTH, 2)
    async with reading(cluster, handle) as reader:
        await until(lambda: reader.cursor == 2)

    assert seen == [1, 1, 2]


async def test_stopping_leaves_the_unfinished_event_for_the_next_start(
    cluster: PostgresCluster, observer: Observer
) -> None:
    begun = asyncio.Event()

    async def never_ready(_: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    book = Book()
    await publish(observer, NORTH, 1)
    async with reading(cluster, never_ready):
        await begun.wait()
    assert await kept_cursor(observer) == 0

    async with reading(cluster, book.write) as reader:
        await until(lambda: reader.cursor == 1)
    assert book.seen == [1]
