-- One spend as somebody would write it by hand, statement by statement: the same rows as models/spending.py, and the
-- same constraints, triggers and locks around them. The first :wallets organisations, whose ids are their numbers, are
-- shared out among the clients, or taken by chance.
\set chosen random(1, :wallets)
\set number case when :by_chance = 1 then :chosen else :client_id % :wallets + 1 end
\set key random(1, 9000000000000000)
BEGIN;
SELECT id AS wallet, organization_id AS owner, current_balance AS before, held_tokens AS held, entry_sequence AS last,
       is_active AS active
FROM organization_token_wallets
WHERE organization_id = ('00000000-0000-0000-0000-' || lpad(to_hex((:number)::int), 12, '0'))::uuid
FOR NO KEY UPDATE \gset
SELECT id AS lot, remaining_tokens, held_tokens, unit_cost, priority, effective_at, expires_at, created_at
FROM token_lots WHERE wallet_id = :wallet AND NOT is_exhausted
ORDER BY priority, expires_at, unit_cost, effective_at, created_at, id LIMIT 1 \gset
SELECT count(*) AS known FROM idempotency_keys
WHERE organization_id = :owner AND operation = 'spendTokens' AND key = 'pgbench ' || :key \gset
UPDATE organization_token_wallets
SET current_balance = :before::numeric - 1.5, entry_sequence = :last::bigint + 1,
    total_consumed = total_consumed + 1.5, updated_at = now()
WHERE id = :wallet;
UPDATE token_lots SET remaining_tokens = remaining_tokens - 1.5, is_exhausted = (remaining_tokens - 1.5 = 0)
WHERE id = :lot;
INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount, held_change,
    balance_before, balance_after, held_after, description, actor, idempotency_key, occurred_at)
VALUES (gen_random_uuid(), :owner, :wallet, :last::bigint + 1, 'SPEND', -1.5, 0, :before::numeric,
    :before::numeric - 1.5, :held::numeric, 'Report', 'user/pgbench', 'pgbench ' || :key, now())
RETURNING id AS entry \gset
INSERT INTO token_draws (entry_id, lot_id, tokens) VALUES (:entry, :lot, 1.5);
INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, details)
VALUES (:owner, 'wallet.spend', 'wallet', :wallet::uuid::text, 'user/pgbench',
    jsonb_build_object('sequence', :last::bigint + 1, 'change', '-1.5000', 'available_after', :before::text,
        'reference', NULL));
INSERT INTO outbox (organization_id, topic, body)
VALUES (:owner, 'wallet.changed', jsonb_build_object('wallet_id', :wallet::uuid, 'entry_id', :entry::uuid,
    'sequence', :last::bigint + 1, 'kind', 'SPEND', 'change', '-1.5000', 'available', :before::text, 'held',
    :held::text, 'currency', 'USD', 'occurred_at', now()));
INSERT INTO idempotency_keys (organization_id, operation, key, fingerprint, answer)
VALUES (:owner, 'spendTokens', 'pgbench ' || :key, repeat('0', 64), jsonb_build_object('entry_id', :entry::uuid,
    'sequence', :last::bigint + 1, 'tokens', '1.5', 'available', :before::text, 'held', :held::text, 'occurred_at',
    now()));
COMMIT;
