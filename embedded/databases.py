"""The database of an embedded cluster and the two roles that share it.

`scrip_owner` owns the tables and is used by migrations only; `scrip_app` is what the product signs in as, and gets its
rights from the migrations. Neither is a superuser, makes databases or makes roles. Repeating it changes nothing but
the passwords, which become the ones given.
"""

from typing import Final

import asyncpg

DATABASE: Final = "scrip"
OWNER: Final = "scrip_owner"
APPLICATION: Final = "scrip_app"
MODEST: Final = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


async def provide(superuser_dsn: str, *, owner_password: str, application_password: str) -> None:
    """The roles and the database exist, with these passwords."""
    session = await asyncpg.connect(superuser_dsn, timeout=10)
    try:
        await _provide_role(session, OWNER, owner_password)
        await _provide_role(session, APPLICATION, application_password)
        if not await session.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await session.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        await session.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        await session.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APPLICATION}")
    finally:
        await session.close()


async def _provide_role(session: asyncpg.Connection, role: str, password: str) -> None:
    if not await session.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await session.execute(f"CREATE ROLE {role}")
    # Statements about roles take no parameters; the server itself quotes the password.
    statement = await session.fetchval(
        f"SELECT format('ALTER ROLE %I {MODEST} PASSWORD %L', $1::text, $2::text)", role, password
    )
    await session.execute(statement)
