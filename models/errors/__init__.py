"""What the domain refuses, as data.

    Refusal
    ├── tokens: WalletNotFound, WalletSuspended, InsufficientTokens, InvalidTokens, InvalidExpiry,
    │           IdempotencyConflict, TokenSystemDisabled
    ├── buying: PackageNotFound, PackageWithdrawn, PriceChanged, PaymentMethodNotFound, PaymentMethodRejected,
    │           PurchaseNotFound, PurchaseNotCancellable
    ├── catalogue: InvalidPackage, InvalidTiers, InvalidCoupon, CouponCodeTaken, CouponNotFound, CouponNotYetValid,
    │           CouponExpired, CouponExhausted, CouponNotApplicable, QuoteNotFound, QuoteExpired, QuoteUsed,
    │           OperationNotFound, InvalidUnits, InvalidRate
    └── access: OrganizationNotFound, SignInRefused, SessionEnded

A refusal is an answer, not a fault: nothing moved, and the caller is told why in fields, not in prose. Refusals of
operations with an idempotency key are remembered and given again. Anything else that is raised is a fault.
"""

from models.errors.access import (
    OrganizationNotFound,
    SessionEnded,
    SignInRefused,
)
from models.errors.buying import (
    PackageNotFound,
    PackageWithdrawn,
    PaymentMethodNotFound,
    PaymentMethodRejected,
    PriceChanged,
    PurchaseNotCancellable,
    PurchaseNotFound,
)
from models.errors.catalogue import (
    CouponCodeTaken,
    CouponExhausted,
    CouponExpired,
    CouponNotApplicable,
    CouponNotFound,
    CouponNotYetValid,
    InvalidCoupon,
    InvalidPackage,
    InvalidRate,
    InvalidTiers,
    InvalidUnits,
    OperationNotFound,
    QuoteExpired,
    QuoteNotFound,
    QuoteUsed,
)
from models.errors.refusals import Refusal, all_refusals, refusal_as_answer, refusal_from_answer
from models.errors.tokens import (
    IdempotencyConflict,
    InsufficientTokens,
    InvalidExpiry,
    InvalidTokens,
    TokenSystemDisabled,
    WalletNotFound,
    WalletSuspended,
)

__all__ = [
    "CouponCodeTaken",
    "CouponExhausted",
    "CouponExpired",
    "CouponNotApplicable",
    "CouponNotFound",
    "CouponNotYetValid",
    "IdempotencyConflict",
    "InsufficientTokens",
    "InvalidCoupon",
    "InvalidExpiry",
    "InvalidPackage",
    "InvalidRate",
    "InvalidTiers",
    "InvalidTokens",
    "InvalidUnits",
    "OperationNotFound",
    "OrganizationNotFound",
    "PackageNotFound",
    "PackageWithdrawn",
    "PaymentMethodNotFound",
    "PaymentMethodRejected",
    "PriceChanged",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "QuoteExpired",
    "QuoteNotFound",
    "QuoteUsed",
    "Refusal",
    "SessionEnded",
    "SignInRefused",
    "TokenSystemDisabled",
    "WalletNotFound",
    "WalletSuspended",
    "all_refusals",
    "refusal_as_answer",
    "refusal_from_answer",
]
