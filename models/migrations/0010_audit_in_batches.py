"""The audit chain reads and writes its head once a statement, not once a row: a statement may record hundreds of rows.

Within a statement the head is handed from row to row in a setting of the transaction. Settings are anybody's to change,
so the statement's end checks, under the head's lock, that the rows continue the chain as it really was.
"""

from tortoise import migrations

from models.migrations import statements

SETTINGS = "SET search_path = pg_catalog, public, pg_temp"

CHAIN_ROW = rf"""
CREATE OR REPLACE FUNCTION chain_audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {SETTINGS} AS $$
DECLARE
    chain uuid := coalesce(NEW.organization_id, '00000000-0000-0000-0000-000000000000');
    handed text[] := string_to_array(nullif(current_setting('scrip.audit_head', true), ''), ' ');
    head audit_heads%ROWTYPE;
BEGIN
    IF handed[1] = chain::text THEN
        head.sequence := handed[2]::bigint;
        head.hash := decode(handed[3], 'hex');
    ELSE
        SELECT * INTO head FROM audit_heads WHERE organization_id = chain FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO audit_heads VALUES (chain, 0, '\x00') ON CONFLICT DO NOTHING;
            SELECT * INTO head FROM audit_heads WHERE organization_id = chain FOR UPDATE;
        END IF;
    END IF;
    NEW.sequence := head.sequence + 1;
    NEW.previous_hash := head.hash;
    NEW.hash := audit_row_hash(NEW);
    PERFORM set_config('scrip.audit_head', concat_ws(' ', chain, NEW.sequence, encode(NEW.hash, 'hex')), true);
    RETURN NEW;
END $$
"""

CHAIN_STATEMENT = rf"""
CREATE FUNCTION chain_audit_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {SETTINGS} AS $$
DECLARE
    part record;
    head audit_heads%ROWTYPE;
BEGIN
    PERFORM set_config('scrip.audit_head', '', true);
    FOR part IN
        SELECT coalesce(organization_id, '00000000-0000-0000-0000-000000000000') AS chain, count(*) AS rows,
               (array_agg(previous_hash ORDER BY sequence))[1] AS previous_hash,
               (array_agg(hash ORDER BY sequence DESC))[1] AS hash, min(sequence) AS first, max(sequence) AS last
        FROM added GROUP BY 1 ORDER BY 1
    LOOP
        SELECT * INTO head FROM audit_heads WHERE organization_id = part.chain FOR UPDATE;
        IF part.first <> head.sequence + 1 OR part.last <> head.sequence + part.rows
                OR part.previous_hash <> head.hash THEN
            RAISE EXCEPTION 'the audit chain of % is not continued by this statement', part.chain
                USING ERRCODE = 'restrict_violation';
        END IF;
        UPDATE audit_heads SET sequence = part.last, hash = part.hash WHERE organization_id = part.chain;
    END LOOP;
    RETURN NULL;
END $$
"""

CHAIN_ROW_BEFORE = rf"""
CREATE OR REPLACE FUNCTION chain_audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {SETTINGS} AS $$
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


class Migration(migrations.Migration):
    dependencies = [("models", "0009_notices")]

    operations = [
        statements(
            (CHAIN_STATEMENT, "DROP FUNCTION chain_audit_statement()"),
            (
                "CREATE TRIGGER audit_statements_are_chained AFTER INSERT ON token_audit_logs REFERENCING NEW TABLE AS added"
                " FOR EACH STATEMENT EXECUTE FUNCTION chain_audit_statement()",
                "DROP TRIGGER audit_statements_are_chained ON token_audit_logs",
            ),
            (CHAIN_ROW, CHAIN_ROW_BEFORE),
        ),
    ]
