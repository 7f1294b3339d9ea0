"""Every column of tokens, money and rates refuses NaN, and the audit chain's trigger trusts no temporary table.

A trigger that runs with its owner's rights must name pg_temp last: otherwise it is searched first, and a session could
put a table of its own in front of `audit_heads`.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.migrations import statements

NUMBERS = (
    ("Entry", "entries_numbers", ("balance_before", "balance_after", "held_after")),
    ("Purchase", "purchases_numbers", ("bonus_tokens", "price_per_token", "tax_rate", "refund_amount")),
    ("Invoice", "invoices_numbers", ("subtotal", "tax_rate", "tax_amount", "total_amount")),
    ("InvoiceLine", "invoice_lines_numbers", ("quantity", "unit_price", "amount")),
    ("Subscription", "subscriptions_numbers", ("token_quantity", "price_per_token", "total_amount")),
    (
        "AutoTopUpPolicy",
        "top_up_numbers",
        ("topup_token_quantity", "max_spending_limit_per_month", "current_month_spending"),
    ),
    ("LowBalanceThreshold", "thresholds_numbers", ("last_notified_balance",)),
    ("UsageForecast", "forecasts_numbers", ("tokens_consumed", "average_daily_consumption")),
)


class Migration(migrations.Migration):
    dependencies = [("models", "0003_guards")]

    operations = [
        *[
            ops.AddConstraint(
                model, CheckConstraint(check=" AND ".join(f"{column} <> 'NaN'" for column in columns), name=name)
            )
            for model, name, columns in NUMBERS
        ],
        statements(
            (
                "ALTER FUNCTION chain_audit_row() SET search_path = pg_catalog, public, pg_temp",
                "ALTER FUNCTION chain_audit_row() SET search_path = public",
            ),
        ),
    ]
