"""Coupons: what one is, when it may be used, and what it takes off.

A coupon takes a share or an amount off the price before tax, or gives bonus tokens on top. Nothing is sold for nothing:
whatever a coupon says, at least one minor unit of the currency remains to be paid, so that every purchase has a
payment, a cost and an invoice. To give tokens away there are grants.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from rules.packages import BONUS_MAX, PRICE_MAX, Misfit
from rules.pricing import TOKEN_PLACES, TOKENS_MAX, places_of, round_half_up

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}")
SHARE_MAX_PLACES = 6
REDEMPTIONS_MAX = 1_000_000_000
PACKAGES_MAX = 50


class CouponBenefit(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"
    BONUS_TOKENS = "bonus_tokens"


class CouponMismatch(StrEnum):
    """Why a coupon does not go with a purchase."""

    OTHER_PACKAGE = "other_package"
    OTHER_CURRENCY = "other_currency"
    TOO_FEW_TOKENS = "too_few_tokens"
    SUBTOTAL_TOO_LOW = "subtotal_too_low"
    NOTHING_TO_TAKE_OFF = "nothing_to_take_off"


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """What a coupon gives and on what terms. Exactly one of share, amount and bonus tokens, as its benefit says.

    share           0 < share < 1: 0.10 is 10 % off.
    currency        of `amount` and `min_subtotal`; None when there is neither.
    valid_until     excluded; None for no end. `valid_from` None for at once.
    max_redemptions, max_per_organization   None for no limit.
    package_ids     the packages it goes with; empty for everything that is sold.
    """

    benefit: CouponBenefit
    share: Decimal | None = None
    amount: Decimal | None = None
    bonus_tokens: Decimal | None = None
    currency: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    max_redemptions: int | None = None
    max_per_organization: int | None = None
    min_tokens: Decimal | None = None
    min_subtotal: Decimal | None = None
    package_ids: Collection[UUID] = ()


@dataclass(frozen=True, slots=True)
class Basket:
    """What a coupon is held against: what is bought, and what it costs before tax without the coupon."""

    package_id: UUID | None
    tokens: Decimal
    subtotal: Decimal
    currency: str
    minor_places: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a coupon takes off the subtotal, and the bonus tokens it gives."""

    discount: Decimal
    bonus_tokens: Decimal


def code_of(text: str) -> str | None:
    """A code as it is kept, in capitals; None for what can be no code: 3 to 40 letters, digits, `_` and `-`."""
    # Only plain letters: other scripts have letters whose capitals are plain ones, such as the long s.
    code = text.strip().upper() if text.isascii() else ""
    return code if CODE.fullmatch(code) else None


def unfit(terms: CouponTerms, basket: Basket) -> CouponMismatch | None:
    """Why the coupon does not go with a purchase, or None when it does. Times and limits are asked elsewhere."""
    if terms.package_ids and basket.package_id not in terms.package_ids:
        return CouponMismatch.OTHER_PACKAGE
    if terms.currency is not None and terms.currency != basket.currency:
        return CouponMismatch.OTHER_CURRENCY
    if terms.min_tokens is not None and basket.tokens < terms.min_tokens:
        return CouponMismatch.TOO_FEW_TOKENS
    if terms.min_subtotal is not None and basket.subtotal < terms.min_subtotal:
        return CouponMismatch.SUBTOTAL_TOO_LOW
    taken = take_off(terms, basket)
    return CouponMismatch.NOTHING_TO_TAKE_OFF if not taken.discount and not taken.bonus_tokens else None


def take_off(terms: CouponTerms, basket: Basket) -> Taken:
    """What the coupon gives: a discount rounded once, half up, that leaves at least one minor unit; or bonus tokens."""
    if terms.benefit is CouponBenefit.BONUS_TOKENS:
        return Taken(Decimal(0), terms.bonus_tokens or Decimal(0))
    wanted = terms.amount or Decimal(0)
    if terms.benefit is CouponBenefit.PERCENT:
        wanted = basket.subtotal * (terms.share or Decimal(0))
    most = basket.subtotal - Decimal(1).scaleb(-basket.minor_places)
    return Taken(min(round_half_up(wanted, basket.minor_places), most), Decimal(0))


def misfit(terms: CouponTerms, minor_places: int | None) -> Misfit | None:
    """What is wrong with a coupon's terms, or None. `minor_places` are those of its currency, None without one."""
    return _benefit_misfit(terms, minor_places) or _limits_misfit(terms, minor_places)


def _benefit_misfit(terms: CouponTerms, minor_places: int | None) -> Misfit | None:
    values = {
        CouponBenefit.PERCENT: ("share", terms.share),
        CouponBenefit.AMOUNT: ("amount", terms.amount),
        CouponBenefit.BONUS_TOKENS: ("bonus_tokens", terms.bonus_tokens),
    }
    for benefit, (field, value) in values.items():
        if (value is not None) is not (benefit is terms.benefit):
            return Misfit(field, "A coupon gives exactly one thing: a share, an amount, or bonus tokens.")
    share, amount, bonus = terms.share, terms.amount, terms.bonus_tokens
    # A whole price off would be a purchase without a payment; whoever wants to give tokens away grants them.
    if share is not None and (not 0 < share < 1 or places_of(share) > SHARE_MAX_PLACES):
        return Misfit("share", "It must be more than 0 and less than 1, with at most 6 decimal places.")
    if amount is not None and (not 0 < amount <= PRICE_MAX or places_of(amount) > (minor_places or 0)):
        return Misfit("amount", "It must be more than 0, at most 1000000000, and exact in its currency.")
    if bonus is not None and (not 0 < bonus <= BONUS_MAX or places_of(bonus) > TOKEN_PLACES):
        return Misfit("bonus_tokens", "They must be more than 0 and at most 1000000, with at most 4 decimal places.")
    return None


def _limits_misfit(terms: CouponTerms, minor_places: int | None) -> Misfit | None:
    tokens, subtotal = terms.min_tokens, terms.min_subtotal
    if tokens is not None and (not 0 < tokens <= TOKENS_MAX or places_of(tokens) > TOKEN_PLACES):
        return Misfit("min_tokens", "They must be more than 0 and at most 1000000, with at most 4 decimal places.")
    if subtotal is not None and (not 0 < subtotal <= PRICE_MAX or places_of(subtotal) > (minor_places or 0)):
        return Misfit("min_subtotal", "It must be more than 0, at most 1000000000, and exact in its currency.")
    for field in ("max_redemptions", "max_per_organization"):
        limit = getattr(terms, field)
        if limit is not None and not 1 <= limit <= REDEMPTIONS_MAX:
            return Misfit(field, "It must be between 1 and 1000000000.")
    if terms.valid_from is not None and terms.valid_until is not None and terms.valid_until <= terms.valid_from:
        return Misfit("valid_until", "It must be later than validFrom.")
    if len(terms.package_ids) > PACKAGES_MAX:
        return Misfit("package_ids", f"There may be at most {PACKAGES_MAX}.")
    return None
