"""`python -m models.migrate` brings the database to the newest migration and gives each role its rights.

Only one process migrates at a time, by an advisory lock. The owner role is used here and nowhere else; the
application role can add to the books but change or empty none of them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.migrations.api import migrate as apply_migrations

from models.tables import TABLE_MODULES

MIGRATION_LOCK = 0x5343_5249_50
LOCK_WAIT_SECONDS = 120

# Tables the application may only add to, by what else it may do with the others.
ADD_ONLY = (
    "token_balance_history",
    "token_draws",
    "token_hold_lots",
    "token_invoices",
    "token_invoice_lines",
    "token_invoice_documents",
    "token_audit_logs",
    "gateway_events",
    "volume_tiers",
    "coupon_packages",
    "feed",
)
UNTOUCHABLE = ("audit_heads", "tortoise_migrations")
EMPTIED = ("outbox",)
# Counters that are of no interest once their time is over.
SHORT_LIVED = ("sign_in_attempts", "rate_allowances")


def schema_config(dsn: str) -> dict[str, Any]:
    """Tortoise's configuration for migrations: the tables, where migrations live, and the owner's connection."""
    parts = urlsplit(dsn)
    credentials = {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.lstrip("/"),
        "server_settings": {"application_name": "scrip-migrate", "lock_timeout": "10s"},
    }
    app = {"models": list(TABLE_MODULES), "default_connection": "default", "migrations": "models.migrations"}
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": {"models": app},
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def migration_lock(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Held by one migrating process; the others wait, for two minutes at most."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        yield connection
    finally:
        await connection.close()


async def grant_rights(connection: asyncpg.Connection, role: str) -> None:
    """Give the application role exactly what it needs on the tables as they are now. Repeating it changes nothing."""
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        raise LookupError(f"The application role {role!r} does not exist; create it before migrating")
    quoted = '"' + role.replace('"', '""') + '"'
    tables = {
        row["tablename"]
        for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
    ]
    for table in sorted(tables):
        statements.append(f"REVOKE ALL ON {table} FROM {quoted}")
        statements.append(f"GRANT {', '.join(rights_on(table))} ON {table} TO {quoted}")
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)


def rights_on(table: str) -> tuple[str, ...]:
    """What the application role may do with a table. Only what the sequencer moves and old counters are deleted."""
    if table in UNTOUCHABLE:
        return ("SELECT",)
    if table in ADD_ONLY:
        return ("SELECT", "INSERT")
    if table in EMPTIED:
        return ("SELECT", "INSERT", "DELETE")
    if table in SHORT_LIVED:
        return ("SELECT", "INSERT", "UPDATE", "DELETE")
    return ("SELECT", "INSERT", "UPDATE")


async def migrate(owner_dsn: str, application_role: str | None) -> None:
    """The database is at the newest migration and, when a role is named, that role has its rights."""
    async with migration_lock(owner_dsn) as connection, TortoiseContext():
        await apply_migrations(config=schema_config(owner_dsn))
        if application_role is not None:
            await grant_rights(connection, application_role)


def role_of(dsn: str) -> str | None:
    """The role a connection string signs in as."""
    user = urlsplit(dsn).username
    return unquote(user) if user else None


def main() -> int:
    from settings import load_settings

    settings = load_settings()
    if settings.database_owner_url is None:
        sys.stderr.write("DATABASE_OWNER_URL is not set: migrations need the role that owns the tables\n")
        return 2
    application = role_of(settings.database_url.get_secret_value())
    asyncio.run(migrate(settings.database_owner_url.get_secret_value(), application))
    return 0


if __name__ == "__main__":
    sys.exit(main())
