"""Wallets, lots, entries and draws: the truth about tokens.

Lots say what there is, entries say what happened, draws say which entry took how much of which lot. The wallet keeps
the running sums beside them, in the same transaction, and its CHECK holds them together.
"""

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
    token_sum,
    tokens,
    unit_price,
)
from rules.entries import EntryKind
from rules.lots import LotKind


class Wallet(Model):
    """One organization's store of tokens. `current_balance` is what is available: held tokens are not in it."""

    id = identifier()
    organization = belongs_to("Organization")
    currency = fields.CharField(max_length=3, default="USD", db_default="USD")
    price_per_token = unit_price()
    tax_rate = rate()
    payment_terms_days = fields.IntField()
    current_balance = token_sum()
    held_tokens = token_sum()
    total_purchased = token_sum()
    total_granted = token_sum()
    total_consumed = token_sum()
    total_expired = token_sum()
    total_refunded = token_sum()
    total_adjusted = token_sum()
    entry_sequence = fields.BigIntField(default=0, db_default=0)
    expiration_enabled = fields.BooleanField(default=False, db_default=False)
    expiration_days = fields.IntField(null=True)
    # Whether any budget may have to be looked at before tokens are used; most wallets have none.
    has_budgets = fields.BooleanField(default=False, db_default=False)
    is_active = fields.BooleanField(default=True, db_default=True)
    suspended_at = fields.DatetimeField(null=True)
    suspension_reason = fields.TextField(null=True)
    created_at = recorded_at()
    updated_at = recorded_at()

    class Meta:
        table = "organization_token_wallets"
        constraints = [
            UniqueConstraint(fields=("organization_id",), name="wallets_one_per_organization"),
            CheckConstraint(
                check="current_balance >= 0 AND current_balance <> 'NaN'", name="wallets_available_not_negative"
            ),
            CheckConstraint(check="held_tokens >= 0 AND held_tokens <> 'NaN'", name="wallets_held_not_negative"),
            CheckConstraint(
                check="current_balance + held_tokens = total_purchased + total_granted + total_adjusted"
                " - total_consumed - total_expired - total_refunded",
                name="wallets_sums_agree",
            ),
            CheckConstraint(
                check="total_purchased >= 0 AND total_granted >= 0 AND total_consumed >= 0"
                " AND total_expired >= 0 AND total_refunded >= 0 AND total_adjusted <> 'NaN'",
                name="wallets_lifetime_sums_not_negative",
            ),
            CheckConstraint(check="price_per_token > 0 AND price_per_token <> 'NaN'", name="wallets_price_positive"),
            CheckConstraint(check="tax_rate BETWEEN 0 AND 1", name="wallets_tax_rate_is_a_share"),
            CheckConstraint(check="currency ~ '^[A-Z]{3}$'", name="wallets_currency_is_a_code"),
            CheckConstraint(check="is_active = (suspended_at IS NULL)", name="wallets_suspension_has_a_time"),
            CheckConstraint(check="payment_terms_days BETWEEN 0 AND 365", name="wallets_terms_range"),
            CheckConstraint(check="expiration_days BETWEEN 1 AND 36500", name="wallets_validity_range"),
        ]


