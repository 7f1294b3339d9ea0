"""What the domain refuses, as data.

    Refusal
    ├── tokens: WalletNotFound, WalletSuspended, InsufficientTokens, InvalidTokens, InvalidExpiry,
    │           IdempotencyConflict, TokenSystemDisabled
    ├── buying: PackageNotFound, PackageWithdrawn, PriceChanged, PaymentMethodNotFound, PaymentMethodRejected,
    │           PurchaseNotFound, PurchaseNotCancellable
    └── access: OrganizationNotFound, SlugTaken, MemberNotFound, EmailTaken, PermissionNotGrantable, LastAdministrator,
                ApiKeyNotFound, InvalidKeyExpiry, TooManyApiKeys, SignInRefused, SignInLocked, SessionEnded,
                WrongPassword, InvalidPassword

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
from models.errors.buying import (
    PackageNotFound,
    PackageWithdrawn,
    PaymentMethodNotFound,
    PaymentMethodRejected,
    PriceChanged,
    PurchaseNotCancellable,
    PurchaseNotFound,
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
    "ApiKeyNotFound",
    "EmailTaken",
    "IdempotencyConflict",
    "InsufficientTokens",
    "InvalidExpiry",
    "InvalidKeyExpiry",
    "InvalidPassword",
    "InvalidTokens",
    "LastAdministrator",
    "MemberNotFound",
    "OrganizationNotFound",
    "PackageNotFound",
    "PackageWithdrawn",
    "PaymentMethodNotFound",
    "PaymentMethodRejected",
    "PermissionNotGrantable",
    "PriceChanged",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "Refusal",
    "SessionEnded",
    "SignInLocked",
    "SignInRefused",
    "SlugTaken",
    "TokenSystemDisabled",
    "TooManyApiKeys",
    "WalletNotFound",
    "WalletSuspended",
    "WrongPassword",
    "all_refusals",
    "refusal_as_answer",
    "refusal_from_answer",
]
