"""What the database itself refuses, whoever asks: constraints that really arrived, and tables that only grow."""

import importlib
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from models.tables import TABLE_MODULES
from tests.builders import an_organization, gives
from tests.conftest import Database

APPEND_ONLY = ("token_balance_history", "token_draws", "token_audit_logs")


def tables() -> Iterator[type[Model]]:
    for name in TABLE_MODULES:
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(kind, Model) and kind.__module__ == name:
                yield kind


async def test_every_declared_constraint_is_in_the_database(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch("SELECT conrelid::regclass::text AS of, conname, contype::text FROM pg_constraint")
    there = {(row["of"], row["conname"]): row["contype"] for row in rows}

    for table in tables():
        meta = table._meta
        for constraint in getattr(table.Meta, "constraints", []):
            kind = "c" if isinstance(constraint, CheckConstraint) else "u"
            assert there.get((meta.db_table, constraint.name)) == kind, constraint.name


async def test_every_unique_column_is_unique_in_the_database(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT c.conrelid::regclass::text AS of, a.attname FROM pg_constraint c"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype IN ('u', 'p') AND array_length(c.conkey, 1) = 1"
    )
    there = {(row["of"], row["attname"]) for row in rows}

    for table in tables():
        for field in table._meta.fields_map.values():
            if field.unique and field.has_db_field:
                assert (table._meta.db_table, field.source_field or field.model_field_name) in there


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET id = id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_even_the_owner_cannot_change_the_books(
    books: Database, owner: asyncpg.Connection, table: str, statement: str
) -> None:
    await gives(await an_organization(), "10")

    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(statement.format(table))

    assert await owner.fetchval(f"SELECT count(*) FROM {table}") > 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE token_balance_history SET description = 'x'",
        "DELETE FROM token_invoices",
        "TRUNCATE token_draws",
        "UPDATE audit_heads SET sequence = 0",
        "INSERT INTO audit_heads VALUES (gen_random_uuid(), 1, '')",
        "ALTER TABLE token_draws DISABLE TRIGGER ALL",
        "DROP TABLE outbox",
        "DELETE FROM organization_token_wallets",
    ],
)
async def test_the_application_has_no_right_to(books: Database, statement: str) -> None:
    application = await asyncpg.connect(books.app_dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.execute(statement)
    finally:
        await application.close()


@pytest.mark.parametrize(
    "column", ["current_balance", "held_tokens", "total_purchased", "price_per_token", "tax_rate", "total_adjusted"]
)
async def test_a_wallet_never_holds_what_is_not_a_number(
    books: Database, owner: asyncpg.Connection, column: str
) -> None:
    await an_organization()

    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(f"UPDATE organization_token_wallets SET {column} = 'NaN'")


async def test_a_wallets_sums_cannot_disagree(books: Database, owner: asyncpg.Connection) -> None:
    await gives(await an_organization(), "10", at=datetime.now(UTC))

    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await owner.execute("UPDATE organization_token_wallets SET current_balance = current_balance + 1")

    assert refusal.value.constraint_name == "wallets_sums_agree"
    assert await owner.fetchval("SELECT current_balance FROM organization_token_wallets") == Decimal(10)
