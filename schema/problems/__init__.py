"""Refusals as the API tells them: one small type each, all of them `Problem`s, members of the mutations' results."""

from typing import Any

from strawberry.schema.exception_handlers import ExceptionHandler

from models import errors
from schema.problems import access, administration, buying, holds, jobs, notices, tokens
from schema.problems.access import (
    OrganizationNotFound,
    SessionEnded,
    SignInRefused,
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
    "Problem",
    "PurchaseNotCancellable",
    "PurchaseNotFound",
    "SessionEnded",
    "SettingNotAllowed",
    "SignInRefused",
    "TokenSystemDisabled",
    "WalletBusy",
    "WalletNotFound",
    "WalletSuspended",
    "problem_of",
]

PROBLEMS: Shown = {
    **tokens.PROBLEMS,
    **buying.PROBLEMS,
    **holds.PROBLEMS,
    **access.PROBLEMS,
    **administration.PROBLEMS,
    **jobs.PROBLEMS,
    **notices.PROBLEMS,
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
