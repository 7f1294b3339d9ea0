"""The sequencer: every committed event once, numbered without gaps, by one process at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
import pytest_asyncio

from embedded.postgres import PostgresCluster
from models.database import open_database, transaction
from models.feed import BATCH, Event, Lifeline, OwnConnection, Sequencer, announce, forget_events
from tests.models.spine_database import NORTH, SOUTH, Observer, empty_spine, end_sessions, write
from tests.patience import PATIENCE_SECONDS, until

READ = "SELECT seq, organization_id, topic, body, occurred_at FROM feed ORDER BY seq"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with PostgresCluster(tmp_path_factory.mktemp("postgres"), durable=False) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def observer(cluster: PostgresCluster) -> AsyncIterator[Observer]:
    async with empty_spine(cluster) as observer:
        yield observer


@asynccontextmanager
async def running(cluster: PostgresCluster) -> AsyncIterator[Sequencer]:
    sequencer = Sequencer(cluster.dsn())
    sequencer.start()
    try:
        yield sequencer
    finally:
        await sequencer.stop()


async def events(observer: Observer) -> list[Event]:
    return [Event.of(row) for row in await observer.fetch(READ)]


async def numbers(observer: Observer) -> list[tuple[int, object]]:
    """Each event's place in the feed, and the number its writer gave it."""
    return [(event.seq, event.body["n"]) for event in await events(observer)]


async def test_an_event_arrives_as_it_was_written(cluster: PostgresCluster, observer: Observer) -> None:
    before = datetime.now(UTC)
    async with (
        open_database(cluster.dsn(), 1, application_name="scrip-test"),
        running(cluster) as sequencer,
    ):
        async with transaction() as own:
            await announce(own, "balance", organization_id=NORTH, body={"tokens": Decimal("12.50"), "n": 1})
        await until(lambda: sequencer.moved == 1)

    (event,) = await events(observer)
    assert (event.seq, event.organization_id, event.topic) == (1, NORTH, "balance")
    assert event.body == {"tokens": "12.50", "n": 1}
    assert before - timedelta(seconds=1) < event.occurred_at < datetime.now(UTC) + timedelta(seconds=1)


async def test_a_fraction_in_a_body_is_exact(observer: Observer) -> None:
    await observer.execute("INSERT INTO feed VALUES (1, NULL, 'rate', '{\"rate\": 0.1, \"huge\": 1e400}', now())")

    (event,) = await events(observer)
    assert event.body == {"rate": Decimal("0.1"), "huge": Decimal("1e400")}
    assert event.organization_id is None


async def test_events_are_numbered_without_gaps_over_many_batches(cluster: PostgresCluster, observer: Observer) -> None:
    await write(observer, NORTH, 1, 2 * BATCH + 500)

    async with running(cluster) as sequencer:
        await until(lambda: sequencer.moved == 2500)

    assert await numbers(observer) == [(n, n) for n in range(1, 2501)]
    assert await observer.fetchval("SELECT count(*) FROM outbox") == 0


async def test_an_event_that_commits_late_is_not_skipped(cluster: PostgresCluster, observer: Observer) -> None:
    late = await asyncpg.connect(cluster.dsn())
    async with running(cluster) as sequencer:
        # given: it takes the lower id, and its transaction stays open
        slow = late.transaction()
        await slow.start()
        await write(late, SOUTH, 1, 1)

        # when
        await write(observer, NORTH, 2, 2)
        await until(lambda: sequencer.moved == 1)
        await slow.commit()
        await until(lambda: sequencer.moved == 2)
    await late.close()

    assert await numbers(observer) == [(1, 2), (2, 1)]


async def test_what_is_rolled_back_leaves_neither_event_nor_gap(cluster: PostgresCluster, observer: Observer) -> None:
    async with running(cluster) as sequencer:
        undone = observer.transaction()
        await undone.start()
        await write(observer, NORTH, 1, 5)
        await undone.rollback()
        await write(observer, NORTH, 6, 7)
        await until(lambda: sequencer.moved == 2)

    assert await numbers(observer) == [(1, 6), (2, 7)]


