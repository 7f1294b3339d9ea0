"""Each rule of the books bites: one damage for each, made as a superuser, is reported under exactly that rule."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from embedded.postgres import PostgresCluster
from models.database import Connection
from models.reconciliation import EXAMPLES_MAX, RULES, violations
from models.spending import SpendOrder
from models.wallets import wallet_id_of
from tests.builders import an_order, an_organization, gives, holds, is_paid, releases, sets_a_budget, spend
from tests.models.damage import Laboratory, laboratory

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

# $1 is one wallet, $2 the other one. Each has lots of 10 (PROMO) and 20 (PAID, of a completed purchase), has spent 12
# and has a pending purchase. 3 tokens are held, 1 was and was released; whoever did it has a budget.
DAMAGES = {
    "entries add up to available and held": """
        WITH entry AS (
            INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount,
                held_change, balance_before, balance_after, held_after, actor, occurred_at)
            SELECT gen_random_uuid(), w.organization_id, w.id, w.entry_sequence + 1, 'HOLD', c.change, 0,
                w.current_balance, w.current_balance + c.change, w.held_tokens, 'nobody', now()
            FROM organization_token_wallets w
            JOIN (VALUES ($1, 5), ($2, -5)) c (wallet_id, change) ON c.wallet_id = w.id
            RETURNING id, change_amount
        ), draw AS (
            INSERT INTO token_draws (entry_id, lot_id, tokens)
            SELECT id, (SELECT id FROM token_lots WHERE wallet_id = $1 AND kind = 'PAID'), -change_amount FROM entry
        )
        UPDATE organization_token_wallets SET entry_sequence = entry_sequence + 1 WHERE id IN ($1, $2)
    """,
    "lots add up to available and held": """
        UPDATE token_lots SET wallet_id = $1 WHERE wallet_id = $2 AND kind = 'PAID'
    """,
    "draws explain every lot": """
        UPDATE token_draws SET tokens = CASE tokens WHEN 10 THEN 9 ELSE 3 END
        WHERE entry_id IN (SELECT id FROM token_balance_history WHERE wallet_id IN ($1, $2) AND change_type = 'SPEND')
            AND tokens IN (10, 2)
    """,
    "draws explain every entry": """
        UPDATE token_draws d SET entry_id = other.id
        FROM token_balance_history spent, token_balance_history other
        WHERE d.entry_id = spent.id AND d.tokens = 10 AND spent.wallet_id = $1 AND spent.change_type = 'SPEND'
            AND other.wallet_id = $2 AND other.change_type = 'GRANT'
    """,
    "draws are numbered in the order of their entries": """
        UPDATE token_draws d SET id = d.id + 1000 FROM token_balance_history e
        WHERE e.id = d.entry_id AND e.wallet_id IN ($1, $2) AND e.sequence = 1
    """,
    "open holds explain what is held of every lot": """
        UPDATE token_hold_lots part SET lot_id = other.id
        FROM token_lots mine, token_lots other, token_holds h
        WHERE mine.id = part.lot_id AND other.wallet_id = mine.wallet_id AND other.id <> mine.id
            AND h.id = part.hold_id AND h.status = 'HELD' AND mine.wallet_id IN ($1, $2)
    """,
    "the parts of a hold add up to it": """
        UPDATE token_hold_lots part SET tokens = part.tokens + 1 FROM token_holds h
        WHERE h.id = part.hold_id AND h.status = 'RELEASED' AND h.wallet_id IN ($1, $2)
    """,
    "the entries of a hold say how it ended": """
        UPDATE token_balance_history SET reference_id = 'another'
        WHERE wallet_id IN ($1, $2) AND change_type = 'RELEASE'
    """,
    "a budget counts what its actor used": """
        UPDATE spend_budget_usage SET used_tokens = used_tokens + 1
    """,
    "sequences are gapless": """
        UPDATE organization_token_wallets SET entry_sequence = entry_sequence + 1 WHERE id IN ($1, $2)
    """,
    "each balance follows from the one before": """
        UPDATE token_balance_history SET balance_before = balance_before + 1, balance_after = balance_after + 1
        WHERE wallet_id IN ($1, $2) AND change_type = 'SPEND'
    """,
    "lifetime sums are those of the entries": """
        UPDATE organization_token_wallets SET total_purchased = total_purchased + 1, total_granted = total_granted - 1
        WHERE id IN ($1, $2)
    """,
    "a completed purchase has one captured payment of its total": """
        UPDATE payments y SET amount = amount + 0.01 FROM token_purchases p
        WHERE p.id = y.purchase_id AND p.status = 'completed' AND p.wallet_id IN ($1, $2)
    """,
    "a captured payment has a completed purchase": """
        UPDATE payments y SET status = 'CAPTURED', captured_at = now() FROM token_purchases p
        WHERE p.id = y.purchase_id AND p.status = 'pending' AND p.wallet_id IN ($1, $2)
    """,
    "a completed purchase has one paid lot of its tokens": """
        UPDATE token_purchases SET token_quantity = token_quantity + 1
        WHERE status = 'completed' AND wallet_id IN ($1, $2)
    """,
    "only a completed purchase has lots": """
        UPDATE token_lots l SET purchase_id = p.id FROM token_purchases p
        WHERE p.wallet_id = l.wallet_id AND p.status = 'pending' AND l.kind = 'PROMO' AND p.wallet_id IN ($1, $2)
    """,
    "a completed purchase has one invoice of its total": """
        UPDATE token_invoices i SET purchase_id = other.id FROM token_purchases p, token_purchases other
        WHERE p.id = i.purchase_id AND p.wallet_id IN ($1, $2) AND other.wallet_id = p.wallet_id
            AND other.status = 'pending'
    """,
    "invoice lines add up to their invoice": """
        UPDATE token_invoice_lines SET amount = amount + 0.01 WHERE position = 1
    """,
    "invoice numbers are gapless in their series": """
        UPDATE token_invoices SET ordinal = 3 WHERE ordinal = 2
    """,
    "the audit chain of every organization is whole": """
        UPDATE token_audit_logs SET actor = 'somebody else' WHERE sequence = 3
    """,
    "the audit chain of every organization ends where its head says": """
        DELETE FROM token_audit_logs a USING audit_heads h
        WHERE h.organization_id = a.organization_id AND h.sequence = a.sequence
    """,
    "a coupon is used as often as its redemptions say": """
        INSERT INTO coupons (id, code, benefit, share, redemptions)
        VALUES (gen_random_uuid(), 'SPRING', 'percent', 0.5, 1)
    """,
    "only late payments take a coupon over its limits": """
        WITH coupon AS (
            INSERT INTO coupons (id, code, benefit, share, max_redemptions, redemptions)
            VALUES (gen_random_uuid(), 'SPRING', 'percent', 0.5, 1, 2) RETURNING id
        ), bought AS (
            UPDATE token_purchases SET coupon_id = coupon.id FROM coupon
            WHERE status = 'completed' AND wallet_id IN ($1, $2) RETURNING token_purchases.*
        )
        INSERT INTO coupon_redemptions (id, coupon_id, organization_id, purchase_id, status, discount, bonus_tokens,
            currency, reserved_at, settled_at)
        SELECT gen_random_uuid(), coupon_id, organization_id, id, 'redeemed', 0, 5, 'USD', now(), now() FROM bought
    """,
    "a redemption follows its purchase": """
        WITH coupon AS (
            INSERT INTO coupons (id, code, benefit, share, redemptions)
            VALUES (gen_random_uuid(), 'SPRING', 'percent', 0.5, 1) RETURNING id
        ), bought AS (
            UPDATE token_purchases SET coupon_id = coupon.id FROM coupon
            WHERE status = 'completed' AND wallet_id = $1 RETURNING token_purchases.*
        )
        INSERT INTO coupon_redemptions (id, coupon_id, organization_id, purchase_id, status, discount, bonus_tokens,
            currency, reserved_at)
        SELECT gen_random_uuid(), coupon_id, organization_id, id, 'reserved', 0, 5, 'USD', now() FROM bought
    """,
    "a used quote has one purchase at its price": """
        WITH bought AS (
            UPDATE token_purchases SET quote_id = gen_random_uuid()
            WHERE status = 'completed' AND wallet_id = $1 RETURNING *
        )
        INSERT INTO price_quotes (id, organization_id, wallet_id, description, token_quantity, bonus_tokens,
            coupon_bonus_tokens, price_per_token, subtotal, discount_amount, tax_rate, tax_amount, total_amount,
            currency, quoted_by, quoted_at, expires_at, used_at)
        SELECT quote_id, organization_id, wallet_id, description, token_quantity, 0, 0, price_per_token, subtotal + 1,
            0, tax_rate, tax_amount, total_amount + 1, currency, 'nobody', now(), now() + interval '1 minute', now()
        FROM bought
    """,
}

# Damage that the rule's first question would miss.
FURTHER_DAMAGES = {
    "held tokens that no entry explains": (
        "each balance follows from the one before",
        "UPDATE token_balance_history SET held_after = held_after + 1 WHERE wallet_id IN ($1, $2) AND sequence = 2",
    ),
    "one entry renumbered": (
        "sequences are gapless",
        "UPDATE token_balance_history SET sequence = 7 WHERE wallet_id IN ($1, $2) AND sequence = 6",
    ),
    "a second paid lot": (
        "a completed purchase has one paid lot of its tokens",
        """UPDATE token_lots promo SET kind = 'PAID', purchase_id = paid.purchase_id FROM token_lots paid
           WHERE promo.wallet_id = paid.wallet_id AND promo.kind = 'PROMO' AND paid.kind = 'PAID'
               AND paid.wallet_id IN ($1, $2)""",
    ),
    "a counter that has run ahead of its invoices": (
        "invoice numbers are gapless in their series",
        "UPDATE token_invoice_counters SET last_ordinal = last_ordinal + 1",
    ),
    "a purchase at a quote that was never used": (
        "a used quote has one purchase at its price",
        "UPDATE token_purchases SET quote_id = gen_random_uuid() WHERE status = 'pending' AND wallet_id = $1",
    ),
    "a purchase with a coupon that was not reserved": (
        "a redemption follows its purchase",
        "UPDATE token_purchases SET coupon_id = gen_random_uuid() WHERE status = 'pending' AND wallet_id = $1",
    ),
    "one organization over its own limit": (
        "only late payments take a coupon over its limits",
        """WITH coupon AS (
               INSERT INTO coupons (id, code, benefit, share, max_per_organization, redemptions)
               VALUES (gen_random_uuid(), 'SPRING', 'percent', 0.5, 1, 2) RETURNING id
           )
           INSERT INTO coupon_redemptions (id, coupon_id, organization_id, purchase_id, status, discount, bonus_tokens,
               currency, reserved_at)
           SELECT gen_random_uuid(), coupon.id, p.organization_id, p.id, 'reserved', 0, 5, 'USD', now()
           FROM coupon, token_purchases p WHERE p.wallet_id = $1""",
    ),
    "a payment that was never captured": (
        "a completed purchase has one captured payment of its total",
        """UPDATE payments SET status = 'DECLINED', captured_at = NULL
           WHERE status = 'CAPTURED'""",
    ),
}


@dataclass(frozen=True, slots=True)
class TwoWallets:
    one: UUID
    other: UUID


async def two_wallets() -> TwoWallets:
    """Two organizations that have been given tokens, have bought, spent, and ordered something more."""
    found = []
    for name in ("Aurora Clinics", "Boreal Labs"):
        organization = await an_organization(name)
        await gives(organization, "10", priority=10, at=NOW)
        await is_paid(await an_order(organization, "20", at=NOW), at=NOW)
        await spend(SpendOrder(organization.id, Decimal(12), "report 7", "user/test"), at=NOW)
        await an_order(organization, "5", at=NOW)
        await sets_a_budget(organization, "user/test", "50", at=NOW)
        await holds(organization, "3", at=NOW)
        await releases(organization, await holds(organization, "1", at=NOW), at=NOW)
        found.append(wallet_id_of(organization.id))
    return TwoWallets(*found)


@pytest.fixture(scope="module")
async def books_in_order(cluster: PostgresCluster, template: str) -> AsyncIterator[Laboratory[TwoWallets]]:
    async with laboratory(cluster, template, two_wallets) as ready:
        yield ready


def among(damage: str, wallets: TwoWallets) -> str:
    return damage.replace("$1", f"'{wallets.one}'::uuid").replace("$2", f"'{wallets.other}'::uuid")


async def test_books_in_order_break_no_rule(books_in_order: Laboratory[TwoWallets]) -> None:
    assert await books_in_order.broken_rules() == []


@pytest.mark.parametrize(("rule", "damage"), DAMAGES.items(), ids=DAMAGES.keys())
async def test_a_damage_is_reported_under_its_rule_and_no_other(
    books_in_order: Laboratory[TwoWallets], rule: str, damage: str
) -> None:
    assert await books_in_order.broken_rules(among(damage, books_in_order.contents)) == [rule]


@pytest.mark.parametrize(("rule", "damage"), FURTHER_DAMAGES.values(), ids=FURTHER_DAMAGES.keys())
async def test_a_less_obvious_damage_is_reported_too(
    books_in_order: Laboratory[TwoWallets], rule: str, damage: str
) -> None:
    assert rule in await books_in_order.broken_rules(among(damage, books_in_order.contents))


def test_every_rule_has_its_damage() -> None:
    assert list(DAMAGES) == list(RULES)


async def test_a_violation_names_what_breaks_the_rule_up_to_twenty_times(db: Connection) -> None:
    wallets = {str(wallet_id_of((await an_organization()).id)) for _ in range(EXAMPLES_MAX + 1)}
    await db.execute("UPDATE organization_token_wallets SET entry_sequence = 9")

    (violation,) = await violations(db)

    assert violation.rule == "sequences are gapless"
    assert len(set(violation.about)) == EXAMPLES_MAX == 20
    assert set(violation.about) < wallets
