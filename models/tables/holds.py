"""Holds on tokens, and budgets on who uses them."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import belongs_to, identifier, one_of, recorded_at, token_sum, tokens
from rules.budgets import BudgetPeriod
from rules.holding import HoldStatus


class Hold(Model):
    """Tokens reserved until `expires_at`; resolved once. `captured_tokens` is what was spent by it in the end."""

    id = identifier()
    organization = belongs_to("Organization")
    wallet = belongs_to("Wallet")
    tokens = tokens()
    captured_tokens = token_sum()
    status = fields.TextField(default="HELD", db_default="HELD")
    reference_type = fields.TextField(null=True)
    reference_id = fields.TextField(null=True)
    description = fields.TextField(default="", db_default="")
    actor = fields.TextField()
    idempotency_key = fields.TextField()
    held_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    resolved_at = fields.DatetimeField(null=True)
    resolved_by = fields.TextField(null=True)
    recorded_at = recorded_at()

    class Meta:
        table = "token_holds"
        indexes = [
            Index(fields=("wallet_id", "held_at", "id"), name="holds_by_wallet"),
            Index(fields=("wallet_id", "status", "held_at", "id"), name="holds_by_status"),
            Index(fields=("organization_id",), name="holds_by_organization"),
        ]
        constraints = [
            CheckConstraint(check=one_of("status", HoldStatus), name="holds_status"),
            CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name="holds_tokens_positive"),
            CheckConstraint(
                check="captured_tokens <> 'NaN' AND (captured_tokens > 0) = (status = 'CAPTURED')"
                " AND captured_tokens >= 0",
                name="holds_captured_when_captured",
            ),
            CheckConstraint(
                check="(status = 'HELD') = (resolved_at IS NULL) AND (status = 'HELD') = (resolved_by IS NULL)",
                name="holds_resolved_with_a_time",
            ),
            CheckConstraint(check="expires_at > held_at", name="holds_expire_after_they_begin"),
        ]


class HoldPart(Model):
    """How many of a hold's tokens are reserved in one lot, in the order of their numbers; append-only."""

    id = fields.BigIntField(primary_key=True, generated=True)
    hold = belongs_to("Hold")
    lot = belongs_to("Lot")
    tokens = tokens()

    class Meta:
        table = "token_hold_lots"
        indexes = [Index(fields=("lot_id",), name="hold_lots_by_lot")]
        constraints = [
            UniqueConstraint(fields=("hold_id", "lot_id"), name="hold_lots_once_per_lot"),
            CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name="hold_lots_reserve_something"),
        ]


class SpendBudget(Model):
    """A cap on what one actor uses of one organization's tokens in each window of a period."""

    id = identifier()
    organization = belongs_to("Organization")
    actor = fields.TextField()
    period = fields.TextField()
    limit_tokens = tokens()
    # The first window that is counted; what came before it was not.
    counted_from = fields.DatetimeField()
    is_active = fields.BooleanField(default=True, db_default=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "spend_budgets"
        constraints = [
            UniqueConstraint(fields=("organization_id", "actor", "period"), name="budgets_one_per_period"),
            CheckConstraint(check=one_of("period", BudgetPeriod), name="budgets_period"),
            CheckConstraint(check="limit_tokens >= 0 AND limit_tokens <> 'NaN'", name="budgets_limit_not_negative"),
        ]


class SpendBudgetUsage(Model):
    """What was used of a budget in one window; what is held counts as used."""

    id = fields.BigIntField(primary_key=True, generated=True)
    budget = belongs_to("SpendBudget")
    window_start = fields.DatetimeField()
    used_tokens = token_sum()

    class Meta:
        table = "spend_budget_usage"
        constraints = [
            UniqueConstraint(fields=("budget_id", "window_start"), name="budget_usage_once_per_window"),
            CheckConstraint(check="used_tokens >= 0 AND used_tokens <> 'NaN'", name="budget_usage_not_negative"),
        ]
