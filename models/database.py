"""How everything reaches PostgreSQL: one pool, short transactions, plain SQL with typed rows.

The tables are Tortoise models, but money moves by SQL: `transaction()` and `connection()` give asyncpg's connection
with its cache of prepared statements, and what the ORM does inside `transaction()` is part of that transaction.
Nobody waits for ever: for a connection 2 s, for a lock 5 s, for a statement 10 s.

Tortoise's own `in_transaction` loses its connection when a task is cancelled during BEGIN; here a connection that has
been taken is given back whatever happens. Nothing is repeated unless `retrying` is asked to.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar, cast

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.connection import get_connections
from tortoise.context import TortoiseContext

from models.tables import TABLE_MODULES

Row: TypeAlias = asyncpg.Record
Result = TypeVar("Result")

CONNECTION_NAME = "default"
ACQUIRE_SECONDS = 2.0
TRIES_MAX = 5
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5

# What the server ends by itself. A client that hangs may hold a wallet's lock no longer than this.
SERVER_SETTINGS = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "timezone": "UTC",
    "jit": "off",
}
# A little more than the server's own limit, so that it is the server that answers, with the true reason.
COMMAND_SECONDS = 12.0
# Statements stay prepared for as long as their connection lives; connections live until something breaks them.
STATEMENTS_KEPT = 512
QUERIES_PER_CONNECTION = 50_000_000

WORTH_REPEATING = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)

log = logging.getLogger(__name__)


class DatabaseBusy(Exception):
    """The database cannot take this work now; nothing has been changed, and the same request may come again."""


class TransactionNotYours(RuntimeError):
    """A task asked to take part in a transaction that another task has begun."""


class Connection:
    """One PostgreSQL connection for as long as its block lasts; `$1`, `$2` … stand for the arguments.

    numeric is a Decimal, uuid a UUID, timestamptz an aware datetime, jsonb what its text says (see `json_text`).
    Errors are asyncpg's own (`UniqueViolationError`, `CheckViolationError` …).
    """

    __slots__ = ("_proxy", "_seconds")

    def __init__(
        self, proxy: "PoolConnectionProxy[Row] | asyncpg.Connection[Row]", *, seconds: float | None = None
    ) -> None:
        """`seconds` is how long `fetch` may take when it is not the limit that holds for all."""
        self._proxy = proxy
        self._seconds = seconds

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        return await self._proxy.fetch(sql, *args, timeout=self._seconds)

    async def fetch_one(self, sql: str, *args: object) -> Row | None:
        """The first row, or None when there is none."""
        return await self._proxy.fetchrow(sql, *args)

    async def execute(self, sql: str, *args: object) -> int:
        """How many rows were inserted, updated or deleted; 0 for statements that do none of these."""
        status = await self._proxy.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0


class _OwnedTransaction(TransactionWrapper):
    """What the ORM sees inside `transaction()`. It knows its task, because a transaction is not for sharing."""

    def __init__(self, client: AsyncpgDBClient, proxy: "PoolConnectionProxy[Row]") -> None:
        super().__init__(client)
        self._connection = cast(asyncpg.Connection, proxy)
        self.owner = asyncio.current_task()


def json_text(value: object) -> str:
    """JSON for a jsonb argument. A str is taken as JSON that is ready; a Decimal becomes a string, a date ISO 8601."""
    return value if isinstance(value, str) else orjson.dumps(value, default=_decimal_text).decode()


def _decimal_text(value: object) -> str:
    # Decimals travel as strings, because a JSON number would be read as a float somewhere.
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


async def _learn_json(connection: "asyncpg.Connection[Row]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=json_text, decoder=orjson.loads, format="text"
        )


async def _keep_session(_: "asyncpg.Connection[Row]") -> None:
    """Given to the pool in place of its RESET ALL: nothing here changes a session, and that costs a round trip."""


def _dialler(dsn: str) -> Callable[..., Awaitable[Any]]:
    """Connects by the URL itself, so that all of libpq's parameters (sslmode, several hosts) mean what they say."""

    async def dial(_: object, **options: Any) -> Any:
        for name in ("host", "port", "user", "password", "database"):
            options.pop(name)
        return await asyncpg.connect(dsn, **options)

    return dial


