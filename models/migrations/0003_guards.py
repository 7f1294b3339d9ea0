"""What the database itself guards: append-only tables, the chained audit trail, and the indexes of the hot paths."""

from tortoise import migrations

from models.migrations import statements

APPEND_ONLY = (
    "token_balance_history",
    "token_draws",
    "token_invoices",
    "token_invoice_lines",
    "token_invoice_documents",
    "token_audit_logs",
    "gateway_events",
)

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""

# Runs as the owner of the tables, so that the application role needs no right to touch the heads of the chains.
CHAIN_AUDIT_ROW = r"""
CREATE FUNCTION chain_audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    chain uuid := coalesce(NEW.organization_id, '00000000-0000-0000-0000-000000000000');
    head audit_heads%ROWTYPE;
BEGIN
    SELECT * INTO head FROM audit_heads WHERE organization_id = chain FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_heads VALUES (chain, 0, '\x00') ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM audit_heads WHERE organization_id = chain FOR UPDATE;
    END IF;
    NEW.sequence := head.sequence + 1;
    NEW.previous_hash := head.hash;
    NEW.hash := audit_row_hash(NEW);
    UPDATE audit_heads SET sequence = NEW.sequence, hash = NEW.hash WHERE organization_id = chain;
    RETURN NEW;
END $$
"""

AUDIT_ROW_HASH = r"""
CREATE FUNCTION audit_row_hash(entry token_audit_logs) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(entry.previous_hash || convert_to(jsonb_build_array(
        entry.organization_id, entry.sequence, entry.action, entry.resource, entry.resource_id, entry.actor,
        entry.request_id, entry.details, extract(epoch FROM entry.timestamp))::text, 'UTF8'))
$$
"""


def guard(table: str) -> list[tuple[str, str]]:
    return [
        (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"DROP TRIGGER {table}_append_only ON {table}",
        ),
        (
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
            f"DROP TRIGGER {table}_never_emptied ON {table}",
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("models", "0002_constraints")]

    operations = [
        statements(
            (REFUSE_CHANGE, "DROP FUNCTION refuse_change()"),
            *(pair for table in APPEND_ONLY for pair in guard(table)),
            (AUDIT_ROW_HASH, "DROP FUNCTION audit_row_hash(token_audit_logs)"),
            (CHAIN_AUDIT_ROW, "DROP FUNCTION chain_audit_row()"),
            (
                "CREATE TRIGGER audit_rows_are_chained BEFORE INSERT ON token_audit_logs"
                " FOR EACH ROW EXECUTE FUNCTION chain_audit_row()",
                "DROP TRIGGER audit_rows_are_chained ON token_audit_logs",
            ),
            (
                "CREATE INDEX lots_with_tokens ON token_lots (wallet_id) WHERE NOT is_exhausted",
                "DROP INDEX lots_with_tokens",
            ),
            (
                "CREATE UNIQUE INDEX payment_methods_one_default ON payment_methods (organization_id) WHERE is_default",
                "DROP INDEX payment_methods_one_default",
            ),
            (
                "CREATE INDEX purchases_open ON token_purchases (created_at)"
                " WHERE status IN ('pending', 'processing', 'requires_action')",
                "DROP INDEX purchases_open",
            ),
            # Room on each page for new versions of rows that are updated with every spend.
            ("ALTER TABLE organization_token_wallets SET (fillfactor = 50)", ""),
            ("ALTER TABLE token_lots SET (fillfactor = 70)", ""),
            ("ALTER TABLE audit_heads SET (fillfactor = 50)", ""),
            # The outbox is filled and emptied all day: what is dead in it is swept by number, not by share.
            ("ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)", ""),
        )
    ]
