"""Refusals as the API tells them: one small type each, all of them `Problem`s, members of the mutations' results."""

from typing import Any

from strawberry.schema.exception_handlers import ExceptionHandler

from models import errors
from schema.problems import access, administration, buying, catalogue, holds, jobs, notices, tokens
from schema.problems.access import (
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
from schema.problems.administration import InvalidSetting, SettingNotAllowed
from schema.problems.buying import (
    PackageNotFound,
    PackageWithdrawn,
    PaymentMethodNotFound,
    PaymentMethodRejected,
    PriceChanged,
    PurchaseNotCancellable,
    PurchaseNotFound,
)
from schema.problems.catalogue import (
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
from schema.problems.holds import (
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
from schema.problems.jobs import JobNotFound, JobsDisabled
from schema.problems.notices import NoticeNotFound
from schema.problems.problem import Problem, Shown
from schema.problems.tokens import (
    IdempotencyConflict,
    InsufficientTokens,
    InvalidExpiry,
    InvalidTokens,
    TokenSystemDisabled,
    WalletNotFound,
    WalletSuspended,
)

__all__ = [
    "EXCEPTION_HANDLERS",
    "PROBLEMS",
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
    "Problem",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "QuoteExpired",
    "QuoteNotFound",
    "QuoteUsed",
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
    "problem_of",
]

PROBLEMS: Shown = {
    **tokens.PROBLEMS,
    **buying.PROBLEMS,
    **catalogue.PROBLEMS,
    **holds.PROBLEMS,
    **access.PROBLEMS,
    **jobs.PROBLEMS,
    **notices.PROBLEMS,
    **administration.PROBLEMS,
}


def problem_of(refusal: errors.Refusal) -> Problem:
    """The refusal as its GraphQL type; both have the same name."""
    kind, fields = PROBLEMS[type(refusal)]
    problem: Problem = kind(code=refusal.code, message=str(refusal), **fields(refusal))
    return problem


def _handler(refusal: type[errors.Refusal], problem: type[Any]) -> ExceptionHandler[Any]:
    """The one place where a raised refusal of this kind becomes an answer."""

    class Handler:
        exception_type = refusal
        error_type = problem

        def handle(self, exception: errors.Refusal, *, field: Any, info: Any) -> Any:
            return problem_of(exception)

    return Handler()


EXCEPTION_HANDLERS = tuple(_handler(refusal, kind) for refusal, (kind, _) in PROBLEMS.items())
