"""Coupons: what they take off, when they go with a purchase, and which there can be."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.coupons import Basket, CouponBenefit, CouponMismatch, CouponTerms, code_of, misfit, take_off, unfit
from rules.pricing import discounted, price_amount
from rules.purchases import PurchaseStatus
from rules.redemptions import RedemptionStatus, status_for

USD, JPY, BHD = 2, 0, 3
STARTER, BUSINESS = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def percent(share: str) -> CouponTerms:
    return CouponTerms(CouponBenefit.PERCENT, share=Decimal(share))


def amount(off: str, currency: str = "USD") -> CouponTerms:
    return CouponTerms(CouponBenefit.AMOUNT, amount=Decimal(off), currency=currency)


def bonus(tokens: str) -> CouponTerms:
    return CouponTerms(CouponBenefit.BONUS_TOKENS, bonus_tokens=Decimal(tokens))


def basket(subtotal: str = "50.00", places: int = USD, *, tokens: str = "100", package: UUID | None = None) -> Basket:
    return Basket(package, Decimal(tokens), Decimal(subtotal), "USD", places)


# coupon, price before tax, places of the currency: off, bonus tokens
TAKEN = [
    (percent("0.1"), "50.00", USD, "5.00", "0"),
    # Half a cent is a cent off.
    (percent("0.1"), "0.25", USD, "0.03", "0"),
    (percent("0.125"), "99.99", USD, "12.50", "0"),
    (percent("0.333333"), "1000", JPY, "333", "0"),
    (percent("0.05"), "4.700", BHD, "0.235", "0"),
    # Nothing is sold for nothing: one minor unit always remains.
    (percent("0.999999"), "50.00", USD, "49.99", "0"),
    (percent("0.5"), "1", JPY, "0", "0"),
    (amount("5"), "50.00", USD, "5.00", "0"),
    (amount("50"), "50.00", USD, "49.99", "0"),
    (amount("1000"), "50.00", USD, "49.99", "0"),
    (amount("5"), "0.01", USD, "0.00", "0"),
    (bonus("25"), "50.00", USD, "0", "25"),
]


@pytest.mark.parametrize(("terms", "subtotal", "places", "off", "tokens"), TAKEN)
def test_what_a_coupon_gives(terms: CouponTerms, subtotal: str, places: int, off: str, tokens: str) -> None:
    taken = take_off(terms, basket(subtotal, places))

    assert (taken.discount, taken.bonus_tokens) == (Decimal(off), Decimal(tokens))


UNFIT = {
    "goes": (percent("0.1"), basket(), None),
    "its package": (replace(percent("0.1"), package_ids=(STARTER,)), basket(package=STARTER), None),
    "another package": (
        replace(percent("0.1"), package_ids=(STARTER,)), basket(package=BUSINESS), CouponMismatch.OTHER_PACKAGE
    ),
    "plain tokens instead of a package": (
        replace(percent("0.1"), package_ids=(STARTER,)), basket(), CouponMismatch.OTHER_PACKAGE
    ),
    "another currency": (amount("5", "EUR"), basket(), CouponMismatch.OTHER_CURRENCY),
    "just enough tokens": (replace(percent("0.1"), min_tokens=Decimal(100)), basket(), None),
    "a token too few": (replace(percent("0.1"), min_tokens=Decimal(101)), basket(), CouponMismatch.TOO_FEW_TOKENS),
    "just dear enough": (replace(amount("5"), min_subtotal=Decimal(50)), basket(), None),
    "a cent too cheap": (
        replace(amount("5"), min_subtotal=Decimal("50.01")), basket(), CouponMismatch.SUBTOTAL_TOO_LOW
    ),
    "a cent that must remain": (amount("5"), basket("0.01"), CouponMismatch.NOTHING_TO_TAKE_OFF),
    "a share that rounds to nothing": (percent("0.01"), basket("0.10"), CouponMismatch.NOTHING_TO_TAKE_OFF),
    "a bonus on a cent": (bonus("5"), basket("0.01"), None),
}  # fmt: skip


@pytest.mark.parametrize(("terms", "bought", "reason"), UNFIT.values(), ids=UNFIT.keys())
def test_whether_a_coupon_goes_with_a_purchase(
    terms: CouponTerms, bought: Basket, reason: CouponMismatch | None
) -> None:
    assert unfit(terms, bought) is reason


MISFITS: dict[str, tuple[CouponTerms, str]] = {
    "nothing at all": (CouponTerms(CouponBenefit.PERCENT), "share"),
    "two things": (replace(percent("0.1"), bonus_tokens=Decimal(5)), "bonus_tokens"),
    "no share": (percent("0"), "share"),
    "a share below zero": (percent("-0.1"), "share"),
    "everything for nothing": (percent("1"), "share"),
    "a share with seven places": (percent("0.0000001"), "share"),
    "no amount": (amount("0"), "amount"),
    "an amount finer than a cent": (amount("0.001"), "amount"),
    "an amount too large": (amount("1000000000.01"), "amount"),
    "no bonus": (bonus("0"), "bonus_tokens"),
    "a bonus with five places": (bonus("0.00001"), "bonus_tokens"),
    "a bonus too large": (bonus("1000001"), "bonus_tokens"),
    "no tokens at least": (replace(percent("0.1"), min_tokens=Decimal(0)), "min_tokens"),
    "no price at least": (replace(amount("5"), min_subtotal=Decimal(0)), "min_subtotal"),
    "never to be used": (replace(percent("0.1"), max_redemptions=0), "max_redemptions"),
    "never by anybody": (replace(percent("0.1"), max_per_organization=-1), "max_per_organization"),
    "ended when it begins": (replace(percent("0.1"), valid_from=NOON, valid_until=NOON), "valid_until"),
    "for too many packages": (replace(percent("0.1"), package_ids=[UUID(int=n) for n in range(51)]), "package_ids"),
}


@pytest.mark.parametrize(("terms", "field"), MISFITS.values(), ids=MISFITS.keys())
def test_a_coupon_that_cannot_be_is_told_by_its_field(terms: CouponTerms, field: str) -> None:
    wrong = misfit(terms, USD if terms.currency else None)

    assert wrong is not None
    assert wrong.field == field


@pytest.mark.parametrize("terms", [percent("0.999999"), amount("0.01"), bonus("0.0001")])
def test_the_least_and_the_most_a_coupon_can_give_are_fine(terms: CouponTerms) -> None:
    assert misfit(terms, USD if terms.currency else None) is None


CODES = {
    "spring": "SPRING",
    "  Spring-26 ": "SPRING-26",
    "A_1": "A_1",
    "x" * 40: "X" * 40,
    "ab": None,
    "x" * 41: None,
    "-ab": None,
    "a b c": None,
    "fühling": None,
    "ſpring": None,
    "": None,
}


def test_a_code_is_read_in_any_letter_case_and_nothing_else_is_one() -> None:
    assert {text: code_of(text) for text in CODES} == CODES


RESERVED, REDEEMED, RELEASED = RedemptionStatus.RESERVED, RedemptionStatus.REDEEMED, RedemptionStatus.RELEASED
FOLLOWS = {
    PurchaseStatus.PENDING: RESERVED,
    PurchaseStatus.PROCESSING: RESERVED,
    PurchaseStatus.REQUIRES_ACTION: RESERVED,
    PurchaseStatus.COMPLETED: REDEEMED,
    PurchaseStatus.REFUNDED: REDEEMED,
    PurchaseStatus.PARTIALLY_REFUNDED: REDEEMED,
    PurchaseStatus.FAILED: RELEASED,
    PurchaseStatus.CANCELLED: RELEASED,
    PurchaseStatus.EXPIRED: RELEASED,
}


def test_a_redemption_follows_its_purchase() -> None:
    assert {status: status_for(status) for status in PurchaseStatus} == FOLLOWS


cents = st.integers(1, 10**9).map(lambda number: Decimal(number) / 100)
shares = st.integers(1, 999_999).map(lambda number: Decimal(number) / 1_000_000)


@given(cents, st.one_of(shares.map(lambda s: percent(str(s))), cents.map(lambda a: amount(str(a)))))
def test_something_remains_to_be_paid_and_the_price_adds_up(subtotal: Decimal, terms: CouponTerms) -> None:
    listed = price_amount(subtotal, tokens=Decimal(100), tax_rate=Decimal("0.16"), minor_places=USD)
    taken = take_off(terms, basket(str(subtotal)))

    price = discounted(listed, taken.discount, minor_places=USD)

    assert 0 <= taken.discount < subtotal
    assert price.subtotal == subtotal - taken.discount >= Decimal("0.01")
    assert price.discount == taken.discount
    assert price.total == price.subtotal + price.tax
