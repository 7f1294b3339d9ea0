"""What the domain refuses, as data.

    Refusal
    ├── tokens: WalletNotFound, WalletSuspended, InsufficientTokens, InvalidTokens, InvalidExpiry,
    │           IdempotencyConflict, TokenSystemDisabled
    ├── buying: PackageNotFound, PackageWithdrawn, PriceChanged, PaymentMethodNotFound, PaymentMethodRejected,
    │           PurchaseNotFound, PurchaseNotCancellable
    ├── holds:  HoldNotFound, HoldResolved, HoldTooLong, InvalidHoldTime, CaptureExceedsHold, BudgetExceeded,
    │           BudgetNotFound, BudgetSubjectNotFound, WalletBusy, BatchRefused, InvalidBatch
    ├── access: OrganizationNotFound, SignInRefused, SessionEnded
    ├── jobs: JobNotFound, JobsDisabled
    ├── notices: NoticeNotFound
    └── administration: InvalidSetting, SettingNotAllowed

A refusal is an answer, not a fault: nothing moved, and the caller is told why in fields, not in prose. Refusals of
operations with an idempotency key are remembered and given again. Anything else that is raised is a fault.
"""

from models.errors.access import (
    OrganizationNotFound,
    SessionEnded,
    SignInRefused,
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
    "BatchRefused",
    "BudgetExceeded",
    "BudgetNotFound",
    "BudgetSubjectNotFound",
    "CaptureExceedsHold",
    "HoldNotFound",
    "HoldResolved",
    "HoldTooLong",
    "IdempotencyConflict",
    "InsufficientTokens",
    "InvalidBatch",
    "InvalidExpiry",
    "InvalidHoldTime",
    "InvalidSetting",
    "InvalidTokens",
    "JobNotFound",
    "JobsDisabled",
    "NoticeNotFound",
    "OrganizationNotFound",
    "PackageNotFound",
    "PackageWithdrawn",
    "PaymentMethodNotFound",
    "PaymentMethodRejected",
    "PriceChanged",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "Refusal",
    "SessionEnded",
    "SettingNotAllowed",
    "SignInRefused",
    "TokenSystemDisabled",
    "WalletBusy",
    "WalletNotFound",
    "WalletSuspended",
    "all_refusals",
    "refusal_as_answer",
    "refusal_from_answer",
]
