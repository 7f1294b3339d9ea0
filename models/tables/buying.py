"""What is offered, ordered, paid and invoiced."""

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
    rate,
    recorded_at,
    tokens,
    unit_price,
)
from rules.payments import PaymentStatus
from rules.purchases import PurchaseStatus, PurchaseType


class Package(Model):
    """Tokens on offer: a fixed number, or a custom one that the buyer names between two ends.

    Without an own price they cost tokens × the wallet's price per token.
    """

    id = identifier()
    name = fields.TextField()
    token_quantity = tokens(null=True)
    bonus_tokens = tokens(default=0, db_default=0)
    price = money(null=True)
    currency = fields.CharField(max_length=3, null=True)
    validity_days = fields.IntField(null=True)
    description = fields.TextField(null=True)
    is_active = fields.BooleanField(default=True, db_default=True)
    display_order = fields.IntField(default=0, db_default=0)
    is_custom = fields.BooleanField(default=False, db_default=False)
    min_tokens = tokens(null=True)
    max_tokens = tokens(null=True)
    token_price = unit_price(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "token_packages"
        constraints = [
            CheckConstraint(check="token_quantity > 0 AND token_quantity <> 'NaN'", name="packages_tokens_positive"),
            CheckConstraint(check="bonus_tokens >= 0 AND bonus_tokens <> 'NaN'", name="packages_bonus_not_negative"),
            CheckConstraint(check="price > 0 AND price <> 'NaN'", name="packages_price_positive"),
            CheckConstraint(
                check="(price IS NULL AND token_price IS NULL) = (currency IS NULL)",
                name="packages_price_has_a_currency",
            ),
            CheckConstraint(check="validity_days > 0", name="packages_validity_positive"),
            CheckConstraint(
                check="CASE WHEN is_custom THEN token_quantity IS NULL AND price IS NULL"
                " ELSE token_quantity IS NOT NULL AND min_tokens IS NULL AND max_tokens IS NULL"
                " AND token_price IS NULL END",
                name="packages_fixed_or_custom",
            ),
            CheckConstraint(check="min_tokens > 0 AND min_tokens <> 'NaN'", name="packages_min_tokens_positive"),
            CheckConstraint(check="max_tokens >= min_tokens", name="packages_ends_in_order"),
            CheckConstraint(check="max_tokens > 0 AND max_tokens <> 'NaN'", name="packages_max_tokens_positive"),
            CheckConstraint(check="token_price > 0 AND token_price <> 'NaN'", name="packages_token_price_positive"),
        ]


class PaymentMethod(Model):
    """A way to pay that the gateway keeps; we hold its token and what may be shown of it."""

    id = identifier()
    organization = belongs_to("Organization")
    gateway_provider = fields.TextField()
    tokenized_data = fields.TextField()
    type = fields.TextField()
    brand = fields.TextField()
    last4 = fields.CharField(max_length=4)
    expires_month = fields.SmallIntField(null=True)
    expires_year = fields.SmallIntField(null=True)
    is_default = fields.BooleanField(default=False, db_default=False)
    is_active = fields.BooleanField(default=True, db_default=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "payment_methods"
        constraints = [
            UniqueConstraint(
                fields=("organization_id", "gateway_provider", "tokenized_data"), name="payment_methods_token_once"
            ),
            CheckConstraint(check="expires_month BETWEEN 1 AND 12", name="payment_methods_month"),
            CheckConstraint(check="NOT is_default OR is_active", name="payment_methods_default_is_active"),
        ]


class Purchase(Model):
    """A buyer's order, whatever its state. Price and tax are frozen when it is placed; what is charged is invoiced."""

    id = identifier()
    purchase_reference_id = fields.CharField(max_length=254, unique=True)
    organization = belongs_to("Organization")
    wallet = belongs_to("Wallet")
    purchased_by = fields.TextField()
    purchase_type = fields.TextField(default="one_time", db_default="one_time")
    package = belongs_to("Package", null=True)
    description = fields.TextField()
    token_quantity = tokens()
    bonus_tokens = tokens(default=0, db_default=0)
    price_per_token = unit_price()
    subtotal = money()
    tax_rate = rate()
    tax_amount = money()
    total_amount = money()
    currency = fields.CharField(max_length=3)
    status = fields.TextField(default="pending", db_default="pending")
    payment_method = belongs_to("PaymentMethod")
    gateway_provider = fields.TextField()
    gateway_transaction_id = fields.TextField(null=True)
    action_url = fields.TextField(null=True)
    failure_code = fields.TextField(null=True)
    failure_reason = fields.TextField(null=True)
    validity_days = fields.IntField(null=True)
    token_expiration_date = fields.DatetimeField(null=True)
    payment_initiated_at = fields.DatetimeField()
    payment_completed_at = fields.DatetimeField(null=True)
    tokens_allocated_at = fields.DatetimeField(null=True)
    refunded_at = fields.DatetimeField(null=True)
    refund_amount = money(null=True)
    metadata = document(null=True)
    discount_amount = money(default=0, db_default=0)
    coupon = belongs_to("Coupon", null=True)
    quote = belongs_to("PriceQuote", null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "token_purchases"
        indexes = [
            Index(fields=("organization_id", "payment_initiated_at", "id"), name="purchases_by_organization"),
            Index(fields=("wallet_id",), name="purchases_by_wallet"),
            Index(fields=("payment_method_id",), name="purchases_by_payment_method"),
            Index(fields=("package_id",), name="purchases_by_package"),
            Index(fields=("coupon_id",), name="purchases_by_coupon"),
        ]
        constraints = [
            CheckConstraint(check=one_of("status", PurchaseStatus), name="purchases_status"),
            CheckConstraint(check=one_of("purchase_type", PurchaseType), name="purchases_type"),
            CheckConstraint(check="token_quantity > 0 AND token_quantity <> 'NaN'", name="purchases_tokens_positive"),
            CheckConstraint(check="total_amount = subtotal + tax_amount", name="purchases_total_is_subtotal_and_tax"),
            CheckConstraint(
                check="subtotal > 0 AND tax_amount >= 0 AND total_amount <> 'NaN'", name="purchases_amounts_positive"
            ),
            CheckConstraint(
                check="(status IN ('completed', 'refunded', 'partially_refunded')) = (tokens_allocated_at IS NOT NULL)",
                name="purchases_completed_means_tokens_given",
            ),
            CheckConstraint(
                check=numbers("bonus_tokens", "price_per_token", "tax_rate", "refund_amount"),
                name="purchases_numbers",
            ),
            UniqueConstraint(fields=("quote_id",), name="purchases_quote_once"),
            CheckConstraint(
                check="discount_amount >= 0 AND discount_amount <> 'NaN'", name="purchases_discount_not_negative"
            ),
            CheckConstraint(
                check="coupon_id IS NOT NULL OR discount_amount = 0", name="purchases_discount_has_a_coupon"
            ),
        ]


class Payment(Model):
    """The one payment of a purchase, as the gateway last truthfully reported it."""

    id = identifier()
    purchase = belongs_to("Purchase")
    organization = belongs_to("Organization")
    gateway_provider = fields.TextField()
    gateway_payment_id = fields.TextField(null=True)
    amount = money()
    currency = fields.CharField(max_length=3)
    status = fields.TextField()
    decline_code = fields.TextField(null=True)
    captured_at = fields.DatetimeField(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "payments"
        indexes = [Index(fields=("organization_id",), name="payments_by_organization")]
        constraints = [
            UniqueConstraint(fields=("purchase_id",), name="payments_one_per_purchase"),
            UniqueConstraint(fields=("gateway_provider", "gateway_payment_id"), name="payments_gateway_id_once"),
            CheckConstraint(check=one_of("status", PaymentStatus), name="payments_status"),
            CheckConstraint(check="amount > 0 AND amount <> 'NaN'", name="payments_amount_positive"),
            CheckConstraint(
                check="(status = 'CAPTURED') = (captured_at IS NOT NULL)", name="payments_captured_has_a_time"
            ),
        ]


class GatewayEvent(Model):
    """An event a gateway sent us, verified, stored once by the gateway's own id; append-only."""

    id = identifier()
    gateway_provider = fields.TextField()
    event_id = fields.TextField()
    kind = fields.TextField()
    gateway_payment_id = fields.TextField(null=True)
    purchase_key = fields.TextField(null=True)
    claimed_status = fields.TextField(null=True)
    occurred_at = fields.DatetimeField()
    received_at = recorded_at()

    class Meta:
        table = "gateway_events"
        constraints = [UniqueConstraint(fields=("gateway_provider", "event_id"), name="gateway_events_once")]


class Invoice(Model):
    """A numbered proof of what was charged; append-only. Buyer and seller are frozen as they were at issue."""

    id = identifier()
    invoice_number = fields.CharField(max_length=254, unique=True)
    series = fields.TextField()
    ordinal = fields.BigIntField()
    organization = belongs_to("Organization")
    purchase = belongs_to("Purchase")
    issued_at = fields.DatetimeField()
    due_at = fields.DatetimeField()
    paid_at = fields.DatetimeField()
    subtotal = money()
    tax_rate = rate()
    tax_amount = money()
    total_amount = money()
    currency = fields.CharField(max_length=3)
    buyer = document()
    seller = document()
    payment_reference = fields.TextField(null=True)
    created_at = recorded_at()

    class Meta:
        table = "token_invoices"
        indexes = [Index(fields=("organization_id", "issued_at"), name="invoices_by_organization")]
        constraints = [
            UniqueConstraint(fields=("purchase_id",), name="invoices_one_per_purchase"),
            UniqueConstraint(fields=("series", "ordinal"), name="invoices_ordinal_once_in_series"),
            CheckConstraint(check="ordinal > 0", name="invoices_ordinal_positive"),
            CheckConstraint(check="total_amount = subtotal + tax_amount", name="invoices_total_is_subtotal_and_tax"),
            CheckConstraint(
                check=numbers("subtotal", "tax_rate", "tax_amount", "total_amount"), name="invoices_numbers"
            ),
        ]


class InvoiceLine(Model):
    """One line of an invoice; append-only."""

    id = identifier()
    invoice = belongs_to("Invoice")
    position = fields.SmallIntField()
    item_type = fields.TextField()
    description = fields.TextField()
    quantity = tokens()
    unit_price = unit_price()
    amount = money()

    class Meta:
        table = "token_invoice_lines"
        constraints = [
            UniqueConstraint(fields=("invoice_id", "position"), name="invoice_lines_position_once"),
            CheckConstraint(check="item_type IN ('tokens', 'bonus', 'discount', 'tax')", name="invoice_lines_kind"),
            CheckConstraint(check=numbers("quantity", "unit_price", "amount"), name="invoice_lines_numbers"),
        ]


class InvoiceDocument(Model):
    """The rendered PDF of an invoice, by its hash; append-only."""

    id = identifier()
    invoice = belongs_to("Invoice")
    sha256 = fields.CharField(max_length=64)
    content = fields.BinaryField()
    created_at = recorded_at()

    class Meta:
        table = "token_invoice_documents"
        constraints = [UniqueConstraint(fields=("invoice_id",), name="invoice_documents_one_per_invoice")]


class InvoiceCounter(Model):
    """The last number given in a series; its row lock makes numbers gapless."""

    series = fields.CharField(max_length=40, primary_key=True)
    last_ordinal = fields.BigIntField()

    class Meta:
        table = "token_invoice_counters"
