"""Quotes that hold: what they say is what is bought, once, until their time is over."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from models.coupons import withdraw_coupon
from models.database import Connection
from models.errors import (
    CouponExhausted,
    PackageWithdrawn,
    PaymentMethodNotFound,
    QuoteExpired,
    QuoteNotFound,
    QuoteUsed,
    Refusal,
)
from models.held_quotes import HOLDS, quotes_by_id
from models.packages import update_package, withdraw_package
from models.purchases import PurchaseOrder
from models.quotes import Wish
from models.reconciliation import violations
from tests.builders import an_organization, is_paid
from tests.offers import (
    KEEPER,
    MINUTE,
    NOON,
    a_coupon,
    a_custom_package,
    a_payer,
    a_quote,
    orders,
    pays_by_card,
    tiered,
)

PLAIN = Wish(None, Decimal(100))
LAST_MOMENT = NOON + HOLDS - timedelta(microseconds=1)
DEARER = "UPDATE organization_token_wallets SET price_per_token = 9, tax_rate = 0.5"


async def used_at(db: Connection, quote_id: UUID) -> datetime | None:
    return (await quotes_by_id(db, [quote_id]))[quote_id].used_at


async def purchases(db: Connection) -> int:
    return len(await db.fetch("SELECT 1 FROM token_purchases"))


async def test_a_quote_is_kept_as_it_was_told(db: Connection) -> None:
    aurora = await an_organization()
    await a_coupon("SPRING", share=Decimal("0.1"))

    held = await a_quote(aurora, Wish(None, Decimal(100), "SPRING"))

    assert await quotes_by_id(db, [held.id]) == {held.id: held}
    assert (held.expires_at, held.used_at) == (NOON + timedelta(minutes=15), None)
    assert (held.quote.price.total, held.quote.price.discount) == (Decimal("52.20"), Decimal(5))
    (row,) = await db.fetch("SELECT actor, details FROM token_audit_logs WHERE action = 'quote.created'")
    assert (row["actor"], row["details"]) == ("user/test", {"total": "52.20", "currency": "USD"})


async def test_what_was_quoted_is_bought_whatever_has_changed_meanwhile(db: Connection) -> None:
    # given
    aurora = await a_payer()
    package = await a_custom_package(token_price="0.40", bonus="5", validity_days=30)
    await tiered(package.id)
    await a_coupon("SPRING", share=Decimal("0.1"), valid_until=NOON + MINUTE)
    held = await a_quote(aurora, Wish(package.id, Decimal(100), "SPRING"))

    # when everything that has made the price is another one
    changes = {"name": "Other", "token_price": Decimal(7), "bonus_tokens": Decimal(0), "validity_days": None}
    await update_package(package.id, changes, KEEPER)
    await withdraw_package(package.id, KEEPER)
    await tiered(package.id, tiers=((None, "0"),), at=NOON + MINUTE)
    await withdraw_coupon("SPRING", KEEPER, at=NOON + MINUTE)
    await db.execute(DEARER)
    with pytest.raises(PackageWithdrawn):
        await orders(aurora, "100", package_id=package.id, at=LAST_MOMENT)
    placed = await orders(aurora, quote_id=held.id, at=LAST_MOMENT)

    # then 100 × 0.40 at 20 % off is 32.00, and 10 % off that is 28.80
    assert (placed.description, placed.tokens, placed.bonus_tokens, placed.validity_days) == (
        "Bulk",
        Decimal(100),
        Decimal(5),
        30,
    )
    assert (placed.discount_amount, placed.subtotal) == (Decimal("3.20"), Decimal("28.80"))
    assert (placed.tax_rate, placed.total_amount) == (Decimal("0.16"), Decimal("33.41"))
    assert (placed.package_id, placed.coupon_code, placed.quote_id) == (package.id, "SPRING", held.id)
    assert await used_at(db, held.id) == LAST_MOMENT
    await is_paid(placed, at=LAST_MOMENT)
    assert await violations(db) == []


async def test_of_twenty_buyers_of_one_quote_at_once_one_succeeds(db: Connection) -> None:
    # given
    aurora = await a_payer()
    held = await a_quote(aurora, PLAIN)

    async def buys(number: int) -> str:
        try:
            await orders(aurora, quote_id=held.id, key=f"order {number}")
        except Refusal as refusal:
            return refusal.code
        return "placed"

    # when
    told = await asyncio.gather(*(buys(number) for number in range(20)))

    # then
    assert sorted(told) == ["QUOTE_USED"] * 19 + ["placed"]
    assert await purchases(db) == 1
    assert await violations(db) == []


async def test_a_used_quote_says_when_it_was_used(db: Connection) -> None:
    aurora = await a_payer()
    held = await a_quote(aurora, PLAIN)
    await orders(aurora, quote_id=held.id, at=NOON + MINUTE)

    with pytest.raises(QuoteUsed) as refusal:
        await orders(aurora, quote_id=held.id, at=NOON + 2 * MINUTE)

    assert refusal.value.used_at == NOON + MINUTE


async def test_a_quote_holds_until_its_time_and_not_at_it(db: Connection) -> None:
    aurora = await a_payer()
    held = await a_quote(aurora, PLAIN)

    with pytest.raises(QuoteExpired) as refusal:
        await orders(aurora, quote_id=held.id, at=NOON + HOLDS)

    assert refusal.value.expired_at == NOON + HOLDS
    assert await purchases(db) == 0
    assert await used_at(db, held.id) is None


async def test_a_quote_accepted_in_time_is_bought_however_late_the_order_is_placed(db: Connection) -> None:
    aurora = await a_payer()
    held = await a_quote(aurora, PLAIN)
    other = await a_quote(aurora, PLAIN)

    placed = await orders(aurora, quote_id=held.id, accepted_at=LAST_MOMENT, at=NOON + timedelta(days=1))
    with pytest.raises(QuoteExpired):
        await orders(aurora, quote_id=other.id, accepted_at=NOON + HOLDS, at=NOON + timedelta(days=1))

    assert placed.total_amount == Decimal("58.00")


async def test_a_quote_of_another_organization_is_not_found(db: Connection) -> None:
    aurora, boreal = await a_payer(), await a_payer()
    held = await a_quote(aurora, PLAIN)

    for quote_id in (held.id, boreal.id):
        with pytest.raises(QuoteNotFound):
            await orders(boreal, quote_id=quote_id)

    assert await used_at(db, held.id) is None
    assert await purchases(db) == 0


async def test_a_refusal_for_another_reason_leaves_the_quote_good(db: Connection) -> None:
    aurora = await an_organization()
    held = await a_quote(aurora, PLAIN)
    with pytest.raises(PaymentMethodNotFound):
        await orders(aurora, quote_id=held.id)
    assert await used_at(db, held.id) is None

    await pays_by_card(aurora)
    placed = await orders(aurora, quote_id=held.id)

    assert placed.quote_id == held.id


async def test_a_quote_holds_a_price_and_not_a_place_among_a_coupons_redemptions(db: Connection) -> None:
    # given
    aurora, boreal = await a_payer(), await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=1)
    held = await a_quote(aurora, Wish(None, Decimal(100), "SPRING"))
    await orders(boreal, coupon="SPRING")

    # when
    with pytest.raises(CouponExhausted):
        await orders(aurora, quote_id=held.id)

    # then
    assert await used_at(db, held.id) is None
    assert await purchases(db) == 1
    assert await violations(db) == []


def test_orders_without_a_quote_and_a_coupon_have_the_fingerprint_they_always_had() -> None:
    plain = PurchaseOrder(UUID(int=1), PLAIN, None, "order", "user/test")

    assert plain.fingerprint() == "42b10dfc17a18aa0edfd2e240127dd8a3fcd0069021070e78b17fa34c5a1ae41"
    assert (
        PurchaseOrder(UUID(int=1), PLAIN, None, "other", "user/else", accepted_at=NOON).fingerprint()
        == "42b10dfc17a18aa0edfd2e240127dd8a3fcd0069021070e78b17fa34c5a1ae41"
    )


def test_a_quote_and_a_coupon_are_part_of_what_an_order_asks_for() -> None:
    wishes = (PLAIN, Wish(None, Decimal(100), "SPRING"), Wish(None, Decimal(100), "AUTUMN"))
    plain = [PurchaseOrder(UUID(int=1), wish, None, "order", "user/test") for wish in wishes]
    quoted = [
        PurchaseOrder(UUID(int=1), Wish(None, None), None, "order", "user/test", quote_id=UUID(int=number))
        for number in (1, 2)
    ]

    assert len({order.fingerprint() for order in (*plain, *quoted)}) == 5
