"""Some row for any table, to show what the database refuses: its CHECKs hold, its foreign keys point nowhere."""

import asyncpg

COLUMNS = """
SELECT column_name AS name, data_type AS kind FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_identity = 'NO'
    AND (is_nullable = 'NO' AND column_default IS NULL OR data_type = 'numeric' AND column_default IS NULL)
ORDER BY ordinal_position
"""

PLAIN_VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "character varying": "'x'",
    "numeric": "1",
    "bigint": "1",
    "integer": "1",
    "smallint": "1",
    "jsonb": "'{}'",
    "bytea": "''",
    "date": "now()",
    "timestamp with time zone": "now()",
}
CHECKED_VALUES = {
    "change_type": "'GRANT'",
    "balance_before": "0",
    "item_type": "'tokens'",
    "tax_amount": "0",
    "currency": "'USD'",
    "kind": "'PAID'",
    "frequency": "'monthly'",
    "trigger_type": "'both'",
    "threshold_type": "'absolute'",
    "period": "'DAY'",
}
OF_ONE_TABLE = {
    ("payments", "status"): "'DECLINED'",
    ("gateway_events", "kind"): "'x'",
    ("token_holds", "expires_at"): "now() + interval '1 minute'",
    ("notices", "kind"): "'tokens.expiring'",
}
# Columns that may be empty but not beside others.
BESIDES = {"token_packages": (("currency", "'USD'"),), "notices": (("expires_at", "now()"),)}


async def put_a_row(superuser: asyncpg.Connection, table: str) -> None:
    """The table has a row with a value in every numeric column; for a connection without triggers and foreign keys."""
    columns = [(column["name"], column["kind"]) for column in await superuser.fetch(COLUMNS, table)]
    row = {
        name: OF_ONE_TABLE.get((table, name), CHECKED_VALUES.get(name, PLAIN_VALUES[kind])) for name, kind in columns
    } | dict(BESIDES.get(table, ()))
    await superuser.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")
