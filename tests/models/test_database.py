"""The way to PostgreSQL: typed rows, transactions that never lose a connection, limits on every wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
import pytest_asyncio

from embedded.postgres import PostgresCluster
from models import database
from models.database import (
    ACQUIRE_SECONDS,
    Connection,
    DatabaseBusy,
    TransactionNotYours,
    connection,
    open_database,
    patient,
    retrying,
    transaction,
)
from models.tables.spine import FeedCursor
from tests.models.spine_database import NORTH, Observer, empty_spine, end_sessions
from tests.patience import PATIENCE_SECONDS

POOL_SIZE = 8
ADD = "INSERT INTO feed_cursors (reader, seq) VALUES ($1, $2)"
ADVANCE = "UPDATE feed_cursors SET seq = seq + 1 WHERE reader = 'journal'"
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
OUR_SESSION = "SELECT pg_backend_pid() AS pid"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    with PostgresCluster(tmp_path_factory.mktemp("postgres"), durable=False) as cluster:
        yield cluster


@pytest_asyncio.fixture(autouse=True)
async def observer(cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Observer]:
    """The database is open, and beside it there is a connection that does not come from its pool."""
    # A machine that stands still is no full pool; what becomes of one has a test of its own.
    monkeypatch.setattr(database, "ACQUIRE_SECONDS", PATIENCE_SECONDS)
    async with (
        empty_spine(cluster) as observer,
        open_database(cluster.dsn(), POOL_SIZE, application_name="scrip-test"),
    ):
        yield observer


async def cursors() -> dict[str, int]:
    async with connection() as reading:
        return {row["reader"]: row["seq"] for row in await reading.fetch("SELECT reader, seq FROM feed_cursors")}


async def session_of(own: Connection) -> int:
    row = await own.fetch_one(OUR_SESSION)
    assert row is not None
    pid: int = row["pid"]
    return pid


async def sessions(observer: Observer) -> set[int]:
    """Those of the pool, as the server sees them."""
    rows = await observer.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'scrip-test'")
    return {row["pid"] for row in rows}


async def sessions_usable_together() -> int:
    """How many transactions can be open at once; each has answered while all the others were open."""
    all_open = asyncio.Barrier(POOL_SIZE)

    async def take_part() -> int:
        async with transaction() as own, asyncio.timeout(PATIENCE_SECONDS):
            await all_open.wait()
            return await session_of(own)

    return len(set(await asyncio.gather(*(take_part() for _ in range(POOL_SIZE)))))


async def test_a_row_has_exact_types() -> None:
    async with connection() as reading:
        row = await reading.fetch_one(
            """SELECT 12.34::numeric(20,4) AS tokens, $1::uuid AS id, '{"a": [1, "x"]}'::jsonb AS body,
                      timestamptz '2026-03-01 12:00+02' AS at""",
            NORTH,
        )

    assert row is not None
    assert repr(row["tokens"]) == "Decimal('12.3400')"
    assert row["id"] == NORTH
    assert row["body"] == {"a": [1, "x"]}
    assert row["at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)


async def test_an_amount_travels_in_json_as_an_exact_string() -> None:
    async with connection() as reading:
        row = await reading.fetch_one("SELECT $1::jsonb AS body", {"tokens": Decimal("1E+3"), "id": NORTH})

    assert row is not None
    assert row["body"] == {"tokens": "1000", "id": str(NORTH)}


async def test_a_statement_tells_how_many_rows_it_changed() -> None:
    async with transaction() as own:
        assert await own.execute(ADD, "journal", 1) == 1
        assert await own.execute("UPDATE feed_cursors SET seq = 2 WHERE reader = 'nobody'") == 0
        assert await own.execute("SET LOCAL lock_timeout = '1s'") == 0
        assert await own.fetch_one("SELECT 1 WHERE false") is None


async def test_a_block_that_ends_well_is_committed() -> None:
    async with transaction() as own:
        await own.execute(ADD, "journal", 7)

    assert await cursors() == {"journal": 7}


async def test_a_block_that_raises_changes_nothing() -> None:
    async def add_twice() -> None:
        async with transaction() as own:
            await own.execute(ADD, "journal", 7)
            await own.execute(ADD, "journal", 8)

    with pytest.raises(asyncpg.UniqueViolationError):
        await add_twice()

    assert await cursors() == {}
    assert await sessions_usable_together() == POOL_SIZE


async def test_a_transaction_inside_a_transaction_undoes_only_itself() -> None:
    async def add_one_too_many() -> None:
        async with transaction() as inner:
            await inner.execute(ADD, "notices", 2)
            await inner.execute(ADD, "journal", 3)

    async with transaction() as outer:
        await outer.execute(ADD, "journal", 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await add_one_too_many()
        async with transaction() as inner:
            await inner.execute(ADD, "webhooks", 4)

    assert await cursors() == {"journal": 1, "webhooks": 4}


async def test_a_read_inside_a_transaction_sees_what_it_has_written() -> None:
    async with transaction() as own:
        await own.execute(ADD, "journal", 1)

        assert await cursors() == {"journal": 1}
        assert await asyncio.create_task(cursors()) == {}


async def test_models_take_part_in_the_transaction() -> None:
    async def create_and_regret() -> None:
        async with transaction():
            await FeedCursor.create(reader="journal", seq=5)
            assert await cursors() == {"journal": 5}
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await create_and_regret()

    assert await FeedCursor.all().count() == 0


async def test_another_task_cannot_join_a_transaction() -> None:
    async def join() -> None:
        async with transaction() as own:
            await own.execute(ADD, "notices", 2)

    async with transaction() as own:
        await own.execute(ADD, "journal", 1)
        with pytest.raises(TransactionNotYours):
            await asyncio.create_task(join())

    assert await cursors() == {"journal": 1}


async def test_cancelling_at_any_moment_loses_no_connection() -> None:
    async def write(steps: int, number: int) -> None:
        async with transaction() as own:
            await own.execute(ADD, f"{steps}/{number}", 1)
            await asyncio.sleep(3600)

    # given: after one step of the event loop a writer waits for BEGIN, a few steps later for its INSERT
    for steps in range(40):
        writers = [asyncio.create_task(write(steps, number)) for number in range(POOL_SIZE + 2)]
        for _ in range(steps):
            await asyncio.sleep(0)

        # when
        for writer in writers:
            writer.cancel()
        results = await asyncio.gather(*writers, return_exceptions=True)

        # then
        assert {type(result) for result in results} == {asyncio.CancelledError}
    assert await cursors() == {}
    assert await sessions_usable_together() == POOL_SIZE


async def test_cancelling_a_long_statement_frees_its_connection_at_once() -> None:
    async def wait_long() -> None:
        async with patient(600) as own:
            await own.fetch("SELECT pg_sleep(590)")

    sleepers = [asyncio.create_task(wait_long()) for _ in range(POOL_SIZE)]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    for sleeper in sleepers:
        sleeper.cancel()
    await asyncio.gather(*sleepers, return_exceptions=True)

    assert await sessions_usable_together() == POOL_SIZE
    assert time.monotonic() - began < PATIENCE_SECONDS


async def test_a_full_pool_is_reported_as_busy_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: every connection is in use
    monkeypatch.setattr(database, "ACQUIRE_SECONDS", ACQUIRE_SECONDS)
    enough = asyncio.Event()
    all_open = asyncio.Barrier(POOL_SIZE + 1)

    async def occupy() -> None:
        async with transaction():
            await all_open.wait()
            await enough.wait()

    occupants = [asyncio.create_task(occupy()) for _ in range(POOL_SIZE)]
    await all_open.wait()

    # when
    began = time.monotonic()
    with pytest.raises(DatabaseBusy, match="no connection became free within 2 s"):
        async with transaction() as own:
            await own.execute(ADD, "journal", 1)
    waited = time.monotonic() - began

    # then
    assert 1.9 < waited < PATIENCE_SECONDS
    enough.set()
    await asyncio.gather(*occupants)
    assert await cursors() == {}
    assert await sessions_usable_together() == POOL_SIZE


async def test_a_broken_connection_is_replaced(observer: Observer) -> None:
    broken = await sessions(observer)
    assert await end_sessions(observer, "scrip-test") == POOL_SIZE
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await sessions(observer) - broken) < POOL_SIZE:
            await asyncio.sleep(0.01)

    assert await sessions_usable_together() == POOL_SIZE


async def test_a_connection_that_breaks_inside_a_transaction_changes_nothing(observer: Observer) -> None:
    async def lose_the_connection() -> None:
        async with transaction() as own:
            await own.execute(ADD, "journal", 1)
            await observer.execute("SELECT pg_terminate_backend($1)", await session_of(own))
            await own.execute(ADD, "notices", 1)

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await lose_the_connection()

    assert await cursors() == {}
    assert await sessions_usable_together() == POOL_SIZE


async def test_the_server_limits_every_wait() -> None:
    async with connection() as reading:
        rows = await reading.fetch("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout' OR name = 'jit'")

    limits = {row["name"]: row["setting"] for row in rows}
    assert limits["statement_timeout"] == "10000"
    assert limits["lock_timeout"] == "5000"
    assert limits["idle_in_transaction_session_timeout"] == "10000"
    assert limits["jit"] == "off"


async def test_a_transaction_that_lost_against_another_is_repeated(observer: Observer) -> None:
    await observer.execute(ADD, "journal", 0)
    tries = 0

    async def advance() -> int:
        nonlocal tries
        tries += 1
        async with transaction() as own:
            await own.execute(SNAPSHOT)
            before = await own.fetch_one("SELECT seq FROM feed_cursors WHERE reader = 'journal'")
            if tries <= 2:
                await observer.execute(ADVANCE)
            await own.execute(ADVANCE)
        assert before is not None
        return int(before["seq"])

    assert await retrying(advance) == 2
    assert tries == 3
    assert await cursors() == {"journal": 3}


async def test_a_transaction_that_always_loses_is_given_up_as_busy(observer: Observer) -> None:
    await observer.execute(ADD, "journal", 0)
    tries = 0

    async def advance() -> None:
        nonlocal tries
        tries += 1
        async with transaction() as own:
            await own.execute(SNAPSHOT)
            await own.execute("SELECT seq FROM feed_cursors")
            await observer.execute(ADVANCE)
            await own.execute(ADVANCE)

    with pytest.raises(DatabaseBusy) as refusal:
        await retrying(advance)

    assert tries == 5
    assert isinstance(refusal.value.__cause__, asyncpg.SerializationError)
    assert await cursors() == {"journal": 5}


async def test_two_that_wait_for_each_other_both_succeed_in_the_end(observer: Observer) -> None:
    await observer.execute("SET lock_timeout = 0")
    await observer.executemany(ADD, [("journal", 0), ("notices", 0)])
    both_hold_one = asyncio.Barrier(2)
    tries = 0

    async def advance(first: str, second: str) -> None:
        nonlocal tries
        tries += 1
        is_first_try = tries <= 2
        async with transaction() as own:
            await own.execute("UPDATE feed_cursors SET seq = seq + 1 WHERE reader = $1", first)
            if is_first_try:
                await both_hold_one.wait()
            await own.execute("UPDATE feed_cursors SET seq = seq + 1 WHERE reader = $1", second)

    await asyncio.gather(
        asyncio.create_task(retrying(lambda: advance("journal", "notices"))),
        asyncio.create_task(retrying(lambda: advance("notices", "journal"))),
    )

    assert tries == 3
    assert await cursors() == {"journal": 2, "notices": 2}


async def test_other_failures_are_not_repeated() -> None:
    tries = 0

    async def add_twice() -> None:
        nonlocal tries
        tries += 1
        async with transaction() as own:
            await own.execute(ADD, "journal", 1)
            await own.execute(ADD, "journal", 1)

    with pytest.raises(asyncpg.UniqueViolationError):
        await retrying(add_twice)

    assert tries == 1
    assert await cursors() == {}


async def test_inside_an_open_transaction_nothing_is_repeated(observer: Observer) -> None:
    await observer.execute(ADD, "journal", 0)
    tries = 0

    async def advance() -> None:
        nonlocal tries
        tries += 1
        async with transaction() as inner:
            await inner.execute(ADVANCE)

    async def advance_within() -> None:
        async with transaction() as outer:
            await outer.execute(SNAPSHOT)
            await outer.execute("SELECT seq FROM feed_cursors")
            await observer.execute(ADVANCE)
            await retrying(advance)

    with pytest.raises(asyncpg.SerializationError):
        await advance_within()

    assert tries == 1
    assert await cursors() == {"journal": 1}
