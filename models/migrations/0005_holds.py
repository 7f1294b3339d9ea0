"""Holds and budgets. What the tables say in Meta.constraints is added by hand: Tortoise forgets it for new tables."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from decimal import Decimal
from tortoise.fields.base import OnDelete
from tortoise.fields.db_defaults import SqlDefault
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from models.migrations import statements

class Migration(migrations.Migration):
    dependencies = [('models', '0004_numbers')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Hold',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('organization', fields.ForeignKeyField('models.Organization', source_field='organization_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('wallet', fields.ForeignKeyField('models.Wallet', source_field='wallet_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('captured_tokens', fields.DecimalField(default=Decimal('0'), db_default=0, max_digits=20, decimal_places=4)),
                ('status', fields.TextField(default='HELD', db_default='HELD', unique=False)),
                ('reference_type', fields.TextField(null=True, unique=False)),
                ('reference_id', fields.TextField(null=True, unique=False)),
                ('description', fields.TextField(default='', db_default='', unique=False)),
                ('actor', fields.TextField(unique=False)),
                ('idempotency_key', fields.TextField(unique=False)),
                ('held_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('resolved_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('resolved_by', fields.TextField(null=True, unique=False)),
                ('recorded_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'token_holds', 'app': 'models', 'constraints': [CheckConstraint(check="status IN ('HELD', 'CAPTURED', 'RELEASED', 'EXPIRED')", name='holds_status'), CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name='holds_tokens_positive'), CheckConstraint(check="captured_tokens <> 'NaN' AND (captured_tokens > 0) = (status = 'CAPTURED') AND captured_tokens >= 0", name='holds_captured_when_captured'), CheckConstraint(check="(status = 'HELD') = (resolved_at IS NULL) AND (status = 'HELD') = (resolved_by IS NULL)", name='holds_resolved_with_a_time'), CheckConstraint(check='expires_at > held_at', name='holds_expire_after_they_begin')], 'indexes': [Index(fields=['wallet_id', 'held_at', 'id'], name='holds_by_wallet'), Index(fields=['organization_id'], name='holds_by_organization')], 'pk_attr': 'id', 'table_description': 'Tokens reserved until `expires_at`; resolved once. `captured_tokens` is what was spent by it in the end.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='HoldPart',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('hold', fields.ForeignKeyField('models.Hold', source_field='hold_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('lot', fields.ForeignKeyField('models.Lot', source_field='lot_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
            ],
            options={'table': 'token_hold_lots', 'app': 'models', 'constraints': [UniqueConstraint(fields=('hold_id', 'lot_id'), name='hold_lots_once_per_lot'), CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name='hold_lots_reserve_something')], 'indexes': [Index(fields=['lot_id'], name='hold_lots_by_lot')], 'pk_attr': 'id', 'table_description': "How many of a hold's tokens are reserved in one lot, in the order of their numbers; append-only."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SpendBudget',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('organization', fields.ForeignKeyField('models.Organization', source_field='organization_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('actor', fields.TextField(unique=False)),
                ('period', fields.TextField(unique=False)),
                ('limit_tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('counted_from', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('is_active', fields.BooleanField(default=True, db_default=True)),
                ('created_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'spend_budgets', 'app': 'models', 'constraints': [UniqueConstraint(fields=('organization_id', 'actor', 'period'), name='budgets_one_per_period'), CheckConstraint(check="period IN ('DAY', 'WEEK', 'MONTH')", name='budgets_period'), CheckConstraint(check="limit_tokens >= 0 AND limit_tokens <> 'NaN'", name='budgets_limit_not_negative')], 'pk_attr': 'id', 'table_description': "A cap on what one actor uses of one organization's tokens in each window of a period."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SpendBudgetUsage',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('budget', fields.ForeignKeyField('models.SpendBudget', source_field='budget_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('window_start', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('used_tokens', fields.DecimalField(default=Decimal('0'), db_default=0, max_digits=20, decimal_places=4)),
            ],
            options={'table': 'spend_budget_usage', 'app': 'models', 'constraints': [UniqueConstraint(fields=('budget_id', 'window_start'), name='budget_usage_once_per_window'), CheckConstraint(check="used_tokens >= 0 AND used_tokens <> 'NaN'", name='budget_usage_not_negative')], 'pk_attr': 'id', 'table_description': 'What was used of a budget in one window; what is held counts as used.'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Wallet',
            name='has_budgets',
            field=fields.BooleanField(default=False, db_default=False),
        ),
        *[ops.AddConstraint('Hold', constraint) for constraint in (CheckConstraint(check="status IN ('HELD', 'CAPTURED', 'RELEASED', 'EXPIRED')", name='holds_status'), CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name='holds_tokens_positive'), CheckConstraint(check="captured_tokens <> 'NaN' AND (captured_tokens > 0) = (status = 'CAPTURED') AND captured_tokens >= 0", name='holds_captured_when_captured'), CheckConstraint(check="(status = 'HELD') = (resolved_at IS NULL) AND (status = 'HELD') = (resolved_by IS NULL)", name='holds_resolved_with_a_time'), CheckConstraint(check='expires_at > held_at', name='holds_expire_after_they_begin'),)],
        *[ops.AddConstraint('HoldPart', constraint) for constraint in (UniqueConstraint(fields=('hold_id', 'lot_id'), name='hold_lots_once_per_lot'), CheckConstraint(check="tokens > 0 AND tokens <> 'NaN'", name='hold_lots_reserve_something'),)],
        *[ops.AddConstraint('SpendBudget', constraint) for constraint in (UniqueConstraint(fields=('organization_id', 'actor', 'period'), name='budgets_one_per_period'), CheckConstraint(check="period IN ('DAY', 'WEEK', 'MONTH')", name='budgets_period'), CheckConstraint(check="limit_tokens >= 0 AND limit_tokens <> 'NaN'", name='budgets_limit_not_negative'),)],
        *[ops.AddConstraint('SpendBudgetUsage', constraint) for constraint in (UniqueConstraint(fields=('budget_id', 'window_start'), name='budget_usage_once_per_window'), CheckConstraint(check="used_tokens >= 0 AND used_tokens <> 'NaN'", name='budget_usage_not_negative'),)],
        statements(
            (
                "CREATE INDEX holds_open ON token_holds (wallet_id, expires_at) WHERE status = 'HELD'",
                "DROP INDEX holds_open",
            ),
            (
                "CREATE INDEX holds_due ON token_holds (expires_at) WHERE status = 'HELD'",
                "DROP INDEX holds_due",
            ),
            (
                "CREATE INDEX entries_by_actor ON token_balance_history (wallet_id, actor, occurred_at)",
                "DROP INDEX entries_by_actor",
            ),
            (
                "CREATE INDEX holds_by_actor ON token_holds (wallet_id, actor, held_at)",
                "DROP INDEX holds_by_actor",
            ),
            (
                "CREATE TRIGGER token_hold_lots_append_only BEFORE UPDATE OR DELETE ON token_hold_lots"
                " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
                "DROP TRIGGER token_hold_lots_append_only ON token_hold_lots",
            ),
            (
                "CREATE TRIGGER token_hold_lots_never_emptied BEFORE TRUNCATE ON token_hold_lots"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
                "DROP TRIGGER token_hold_lots_never_emptied ON token_hold_lots",
            ),
            ("ALTER TABLE token_holds SET (fillfactor = 70)", ""),
        ),
    ]