class Lot(Model):
    """Tokens from one grant. `remaining_tokens` includes what is held; `cost` is what was paid for it before tax."""

    id = identifier()
    wallet = belongs_to("Wallet")
    organization = belongs_to("Organization")
    kind = fields.TextField()
    granted_tokens = tokens()
    remaining_tokens = tokens()
    held_tokens = token_sum()
    is_exhausted = fields.BooleanField(default=False, db_default=False)
    unit_cost = unit_price()
    cost = money()
    currency = fields.CharField(max_length=3)
    priority = fields.SmallIntField(default=50, db_default=50)
    effective_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    parent_lot = belongs_to("Lot", null=True)
    purchase = belongs_to("Purchase", null=True)
    reason = fields.TextField(default="", db_default="")
    created_at = recorded_at()

    class Meta:
        table = "token_lots"
        indexes = [
            Index(fields=("wallet_id", "created_at", "id"), name="lots_by_wallet"),
            Index(fields=("purchase_id",), name="lots_by_purchase"),
            Index(fields=("organization_id",), name="lots_by_organization"),
            Index(fields=("parent_lot_id",), name="lots_by_parent"),
        ]
        constraints = [
            CheckConstraint(check=one_of("kind", LotKind), name="lots_kind"),
            CheckConstraint(check="granted_tokens > 0 AND granted_tokens <> 'NaN'", name="lots_granted_positive"),
            CheckConstraint(
                check="held_tokens >= 0 AND held_tokens <= remaining_tokens AND remaining_tokens <= granted_tokens",
                name="lots_never_give_more_than_granted",
            ),
            # The index of lots with tokens left is on this flag, so that changing the number stays cheap.
            CheckConstraint(check="is_exhausted = (remaining_tokens = 0)", name="lots_exhausted_when_empty"),
            CheckConstraint(check="unit_cost >= 0 AND unit_cost <> 'NaN'", name="lots_unit_cost_not_negative"),
            CheckConstraint(check="cost >= 0 AND cost <> 'NaN'", name="lots_cost_not_negative"),
            CheckConstraint(check="kind = 'PAID' OR cost = 0", name="lots_only_paid_tokens_cost"),
            CheckConstraint(check="priority BETWEEN 0 AND 100", name="lots_priority_range"),
            CheckConstraint(
                check="expires_at IS NULL OR expires_at > effective_at", name="lots_expire_after_they_begin"
            ),
        ]


class Entry(Model):
    """One change of one wallet; append-only. `change_amount` is the change of available + held tokens."""

    id = identifier()
    organization = belongs_to("Organization")
    wallet = belongs_to("Wallet")
    sequence = fields.BigIntField()
    change_type = fields.TextField()
    change_amount = tokens()
    held_change = token_sum()
    balance_before = tokens()
    balance_after = tokens()
    held_after = tokens()
    reference_type = fields.TextField(null=True)
    reference_id = fields.TextField(null=True)
    description = fields.TextField(default="", db_default="")
    actor = fields.TextField()
    idempotency_key = fields.TextField(null=True)
    metadata = document(null=True)
    occurred_at = fields.DatetimeField()
    timestamp = recorded_at()

    class Meta:
        table = "token_balance_history"
        indexes = [
            Index(fields=("organization_id", "timestamp"), name="entries_by_organization"),
            # One for each filter of a wallet's history, ended by what its pages are ordered by. Entries without a
            # reference are left out of theirs, see migration 0008.
            Index(fields=("wallet_id", "change_type", "sequence"), name="entries_by_kind"),
            Index(fields=("wallet_id", "occurred_at", "sequence"), name="entries_by_moment"),
            Index(fields=("wallet_id", "actor", "sequence"), name="entries_by_actor"),
        ]
        constraints = [
            UniqueConstraint(fields=("wallet_id", "sequence"), name="entries_sequence_once"),
            CheckConstraint(check=one_of("change_type", EntryKind), name="entries_kind"),
            CheckConstraint(check="sequence > 0", name="entries_sequence_positive"),
            CheckConstraint(
                check="balance_after = balance_before + change_amount - held_change", name="entries_balances_follow"
            ),
            CheckConstraint(
                check="balance_before >= 0 AND balance_after >= 0 AND held_after >= 0"
                " AND change_amount <> 'NaN' AND held_change <> 'NaN'",
                name="entries_never_below_zero",
            ),
            CheckConstraint(check=numbers("balance_before", "balance_after", "held_after"), name="entries_numbers"),
        ]


class Draw(Model):
    """How many tokens an entry took from a lot (positive) or gave back to it (negative); append-only."""

    id = fields.BigIntField(primary_key=True, generated=True)
    entry = belongs_to("Entry")
    lot = belongs_to("Lot")
    tokens = tokens()

    class Meta:
        table = "token_draws"
        # A wallet has one writer at a time, so the ids of its draws follow the sequence of their entries.
        indexes = [Index(fields=("lot_id", "id"), name="draws_by_lot")]
        constraints = [
            UniqueConstraint(fields=("entry_id", "lot_id"), name="draws_once_per_lot"),
            CheckConstraint(check="tokens <> 0 AND tokens <> 'NaN'", name="draws_move_something"),
        ]