def tortoise_config(
    dsn: str, pool_size: int, *, application_name: str, models: Sequence[str] = TABLE_MODULES
) -> dict[str, Any]:
    """Tortoise's configuration for one database and the one app `models`, its migrations in `models.migrations`.

    dsn        any URL asyncpg understands, Unix sockets included (`postgresql://user@/database?host=/directory`).
    pool_size  connections, all of them opened at the start; application_name is what pg_stat_activity shows.
    """
    credentials = {
        "connect": _dialler(dsn),
        "minsize": pool_size,
        "maxsize": pool_size,
        "max_queries": QUERIES_PER_CONNECTION,
        "init": _learn_json,
        "reset": _keep_session,
        "command_timeout": COMMAND_SECONDS,
        "statement_cache_size": STATEMENTS_KEPT,
        "max_cached_statement_lifetime": 0,
        "server_settings": {**SERVER_SETTINGS, "application_name": application_name},
    }
    return {
        "connections": {CONNECTION_NAME: {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": {
            "models": {
                "models": list(models),
                "default_connection": CONNECTION_NAME,
                "migrations": "models.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def open_database(
    dsn: str, pool_size: int, *, application_name: str, models: Sequence[str] = TABLE_MODULES
) -> AsyncIterator[TortoiseContext]:
    """The process's database, for every task in it, with all connections open; one at a time per process.

    Raises what asyncpg raises when the server cannot be reached.
    """
    context = TortoiseContext()
    config = tortoise_config(dsn, pool_size, application_name=application_name, models=models)
    # After its birth the context is global, not a context variable: requests and activities run in tasks of their own.
    with context:
        await context.init(config, _enable_global_fallback=True)
    try:
        await _pool(_client(context.connections.get(CONNECTION_NAME)))
        yield context
    finally:
        await context.close_connections()


@asynccontextmanager
async def transaction() -> AsyncIterator[Connection]:
    """A transaction (READ COMMITTED) that commits at the end of the block, or rolls back on any exception.

    Inside another `transaction()` of the same task it is a savepoint: its exception undoes this block alone. A commit
    that is cut off by cancellation or a broken connection may have happened; an idempotency key tells.
    Raises DatabaseBusy when no connection is free within 2 s, TransactionNotYours inside another task's transaction.
    """
    connections = get_connections()
    client = connections.get(CONNECTION_NAME)
    if isinstance(client, TransactionWrapper):
        _refuse_others(client)
        async with client._connection.transaction():
            yield Connection(client._connection)
        return
    async with _held(_client(client)) as proxy, proxy.transaction():
        token = connections.set(CONNECTION_NAME, _OwnedTransaction(_client(client), proxy))
        try:
            yield Connection(proxy)
        finally:
            connections.reset(token)


@asynccontextmanager
async def patient(seconds: int) -> AsyncIterator[Connection]:
    """A transaction for reading whose `fetch` may take so many seconds, for questions about all of the books."""
    async with transaction() as db:
        await db.execute(f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{seconds:d}s'")
        # A little more than the server's own limit, as everywhere.
        yield Connection(db._proxy, seconds=seconds + 2.0)


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """A connection for reading, each statement by itself; inside this task's `transaction()` it is that one's.

    Raises DatabaseBusy when no connection is free within 2 s.
    """
    client = get_connections().get(CONNECTION_NAME)
    if isinstance(client, TransactionWrapper) and _is_ours(client):
        yield Connection(client._connection)
        return
    async with _held(_client(client)) as proxy:
        yield Connection(proxy)


async def retrying(work: Callable[[], Awaitable[Result]]) -> Result:
    """Repeats a whole transaction that lost against another: serialization failure, deadlock, lock timeout.

    Up to 5 tries with full jitter between them, then DatabaseBusy. `work` begins its transaction itself. Inside an open
    transaction nothing is repeated, for PostgreSQL has already given that one up.
    """
    if isinstance(get_connections().get(CONNECTION_NAME), TransactionWrapper):
        return await work()
    ceiling = FIRST_PAUSE_SECONDS
    for _ in range(TRIES_MAX - 1):
        try:
            return await work()
        except WORTH_REPEATING:
            await asyncio.sleep(random.uniform(0, ceiling))
            ceiling = min(ceiling * 2, LONGEST_PAUSE_SECONDS)
    try:
        return await work()
    except WORTH_REPEATING as error:
        raise DatabaseBusy(f"gave up after {TRIES_MAX} tries") from error


@asynccontextmanager
async def _held(client: AsyncpgDBClient) -> AsyncIterator["PoolConnectionProxy[Row]"]:
    """A connection of the pool, given back whatever happens, cancellation included."""
    pool = await _pool(client)
    try:
        proxy = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except (TimeoutError, asyncpg.TooManyConnectionsError) as error:
        raise DatabaseBusy(f"no connection became free within {ACQUIRE_SECONDS:g} s") from error
    try:
        yield proxy
    finally:
        try:
            await pool.release(proxy)
        except Exception as error:
            # The pool has dropped it. What was committed stays committed, so this must not look like a failure.
            log.warning("a connection could not be given back and was closed: %r", error)


async def _pool(client: AsyncpgDBClient) -> "asyncpg.Pool[Row]":
    if client._pool is None:
        async with client._pool_init_lock:
            if client._pool is None:
                await client.create_connection(with_db=True)
    if client._pool is None:
        raise RuntimeError("the database has been closed")
    return client._pool


def _client(candidate: object) -> AsyncpgDBClient:
    if isinstance(candidate, TransactionWrapper):
        return _client(candidate._parent)
    if isinstance(candidate, AsyncpgDBClient):
        return candidate
    raise TypeError(f"{candidate!r} is not a connection to PostgreSQL")


def _is_ours(client: TransactionWrapper) -> bool:
    # A transaction begun by the ORM's own in_transaction does not know its task and is taken at its word.
    return not isinstance(client, _OwnedTransaction) or client.owner is asyncio.current_task()


def _refuse_others(client: TransactionWrapper) -> None:
    if not _is_ours(client):
        raise TransactionNotYours(
            "begin the transaction in the task that uses it; a connection serves one task at a time"
        )
