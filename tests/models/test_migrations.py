"""What migrating leaves behind: the declared constraints and no others, the same from two processes at once, again and
again; and an application role that can add to the books and do nothing else to them."""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from embedded.postgres import PostgresCluster
from models import audit
from models.database import Connection, transaction
from models.migrate import migrate
from models.reconciliation import violations
from models.tables import TABLE_MODULES
from tests.builders import an_organization
from tests.conftest import APPLICATION, OWNER, Database, numbers
from tests.models.rows import put_a_row

ROOT = Path(__file__).parents[2]
APPEND_ONLY = (
    "token_balance_history",
    "token_draws",
    "token_invoices",
    "token_invoice_lines",
    "token_invoice_documents",
    "token_audit_logs",
    "gateway_events",
)
PASSWORD = "for-tests"

CONSTRAINTS = """
SELECT conrelid::regclass::text AS of, conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u')
    AND conrelid <> 'tortoise_migrations'::regclass
"""

# One line for everything that migrating makes; what differs from one database to the next (oids, names) is not in it.
SNAPSHOT = """
SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT format('trigger %s %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT format('function %s', pg_get_functiondef(oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT format('right %s %s %s', c.relname, grantee::regrole, privilege_type)
    FROM pg_class c, aclexplode(c.relacl) WHERE c.relnamespace = 'public'::regnamespace
UNION ALL SELECT format('migration %s', name) FROM tortoise_migrations
ORDER BY 1
"""


def tables() -> Iterator[type[Model]]:
    for name in TABLE_MODULES:
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(kind, Model) and kind.__module__ == name:
                yield kind


def declared() -> Iterator[tuple[str, str, str]]:
    """Table, name and SQL of every constraint of the tables; the name is empty where only a column says unique."""
    for table in tables():
        of = table._meta.db_table
        for constraint in getattr(table.Meta, "constraints", []):
            if isinstance(constraint, CheckConstraint):
                yield of, constraint.name, f"CHECK ({constraint.check})"
            if isinstance(constraint, UniqueConstraint):
                yield of, str(constraint.name), f"UNIQUE ({', '.join(constraint.fields)})"
        for field in table._meta.fields_map.values():
            if field.unique and not field.pk and field.has_db_field:
                yield of, "", f"UNIQUE ({field.source_field or field.model_field_name})"


async def as_written_by_postgres(owner: asyncpg.Connection, of: str, sql: str) -> str:
    """A constraint's SQL in PostgreSQL's own words."""
    await owner.execute(f"CREATE TEMP TABLE twin (LIKE {of})")
    await owner.execute(f"ALTER TABLE twin ADD CONSTRAINT twin_constraint {sql}")
    words: str = await owner.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'twin_constraint'"
    )
    await owner.execute("DROP TABLE twin")
    return words


async def test_the_database_has_the_declared_constraints_with_their_definitions_and_no_others(
    owner: asyncpg.Connection,
) -> None:
    rows = await owner.fetch(CONSTRAINTS)
    wanted = [(of, name, await as_written_by_postgres(owner, of, sql)) for of, name, sql in declared()]

    named = {(of, name) for of, name, _ in wanted if name}
    there = [(row["of"], row["name"] if (row["of"], row["name"]) in named else "", row["definition"]) for row in rows]
    assert sorted(there) == sorted(wanted)
    assert len(there) > 60


@pytest.fixture
async def unmigrated(cluster: PostgresCluster, template: str) -> AsyncIterator[str]:
    """An empty database of the owner's; its name."""
    name = f"scrip_{next(numbers)}"
    admin = await asyncpg.connect(cluster.dsn())
    await admin.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def snapshot(dsn: str) -> list[str]:
    """Everything that migrating makes."""
    reading = await asyncpg.connect(dsn)
    try:
        return [row["line"] for row in await reading.fetch(SNAPSHOT)]
    finally:
        await reading.close()


async def migrates_in_a_process(cluster: PostgresCluster, name: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "models.migrate"),
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": cluster.dsn(name, APPLICATION, password=PASSWORD),
            "DATABASE_OWNER_URL": cluster.dsn(name, OWNER, password=PASSWORD),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_two_processes_migrate_at_once_and_repeating_changes_nothing(
    cluster: PostgresCluster, template: str, unmigrated: str
) -> None:
    # given
    owner_dsn = cluster.dsn(unmigrated, OWNER, password=PASSWORD)
    made_alone = await snapshot(cluster.dsn(template, OWNER, password=PASSWORD))

    # when
    ended = await asyncio.gather(*(migrates_in_a_process(cluster, unmigrated) for _ in range(2)))

    # then
    assert ended == [(0, ""), (0, "")]
    assert await snapshot(owner_dsn) == made_alone
    await migrate(owner_dsn, APPLICATION)
    assert await snapshot(owner_dsn) == made_alone


