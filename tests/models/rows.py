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
    "mode": "'volume'",
    "share": "0.5",
    "discount": "0.5",
}
OF_ONE_TABLE = {
    ("payments", "status"): "'DECLINED'",
    ("gateway_events", "kind"): "'x'",
    ("token_holds", "expires_at"): "now() + interval '1 minute'",
    ("notices", "kind"): "'tokens.expiring'",
    ("coupon_redemptions", "status"): "'reserved'",
    ("price_quotes", "expires_at"): "now() + interval '1 hour'",
    ("price_quotes", "discount_amount"): "0",
    ("price_quotes", "coupon_bonus_tokens"): "0",
    ("token_purchases", "discount_amount"): "0",
}
# Kinds of rows whose columns exclude each other, and columns that may be empty but not beside a price.
NONE = "NULL"
VARIANTS: dict[str, tuple[dict[str, str], ...]] = {
    "token_packages": (
        {"currency": "'USD'", "min_tokens": NONE, "max_tokens": NONE, "token_price": NONE},
        {"currency": "'USD'", "is_custom": "true", "token_quantity": NONE, "price": NONE},
    ),
    "notices": ({"expires_at": "now()"},),
    "coupons": (
        {"code": "'PERCENT'", "benefit": "'percent'", "currency": "'USD'", "amount": NONE, "bonus_tokens": NONE},
        {"code": "'AMOUNT'", "benefit": "'amount'", "currency": "'USD'", "share": NONE, "bonus_tokens": NONE},
        {"code": "'BONUS'", "benefit": "'bonus_tokens'", "currency": "'USD'", "share": NONE, "amount": NONE},
    ),
}


async def put_a_row(superuser: asyncpg.Connection, table: str) -> None:
    """The table has a row with a value in every numeric column, or one of each kind; without triggers and foreign
    keys."""
    columns = [(column["name"], column["kind"]) for column in await superuser.fetch(COLUMNS, table)]
    plain = {
        name: OF_ONE_TABLE.get((table, name), CHECKED_VALUES.get(name, PLAIN_VALUES[kind])) for name, kind in columns
    }
    for variant in VARIANTS.get(table, ({},)):
        row = plain | variant
        await superuser.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")
