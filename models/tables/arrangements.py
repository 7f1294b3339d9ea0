"""Standing arrangements of an organization: subscriptions, automatic top-up, thresholds and forecasts."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import (
    belongs_to,
    document,
    identifier,
    money,
    numbers,
    one_of,
    recorded_at,
    tokens,
    unit_price,
)
from rules.arrangements import (
    ScheduleFrequency,
    SubscriptionFrequency,
    SubscriptionStatus,
    ThresholdType,
    TriggerType,
)


class Subscription(Model):
    """A recurring purchase; the price per token is frozen when it begins."""

    id = identifier()
    organization = belongs_to("Organization")
    package = belongs_to("Package")
    token_quantity = tokens()
    price_per_token = unit_price()
    total_amount = money()
    currency = fields.CharField(max_length=3)
    frequency = fields.TextField()
    status = fields.TextField(default="active", db_default="active")
    payment_method = belongs_to("PaymentMethod")
    next_billing_date = fields.DateField()
    last_billing_date = fields.DateField(null=True)
    last_successful_payment = fields.DatetimeField(null=True)
    failed_payment_count = fields.IntField(default=0, db_default=0)
    grace_period_ends = fields.DatetimeField(null=True)
    cancelled_at = fields.DatetimeField(null=True)
    cancelled_by = fields.TextField(null=True)
    cancellation_reason = fields.TextField(null=True)
    started_at = fields.DatetimeField()
    metadata = document(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "token_subscriptions"
        indexes = [Index(fields=("organization_id", "status"), name="subscriptions_by_organization")]
        constraints = [
            CheckConstraint(check=one_of("frequency", SubscriptionFrequency), name="subscriptions_frequency"),
            CheckConstraint(check=one_of("status", SubscriptionStatus), name="subscriptions_status"),
            CheckConstraint(
                check=numbers("token_quantity", "price_per_token", "total_amount"), name="subscriptions_numbers"
            ),
        ]


class AutoTopUpPolicy(Model):
    """When and how much to refill a wallet by itself; at most one per organization."""

    id = identifier()
    organization = belongs_to("Organization")
    is_enabled = fields.BooleanField(default=False, db_default=False)
    trigger_type = fields.TextField()
    threshold_percentage = fields.DecimalField(max_digits=5, decimal_places=2, null=True)
    schedule_frequency = fields.TextField(null=True)
    next_scheduled_run = fields.DatetimeField(null=True)
    topup_package = belongs_to("Package", null=True)
    topup_token_quantity = tokens(null=True)
    payment_method = belongs_to("PaymentMethod")
    max_spending_limit_per_month = money(null=True)
    current_month_spending = money(default=0, db_default=0)
    spending_reset_date = fields.DateField(null=True)
    last_triggered_at = fields.DatetimeField(null=True)
    last_purchase = belongs_to("Purchase", null=True)
    failure_count = fields.IntField(default=0, db_default=0)
    paused_at = fields.DatetimeField(null=True)
    pause_reason = fields.TextField(null=True)
    invoice_enabled = fields.BooleanField(default=True, db_default=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "auto_topup_policies"
        constraints = [
            UniqueConstraint(fields=("organization_id",), name="top_up_one_per_organization"),
            CheckConstraint(check=one_of("trigger_type", TriggerType), name="top_up_trigger"),
            CheckConstraint(check=one_of("schedule_frequency", ScheduleFrequency), name="top_up_frequency"),
            CheckConstraint(check="threshold_percentage BETWEEN 1 AND 100", name="top_up_percentage_range"),
            CheckConstraint(
                check=numbers("topup_token_quantity", "max_spending_limit_per_month", "current_month_spending"),
                name="top_up_numbers",
            ),
        ]


class LowBalanceThreshold(Model):
    """A level of the available tokens at which people are told."""

    id = identifier()
    organization = belongs_to("Organization")
    threshold_type = fields.TextField()
    threshold_value = tokens()
    is_active = fields.BooleanField(default=True, db_default=True)
    last_triggered_at = fields.DatetimeField(null=True)
    last_notified_balance = tokens(null=True)
    notifications_sent_count = fields.IntField(default=0, db_default=0)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "low_balance_notifications"
        indexes = [Index(fields=("organization_id",), name="thresholds_by_organization")]
        constraints = [
            CheckConstraint(check=one_of("threshold_type", ThresholdType), name="thresholds_type"),
            CheckConstraint(check="threshold_value > 0 AND threshold_value <> 'NaN'", name="thresholds_value_positive"),
            CheckConstraint(check=numbers("last_notified_balance"), name="thresholds_numbers"),
        ]


class UsageForecast(Model):
    """What an organization was expected to spend, as calculated at a time."""

    id = identifier()
    organization = belongs_to("Organization")
    period_start = fields.DateField()
    period_end = fields.DateField()
    tokens_consumed = tokens()
    average_daily_consumption = tokens(null=True)
    projected_days_remaining = fields.IntField(null=True)
    projected_depletion_date = fields.DateField(null=True)
    calculated_at = recorded_at()

    class Meta:
        table = "token_usage_forecasts"
        indexes = [Index(fields=("organization_id", "calculated_at"), name="forecasts_by_organization")]
        constraints = [
            CheckConstraint(check=numbers("tokens_consumed", "average_daily_consumption"), name="forecasts_numbers"),
        ]