async def test_an_application_role_that_does_not_exist_is_named(database: Database) -> None:
    with pytest.raises(LookupError, match="'nobody_here' does not exist"):
        await migrate(database.owner_dsn, "nobody_here")


@pytest.fixture(scope="module")
async def both_roles(cluster: PostgresCluster, template: str) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    """A migrated database as its owner and as the application see it; everything done in it is undone."""
    name = f"scrip_{next(numbers)}"
    admin = await asyncpg.connect(cluster.dsn())
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy")
    superuser = await asyncpg.connect(cluster.dsn(name))
    await superuser.execute("SET session_replication_role = replica")
    for table in (*APPEND_ONLY, "audit_heads"):
        await put_a_row(superuser, table)
    await superuser.close()
    connections = {
        role: await asyncpg.connect(cluster.dsn(name, role, password=PASSWORD)) for role in (OWNER, APPLICATION)
    }
    yield connections
    for connection in connections.values():
        await connection.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def refused(connection: asyncpg.Connection, statement: str) -> str:
    """The SQLSTATE of a refusal; what would have happened is undone. Fails when nothing was refused."""
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as refusal:
        return str(refusal.sqlstate)
    finally:
        await undone.rollback()
    raise AssertionError(f"was not refused: {statement}")


CHANGES = (
    "UPDATE {0} SET {1} = {1}",
    "UPDATE {0} SET {1} = {1} WHERE {1} IS NOT NULL",
    "DELETE FROM {0}",
    "TRUNCATE {0}",
    "TRUNCATE {0} CASCADE",
    "MERGE INTO {0} USING (VALUES (1)) one ON true WHEN MATCHED THEN DELETE",
)
FIRST_COLUMN = "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum = 1"
RESTRICT_VIOLATION, FORBIDDEN = "23001", "42501"


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_even_the_owner_cannot_change_or_empty_an_append_only_table(
    both_roles: dict[str, asyncpg.Connection], table: str
) -> None:
    owner = both_roles[OWNER]
    assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 1

    told = [await refused(owner, change.format(table, "id")) for change in CHANGES]

    # A table that others point to refuses a plain TRUNCATE for that reason first.
    assert set(told) <= {RESTRICT_VIOLATION, "0A000"}
    assert told.count(RESTRICT_VIOLATION) >= 5
    assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.parametrize("table", [*APPEND_ONLY, "feed", "audit_heads", "tortoise_migrations"])
async def test_the_application_can_neither_change_nor_empty_nor_alter_the_books(
    both_roles: dict[str, asyncpg.Connection], table: str
) -> None:
    application = both_roles[APPLICATION]
    column = await application.fetchval(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1"
    )
    statements = [
        *(change.format(table, column) for change in CHANGES),
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} ADD COLUMN more int",
        f"ALTER TABLE {table} OWNER TO {APPLICATION}",
        f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING",
        f"DROP TABLE {table} CASCADE",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    ]

    assert {statement: await refused(application, statement) for statement in statements} == dict.fromkeys(
        statements, FORBIDDEN
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_heads VALUES (gen_random_uuid(), 1, '')",
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', '9999', now())",
        "SET session_replication_role = replica",
        f"SET ROLE {OWNER}",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION chain_audit_row() SECURITY INVOKER",
        "DROP FUNCTION refuse_change() CASCADE",
        "DELETE FROM organization_token_wallets",
        "DELETE FROM token_lots",
        "DELETE FROM token_purchases",
        "DELETE FROM idempotency_keys",
        "DELETE FROM effects",
        "DELETE FROM token_invoice_counters",
    ],
)
async def test_the_application_may_not(both_roles: dict[str, asyncpg.Connection], statement: str) -> None:
    assert await refused(both_roles[APPLICATION], statement) == FORBIDDEN


async def test_a_temporary_table_of_the_same_name_does_not_lead_the_audit_chain_astray(db: Connection) -> None:
    # given
    aurora = await an_organization()

    # when the application keeps heads of its own, which its session finds before the real ones
    async with transaction() as forging:
        await forging.execute("CREATE TEMP TABLE audit_heads ON COMMIT DROP AS SELECT * FROM audit_heads WITH NO DATA")
        await forging.execute(f"GRANT ALL ON pg_temp.audit_heads TO {OWNER}")
        await audit.record(forging, aurora.id, action="a.b", resource="a", resource_id=1, actor="scrip")

    # then
    rows = await db.fetch("SELECT action, sequence FROM token_audit_logs ORDER BY sequence")
    assert [tuple(row.values()) for row in rows] == [("wallet.created", 1), ("a.b", 2)]
    assert await violations(db) == []
