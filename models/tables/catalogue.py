"""What shapes a price beside packages: volume tiers, coupons, quotes; and the rate card of what tokens are spent on."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from models.tables.columns import (
    belongs_to,
    identifier,
    money,
    numbers,
    one_of,
    rate,
    recorded_at,
    tokens,
    unit_price,
)
from rules.coupons import CouponBenefit
from rules.redemptions import RedemptionStatus
from rules.tiers import TierMode


class VolumeSchedule(Model):
    """How quantities become cheaper: of one custom package, or of plain quantities when it names none.

    A schedule is never changed: another one takes its place. One at a time has not ended (a partial unique index).
    """

    id = identifier()
    package = belongs_to("Package", null=True)
    version = fields.IntField()
    mode = fields.TextField()
    valid_from = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "volume_schedules"
        constraints = [
            UniqueConstraint(fields=("package_id", "version"), name="volume_schedules_version_once"),
            CheckConstraint(check=one_of("mode", TierMode), name="volume_schedules_mode"),
            CheckConstraint(check="version > 0", name="volume_schedules_version_positive"),
            CheckConstraint(check="ended_at >= valid_from", name="volume_schedules_end_after_they_begin"),
        ]


class VolumeTier(Model):
    """One tier of a schedule: up to a number of tokens, included, at a discount; only ever added."""

    id = identifier()
    schedule = belongs_to("VolumeSchedule")
    position = fields.SmallIntField()
    up_to = tokens(null=True)
    discount = rate()

    class Meta:
        table = "volume_tiers"
        constraints = [
            UniqueConstraint(fields=("schedule_id", "position"), name="volume_tiers_position_once"),
            CheckConstraint(check="up_to > 0 AND up_to <> 'NaN'", name="volume_tiers_limit_positive"),
            CheckConstraint(check="discount >= 0 AND discount < 1", name="volume_tiers_discount_is_a_share"),
        ]


class Coupon(Model):
    """A code that makes a purchase cheaper or larger. Its terms never change; it can be withdrawn.

    `redemptions` counts those that are reserved or redeemed; its row lock is what limits hold by.
    """

    id = identifier()
    code = fields.CharField(max_length=40, unique=True)
    description = fields.TextField(default="", db_default="")
    benefit = fields.TextField()
    share = rate(null=True)
    amount = money(null=True)
    bonus_tokens = tokens(null=True)
    currency = fields.CharField(max_length=3, null=True)
    valid_from = fields.DatetimeField(null=True)
    valid_until = fields.DatetimeField(null=True)
    max_redemptions = fields.IntField(null=True)
    max_per_organization = fields.IntField(null=True)
    min_tokens = tokens(null=True)
    min_subtotal = money(null=True)
    redemptions = fields.IntField(default=0, db_default=0)
    withdrawn_at = fields.DatetimeField(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "coupons"
        indexes = [Index(fields=("created_at", "id"), name="coupons_newest_first")]
        constraints = [
            CheckConstraint(check="code ~ '^[A-Z0-9][A-Z0-9_-]{2,39}$'", name="coupons_code"),
            CheckConstraint(check=one_of("benefit", CouponBenefit), name="coupons_benefit"),
            CheckConstraint(
                check="(benefit = 'percent') = (share IS NOT NULL) AND (benefit = 'amount') = (amount IS NOT NULL)"
                " AND (benefit = 'bonus_tokens') = (bonus_tokens IS NOT NULL)",
                name="coupons_give_one_thing",
            ),
            CheckConstraint(check="share > 0 AND share < 1", name="coupons_share"),
            CheckConstraint(check="amount > 0 AND amount <> 'NaN'", name="coupons_amount_positive"),
            CheckConstraint(check="bonus_tokens > 0 AND bonus_tokens <> 'NaN'", name="coupons_bonus_positive"),
            CheckConstraint(
                check="(amount IS NULL AND min_subtotal IS NULL) = (currency IS NULL)",
                name="coupons_money_has_a_currency",
            ),
            CheckConstraint(check="min_tokens > 0 AND min_tokens <> 'NaN'", name="coupons_min_tokens_positive"),
            CheckConstraint(check="min_subtotal > 0 AND min_subtotal <> 'NaN'", name="coupons_min_subtotal_positive"),
            CheckConstraint(check="valid_until > valid_from", name="coupons_end_after_they_begin"),
            CheckConstraint(check="max_redemptions > 0", name="coupons_limit_positive"),
            CheckConstraint(check="max_per_organization > 0", name="coupons_own_limit_positive"),
            CheckConstraint(check="redemptions >= 0", name="coupons_redemptions_not_negative"),
        ]


class CouponPackage(Model):
    """A package that a coupon goes with; a coupon without any goes with everything. Only ever added."""

    id = identifier()
    coupon = belongs_to("Coupon")
    package = belongs_to("Package")

    class Meta:
        table = "coupon_packages"
        indexes = [Index(fields=("package_id",), name="coupon_packages_by_package")]
        constraints = [UniqueConstraint(fields=("coupon_id", "package_id"), name="coupon_packages_once")]


class CouponRedemption(Model):
    """The one coupon of a purchase. `is_late`: its money came after it had been released, so no limit was asked."""

    id = identifier()
    coupon = belongs_to("Coupon")
    organization = belongs_to("Organization")
    purchase = belongs_to("Purchase")
    status = fields.TextField()
    discount = money()
    bonus_tokens = tokens()
    currency = fields.CharField(max_length=3)
    is_late = fields.BooleanField(default=False, db_default=False)
    reserved_at = fields.DatetimeField()
    settled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "coupon_redemptions"
        indexes = [
            Index(fields=("coupon_id", "organization_id"), name="coupon_redemptions_by_coupon"),
            Index(fields=("organization_id",), name="coupon_redemptions_by_organization"),
        ]
        constraints = [
            UniqueConstraint(fields=("purchase_id",), name="coupon_redemptions_one_per_purchase"),
            CheckConstraint(check=one_of("status", RedemptionStatus), name="coupon_redemptions_status"),
            CheckConstraint(
                check="discount >= 0 AND discount <> 'NaN' AND bonus_tokens >= 0 AND bonus_tokens <> 'NaN'"
                " AND discount + bonus_tokens > 0",
                name="coupon_redemptions_give_something",
            ),
            CheckConstraint(
                check="(status = 'reserved') = (settled_at IS NULL)", name="coupon_redemptions_settled_has_a_time"
            ),
            CheckConstraint(check="NOT is_late OR status = 'redeemed'", name="coupon_redemptions_late_are_paid"),
        ]


class PriceQuote(Model):
    """A price that is held for an organization until a time, to be bought at once; what it says never changes."""

    id = identifier()
    organization = belongs_to("Organization")
    wallet = belongs_to("Wallet")
    package = belongs_to("Package", null=True)
    coupon = belongs_to("Coupon", null=True)
    description = fields.TextField()
    token_quantity = tokens()
    bonus_tokens = tokens()
    coupon_bonus_tokens = tokens()
    price_per_token = unit_price()
    subtotal = money()
    discount_amount = money()
    tax_rate = rate()
    tax_amount = money()
    total_amount = money()
    currency = fields.CharField(max_length=3)
    validity_days = fields.IntField(null=True)
    quoted_by = fields.TextField()
    quoted_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    created_at = recorded_at()

    class Meta:
        table = "price_quotes"
        indexes = [
            Index(fields=("organization_id", "quoted_at"), name="quotes_by_organization"),
            Index(fields=("wallet_id",), name="quotes_by_wallet"),
            Index(fields=("package_id",), name="quotes_by_package"),
            Index(fields=("coupon_id",), name="quotes_by_coupon"),
        ]
        constraints = [
            CheckConstraint(check="token_quantity > 0 AND token_quantity <> 'NaN'", name="quotes_tokens_positive"),
            CheckConstraint(check="total_amount = subtotal + tax_amount", name="quotes_total_is_subtotal_and_tax"),
            CheckConstraint(
                check="subtotal > 0 AND tax_amount >= 0 AND total_amount <> 'NaN'", name="quotes_amounts_positive"
            ),
            CheckConstraint(
                check="discount_amount >= 0 AND bonus_tokens >= coupon_bonus_tokens AND coupon_bonus_tokens >= 0",
                name="quotes_gifts_not_negative",
            ),
            CheckConstraint(
                check="coupon_id IS NOT NULL OR discount_amount + coupon_bonus_tokens = 0",
                name="quotes_gifts_have_a_coupon",
            ),
            CheckConstraint(check="expires_at > quoted_at", name="quotes_end_after_they_begin"),
            CheckConstraint(
                check=numbers("discount_amount", "bonus_tokens", "coupon_bonus_tokens", "price_per_token", "tax_rate"),
                name="quotes_numbers",
            ),
        ]


class TokenRate(Model):
    """What one unit of an operation costs in tokens. A rate is never changed: another version takes its place.

    One at a time has not ended (a partial unique index); what was valid at an instant can always be read.
    """

    id = identifier()
    operation = fields.CharField(max_length=100)
    version = fields.IntField()
    tokens_per_unit = unit_price()
    unit = fields.TextField()
    description = fields.TextField(default="", db_default="")
    valid_from = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    created_at = recorded_at()

    class Meta:
        table = "token_rates"
        constraints = [
            UniqueConstraint(fields=("operation", "version"), name="rates_version_once"),
            CheckConstraint(check="version > 0", name="rates_version_positive"),
            CheckConstraint(check="tokens_per_unit > 0 AND tokens_per_unit <> 'NaN'", name="rates_positive"),
            CheckConstraint(check="ended_at >= valid_from", name="rates_end_after_they_begin"),
        ]
