"""What must always be true of the books, as questions to the database. Each answers with what breaks it.

The same code runs after every story in the tests and in production. It repairs nothing: corrections are new entries.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from models.database import Connection

RULES: Mapping[str, str] = {
    "entries add up to available and held": """
        SELECT w.id AS about FROM organization_token_wallets w
        LEFT JOIN (SELECT wallet_id, sum(change_amount) AS total FROM token_balance_history GROUP BY wallet_id) e
            ON e.wallet_id = w.id
        WHERE coalesce(e.total, 0) <> w.current_balance + w.held_tokens
    """,
    "lots add up to available and held": """
        SELECT w.id AS about FROM organization_token_wallets w
        LEFT JOIN (SELECT wallet_id, sum(remaining_tokens) AS remaining, sum(held_tokens) AS held
                   FROM token_lots GROUP BY wallet_id) l ON l.wallet_id = w.id
        WHERE coalesce(l.remaining, 0) <> w.current_balance + w.held_tokens OR coalesce(l.held, 0) <> w.held_tokens
    """,
    "draws explain every lot": """
        SELECT l.id AS about FROM token_lots l
        LEFT JOIN (SELECT lot_id, sum(tokens) AS taken FROM token_draws GROUP BY lot_id) d ON d.lot_id = l.id
        WHERE coalesce(d.taken, 0) <> -l.remaining_tokens
    """,
    "draws explain every entry": """
        SELECT e.id AS about FROM token_balance_history e
        LEFT JOIN (SELECT entry_id, sum(tokens) AS taken FROM token_draws GROUP BY entry_id) d ON d.entry_id = e.id
        WHERE coalesce(d.taken, 0) <> -e.change_amount
    """,
    "draws are numbered in the order of their entries": """
        SELECT id AS about FROM (
            SELECT d.id, e.sequence, lag(e.sequence, 1, 0) OVER (PARTITION BY e.wallet_id ORDER BY d.id) AS previous
            FROM token_draws d JOIN token_balance_history e ON e.id = d.entry_id) numbered
        WHERE sequence < previous
    """,
    "open holds explain what is held of every lot": """
        SELECT l.id AS about FROM token_lots l
        LEFT JOIN (SELECT part.lot_id, sum(part.tokens) AS held FROM token_hold_lots part
                   JOIN token_holds h ON h.id = part.hold_id AND h.status = 'HELD' GROUP BY part.lot_id) p
            ON p.lot_id = l.id
        WHERE coalesce(p.held, 0) <> l.held_tokens
    """,
    "the parts of a hold add up to it": """
        SELECT h.id AS about FROM token_holds h
        LEFT JOIN (SELECT hold_id, sum(tokens) AS tokens FROM token_hold_lots GROUP BY hold_id) p ON p.hold_id = h.id
        WHERE coalesce(p.tokens, 0) <> h.tokens
    """,
    "the entries of a hold say how it ended": """
        SELECT h.id AS about FROM token_holds h
        LEFT JOIN (SELECT reference_id, sum(held_change) AS held,
                          -sum(change_amount) FILTER (WHERE change_type = 'CAPTURE') AS captured
                   FROM token_balance_history WHERE reference_type = 'hold' GROUP BY reference_id) e
            ON e.reference_id = h.id::text
        WHERE coalesce(e.held, 0) <> CASE h.status WHEN 'HELD' THEN h.tokens ELSE 0 END
            OR coalesce(e.captured, 0) <> h.captured_tokens
    """,
    "a budget counts what its actor used": """
        SELECT b.id AS about FROM spend_budgets b
        JOIN spend_budget_usage u ON u.budget_id = b.id
        CROSS JOIN LATERAL (SELECT u.window_start + ('1 ' || lower(b.period))::interval AS window_end) w
        WHERE b.is_active AND u.window_start >= b.counted_from AND u.used_tokens <>
                coalesce((SELECT -sum(e.change_amount) FROM token_balance_history e
                          WHERE e.organization_id = b.organization_id AND e.actor = b.actor
                              AND e.change_type = 'SPEND' AND e.occurred_at >= u.window_start
                              AND e.occurred_at < w.window_end), 0)
              + coalesce((SELECT sum(CASE h.status WHEN 'HELD' THEN h.tokens ELSE h.captured_tokens END)
                          FROM token_holds h
                          WHERE h.organization_id = b.organization_id AND h.actor = b.actor
                              AND h.held_at >= u.window_start AND h.held_at < w.window_end), 0)
    """,
    "sequences are gapless": """
        SELECT w.id AS about FROM organization_token_wallets w
        LEFT JOIN (SELECT wallet_id, count(*) AS entries, max(sequence) AS last FROM token_balance_history
                   GROUP BY wallet_id) e ON e.wallet_id = w.id
        WHERE coalesce(e.entries, 0) <> w.entry_sequence OR coalesce(e.last, 0) <> w.entry_sequence
    """,
    "each balance follows from the one before": """
        SELECT id AS about FROM (
            SELECT id, balance_before, held_after - held_change AS held_before,
                   lag(balance_after, 1, 0) OVER wallet AS balance, lag(held_after, 1, 0) OVER wallet AS held
            FROM token_balance_history WINDOW wallet AS (PARTITION BY wallet_id ORDER BY sequence)) e
        WHERE balance_before <> balance OR held_before <> held
    """,
    "lifetime sums are those of the entries": """
        SELECT w.id AS about FROM organization_token_wallets w
        LEFT JOIN (SELECT wallet_id,
                sum(change_amount) FILTER (WHERE change_type = 'PURCHASE') AS purchased,
                sum(change_amount) FILTER (WHERE change_type = 'GRANT') AS granted,
                -sum(change_amount) FILTER (WHERE change_type IN ('SPEND', 'CAPTURE')) AS consumed,
                -sum(change_amount) FILTER (WHERE change_type = 'EXPIRATION') AS expired,
                -sum(change_amount) FILTER (WHERE change_type = 'REFUND') AS refunded,
                sum(change_amount) FILTER (WHERE change_type = 'ADJUSTMENT') AS adjusted
            FROM token_balance_history GROUP BY wallet_id) e ON e.wallet_id = w.id
        WHERE (total_purchased, total_granted, total_consumed, total_expired, total_refunded, total_adjusted)
            <> (coalesce(purchased, 0), coalesce(granted, 0), coalesce(consumed, 0), coalesce(expired, 0),
                coalesce(refunded, 0), coalesce(adjusted, 0))
    """,
    "a completed purchase has one captured payment of its total": """
        SELECT p.id AS about FROM token_purchases p
        LEFT JOIN payments y ON y.purchase_id = p.id AND y.status = 'CAPTURED' AND y.amount = p.total_amount
            AND y.currency = p.currency
        WHERE p.status IN ('completed', 'refunded', 'partially_refunded') AND y.id IS NULL
    """,
    "a captured payment has a completed purchase": """
        SELECT y.id AS about FROM payments y JOIN token_purchases p ON p.id = y.purchase_id
        WHERE y.status = 'CAPTURED' AND p.status NOT IN ('completed', 'refunded', 'partially_refunded')
    """,
    "a completed purchase has one paid lot of its tokens": """
        SELECT p.id AS about FROM token_purchases p
        LEFT JOIN token_lots l ON l.purchase_id = p.id AND l.kind = 'PAID'
        WHERE p.status IN ('completed', 'refunded', 'partially_refunded')
        GROUP BY p.id HAVING count(l.id) <> 1 OR max(l.granted_tokens) <> max(p.token_quantity)
    """,
    "only a completed purchase has lots": """
        SELECT l.id AS about FROM token_lots l JOIN token_purchases p ON p.id = l.purchase_id
        WHERE p.status NOT IN ('completed', 'refunded', 'partially_refunded')
    """,
    "a completed purchase has one invoice of its total": """
        SELECT p.id AS about FROM token_purchases p
        LEFT JOIN token_invoices i ON i.purchase_id = p.id AND i.total_amount = p.total_amount
        WHERE (p.status IN ('completed', 'refunded', 'partially_refunded')) <> (i.id IS NOT NULL)
    """,
    "invoice lines add up to their invoice": """
        SELECT i.id AS about FROM token_invoices i LEFT JOIN token_invoice_lines l ON l.invoice_id = i.id
        GROUP BY i.id, i.total_amount HAVING coalesce(sum(l.amount), 0) <> i.total_amount
    """,
    "invoice numbers are gapless in their series": """
        SELECT coalesce(i.series, c.series) AS about FROM token_invoice_counters c
        FULL JOIN (SELECT series, count(*) AS issued, min(ordinal) AS first, max(ordinal) AS last
                   FROM token_invoices GROUP BY series) i ON i.series = c.series
        WHERE (i.issued, i.first, i.last) IS DISTINCT FROM (c.last_ordinal, 1::bigint, c.last_ordinal)
    """,
    "the audit chain of every organization is whole": """
        SELECT a.id AS about FROM (
            SELECT entry.id, entry.hash, entry.previous_hash, entry.sequence, audit_row_hash(entry) AS expected,
                   lag(entry.hash, 1, '\\x00'::bytea) OVER chain AS previous, row_number() OVER chain AS ordinal
            FROM token_audit_logs entry
            WINDOW chain AS (PARTITION BY entry.organization_id ORDER BY entry.sequence)) a
        WHERE (a.hash, a.previous_hash, a.sequence) IS DISTINCT FROM (a.expected, a.previous, a.ordinal)
    """,
    "the audit chain of every organization ends where its head says": """
        SELECT coalesce(h.organization_id, a.chain) AS about FROM audit_heads h
        FULL JOIN (SELECT DISTINCT ON (1) coalesce(organization_id, '00000000-0000-0000-0000-000000000000') AS chain,
                          sequence, hash
                   FROM token_audit_logs ORDER BY 1, token_audit_logs.sequence DESC) a ON a.chain = h.organization_id
        WHERE (a.sequence, a.hash) IS DISTINCT FROM (h.sequence, h.hash)
    """,
}

EXAMPLES_MAX = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, and up to twenty ids it is broken by."""

    rule: str
    about: tuple[str, ...]


async def violations(db: Connection) -> list[Violation]:
    """Every rule of the books that does not hold; empty when all is well."""
    asked = [await violation_of(db, rule) for rule in RULES]
    return [violation for violation in asked if violation is not None]


async def violation_of(db: Connection, rule: str) -> Violation | None:
    """What breaks one rule, or None when it holds. For large books, inside `patient(…)`."""
    rows = await db.fetch(f"SELECT about::text AS about FROM ({RULES[rule]}) broken LIMIT {EXAMPLES_MAX}")
    return Violation(rule, tuple(row["about"] for row in rows)) if rows else None
