"""Damage that no role of the product can do: a superuser with every trigger and foreign key out of the way.

A database is filled once for many damages; each one is done inside a transaction, looked at there, and undone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import asyncpg

from embedded.postgres import PostgresCluster
from models.database import Connection, open_database
from models.reconciliation import violations
from tests.conftest import APPLICATION, OWNER, numbers

Contents = TypeVar("Contents")


class Laboratory(Generic[Contents]):
    """A filled database and a superuser in it on whom only CHECK and UNIQUE still hold."""

    def __init__(self, superuser: asyncpg.Connection, contents: Contents) -> None:
        self.superuser = superuser
        self.contents = contents

    async def broken_rules(self, *damage: str) -> list[str]:
        """The rules that do not hold after some statements, which are undone before this returns."""
        undone = self.superuser.transaction()
        await undone.start()
        try:
            for statement in damage:
                await self.superuser.execute(statement)
            return [violation.rule for violation in await violations(Connection(self.superuser))]
        finally:
            await undone.rollback()


@asynccontextmanager
async def laboratory(
    cluster: PostgresCluster, template: str, fill: Callable[[], Awaitable[Contents]]
) -> AsyncIterator[Laboratory[Contents]]:
    """A copy of the template, filled as the application fills it; dropped at the end."""
    name = f"scrip_{next(numbers)}"
    admin = await asyncpg.connect(cluster.dsn())
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy")
    async with open_database(
        cluster.dsn(name, APPLICATION, password="for-tests"), 2, application_name="scrip-laboratory"
    ):
        contents = await fill()
    superuser = await asyncpg.connect(cluster.dsn(name))
    try:
        await superuser.execute("SET session_replication_role = replica")
        yield Laboratory(superuser, contents)
    finally:
        await superuser.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
