"""What is refused of the catalogue: packages, tiers, coupons, quotes and the rate card."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class InvalidPackage(Refusal):
    """Such a package cannot be sold; `field` is the one that is wrong."""

    code: ClassVar[str] = "INVALID_PACKAGE"
    field: str
    reason: str

    def sentence(self) -> str:
        return f"The package cannot be sold like this. {self.reason}"


@dataclass(eq=False)
class InvalidTiers(Refusal):
    code: ClassVar[str] = "INVALID_TIERS"
    reason: str

    def sentence(self) -> str:
        return f"These tiers make no schedule. {self.reason}"


@dataclass(eq=False)
class InvalidCoupon(Refusal):
    """There can be no such coupon; `field` is the one that is wrong."""

    code: ClassVar[str] = "INVALID_COUPON"
    field: str
    reason: str

    def sentence(self) -> str:
        return f"There can be no such coupon. {self.reason}"


@dataclass(eq=False)
class CouponCodeTaken(Refusal):
    """A code is given once, for ever: what stands on old invoices must not come to mean something else."""

    code: ClassVar[str] = "COUPON_CODE_TAKEN"

    def sentence(self) -> str:
        return "There is, or was, another coupon with this code."


@dataclass(eq=False)
class CouponNotFound(Refusal):
    code: ClassVar[str] = "COUPON_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such coupon."


@dataclass(eq=False)
class CouponNotYetValid(Refusal):
    code: ClassVar[str] = "COUPON_NOT_YET_VALID"
    valid_from: datetime

    def sentence(self) -> str:
        return f"The coupon is valid from {self.valid_from:%Y-%m-%d %H:%M} UTC."


@dataclass(eq=False)
class CouponExpired(Refusal):
    """Its time is over, or it was withdrawn before."""

    code: ClassVar[str] = "COUPON_EXPIRED"
    ended_at: datetime

    def sentence(self) -> str:
        return f"The coupon ended at {self.ended_at:%Y-%m-%d %H:%M} UTC."


@dataclass(eq=False)
class CouponExhausted(Refusal):
    """It was used as often as it may be; `per_organization` when the buyer alone has used up their share."""

    code: ClassVar[str] = "COUPON_EXHAUSTED"
    per_organization: bool

    def sentence(self) -> str:
        if self.per_organization:
            return "The organization has used the coupon as often as it may."
        return "The coupon has been used as often as it may be."


@dataclass(eq=False)
class CouponNotApplicable(Refusal):
    """It does not go with this purchase; `reason` is one of `rules.coupons.CouponMismatch`."""

    code: ClassVar[str] = "COUPON_NOT_APPLICABLE"
    reason: str

    def sentence(self) -> str:
        return f"The coupon does not go with this purchase: {self.reason.replace('_', ' ')}."


@dataclass(eq=False)
class QuoteNotFound(Refusal):
    code: ClassVar[str] = "QUOTE_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such quote."


@dataclass(eq=False)
class QuoteExpired(Refusal):
    code: ClassVar[str] = "QUOTE_EXPIRED"
    expired_at: datetime

    def sentence(self) -> str:
        return f"The quote held its price until {self.expired_at:%Y-%m-%d %H:%M:%S} UTC."


@dataclass(eq=False)
class QuoteUsed(Refusal):
    """A purchase was placed at this quote's price, whatever became of it."""

    code: ClassVar[str] = "QUOTE_USED"
    used_at: datetime

    def sentence(self) -> str:
        return "The quote has been used."


@dataclass(eq=False)
class OperationNotFound(Refusal):
    code: ClassVar[str] = "OPERATION_NOT_FOUND"
    operation: str

    def sentence(self) -> str:
        return f"The rate card has no operation {self.operation}."


@dataclass(eq=False)
class InvalidUnits(Refusal):
    """Not a number of units that can be priced."""

    code: ClassVar[str] = "INVALID_UNITS"
    minimum: Decimal
    maximum: Decimal
    decimal_places: int = 6

    def sentence(self) -> str:
        return (
            f"Units must be between {self.minimum:f} and {self.maximum:f}"
            f" with at most {self.decimal_places} decimal places."
        )


@dataclass(eq=False)
class InvalidRate(Refusal):
    """Not a price in tokens."""

    code: ClassVar[str] = "INVALID_RATE"
    minimum: Decimal
    maximum: Decimal
    decimal_places: int = 6

    def sentence(self) -> str:
        return (
            f"Tokens per unit must be between {self.minimum:f} and {self.maximum:f}"
            f" with at most {self.decimal_places} decimal places."
        )
