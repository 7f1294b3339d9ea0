"""Subscriptions: everything after a cursor, then what happens, each event once and in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from embedded.postgres import PostgresCluster
from models.feed import Event
from models.hub import QUEUE_SIZE, CursorUnknown, Hub
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


@pytest_asyncio.fixture
async def hub(cluster: PostgresCluster, observer: Observer) -> AsyncIterator[Hub]:
    hub = Hub(cluster.dsn())
    await hub.start()
    yield hub
    await hub.stop()


async def take(subscription: AsyncGenerator[Event, None], count: int) -> list[int]:
    """The next events' places in the feed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [(await anext(subscription)).seq for _ in range(count)]


async def test_a_subscription_replays_what_came_after_its_cursor_and_follows(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 3)

    async with aclosing(hub.subscribe(NORTH, after=1)) as subscription:
        assert await take(subscription, 2) == [2, 3]

        await publish(observer, NORTH, 2)
        assert await take(subscription, 2) == [4, 5]


async def test_without_a_cursor_it_begins_with_the_call(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 3)
    await until(lambda: hub.head == 3)

    async with aclosing(hub.subscribe(NORTH)) as subscription:
        # The first event is asked for later than it happens.
        await publish(observer, NORTH, 1)
        await until(lambda: hub.head == 4)

        assert await take(subscription, 1) == [4]


async def test_nobody_sees_another_organizations_events(observer: Observer, hub: Hub) -> None:
    async with aclosing(hub.subscribe(NORTH, after=0)) as north, aclosing(hub.subscribe(SOUTH)) as south:
        await publish(observer, SOUTH, 1)
        await publish(observer, None, 1)
        await publish(observer, NORTH, 1)

        assert await take(north, 1) == [3]
        assert await take(south, 1) == [1]

        await publish(observer, SOUTH, 1)
        assert await take(south, 1) == [4]


async def test_a_reader_of_everything_sees_everything_once(observer: Observer, hub: Hub) -> None:
    await publish(observer, SOUTH, 1)

    async with aclosing(hub.subscribe_all(after=0)) as subscription:
        assert await take(subscription, 1) == [1]
        await publish(observer, None, 2)
        await publish(observer, NORTH, 1)

        assert await take(subscription, 3) == [2, 3, 4]


async def test_only_the_topics_asked_for_are_delivered(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 1, topic="balance")
    await publish(observer, NORTH, 1, topic="notice")

    async with aclosing(hub.subscribe(NORTH, {"notice"}, after=0)) as subscription:
        assert await take(subscription, 1) == [2]
        await publish(observer, NORTH, 1, topic="balance")
        await publish(observer, NORTH, 1, topic="notice")

        assert await take(subscription, 1) == [4]


async def test_a_slow_subscriber_loses_nothing_and_holds_little(observer: Observer, hub: Hub) -> None:
    subscription = hub.subscribe(NORTH, after=0)
    await publish(observer, NORTH, 1)
    assert await take(subscription, 1) == [1]

    # when: it is given four times what its queue can hold, and does not look
    await publish(observer, NORTH, 4 * QUEUE_SIZE)
    await until(lambda: hub.head == 4 * QUEUE_SIZE + 1)
    reads_of_the_table = hub.replays

    # then
    assert await take(subscription, 4 * QUEUE_SIZE) == list(range(2, 4 * QUEUE_SIZE + 2))
    assert hub.replays == reads_of_the_table + 1
    await publish(observer, NORTH, 1)
    assert await take(subscription, 1) == [4 * QUEUE_SIZE + 2]
    await subscription.aclose()


async def test_a_long_history_is_replayed_whole(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 1001)

    async with aclosing(hub.subscribe(NORTH, after=0)) as subscription:
        assert await take(subscription, 1001) == list(range(1, 1002))


async def test_a_cursor_ahead_of_the_feed_is_refused(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 2)

    with pytest.raises(CursorUnknown) as refusal:
        await take(hub.subscribe(NORTH, after=3), 1)

    assert (refusal.value.cursor, refusal.value.oldest, refusal.value.newest) == (3, 1, 2)
    assert hub.subscribers == 0


