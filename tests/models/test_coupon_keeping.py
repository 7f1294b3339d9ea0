"""Coupons as their keepers make, list and withdraw them."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from models.coupons import CouponDraft, create_coupon, read_coupons, withdraw_coupon
from models.database import Connection
from models.errors import (
    CouponCodeTaken,
    CouponNotFound,
    IdempotencyConflict,
    InvalidCoupon,
    PackageNotFound,
)
from rules.coupons import CouponBenefit, CouponTerms
from rules.purchases import PurchaseStatus
from schema.ids import read_id
from tests.builders import a_package, is_paid
from tests.offers import KEEPER, MINUTE, NOON, a_coupon, a_payer, orders, outcome, redemptions, uses

TEN_PERCENT = CouponDraft("SPRING", "", CouponTerms(CouponBenefit.PERCENT, share=Decimal("0.1")))
UNPAID = (PurchaseStatus.FAILED, PurchaseStatus.CANCELLED, PurchaseStatus.EXPIRED)


async def test_a_withdrawn_coupon_is_used_no_more_and_its_purchases_keep_it(db: Connection) -> None:
    # given
    aurora = await a_payer()
    await a_coupon("SPRING", share=Decimal("0.1"))
    placed = await orders(aurora, coupon="SPRING")

    # when
    withdrawn = await withdraw_coupon("SPRING", KEEPER, at=NOON + MINUTE)
    again = await withdraw_coupon("SPRING", KEEPER, at=NOON + 2 * MINUTE)

    # then
    assert withdrawn.withdrawn_at == again.withdrawn_at == NOON + MINUTE
    assert await outcome(aurora, coupon="SPRING", at=NOON + MINUTE) == "COUPON_EXPIRED"
    await is_paid(placed, at=NOON + MINUTE)
    assert await redemptions(db) == [("redeemed", False)]
    assert len(await db.fetch("SELECT 1 FROM token_audit_logs WHERE action = 'coupon.withdrawn'")) == 1
    with pytest.raises(CouponNotFound):
        await withdraw_coupon("AUTUMN", KEEPER, at=NOON)


async def test_a_coupon_is_made_once_by_its_key_and_its_code_is_given_once(db: Connection) -> None:
    made, replayed = await create_coupon("one", TEN_PERCENT, KEEPER)
    again, replayed_then = await create_coupon("one", TEN_PERCENT, KEEPER)
    with pytest.raises(IdempotencyConflict):
        await create_coupon("one", replace(TEN_PERCENT, code="SUMMER"), KEEPER)
    with pytest.raises(CouponCodeTaken):
        await create_coupon("two", TEN_PERCENT, KEEPER)

    assert (made, replayed, replayed_then) == (again, False, True)
    assert await uses(db) == [("SPRING", 0)]
    (row,) = await db.fetch("SELECT details::text AS details FROM token_audit_logs WHERE action = 'coupon.created'")
    assert "SPRING" not in row["details"]


async def test_twenty_at_once_give_a_code_to_one(db: Connection) -> None:
    async def makes(key: str) -> str:
        try:
            await create_coupon(key, TEN_PERCENT, KEEPER)
        except CouponCodeTaken:
            return "taken"
        return "made"

    told = await asyncio.gather(*(makes(f"key {number}") for number in range(20)))

    assert sorted(told) == ["made"] + ["taken"] * 19
    assert await uses(db) == [("SPRING", 0)]


async def test_a_coupon_that_cannot_be_is_not_made(db: Connection) -> None:
    everything = replace(TEN_PERCENT, terms=replace(TEN_PERCENT.terms, share=Decimal(1)))
    unknown = replace(TEN_PERCENT, terms=replace(TEN_PERCENT.terms, package_ids=[(await a_payer()).id]))

    with pytest.raises(InvalidCoupon):
        await create_coupon("one", everything, KEEPER)
    with pytest.raises(PackageNotFound):
        await create_coupon("one", unknown, KEEPER)

    assert await uses(db) == []


async def test_coupons_are_listed_newest_first_with_their_packages(db: Connection) -> None:
    package = read_id(await a_package("100"), "TokenPackage")
    for code in ("ONE", "TWO", "THREE"):
        await a_coupon(code, share=Decimal("0.1"), package_ids=[package])

    first = await read_coupons(db, limit=2, before=None)
    rest = await read_coupons(db, limit=2, before=(first[-1].created_at, first[-1].id))

    assert [view.code for view in (*first, *rest)] == ["THREE", "TWO", "ONE"]
    assert [list(view.terms.package_ids) for view in (*first, *rest)] == [[package]] * 3