async def test_readers_get_one_hint_for_a_batch(cluster: PostgresCluster, observer: Observer) -> None:
    hints: asyncio.Queue[object] = asyncio.Queue()

    def receive(*notification: object) -> None:
        hints.put_nowait(notification[-1])

    await observer.add_listener("feed", receive)
    await write(observer, NORTH, 1, 300)

    async with running(cluster) as sequencer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await hints.get() == "300"
        await until(lambda: sequencer.moved == 300)

    assert hints.empty()
    await observer.remove_listener("feed", receive)


async def test_one_sequencer_works_and_another_takes_over(cluster: PostgresCluster, observer: Observer) -> None:
    async with running(cluster) as first:
        await until(lambda: first.is_leader)
        async with running(cluster) as second:
            await write(observer, NORTH, 1, 10)
            await until(lambda: first.moved == 10)
            assert not second.is_leader

            await first.stop()
            await write(observer, NORTH, 11, 20)
            await until(lambda: second.moved == 10)

            assert second.is_leader
            assert not first.is_leader
    assert await numbers(observer) == [(n, n) for n in range(1, 21)]


async def test_a_sequencer_whose_session_ends_comes_back(cluster: PostgresCluster, observer: Observer) -> None:
    async with running(cluster) as sequencer:
        await until(lambda: sequencer.is_leader)
        assert await end_sessions(observer, "scrip-sequencer") == 1
        await until(lambda: not sequencer.is_leader)

        await write(observer, NORTH, 1, 3)
        await until(lambda: sequencer.moved == 3)

        assert sequencer.reconnects == 1
    assert await numbers(observer) == [(1, 1), (2, 2), (3, 3)]


async def test_the_lag_is_the_age_of_the_oldest_event_that_waits(cluster: PostgresCluster, observer: Observer) -> None:
    sequencer = Sequencer(cluster.dsn())
    assert await sequencer.lag() == timedelta()

    await observer.execute(
        "INSERT INTO outbox (topic, body, occurred_at)"
        " VALUES ('x', '{}', now() - interval '1 hour'), ('x', '{}', now())"
    )

    assert timedelta(hours=1) <= await sequencer.lag() < timedelta(hours=1, minutes=1)


@pytest.mark.parametrize(
    ("unread_from", "kept"),
    [(None, [8, 9, 10]), (9, [8, 9, 10]), (3, [4, 5, 6, 7, 8, 9, 10])],
    ids=["nobody reads", "all readers are far", "a reader is behind"],
)
async def test_old_events_are_forgotten_when_all_have_read_them(
    cluster: PostgresCluster, observer: Observer, unread_from: int | None, kept: list[int]
) -> None:
    await observer.execute(
        "INSERT INTO feed SELECT n, NULL, 'x', '{}', now() - interval '10 days' + n * interval '1 day'"
        " FROM generate_series(1, 10) n"
    )
    if unread_from is not None:
        await observer.execute("INSERT INTO feed_cursors VALUES ('journal', $1)", unread_from)

    async with open_database(cluster.dsn(), 1, application_name="scrip-test"), transaction() as own:
        forgotten = await forget_events(own, datetime.now(UTC) - timedelta(days=2, hours=12))

    assert [event.seq for event in await events(observer)] == kept
    assert forgotten == 10 - len(kept)


async def test_the_newest_event_is_never_forgotten(cluster: PostgresCluster, observer: Observer) -> None:
    await write(observer, NORTH, 1, 3)
    async with running(cluster) as sequencer:
        await until(lambda: sequencer.moved == 3)

        async with open_database(cluster.dsn(), 1, application_name="scrip-test"), transaction() as own:
            assert await forget_events(own, datetime.now(UTC) + timedelta(days=1)) == 2

        await write(observer, NORTH, 4, 4)
        await until(lambda: sequencer.moved == 4)
    assert await numbers(observer) == [(3, 3), (4, 4)]


async def test_a_cancellation_nobody_asked_for_does_not_end_the_spine(
    cluster: PostgresCluster, observer: Observer
) -> None:
    starts = 0
    started_again = asyncio.Event()

    async def work(_: OwnConnection) -> None:
        nonlocal starts
        starts += 1
        if starts == 1:
            raise asyncio.CancelledError
        started_again.set()
        await asyncio.Event().wait()

    lifeline = Lifeline(cluster.dsn(), work, name="scrip-test")
    lifeline.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await started_again.wait()
    await lifeline.stop()

    assert starts == 2
    assert await observer.fetchval("SELECT 1") == 1
