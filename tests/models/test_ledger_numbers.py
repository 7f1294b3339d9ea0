"""No column of tokens, money or rates ever holds what is not a number, whoever writes it.

PostgreSQL takes NaN for greater than every number and for equal to itself, so that `>= 0` and `a = b + c` let it pass;
each column needs a CHECK of its own. Infinities do not fit into a numeric with a precision.
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise import fields

from embedded.postgres import PostgresCluster
from tests.models.damage import Laboratory, laboratory
from tests.models.rows import put_a_row
from tests.models.test_migrations import tables

NUMBERS = {
    table._meta.db_table: tuple(
        field.source_field or name
        for name, field in table._meta.fields_map.items()
        if isinstance(field, fields.DecimalField)
    )
    for table in tables()
}
COLUMNS = [(table, column) for table, columns in NUMBERS.items() for column in columns]

# Sums that agree when several of their columns are no number at once.
TOGETHER = [
    ("token_balance_history", ("balance_before", "balance_after")),
    ("token_balance_history", ("change_amount", "balance_after")),
    ("token_purchases", ("subtotal", "total_amount")),
    ("token_purchases", ("tax_amount", "total_amount")),
    ("price_quotes", ("subtotal", "total_amount")),
    ("price_quotes", ("tax_amount", "total_amount")),
    ("price_quotes", ("bonus_tokens", "coupon_bonus_tokens")),
    ("coupon_redemptions", ("discount", "bonus_tokens")),
    ("token_invoices", ("subtotal", "total_amount")),
    ("token_invoices", ("tax_amount", "total_amount")),
    ("token_lots", ("remaining_tokens", "granted_tokens")),
    ("token_lots", ("remaining_tokens", "held_tokens")),
    ("organization_token_wallets", ("current_balance", "total_granted")),
    ("organization_token_wallets", ("total_granted", "total_consumed")),
]


@pytest.fixture(scope="module")
async def a_row_in_each(cluster: PostgresCluster, template: str) -> AsyncIterator[Laboratory[None]]:
    async def nothing() -> None:
        return None

    async with laboratory(cluster, template, nothing) as ready:
        for table in filter(NUMBERS.get, NUMBERS):
            await put_a_row(ready.superuser, table)
        yield ready


async def test_every_numeric_column_of_the_database_is_tried_below(a_row_in_each: Laboratory[None]) -> None:
    rows = await a_row_in_each.superuser.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('numeric', 'real', 'double precision')"
    )

    assert sorted(tuple(row.values()) for row in rows) == sorted(COLUMNS)


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(pair) for pair in COLUMNS])
async def test_a_column_refuses_what_is_not_a_number(a_row_in_each: Laboratory[None], table: str, column: str) -> None:
    superuser = a_row_in_each.superuser
    assert await superuser.fetchval(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL") >= 1

    with pytest.raises(asyncpg.CheckViolationError):
        await superuser.execute(f"UPDATE {table} SET {column} = 'NaN'")
    for infinity in ("Infinity", "-Infinity"):
        with pytest.raises(asyncpg.NumericValueOutOfRangeError):
            await superuser.execute(f"UPDATE {table} SET {column} = '{infinity}'")


@pytest.mark.parametrize(("table", "columns"), TOGETHER, ids=[f"{table}: {' and '.join(c)}" for table, c in TOGETHER])
async def test_columns_that_add_up_cannot_stop_being_numbers_together(
    a_row_in_each: Laboratory[None], table: str, columns: tuple[str, ...]
) -> None:
    changes = ", ".join(f"{column} = 'NaN'" for column in columns)

    with pytest.raises(asyncpg.CheckViolationError):
        await a_row_in_each.superuser.execute(f"UPDATE {table} SET {changes}")
