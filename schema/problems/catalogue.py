"""Refusals of the catalogue as the API tells them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from models import errors
from schema.enums import CouponMismatch
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="Such a package cannot be sold.")
class InvalidPackage(Problem):
    field: str = strawberry.field(description="The input's field that is wrong.")
    reason: str = strawberry.field(description="Why, in words.")


@strawberry.type(description="These tiers make no schedule.")
class InvalidTiers(Problem):
    reason: str = strawberry.field(description="Why, in words.")


@strawberry.type(description="There can be no such coupon.")
class InvalidCoupon(Problem):
    field: str = strawberry.field(description="The input's field that is wrong.")
    reason: str = strawberry.field(description="Why, in words.")


@strawberry.type(description="There is, or was, another coupon with this code. A code is given once, for ever.")
class CouponCodeTaken(Problem):
    pass


@strawberry.type(description="No coupon has this code.")
class CouponNotFound(Problem):
    pass


@strawberry.type(description="The coupon's time has not come.")
class CouponNotYetValid(Problem):
    valid_from: datetime = strawberry.field(description="From when it can be used.")


@strawberry.type(description="The coupon's time is over, or it was withdrawn.")
class CouponExpired(Problem):
    ended_at: datetime = strawberry.field(description="When it ended.")


@strawberry.type(description="The coupon was used as often as it may be. Purchases that are still open count.")
class CouponExhausted(Problem):
    per_organization: bool = strawberry.field(
        description="Whether it is the organization that has used up its share; otherwise everybody together has."
    )


@strawberry.type(description="The coupon does not go with this purchase.")
class CouponNotApplicable(Problem):
    reason: CouponMismatch = strawberry.field(description="Why.")


@strawberry.type(description="No such quote, or not the organization's.")
class QuoteNotFound(Problem):
    pass


@strawberry.type(description="The quote holds its price no more; ask for a new one.")
class QuoteExpired(Problem):
    expired_at: datetime = strawberry.field(description="Until when it held.")


@strawberry.type(description="A purchase was placed at this quote, whatever became of it. A quote is good once.")
class QuoteUsed(Problem):
    used_at: datetime = strawberry.field(description="When.")


@strawberry.type(description="The rate card has no such operation.")
class OperationNotFound(Problem):
    operation: str = strawberry.field(description="The name that was asked for.")


@strawberry.type(description="Not a number of units that can be priced.")
class InvalidUnits(Problem):
    minimum: Decimal = strawberry.field(description="The fewest units.")
    maximum: Decimal = strawberry.field(description="The most units.")
    decimal_places: int = strawberry.field(description="The most decimal places.")


@strawberry.type(description="Not a price in tokens.")
class InvalidRate(Problem):
    minimum: Decimal = strawberry.field(description="The fewest tokens per unit.")
    maximum: Decimal = strawberry.field(description="The most tokens per unit.")
    decimal_places: int = strawberry.field(description="The most decimal places.")


def _wrong_field(refusal: errors.InvalidPackage | errors.InvalidCoupon) -> dict[str, Any]:
    return {"field": to_camel_case(refusal.field), "reason": refusal.reason}


def _mismatch(refusal: errors.CouponNotApplicable) -> dict[str, Any]:
    return {"reason": CouponMismatch(refusal.reason)}


_BOUNDS: Callable[[Any], dict[str, Any]] = same("minimum", "maximum", "decimal_places")

PROBLEMS: Shown = {
    errors.InvalidPackage: (InvalidPackage, _wrong_field),
    errors.InvalidTiers: (InvalidTiers, same("reason")),
    errors.InvalidCoupon: (InvalidCoupon, _wrong_field),
    errors.CouponCodeTaken: (CouponCodeTaken, same()),
    errors.CouponNotFound: (CouponNotFound, same()),
    errors.CouponNotYetValid: (CouponNotYetValid, same("valid_from")),
    errors.CouponExpired: (CouponExpired, same("ended_at")),
    errors.CouponExhausted: (CouponExhausted, same("per_organization")),
    errors.CouponNotApplicable: (CouponNotApplicable, _mismatch),
    errors.QuoteNotFound: (QuoteNotFound, same()),
    errors.QuoteExpired: (QuoteExpired, same("expired_at")),
    errors.QuoteUsed: (QuoteUsed, same("used_at")),
    errors.OperationNotFound: (OperationNotFound, same("operation")),
    errors.InvalidUnits: (InvalidUnits, _BOUNDS),
    errors.InvalidRate: (InvalidRate, _BOUNDS),
}
