"""Coupons: what they do to a price, and limits that hold however many buyers come at once."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.coupons import CouponDraft
from models.database import Connection, transaction
from models.errors import (
    CouponExhausted,
    CouponExpired,
    CouponNotApplicable,
    CouponNotFound,
    CouponNotYetValid,
    PriceChanged,
    Refusal,
)
from models.purchases import PurchaseOrder, PurchaseView, begin_payment, close_unpaid, place, require_purchase
from models.quotes import Wish, quote
from models.reconciliation import violations
from rules.coupons import CouponBenefit, CouponTerms
from rules.purchases import PurchaseStatus
from tests.builders import an_organization, defaults, is_paid
from tests.offers import (
    MINUTE,
    NOON,
    a_coupon,
    a_custom_package,
    a_payer,
    orders,
    outcome,
    redemptions,
    uses,
)

TEN_PERCENT = CouponDraft("SPRING", "", CouponTerms(CouponBenefit.PERCENT, share=Decimal("0.1")))
UNPAID = (PurchaseStatus.FAILED, PurchaseStatus.CANCELLED, PurchaseStatus.EXPIRED)


async def closes(purchase: PurchaseView, status: PurchaseStatus) -> None:
    async with transaction() as db:
        await close_unpaid(db, purchase.id, status, code=None, reason="not paid", report=None)


# terms: what comes off 100 tokens at 50.00, subtotal, tax, total, bonus tokens
GIVES: dict[str, tuple[Mapping[str, Any], str, str, str, str, str]] = {
    "10 %": ({"share": Decimal("0.1")}, "5.00", "45.00", "7.20", "52.20", "0"),
    "a third": ({"share": Decimal("0.333333")}, "16.67", "33.33", "5.33", "38.66", "0"),
    "12.34": ({"amount": Decimal("12.34"), "currency": "USD"}, "12.34", "37.66", "6.03", "43.69", "0"),
    "more than it costs": ({"amount": Decimal(80), "currency": "USD"}, "49.99", "0.01", "0.00", "0.01", "0"),
    "tokens": ({"bonus_tokens": Decimal("12.5")}, "0.00", "50.00", "8.00", "58.00", "12.5"),
}


@pytest.mark.parametrize(("terms", "off", "subtotal", "tax", "total", "bonus"), GIVES.values(), ids=GIVES.keys())
async def test_a_coupon_shapes_the_price_the_invoice_and_the_lots(
    db: Connection, terms: Mapping[str, Any], off: str, subtotal: str, tax: str, total: str, bonus: str
) -> None:
    # given
    aurora = await a_payer()
    await a_coupon("SPRING", **terms)

    # when
    placed = await orders(aurora, "100", coupon="SPRING")
    await is_paid(placed, at=NOON)

    # then
    assert (placed.discount_amount, placed.subtotal, placed.tax_amount) == (
        Decimal(off),
        Decimal(subtotal),
        Decimal(tax),
    )
    assert (placed.total_amount, placed.bonus_tokens, placed.coupon_code) == (Decimal(total), Decimal(bonus), "SPRING")
    lots = await db.fetch("SELECT kind, granted_tokens, cost, parent_lot_id FROM token_lots ORDER BY kind DESC")
    paid = [("PAID", 100, Decimal(subtotal))]
    given = [("BONUS", Decimal(bonus), 0)] if Decimal(bonus) else []
    assert [(lot["kind"], lot["granted_tokens"], lot["cost"]) for lot in lots] == paid + given
    assert [lot["parent_lot_id"] is not None for lot in lots] == [False, True][: len(lots)]
    assert await redemptions(db) == [("redeemed", False)]
    assert await uses(db) == [("SPRING", 1)]
    assert await violations(db) == []


async def test_the_invoice_states_the_discount_as_a_line_of_its_own(db: Connection) -> None:
    aurora = await a_payer()
    package = await a_custom_package(bonus="5")
    await a_coupon("SPRING", share=Decimal("0.1"))

    await is_paid(await orders(aurora, "100", package_id=package.id, coupon="SPRING"), at=NOON)

    lines = await db.fetch(
        "SELECT item_type, description, quantity, unit_price, amount FROM token_invoice_lines ORDER BY position"
    )
    assert [tuple(line.values()) for line in lines] == [
        ("tokens", "Bulk: 100 tokens", 100, Decimal("0.50"), 50),
        ("bonus", "Bonus: 5 tokens", 5, 0, 0),
        ("discount", "Discount: coupon SPRING", 1, -5, -5),
        ("tax", "Tax (16%)", 1, Decimal("7.20"), Decimal("7.20")),
    ]
    (invoice,) = await db.fetch("SELECT subtotal, tax_amount, total_amount FROM token_invoices")
    assert tuple(invoice.values()) == (45, Decimal("7.20"), Decimal("52.20"))


async def test_the_bonus_of_a_package_and_of_a_coupon_are_one_lot_of_both(db: Connection) -> None:
    aurora = await a_payer()
    package = await a_custom_package(bonus="5")
    await a_coupon("MORE", bonus_tokens=Decimal(20))

    await is_paid(await orders(aurora, "100", package_id=package.id, coupon="MORE"), at=NOON)

    lots = await db.fetch("SELECT kind, granted_tokens FROM token_lots ORDER BY kind")
    assert [tuple(lot.values()) for lot in lots] == [("BONUS", 25), ("PAID", 100)]


@pytest.mark.parametrize(("limit", "buyers"), [(1, 12), (5, 12), (12, 12)])
async def test_of_many_placings_at_once_exactly_as_many_succeed_as_the_limit_allows(
    db: Connection, limit: int, buyers: int
) -> None:
    # given
    organizations = [await a_payer() for _ in range(buyers)]
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=limit)

    # when
    told = await asyncio.gather(*(outcome(one, tokens="10", coupon="SPRING") for one in organizations))

    # then
    assert sorted(told) == ["COUPON_EXHAUSTED"] * (buyers - limit) + ["placed"] * limit
    assert await uses(db) == [("SPRING", limit)]
    assert len(await db.fetch("SELECT 1 FROM token_purchases")) == limit
    assert await redemptions(db) == [("reserved", False)] * limit
    assert await violations(db) == []


async def test_of_one_organizations_placings_at_once_exactly_its_own_limit_succeeds(db: Connection) -> None:
    # given
    aurora, boreal = await a_payer(), await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=5, max_per_organization=3)

    # when
    buyers = [aurora] * 8 + [boreal] * 8
    told = await asyncio.gather(*(outcome(one, tokens="10", coupon="SPRING") for one in buyers))

    # then
    assert (told[:8].count("placed"), told[8:].count("placed")) in ((3, 2), (2, 3))
    rows = await db.fetch("SELECT count(*) AS times FROM coupon_redemptions GROUP BY organization_id ORDER BY 1")
    assert [row["times"] for row in rows] == [2, 3]
    assert await uses(db) == [("SPRING", 5)]
    assert await violations(db) == []


async def test_a_refusal_says_whose_limit_was_reached(db: Connection) -> None:
    aurora, boreal = await a_payer(), await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=1)
    await a_coupon("MINE", share=Decimal("0.1"), max_per_organization=1)
    await orders(aurora, coupon="SPRING")
    await orders(aurora, coupon="MINE")

    with pytest.raises(CouponExhausted) as by_all:
        await orders(boreal, coupon="SPRING")
    with pytest.raises(CouponExhausted) as by_one:
        await orders(aurora, coupon="MINE")
    await orders(boreal, coupon="MINE")

    assert (by_all.value.per_organization, by_one.value.per_organization) == (False, True)


@pytest.mark.parametrize("status", UNPAID)
async def test_a_purchase_that_ends_unpaid_gives_its_coupon_back_once(db: Connection, status: PurchaseStatus) -> None:
    # given
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=1)
    placed = await orders(aurora, coupon="SPRING")
    assert await outcome(aurora, coupon="SPRING") == "COUPON_EXHAUSTED"

    # when
    await closes(placed, status)
    await closes(placed, status)

    # then
    assert await redemptions(db) == [("released", False)]
    assert await uses(db) == [("SPRING", 0)]
    assert await outcome(aurora, coupon="SPRING") == "placed"
    assert await violations(db) == []


async def test_a_coupon_stays_reserved_while_the_payment_is_being_decided(db: Connection) -> None:
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"))
    placed = await orders(aurora, coupon="SPRING")

    async with transaction() as paying:
        await begin_payment(paying, placed.id)

    assert await redemptions(db) == [("reserved", False)]
    assert await violations(db) == []


@pytest.mark.parametrize("status", UNPAID)
async def test_money_that_comes_late_keeps_its_price_and_takes_the_coupon_over_its_limit(
    db: Connection, status: PurchaseStatus
) -> None:
    # given a coupon for one, given back by a purchase that ended, and used by another one
    aurora, boreal = await a_payer(), await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=1)
    late = await orders(aurora, "100", coupon="SPRING", at=NOON)
    await closes(late, status)
    await orders(boreal, "100", coupon="SPRING", at=NOON + MINUTE)

    # when
    await is_paid(late, at=NOON + timedelta(days=1))

    # then
    completed = await require_purchase(db, late.id)
    assert (completed.status, completed.total_amount) == ("completed", Decimal("52.20"))
    assert await redemptions(db) == [("redeemed", True), ("reserved", False)]
    assert await uses(db) == [("SPRING", 2)]
    assert await outcome(boreal, coupon="SPRING") == "COUPON_EXHAUSTED"
    audited = await db.fetch("SELECT details FROM token_audit_logs WHERE action = 'coupon.redeemed'")
    assert [(row["details"]["is_late"], row["details"]["redemptions"]) for row in audited] == [(True, 2)]
    assert await violations(db) == []


async def test_paying_and_giving_up_at_once_leave_the_coupon_counted_once(db: Connection) -> None:
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"))
    placed = await orders(aurora, coupon="SPRING")

    await asyncio.gather(
        *(is_paid(placed, at=NOON) for _ in range(4)), *(closes(placed, PurchaseStatus.EXPIRED) for _ in range(4))
    )

    assert (await require_purchase(db, placed.id)).status == "completed"
    assert [status for status, _ in await redemptions(db)] == ["redeemed"]
    assert await uses(db) == [("SPRING", 1)]
    assert await violations(db) == []


REFUSED: dict[str, tuple[Mapping[str, Any], str | None, type[Refusal]]] = {
    "an unknown code": ({}, "AUTUMN", CouponNotFound),
    "not yet": ({"valid_from": NOON + MINUTE}, None, CouponNotYetValid),
    "no more": ({"valid_until": NOON}, None, CouponExpired),
    "another currency": ({"amount": Decimal(5), "currency": "EUR"}, None, CouponNotApplicable),
    "too few tokens": ({"min_tokens": Decimal(101)}, None, CouponNotApplicable),
    "too cheap": ({"min_subtotal": Decimal("50.01"), "currency": "USD"}, None, CouponNotApplicable),
}


@pytest.mark.parametrize(("terms", "code", "kind"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_coupon_that_cannot_be_used_is_refused_and_nothing_is_placed(
    db: Connection, terms: Mapping[str, Any], code: str | None, kind: type[Refusal]
) -> None:
    aurora = await a_payer()
    await a_coupon("SPRING", **terms)

    with pytest.raises(kind):
        await orders(aurora, "100", coupon=code or "SPRING")

    assert await db.fetch("SELECT 1 FROM token_purchases") == []
    assert await redemptions(db) == []
    assert await uses(db) == [("SPRING", 0)]


async def test_a_coupon_is_good_from_its_first_instant_until_before_its_last(db: Connection) -> None:
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), valid_from=NOON, valid_until=NOON + MINUTE)
    moments = (NOON - timedelta(microseconds=1), NOON, NOON + MINUTE - timedelta(microseconds=1), NOON + MINUTE)

    told = [await outcome(aurora, coupon="SPRING", at=moment) for moment in moments]

    assert told == ["COUPON_NOT_YET_VALID", "placed", "placed", "COUPON_EXPIRED"]


async def test_a_coupon_of_some_packages_goes_with_those_alone(db: Connection) -> None:
    aurora = await a_payer()
    mine, other = await a_custom_package(), await a_custom_package()
    await a_coupon("SPRING", share=Decimal("0.1"), package_ids=[mine.id])

    told = [await outcome(aurora, package_id=one, coupon="SPRING") for one in (mine.id, other.id, None)]

    assert told == ["placed", "COUPON_NOT_APPLICABLE", "COUPON_NOT_APPLICABLE"]


async def test_a_minor_unit_remains_where_there_are_no_others(db: Connection) -> None:
    aurora = await an_organization(wallet=defaults(currency="JPY", price="1", tax_rate="0.1"))
    await a_coupon("SPRING", share=Decimal("0.999999"))

    offered = await quote(db, aurora.id, Wish(None, Decimal(100), "SPRING"), at=NOON)
    with pytest.raises(CouponNotApplicable) as refusal:
        await quote(db, aurora.id, Wish(None, Decimal(1), "SPRING"), at=NOON)

    assert (offered.price.discount, offered.price.total) == (Decimal(99), Decimal(1))
    assert refusal.value.reason == "nothing_to_take_off"


async def test_a_refusal_after_the_price_leaves_the_coupon_unused(db: Connection) -> None:
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"), max_redemptions=1)
    order = PurchaseOrder(aurora.id, Wish(None, Decimal(100), "SPRING"), None, "order", "user/test", Decimal("58.00"))

    with pytest.raises(PriceChanged):
        async with transaction() as placing:
            await place(placing, order, at=NOON)

    assert await uses(db) == [("SPRING", 0)]
