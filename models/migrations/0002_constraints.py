"""The constraints of every table: creating a table leaves its Meta.constraints out of the database, so they are added.

In SQL rather than by AddConstraint, because they are in the tables' state already: only the database lacks them.
"""

from tortoise import migrations

from models.migrations import statements

CONSTRAINTS = (
    ('organizations', 'organizations_name_length', 'CHECK (length(name) BETWEEN 1 AND 200)'),
    ('users', 'users_email_lower_case', 'CHECK (email = lower(email))'),
    ('organization_token_wallets', 'wallets_one_per_organization', 'UNIQUE (organization_id)'),
    ('organization_token_wallets', 'wallets_available_not_negative', "CHECK (current_balance >= 0 AND current_balance <> 'NaN')"),
    ('organization_token_wallets', 'wallets_held_not_negative', "CHECK (held_tokens >= 0 AND held_tokens <> 'NaN')"),
    ('organization_token_wallets', 'wallets_sums_agree', 'CHECK (current_balance + held_tokens = total_purchased + total_granted + total_adjusted - total_consumed - total_expired - total_refunded)'),
    ('organization_token_wallets', 'wallets_lifetime_sums_not_negative', "CHECK (total_purchased >= 0 AND total_granted >= 0 AND total_consumed >= 0 AND total_expired >= 0 AND total_refunded >= 0 AND total_adjusted <> 'NaN')"),
    ('organization_token_wallets', 'wallets_price_positive', "CHECK (price_per_token > 0 AND price_per_token <> 'NaN')"),
    ('organization_token_wallets', 'wallets_tax_rate_is_a_share', 'CHECK (tax_rate BETWEEN 0 AND 1)'),
    ('organization_token_wallets', 'wallets_currency_is_a_code', "CHECK (currency ~ '^[A-Z]{3}$')"),
    ('organization_token_wallets', 'wallets_suspension_has_a_time', 'CHECK (is_active = (suspended_at IS NULL))'),
    ('token_lots', 'lots_kind', "CHECK (kind IN ('PAID', 'BONUS', 'PROMO', 'PLAN', 'ADJUSTMENT'))"),
    ('token_lots', 'lots_granted_positive', "CHECK (granted_tokens > 0 AND granted_tokens <> 'NaN')"),
    ('token_lots', 'lots_never_give_more_than_granted', 'CHECK (held_tokens >= 0 AND held_tokens <= remaining_tokens AND remaining_tokens <= granted_tokens)'),
    ('token_lots', 'lots_exhausted_when_empty', 'CHECK (is_exhausted = (remaining_tokens = 0))'),
    ('token_lots', 'lots_unit_cost_not_negative', "CHECK (unit_cost >= 0 AND unit_cost <> 'NaN')"),
    ('token_lots', 'lots_cost_not_negative', "CHECK (cost >= 0 AND cost <> 'NaN')"),
    ('token_lots', 'lots_only_paid_tokens_cost', "CHECK (kind = 'PAID' OR cost = 0)"),
    ('token_lots', 'lots_priority_range', 'CHECK (priority BETWEEN 0 AND 100)'),
    ('token_lots', 'lots_expire_after_they_begin', 'CHECK (expires_at IS NULL OR expires_at > effective_at)'),
    ('token_balance_history', 'entries_sequence_once', 'UNIQUE (wallet_id, sequence)'),
    ('token_balance_history', 'entries_kind', "CHECK (change_type IN ('PURCHASE', 'GRANT', 'SPEND', 'HOLD', 'CAPTURE', 'RELEASE', 'EXPIRATION', 'REFUND', 'ADJUSTMENT'))"),
    ('token_balance_history', 'entries_sequence_positive', 'CHECK (sequence > 0)'),
    ('token_balance_history', 'entries_balances_follow', 'CHECK (balance_after = balance_before + change_amount - held_change)'),
    ('token_balance_history', 'entries_never_below_zero', "CHECK (balance_before >= 0 AND balance_after >= 0 AND held_after >= 0 AND change_amount <> 'NaN' AND held_change <> 'NaN')"),
    ('token_draws', 'draws_once_per_lot', 'UNIQUE (entry_id, lot_id)'),
    ('token_draws', 'draws_move_something', "CHECK (tokens <> 0 AND tokens <> 'NaN')"),
    ('token_packages', 'packages_tokens_positive', "CHECK (token_quantity > 0 AND token_quantity <> 'NaN')"),
    ('token_packages', 'packages_bonus_not_negative', "CHECK (bonus_tokens >= 0 AND bonus_tokens <> 'NaN')"),
    ('token_packages', 'packages_price_positive', "CHECK (price > 0 AND price <> 'NaN')"),
    ('token_packages', 'packages_price_has_a_currency', 'CHECK ((price IS NULL) = (currency IS NULL))'),
    ('token_packages', 'packages_validity_positive', 'CHECK (validity_days > 0)'),
    ('payment_methods', 'payment_methods_token_once', 'UNIQUE (organization_id, gateway_provider, tokenized_data)'),
    ('payment_methods', 'payment_methods_month', 'CHECK (expires_month BETWEEN 1 AND 12)'),
    ('payment_methods', 'payment_methods_default_is_active', 'CHECK (NOT is_default OR is_active)'),
    ('token_purchases', 'purchases_status', "CHECK (status IN ('pending', 'processing', 'requires_action', 'completed', 'failed', 'cancelled', 'expired', 'refunded', 'partially_refunded'))"),
    ('token_purchases', 'purchases_type', "CHECK (purchase_type IN ('one_time', 'subscription', 'auto_topup'))"),
    ('token_purchases', 'purchases_tokens_positive', "CHECK (token_quantity > 0 AND token_quantity <> 'NaN')"),
    ('token_purchases', 'purchases_total_is_subtotal_and_tax', 'CHECK (total_amount = subtotal + tax_amount)'),
    ('token_purchases', 'purchases_amounts_positive', "CHECK (subtotal > 0 AND tax_amount >= 0 AND total_amount <> 'NaN')"),
    ('token_purchases', 'purchases_completed_means_tokens_given', "CHECK ((status IN ('completed', 'refunded', 'partially_refunded')) = (tokens_allocated_at IS NOT NULL))"),
    ('payments', 'payments_one_per_purchase', 'UNIQUE (purchase_id)'),
    ('payments', 'payments_gateway_id_once', 'UNIQUE (gateway_provider, gateway_payment_id)'),
    ('payments', 'payments_status', "CHECK (status IN ('PROCESSING', 'REQUIRES_ACTION', 'DECLINED', 'CANCELLED', 'CAPTURED'))"),
    ('payments', 'payments_amount_positive', "CHECK (amount > 0 AND amount <> 'NaN')"),
    ('payments', 'payments_captured_has_a_time', "CHECK ((status = 'CAPTURED') = (captured_at IS NOT NULL))"),
    ('gateway_events', 'gateway_events_once', 'UNIQUE (gateway_provider, event_id)'),
    ('token_invoices', 'invoices_one_per_purchase', 'UNIQUE (purchase_id)'),
    ('token_invoices', 'invoices_ordinal_once_in_series', 'UNIQUE (series, ordinal)'),
    ('token_invoices', 'invoices_ordinal_positive', 'CHECK (ordinal > 0)'),
    ('token_invoices', 'invoices_total_is_subtotal_and_tax', 'CHECK (total_amount = subtotal + tax_amount)'),
    ('token_invoice_lines', 'invoice_lines_position_once', 'UNIQUE (invoice_id, position)'),
    ('token_invoice_lines', 'invoice_lines_kind', "CHECK (item_type IN ('tokens', 'bonus', 'tax'))"),
    ('token_invoice_documents', 'invoice_documents_one_per_invoice', 'UNIQUE (invoice_id)'),
    ('idempotency_keys', 'idempotency_keys_once', 'UNIQUE (organization_id, operation, key)'),
    ('idempotency_keys', 'idempotency_keys_length', 'CHECK (length(key) BETWEEN 1 AND 255)'),
    ('token_audit_logs', 'audit_sequence_once', 'UNIQUE (organization_id, sequence)'),
    ('token_subscriptions', 'subscriptions_frequency', "CHECK (frequency IN ('monthly', 'quarterly', 'annual'))"),
    ('token_subscriptions', 'subscriptions_status', "CHECK (status IN ('active', 'paused', 'payment_failed', 'cancelled', 'expired'))"),
    ('auto_topup_policies', 'top_up_one_per_organization', 'UNIQUE (organization_id)'),
    ('auto_topup_policies', 'top_up_trigger', "CHECK (trigger_type IN ('threshold', 'scheduled', 'both'))"),
    ('auto_topup_policies', 'top_up_frequency', "CHECK (schedule_frequency IN ('daily', 'weekly', 'monthly'))"),
    ('auto_topup_policies', 'top_up_percentage_range', 'CHECK (threshold_percentage BETWEEN 1 AND 100)'),
    ('low_balance_notifications', 'thresholds_type', "CHECK (threshold_type IN ('percentage', 'absolute'))"),
    ('low_balance_notifications', 'thresholds_value_positive', "CHECK (threshold_value > 0 AND threshold_value <> 'NaN')"),
)


class Migration(migrations.Migration):
    dependencies = [("models", "0001_initial")]

    operations = [
        statements(
            *(
                (f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", f"ALTER TABLE {table} DROP CONSTRAINT {name}")
                for table, name, definition in CONSTRAINTS
            )
        )
    ]
