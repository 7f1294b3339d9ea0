"""The catalogue: custom packages, volume tiers, coupons, quotes that hold, and the rate card.

New tables lose their Meta.constraints on the way (see migration 0002), so these are added from the tables' own state.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise.fields.db_defaults import SqlDefault
from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from models.migrations import statements

CONSTRAINTS = (
    ('coupons', 'coupons_code', "CHECK (code ~ '^[A-Z0-9][A-Z0-9_-]{2,39}$')"),
    ('coupons', 'coupons_benefit', "CHECK (benefit IN ('percent', 'amount', 'bonus_tokens'))"),
    ('coupons', 'coupons_give_one_thing', "CHECK ((benefit = 'percent') = (share IS NOT NULL) AND (benefit = 'amount') = (amount IS NOT NULL) AND (benefit = 'bonus_tokens') = (bonus_tokens IS NOT NULL))"),
    ('coupons', 'coupons_share', 'CHECK (share > 0 AND share < 1)'),
    ('coupons', 'coupons_amount_positive', "CHECK (amount > 0 AND amount <> 'NaN')"),
    ('coupons', 'coupons_bonus_positive', "CHECK (bonus_tokens > 0 AND bonus_tokens <> 'NaN')"),
    ('coupons', 'coupons_money_has_a_currency', 'CHECK ((amount IS NULL AND min_subtotal IS NULL) = (currency IS NULL))'),
    ('coupons', 'coupons_min_tokens_positive', "CHECK (min_tokens > 0 AND min_tokens <> 'NaN')"),
    ('coupons', 'coupons_min_subtotal_positive', "CHECK (min_subtotal > 0 AND min_subtotal <> 'NaN')"),
    ('coupons', 'coupons_end_after_they_begin', 'CHECK (valid_until > valid_from)'),
    ('coupons', 'coupons_limit_positive', 'CHECK (max_redemptions > 0)'),
    ('coupons', 'coupons_own_limit_positive', 'CHECK (max_per_organization > 0)'),
    ('coupons', 'coupons_redemptions_not_negative', 'CHECK (redemptions >= 0)'),
    ('coupon_packages', 'coupon_packages_once', 'UNIQUE (coupon_id, package_id)'),
    ('coupon_redemptions', 'coupon_redemptions_one_per_purchase', 'UNIQUE (purchase_id)'),
    ('coupon_redemptions', 'coupon_redemptions_status', "CHECK (status IN ('reserved', 'redeemed', 'released'))"),
    ('coupon_redemptions', 'coupon_redemptions_give_something', "CHECK (discount >= 0 AND discount <> 'NaN' AND bonus_tokens >= 0 AND bonus_tokens <> 'NaN' AND discount + bonus_tokens > 0)"),
    ('coupon_redemptions', 'coupon_redemptions_settled_has_a_time', "CHECK ((status = 'reserved') = (settled_at IS NULL))"),
    ('coupon_redemptions', 'coupon_redemptions_late_are_paid', "CHECK (NOT is_late OR status = 'redeemed')"),
    ('price_quotes', 'quotes_tokens_positive', "CHECK (token_quantity > 0 AND token_quantity <> 'NaN')"),
    ('price_quotes', 'quotes_total_is_subtotal_and_tax', 'CHECK (total_amount = subtotal + tax_amount)'),
    ('price_quotes', 'quotes_amounts_positive', "CHECK (subtotal > 0 AND tax_amount >= 0 AND total_amount <> 'NaN')"),
    ('price_quotes', 'quotes_gifts_not_negative', 'CHECK (discount_amount >= 0 AND bonus_tokens >= coupon_bonus_tokens AND coupon_bonus_tokens >= 0)'),
    ('price_quotes', 'quotes_gifts_have_a_coupon', 'CHECK (coupon_id IS NOT NULL OR discount_amount + coupon_bonus_tokens = 0)'),
    ('price_quotes', 'quotes_end_after_they_begin', 'CHECK (expires_at > quoted_at)'),
    ('price_quotes', 'quotes_numbers', "CHECK (discount_amount <> 'NaN' AND bonus_tokens <> 'NaN' AND coupon_bonus_tokens <> 'NaN' AND price_per_token <> 'NaN' AND tax_rate <> 'NaN')"),
    ('token_rates', 'rates_version_once', 'UNIQUE (operation, version)'),
    ('token_rates', 'rates_version_positive', 'CHECK (version > 0)'),
    ('token_rates', 'rates_positive', "CHECK (tokens_per_unit > 0 AND tokens_per_unit <> 'NaN')"),
    ('token_rates', 'rates_end_after_they_begin', 'CHECK (ended_at >= valid_from)'),
    ('volume_schedules', 'volume_schedules_version_once', 'UNIQUE (package_id, version)'),
    ('volume_schedules', 'volume_schedules_mode', "CHECK (mode IN ('graduated', 'volume'))"),
    ('volume_schedules', 'volume_schedules_version_positive', 'CHECK (version > 0)'),
    ('volume_schedules', 'volume_schedules_end_after_they_begin', 'CHECK (ended_at >= valid_from)'),
    ('volume_tiers', 'volume_tiers_position_once', 'UNIQUE (schedule_id, position)'),
    ('volume_tiers', 'volume_tiers_limit_positive', "CHECK (up_to > 0 AND up_to <> 'NaN')"),
    ('volume_tiers', 'volume_tiers_discount_is_a_share', 'CHECK (discount >= 0 AND discount < 1)'),
)


class Migration(migrations.Migration):
    dependencies = [("models", "0005_holds")]

    operations = [
        ops.CreateModel(
            name='Coupon',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('code', fields.CharField(unique=True, max_length=40)),
                ('description', fields.TextField(default='', db_default='', unique=False)),
                ('benefit', fields.TextField(unique=False)),
                ('share', fields.DecimalField(null=True, max_digits=7, decimal_places=6)),
                ('amount', fields.DecimalField(null=True, max_digits=19, decimal_places=4)),
                ('bonus_tokens', fields.DecimalField(null=True, max_digits=20, decimal_places=4)),
                ('currency', fields.CharField(null=True, max_length=3)),
                ('valid_from', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('valid_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('max_redemptions', fields.IntField(null=True)),
                ('max_per_organization', fields.IntField(null=True)),
                ('min_tokens', fields.DecimalField(null=True, max_digits=20, decimal_places=4)),
                ('min_subtotal', fields.DecimalField(null=True, max_digits=19, decimal_places=4)),
                ('redemptions', fields.IntField(default=0, db_default=0)),
                ('withdrawn_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'coupons', 'app': 'models', 'constraints': [CheckConstraint(check="code ~ '^[A-Z0-9][A-Z0-9_-]{2,39}$'", name='coupons_code'), CheckConstraint(check="benefit IN ('percent', 'amount', 'bonus_tokens')", name='coupons_benefit'), CheckConstraint(check="(benefit = 'percent') = (share IS NOT NULL) AND (benefit = 'amount') = (amount IS NOT NULL) AND (benefit = 'bonus_tokens') = (bonus_tokens IS NOT NULL)", name='coupons_give_one_thing'), CheckConstraint(check='share > 0 AND share < 1', name='coupons_share'), CheckConstraint(check="amount > 0 AND amount <> 'NaN'", name='coupons_amount_positive'), CheckConstraint(check="bonus_tokens > 0 AND bonus_tokens <> 'NaN'", name='coupons_bonus_positive'), CheckConstraint(check='(amount IS NULL AND min_subtotal IS NULL) = (currency IS NULL)', name='coupons_money_has_a_currency'), CheckConstraint(check="min_tokens > 0 AND min_tokens <> 'NaN'", name='coupons_min_tokens_positive'), CheckConstraint(check="min_subtotal > 0 AND min_subtotal <> 'NaN'", name='coupons_min_subtotal_positive'), CheckConstraint(check='valid_until > valid_from', name='coupons_end_after_they_begin'), CheckConstraint(check='max_redemptions > 0', name='coupons_limit_positive'), CheckConstraint(check='max_per_organization > 0', name='coupons_own_limit_positive'), CheckConstraint(check='redemptions >= 0', name='coupons_redemptions_not_negative')], 'indexes': [Index(fields=['created_at', 'id'], name='coupons_newest_first')], 'pk_attr': 'id', 'table_description': 'A code that makes a purchase cheaper or larger. Its terms never change; it can be withdrawn.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='CouponPackage',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('coupon', fields.ForeignKeyField('models.Coupon', source_field='coupon_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('package', fields.ForeignKeyField('models.Package', source_field='package_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
            ],
            options={'table': 'coupon_packages', 'app': 'models', 'constraints': [UniqueConstraint(fields=('coupon_id', 'package_id'), name='coupon_packages_once')], 'indexes': [Index(fields=['package_id'], name='coupon_packages_by_package')], 'pk_attr': 'id', 'table_description': 'A package that a coupon goes with; a coupon without any goes with everything. Only ever added.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='CouponRedemption',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('coupon', fields.ForeignKeyField('models.Coupon', source_field='coupon_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('organization', fields.ForeignKeyField('models.Organization', source_field='organization_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('purchase', fields.ForeignKeyField('models.Purchase', source_field='purchase_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('status', fields.TextField(unique=False)),
                ('discount', fields.DecimalField(max_digits=19, decimal_places=4)),
                ('bonus_tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('currency', fields.CharField(max_length=3)),
                ('is_late', fields.BooleanField(default=False, db_default=False)),
                ('reserved_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('settled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'coupon_redemptions', 'app': 'models', 'constraints': [UniqueConstraint(fields=('purchase_id',), name='coupon_redemptions_one_per_purchase'), CheckConstraint(check="status IN ('reserved', 'redeemed', 'released')", name='coupon_redemptions_status'), CheckConstraint(check="discount >= 0 AND discount <> 'NaN' AND bonus_tokens >= 0 AND bonus_tokens <> 'NaN' AND discount + bonus_tokens > 0", name='coupon_redemptions_give_something'), CheckConstraint(check="(status = 'reserved') = (settled_at IS NULL)", name='coupon_redemptions_settled_has_a_time'), CheckConstraint(check="NOT is_late OR status = 'redeemed'", name='coupon_redemptions_late_are_paid')], 'indexes': [Index(fields=['coupon_id', 'organization_id'], name='coupon_redemptions_by_coupon'), Index(fields=['organization_id'], name='coupon_redemptions_by_organization')], 'pk_attr': 'id', 'table_description': 'The one coupon of a purchase. `is_late`: its money came after it had been released, so no limit was asked.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PriceQuote',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('organization', fields.ForeignKeyField('models.Organization', source_field='organization_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('wallet', fields.ForeignKeyField('models.Wallet', source_field='wallet_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('package', fields.ForeignKeyField('models.Package', source_field='package_id', null=True, db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('coupon', fields.ForeignKeyField('models.Coupon', source_field='coupon_id', null=True, db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('description', fields.TextField(unique=False)),
                ('token_quantity', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('bonus_tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('coupon_bonus_tokens', fields.DecimalField(max_digits=20, decimal_places=4)),
                ('price_per_token', fields.DecimalField(max_digits=14, decimal_places=6)),
                ('subtotal', fields.DecimalField(max_digits=19, decimal_places=4)),
                ('discount_amount', fields.DecimalField(max_digits=19, decimal_places=4)),
                ('tax_rate', fields.DecimalField(max_digits=7, decimal_places=6)),
                ('tax_amount', fields.DecimalField(max_digits=19, decimal_places=4)),
                ('total_amount', fields.DecimalField(max_digits=19, decimal_places=4)),
                ('currency', fields.CharField(max_length=3)),
                ('validity_days', fields.IntField(null=True)),
                ('quoted_by', fields.TextField(unique=False)),
                ('quoted_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'price_quotes', 'app': 'models', 'constraints': [CheckConstraint(check="token_quantity > 0 AND token_quantity <> 'NaN'", name='quotes_tokens_positive'), CheckConstraint(check='total_amount = subtotal + tax_amount', name='quotes_total_is_subtotal_and_tax'), CheckConstraint(check="subtotal > 0 AND tax_amount >= 0 AND total_amount <> 'NaN'", name='quotes_amounts_positive'), CheckConstraint(check='discount_amount >= 0 AND bonus_tokens >= coupon_bonus_tokens AND coupon_bonus_tokens >= 0', name='quotes_gifts_not_negative'), CheckConstraint(check='coupon_id IS NOT NULL OR discount_amount + coupon_bonus_tokens = 0', name='quotes_gifts_have_a_coupon'), CheckConstraint(check='expires_at > quoted_at', name='quotes_end_after_they_begin'), CheckConstraint(check="discount_amount <> 'NaN' AND bonus_tokens <> 'NaN' AND coupon_bonus_tokens <> 'NaN' AND price_per_token <> 'NaN' AND tax_rate <> 'NaN'", name='quotes_numbers')], 'indexes': [Index(fields=['organization_id', 'quoted_at'], name='quotes_by_organization'), Index(fields=['wallet_id'], name='quotes_by_wallet'), Index(fields=['package_id'], name='quotes_by_package'), Index(fields=['coupon_id'], name='quotes_by_coupon')], 'pk_attr': 'id', 'table_description': 'A price that is held for an organization until a time, to be bought at once; what it says never changes.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TokenRate',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('operation', fields.CharField(max_length=100)),
                ('version', fields.IntField()),
                ('tokens_per_unit', fields.DecimalField(max_digits=14, decimal_places=6)),
                ('unit', fields.TextField(unique=False)),
                ('description', fields.TextField(default='', db_default='', unique=False)),
                ('valid_from', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('ended_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(db_default=SqlDefault('now()'), auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'token_rates', 'app': 'models', 'constraints': [UniqueConstraint(fields=('operation', 'version'), name='rates_version_once'), CheckConstraint(check='version > 0', name='rates_version_positive'), CheckConstraint(check="tokens_per_unit > 0 AND tokens_per_unit <> 'NaN'", name='rates_positive'), CheckConstraint(check='ended_at >= valid_from', name='rates_end_after_they_begin')], 'pk_attr': 'id', 'table_description': 'What one unit of an operation costs in tokens. A rate is never changed: another version takes its place.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='VolumeSchedule',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('package', fields.ForeignKeyField('models.Package', source_field='package_id', null=True, db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('version', fields.IntField()),
                ('mode', fields.TextField(unique=False)),
                ('valid_from', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('ended_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'volume_schedules', 'app': 'models', 'constraints': [UniqueConstraint(fields=('package_id', 'version'), name='volume_schedules_version_once'), CheckConstraint(check="mode IN ('graduated', 'volume')", name='volume_schedules_mode'), CheckConstraint(check='version > 0', name='volume_schedules_version_positive'), CheckConstraint(check='ended_at >= valid_from', name='volume_schedules_end_after_they_begin')], 'pk_attr': 'id', 'table_description': 'How quantities become cheaper: of one custom package, or of plain quantities when it names none.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='VolumeTier',
            fields=[
                ('id', fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ('schedule', fields.ForeignKeyField('models.VolumeSchedule', source_field='schedule_id', db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT)),
                ('position', fields.SmallIntField()),
                ('up_to', fields.DecimalField(null=True, max_digits=20, decimal_places=4)),
                ('discount', fields.DecimalField(max_digits=7, decimal_places=6)),
            ],
            options={'table': 'volume_tiers', 'app': 'models', 'constraints': [UniqueConstraint(fields=('schedule_id', 'position'), name='volume_tiers_position_once'), CheckConstraint(check="up_to > 0 AND up_to <> 'NaN'", name='volume_tiers_limit_positive'), CheckConstraint(check='discount >= 0 AND discount < 1', name='volume_tiers_discount_is_a_share')], 'pk_attr': 'id', 'table_description': 'One tier of a schedule: up to a number of tokens, included, at a discount; only ever added.'},
            bases=['Model'],
        ),
        ops.RemoveConstraint(
            model_name='InvoiceLine',
            name='invoice_lines_kind',
            fields=None,
        ),
        ops.AddConstraint(
            model_name='InvoiceLine',
            constraint=CheckConstraint(check="item_type IN ('tokens', 'bonus', 'discount', 'tax')", name='invoice_lines_kind'),
        ),
        ops.RemoveConstraint(
            model_name='Package',
            name='packages_price_has_a_currency',
            fields=None,
        ),
        ops.AlterModelOptions(
            name='Package',
            options={'table': 'token_packages', 'app': 'models', 'constraints': [CheckConstraint(check="token_quantity > 0 AND token_quantity <> 'NaN'", name='packages_tokens_positive'), CheckConstraint(check="bonus_tokens >= 0 AND bonus_tokens <> 'NaN'", name='packages_bonus_not_negative'), CheckConstraint(check="price > 0 AND price <> 'NaN'", name='packages_price_positive'), CheckConstraint(check='(price IS NULL AND token_price IS NULL) = (currency IS NULL)', name='packages_price_has_a_currency'), CheckConstraint(check='validity_days > 0', name='packages_validity_positive'), CheckConstraint(check='CASE WHEN is_custom THEN token_quantity IS NULL AND price IS NULL ELSE token_quantity IS NOT NULL AND min_tokens IS NULL AND max_tokens IS NULL AND token_price IS NULL END', name='packages_fixed_or_custom'), CheckConstraint(check="min_tokens > 0 AND min_tokens <> 'NaN'", name='packages_min_tokens_positive'), CheckConstraint(check='max_tokens >= min_tokens', name='packages_ends_in_order'), CheckConstraint(check="max_tokens > 0 AND max_tokens <> 'NaN'", name='packages_max_tokens_positive'), CheckConstraint(check="token_price > 0 AND token_price <> 'NaN'", name='packages_token_price_positive')], 'pk_attr': 'id', 'table_description': 'Tokens on offer: a fixed number, or a custom one that the buyer names between two ends.'},
        ),
        ops.AlterField(
            model_name='Package',
            name='token_quantity',
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=4),
        ),
        ops.AddField(
            model_name='Package',
            name='max_tokens',
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=4),
        ),
        ops.AddField(
            model_name='Package',
            name='min_tokens',
            field=fields.DecimalField(null=True, max_digits=20, decimal_places=4),
        ),
        ops.AddField(
            model_name='Package',
            name='token_price',
            field=fields.DecimalField(null=True, max_digits=14, decimal_places=6),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check='(price IS NULL AND token_price IS NULL) = (currency IS NULL)', name='packages_price_has_a_currency'),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check='CASE WHEN is_custom THEN token_quantity IS NULL AND price IS NULL ELSE token_quantity IS NOT NULL AND min_tokens IS NULL AND max_tokens IS NULL AND token_price IS NULL END', name='packages_fixed_or_custom'),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check="min_tokens > 0 AND min_tokens <> 'NaN'", name='packages_min_tokens_positive'),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check='max_tokens >= min_tokens', name='packages_ends_in_order'),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check="max_tokens > 0 AND max_tokens <> 'NaN'", name='packages_max_tokens_positive'),
        ),
        ops.AddConstraint(
            model_name='Package',
            constraint=CheckConstraint(check="token_price > 0 AND token_price <> 'NaN'", name='packages_token_price_positive'),
        ),
        ops.AddField(
            model_name='Purchase',
            name='coupon',
            field=fields.ForeignKeyField('models.Coupon', source_field='coupon_id', null=True, db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT),
        ),
        ops.AddField(
            model_name='Purchase',
            name='discount_amount',
            field=fields.DecimalField(default=0, db_default=0, max_digits=19, decimal_places=4),
        ),
        ops.AddField(
            model_name='Purchase',
            name='quote',
            field=fields.ForeignKeyField('models.PriceQuote', source_field='quote_id', null=True, db_constraint=True, to_field='id', on_delete=OnDelete.RESTRICT),
        ),
        ops.AddIndex(
            model_name='Purchase',
            index=Index(fields=['coupon_id'], name='purchases_by_coupon'),
        ),
        ops.AddConstraint(
            model_name='Purchase',
            constraint=UniqueConstraint(fields=('quote_id',), name='purchases_quote_once'),
        ),
        ops.AddConstraint(
            model_name='Purchase',
            constraint=CheckConstraint(check="discount_amount >= 0 AND discount_amount <> 'NaN'", name='purchases_discount_not_negative'),
        ),
        ops.AddConstraint(
            model_name='Purchase',
            constraint=CheckConstraint(check='coupon_id IS NOT NULL OR discount_amount = 0', name='purchases_discount_has_a_coupon'),
        ),
        statements(
            *(
                (
                    f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", f"ALTER TABLE {table} DROP CONSTRAINT {name}"
                )
                for table, name, definition in CONSTRAINTS
            ),
            (
                "CREATE UNIQUE INDEX volume_schedules_one_in_force ON volume_schedules (package_id) NULLS NOT DISTINCT"
                " WHERE ended_at IS NULL",
                "DROP INDEX volume_schedules_one_in_force",
            ),
            (
                "CREATE UNIQUE INDEX rates_one_in_force ON token_rates (operation) WHERE ended_at IS NULL",
                "DROP INDEX rates_one_in_force",
            ),
        ),
    ]
