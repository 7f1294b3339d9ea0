"""The whole spine while the server keeps ending its sessions: nothing lost, nothing twice, each wallet in order.

Two processes' worth of sequencers, hubs and durable readers; writers that commit out of order on three wallets; clients
that are quick, slow, or drop their connection and resume at the other process.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from embedded.postgres import PostgresCluster
from models.feed import Event, Sequencer
from models.hub import Hub
from models.reader import FeedReader
from tests.models.spine_database import Observer, empty_spine, end_sessions
from tests.patience import PATIENCE_SECONDS, until

WALLETS = tuple(UUID(int=number) for number in range(1, 4))
WRITERS = 3
WRITES_PER_WRITER = 300
EVENTS_PER_WALLET = WRITERS * WRITES_PER_WRITER // len(WALLETS)
KILLS = 5
SPINE = ("scrip-sequencer", "scrip-hub", "scrip-hub-replay", "scrip-reader-journal")

WALLET_TABLE = "DROP TABLE IF EXISTS wallet; CREATE TABLE wallet (id uuid PRIMARY KEY, sequence int NOT NULL DEFAULT 0)"
# As a spend does it: the row lock is taken before the outbox id, and both are kept until the commit.
CHANGE = """
WITH changed AS (UPDATE wallet SET sequence = sequence + 1 WHERE id = $1 RETURNING sequence)
INSERT INTO outbox (organization_id, topic, body) SELECT $1, 'balance', jsonb_build_object('n', sequence) FROM changed
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with PostgresCluster(tmp_path_factory.mktemp("postgres"), durable=False) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def observer(cluster: PostgresCluster) -> AsyncIterator[Observer]:
    async with empty_spine(cluster) as observer:
        await observer.execute(WALLET_TABLE)
        await observer.executemany("INSERT INTO wallet (id) VALUES ($1)", [(wallet,) for wallet in WALLETS])
        yield observer


@dataclass
class Journal:
    """A durable reader's idempotent handler: it counts what comes again, and does it once."""

    numbers: defaultdict[UUID | None, list[object]] = field(default_factory=lambda: defaultdict(list))
    done: set[int] = field(default_factory=set)

    async def post(self, event: Event) -> None:
        await asyncio.sleep(0)
        if event.seq not in self.done:
            self.done.add(event.seq)
            self.numbers[event.organization_id].append(event.body["n"])


@dataclass
class Process:
    """What every process of the product runs."""

    sequencer: Sequencer
    hub: Hub
    reader: FeedReader

    async def start(self) -> None:
        self.sequencer.start()
        self.reader.start()
        await self.hub.start()

    async def stop(self) -> None:
        await self.hub.stop()
        await self.reader.stop()
        await self.sequencer.stop()


async def change_wallets(dsn: str, chance: random.Random) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "scrip-writer"})
    try:
        for number in range(WRITES_PER_WRITER):
            async with connection.transaction():
                await connection.execute(CHANGE, WALLETS[number % len(WALLETS)])
                await asyncio.sleep(chance.choice((0, 0, 0.004, 0.01)))
    finally:
        await connection.close()


async def kill_the_spine(observer: Observer) -> int:
    killed = 0
    for _ in range(KILLS):
        await asyncio.sleep(0.35)
        killed += await end_sessions(observer, *SPINE)
    return killed


async def watch(
    hubs: list[Hub], wallet: UUID, *, pause: float = 0, leaves_after: int = EVENTS_PER_WALLET
) -> list[object]:
    """A client's view of a wallet; it leaves after so many events, and resumes at the next process."""
    numbers: list[object] = []
    cursor, visits = 0, 0
    while len(numbers) < EVENTS_PER_WALLET:
        seen_here = 0
        async with aclosing(hubs[visits % len(hubs)].subscribe(wallet, {"balance"}, after=cursor)) as subscription:
            async for event in subscription:
                numbers.append(event.body["n"])
                cursor, seen_here = event.seq, seen_here + 1
                if seen_here == leaves_after or len(numbers) == EVENTS_PER_WALLET:
                    break
                await asyncio.sleep(pause)
        visits += 1
    return numbers


async def test_nothing_is_lost_repeated_or_reordered(cluster: PostgresCluster, observer: Observer) -> None:
    # given
    dsn, journal, chance = cluster.dsn(), Journal(), random.Random(20261123)
    processes = [Process(Sequencer(dsn), Hub(dsn), FeedReader(dsn, "journal", None, journal.post)) for _ in range(2)]
    hubs = [process.hub for process in processes]
    async with AsyncExitStack() as stack:
        for process in processes:
            await process.start()
            stack.push_async_callback(process.stop)

        # when
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            kills = group.create_task(kill_the_spine(observer))
            for _ in range(WRITERS):
                group.create_task(change_wallets(dsn, chance))
            quick = [group.create_task(watch([hub], wallet)) for hub in hubs for wallet in WALLETS]
            slow = [group.create_task(watch([hub], WALLETS[0], pause=0.006)) for hub in hubs]
            restless = [group.create_task(watch(hubs, wallet, leaves_after=7)) for wallet in WALLETS]
        await until(lambda: len(journal.done) == WRITERS * WRITES_PER_WRITER)

    # then
    in_order = list(range(1, EVENTS_PER_WALLET + 1))
    assert kills.result() >= KILLS
    assert [task.result() for task in (*quick, *slow, *restless)] == [in_order] * 11
    assert dict(journal.numbers) == dict.fromkeys(WALLETS, in_order)
    assert [row["seq"] for row in await observer.fetch("SELECT seq FROM feed ORDER BY seq")] == list(range(1, 901))
    assert await observer.fetchval("SELECT count(*) FROM outbox") == 0