async def test_a_cursor_whose_successor_is_forgotten_is_refused(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 9)
    await observer.execute("DELETE FROM feed WHERE seq < 5")

    with pytest.raises(CursorUnknown) as refusal:
        await take(hub.subscribe(NORTH, after=3), 1)

    assert (refusal.value.cursor, refusal.value.oldest, refusal.value.newest) == (3, 5, 9)
    async with aclosing(hub.subscribe(NORTH, after=4)) as subscription:
        assert await take(subscription, 1) == [5]


async def test_an_empty_feed_can_be_followed_from_the_beginning_only(observer: Observer, hub: Hub) -> None:
    with pytest.raises(CursorUnknown):
        await take(hub.subscribe(NORTH, after=1), 1)
    with pytest.raises(CursorUnknown):
        await take(hub.subscribe(NORTH, after=-1), 1)

    async with aclosing(hub.subscribe(NORTH, after=0)) as subscription:
        following = asyncio.create_task(take(subscription, 1))
        await publish(observer, NORTH, 1)
        assert await following == [1]


async def test_a_cursor_from_a_process_that_is_ahead_continues_here(observer: Observer, hub: Hub) -> None:
    # given: events of which this process has no hint yet
    await publish(observer, NORTH, 2, with_hint=False)
    assert hub.head == 0

    async with aclosing(hub.subscribe(NORTH, after=1)) as subscription:
        following = asyncio.create_task(take(subscription, 2))
        await until(lambda: hub.replays == 1)
        await publish(observer, NORTH, 1)

        assert await following == [2, 3]


async def test_a_lost_hint_costs_two_seconds_at_most(observer: Observer, hub: Hub) -> None:
    async with aclosing(hub.subscribe(NORTH, after=0)) as subscription:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await publish(observer, NORTH, 1, with_hint=False)
            assert (await anext(subscription)).seq == 1


async def test_a_listener_whose_session_ends_misses_nothing(observer: Observer, hub: Hub) -> None:
    async with aclosing(hub.subscribe(NORTH, after=0)) as subscription:
        await publish(observer, NORTH, 1)
        assert await take(subscription, 1) == [1]
        following = asyncio.create_task(take(subscription, 2))

        assert await end_sessions(observer, "scrip-hub", "scrip-hub-replay") == 2
        await publish(observer, NORTH, 2)

        assert await following == [2, 3]
    assert hub.reconnects == 1


async def test_a_feed_that_was_set_back_sends_its_subscribers_to_resume(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 5)
    subscription = hub.subscribe(NORTH, after=0)
    assert await take(subscription, 5) == [1, 2, 3, 4, 5]

    # when: the database returns to an earlier state
    await observer.execute("DELETE FROM feed WHERE seq > 3")
    await end_sessions(observer, "scrip-hub")

    # then
    with pytest.raises(CursorUnknown) as refusal:
        await take(subscription, 1)
    assert (refusal.value.cursor, refusal.value.newest) == (5, 3)
    assert hub.head == 3


async def test_finish_ends_every_subscription(observer: Observer, hub: Hub) -> None:
    async def collect(subscription: AsyncGenerator[Event, None]) -> list[int]:
        return [event.seq async for event in subscription]

    collecting = [
        asyncio.create_task(collect(hub.subscribe(NORTH, after=0))),
        asyncio.create_task(collect(hub.subscribe_all())),
    ]
    await until(lambda: hub.subscribers == 2)

    hub.finish()

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*collecting) == [[], []]
        assert await collect(hub.subscribe(NORTH, after=0)) == []
    assert hub.subscribers == 0


async def test_a_subscription_that_is_closed_leaves_nothing_behind(observer: Observer, hub: Hub) -> None:
    await publish(observer, NORTH, 1)
    async with aclosing(hub.subscribe(NORTH, after=0)) as subscription:
        assert await take(subscription, 1) == [1]
        assert hub.subscribers == 1

    waiting = asyncio.create_task(take(hub.subscribe(NORTH), 1))
    await until(lambda: hub.subscribers == 1)
    waiting.cancel()
    await asyncio.wait([waiting])

    await until(lambda: hub.subscribers == 0)
