"""What the domain refuses, as data.

    Refusal
    ├── tokens: WalletNotFound, WalletSuspended, InsufficientTokens, InvalidTokens, InvalidExpiry,
    │           IdempotencyConflict, TokenSystemDisabled
    ├── buying: PackageNotFound, PackageWithdrawn, PriceChanged, PaymentMethodNotFound, PaymentMethodRejected,
    │           PurchaseNotFound, PurchaseNotCancellable
    ├── holds:  HoldNotFound, HoldResolved, HoldTooLong, InvalidHoldTime, CaptureExceedsHold, BudgetExceeded,
    │           BudgetNotFound, BudgetSubjectNotFound, WalletBusy, BatchRefused, InvalidBatch
    ├── catalogue: InvalidPackage, InvalidTiers, InvalidCoupon, CouponCodeTaken, CouponNotFound, CouponNotYetValid,
    │           CouponExpired, CouponExhausted, CouponNotApplicable, QuoteNotFound, QuoteExpired, QuoteUsed,
    │           OperationNotFound, InvalidUnits, InvalidRate
    ├── access: OrganizationNotFound, SlugTaken, MemberNotFound, EmailTaken, PermissionNotGrantable, LastAdministrator,
    │           ApiKeyNotFound, InvalidKeyExpiry, TooManyApiKeys, SignInRefused, SignInLocked, SessionEnded,
    │           WrongPassword, InvalidPassword
    ├── jobs: JobNotFound, JobsDisabled
    ├── notices: NoticeNotFound
    └── administration: InvalidSetting, SettingNotAllowed

A refusal is an answer, not a fault: nothing moved, and the caller is told why in fields, not in prose. Refusals of
operations with an idempotency key are remembered and given again. Anything else that is raised is a fault.
"""

from models.errors.access import (
    ApiKeyNotFound,
    EmailTaken,
    InvalidKeyExpiry,
    InvalidPassword,
    LastAdministrator,
    MemberNotFound,
    OrganizationNotFound,
    PermissionNotGrantable,
    SessionEnded,
    SignInLocked,
    SignInRefused,
    SlugTaken,
    TooManyApiKeys,
    WrongPassword,
)
from models.errors.administration import InvalidSetting, SettingNotAllowed
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
from models.errors.holds import (
    BatchRefused,
    BudgetExceeded,
    BudgetNotFound,
    BudgetSubjectNotFound,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    HoldTooLong,
    InvalidBatch,
    InvalidHoldTime,
    WalletBusy,
)
from models.errors.jobs import JobNotFound, JobsDisabled
from models.errors.notices import NoticeNotFound
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
    "ApiKeyNotFound",
    "BatchRefused",
    "BudgetExceeded",
    "BudgetNotFound",
    "BudgetSubjectNotFound",
    "CaptureExceedsHold",
    "CouponCodeTaken",
    "CouponExhausted",
    "CouponExpired",
    "CouponNotApplicable",
    "CouponNotFound",
    "CouponNotYetValid",
    "EmailTaken",
    "HoldNotFound",
    "HoldResolved",
    "HoldTooLong",
    "IdempotencyConflict",
    "InsufficientTokens",
    "InvalidBatch",
    "InvalidCoupon",
    "InvalidExpiry",
    "InvalidHoldTime",
    "InvalidKeyExpiry",
    "InvalidPackage",
    "InvalidPassword",
    "InvalidRate",
    "InvalidSetting",
    "InvalidTiers",
    "InvalidTokens",
    "InvalidUnits",
    "JobNotFound",
    "JobsDisabled",
    "LastAdministrator",
    "MemberNotFound",
    "NoticeNotFound",
    "OperationNotFound",
    "OrganizationNotFound",
    "PackageNotFound",
    "PackageWithdrawn",
    "PaymentMethodNotFound",
    "PaymentMethodRejected",
    "PermissionNotGrantable",
    "PriceChanged",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "QuoteExpired",
    "QuoteNotFound",
    "QuoteUsed",
    "Refusal",
    "SessionEnded",
    "SettingNotAllowed",
    "SignInLocked",
    "SignInRefused",
    "SlugTaken",
    "TokenSystemDisabled",
    "TooManyApiKeys",
    "WalletBusy",
    "WalletNotFound",
    "WalletSuspended",
    "WrongPassword",
    "all_refusals",
    "refusal_as_answer",
    "refusal_from_answer",
]
