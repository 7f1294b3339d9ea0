"""A throw-away PostgreSQL with the three tables of the event spine, and the few things its tests do with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg

from embedded.postgres import PostgresCluster
from tests.patience import PATIENCE_SECONDS

Observer: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NORTH = UUID("018f0000-0000-7000-8000-000000000001")
SOUTH = UUID("018f0000-0000-7000-8000-000000000002")

TABLES = """
DROP TABLE IF EXISTS outbox, feed, feed_cursors;
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organization_id uuid NULL, topic text NOT NULL,
    body jsonb NOT NULL, occurred_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE feed (
    seq bigint PRIMARY KEY, organization_id uuid NULL, topic text NOT NULL, body jsonb NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX feed_by_organization ON feed (organization_id, seq);
CREATE TABLE feed_cursors (
    reader text PRIMARY KEY, seq bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now()
);
"""
WRITE = """
INSERT INTO outbox (organization_id, topic, body)
SELECT $1, $2, jsonb_build_object('n', n) FROM generate_series($3::int, $4::int) n ORDER BY n
"""
PUBLISH = """
WITH published AS (
    INSERT INTO feed
    SELECT (SELECT coalesce(max(seq), 0) FROM feed) + n, $1, $2, jsonb_build_object('n', n), now()
    FROM generate_series(1, $3::int) n
)
SELECT CASE WHEN $4 THEN pg_notify('feed', '') END
"""
SESSIONS_LEFT = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scrip-%'"
END_SESSIONS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ANY ($1)"


@asynccontextmanager
async def empty_spine(cluster: PostgresCluster) -> AsyncIterator[Observer]:
    """The three tables, empty, and a connection to them beside the code under test."""
    connection = await asyncpg.connect(cluster.dsn())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The server notices in its own time that the sessions of the test before were left.
            while await connection.fetchval(SESSIONS_LEFT):
                await asyncio.sleep(0.005)
        await connection.execute(TABLES)
        yield connection
    finally:
        await connection.close()


async def write(
    connection: Observer,
    organization: UUID | None,
    first: int,
    last: int,
    *,
    topic: str = "balance",
) -> None:
    """The events {"n": first} … {"n": last}, in one transaction."""
    await connection.execute(WRITE, organization, topic, first, last)


async def publish(
    connection: Observer, organization: UUID | None, count: int, *, topic: str = "balance", with_hint: bool = True
) -> None:
    """The next events of the feed, as a sequencer would put them there."""
    await connection.execute(PUBLISH, organization, topic, count, with_hint)


async def end_sessions(connection: Observer, *names: str) -> int:
    """The server ends the sessions of these applications, as a failing network would."""
    ended: int = await connection.fetchval(END_SESSIONS, list(names))
    return ended
