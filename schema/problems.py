"""Refusals as the API tells them: one small type each, all of them `Problem`s, members of the mutations' results."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from models import errors
from schema.enums import PurchaseStatus
from schema.money import Money, at_token_places, money


@strawberry.interface(description="Why something was refused. Nothing has happened; the fields say what would help.")
class Problem:
    code: str = strawberry.field(description="Stable, for programs.")
    message: str = strawberry.field(description="One sentence, for people.")


@strawberry.type(description="The wallet holds fewer available tokens than are needed.")
class InsufficientTokens(Problem):
    needed: Decimal = strawberry.field(description="Tokens that were asked for.")
    available: Decimal = strawberry.field(description="Tokens that could be used at that instant.")


@strawberry.type(description="Not a number of tokens that this operation takes.")
class InvalidTokens(Problem):
    minimum: Decimal = strawberry.field(description="The fewest tokens it takes.")
    maximum: Decimal = strawberry.field(description="The most tokens it takes.")
    decimal_places: int = strawberry.field(description="The most decimal places it takes.")


@strawberry.type(description="Tokens would expire before they are granted.")
class InvalidExpiry(Problem):
    expires_at: datetime = strawberry.field(description="The expiry that was asked for.")


@strawberry.type(description="The wallet is suspended: it can be read, but nothing may be spent or bought.")
class WalletSuspended(Problem):
    reason: str = strawberry.field(description="Why it was suspended.")
    since: datetime = strawberry.field(description="Since when.")


@strawberry.type(description="No such wallet, or not within the caller's organization.")
class WalletNotFound(Problem):
    pass


@strawberry.type(description="No such organization, or not the caller's.")
class OrganizationNotFound(Problem):
    pass


@strawberry.type(description="No such package.")
class PackageNotFound(Problem):
    pass


@strawberry.type(description="The package is no longer sold.")
class PackageWithdrawn(Problem):
    package_name: str = strawberry.field(description="Its name.")


@strawberry.type(description="The total is not the one the buyer expected.")
class PriceChanged(Problem):
    expected: Money = strawberry.field(description="`expectedTotal` as it was sent.")
    actual: Money = strawberry.field(description="The total now, tax included.")


@strawberry.type(description="No such payment method, or removed, or not the organization's.")
class PaymentMethodNotFound(Problem):
    pass


@strawberry.type(description="The gateway does not take this payment method.")
class PaymentMethodRejected(Problem):
    reason: str = strawberry.field(description="Why, in words.")


@strawberry.type(description="No such purchase, or not within the caller's organization.")
class PurchaseNotFound(Problem):
    pass


@strawberry.type(description="The money has moved, or the purchase has already ended.")
class PurchaseNotCancellable(Problem):
    status: PurchaseStatus = strawberry.field(description="How far the purchase has come.")


@strawberry.type(description="The idempotency key was used before with other input. The first answer stands.")
class IdempotencyConflict(Problem):
    pass


@strawberry.type(description="Spending and buying are switched off by the operators; reading goes on.")
class TokenSystemDisabled(Problem):
    pass


@strawberry.type(description="The address or the password is wrong; which of them is not said.")
class SignInRefused(Problem):
    pass


@strawberry.type(description="The session has ended or its refresh token was used before.")
class SessionEnded(Problem):
    pass


def problem_of(refusal: errors.Refusal) -> Problem:
    """The refusal as its GraphQL type; both have the same name."""
    kind, fields = PROBLEMS[type(refusal)]
    problem: Problem = kind(code=refusal.code, message=str(refusal), **fields(refusal))
    return problem


def _same(*names: str) -> Callable[[Any], dict[str, Any]]:
    return lambda refusal: {name: getattr(refusal, name) for name in names}


def _price_changed(refusal: errors.PriceChanged) -> dict[str, Any]:
    return {
        "expected": money(refusal.expected, refusal.currency),
        "actual": money(refusal.actual, refusal.currency),
    }


def _insufficient(refusal: errors.InsufficientTokens) -> dict[str, Any]:
    return {"needed": at_token_places(refusal.needed), "available": at_token_places(refusal.available)}


def _not_cancellable(refusal: errors.PurchaseNotCancellable) -> dict[str, Any]:
    return {"status": PurchaseStatus(refusal.status)}


PROBLEMS: dict[type[errors.Refusal], tuple[type[Any], Callable[[Any], dict[str, Any]]]] = {
    errors.InsufficientTokens: (InsufficientTokens, _insufficient),
    errors.InvalidTokens: (InvalidTokens, _same("minimum", "maximum", "decimal_places")),
    errors.InvalidExpiry: (InvalidExpiry, _same("expires_at")),
    errors.WalletSuspended: (WalletSuspended, _same("reason", "since")),
    errors.WalletNotFound: (WalletNotFound, _same()),
    errors.OrganizationNotFound: (OrganizationNotFound, _same()),
    errors.PackageNotFound: (PackageNotFound, _same()),
    errors.PackageWithdrawn: (PackageWithdrawn, _same("package_name")),
    errors.PriceChanged: (PriceChanged, _price_changed),
    errors.PaymentMethodNotFound: (PaymentMethodNotFound, _same()),
    errors.PaymentMethodRejected: (PaymentMethodRejected, _same("reason")),
    errors.PurchaseNotFound: (PurchaseNotFound, _same()),
    errors.PurchaseNotCancellable: (PurchaseNotCancellable, _not_cancellable),
    errors.IdempotencyConflict: (IdempotencyConflict, _same()),
    errors.TokenSystemDisabled: (TokenSystemDisabled, _same()),
    errors.SignInRefused: (SignInRefused, _same()),
    errors.SessionEnded: (SessionEnded, _same()),
}


def _handler(refusal: type[errors.Refusal], problem: type[Any]) -> ExceptionHandler[Any]:
    """The one place where a raised refusal of this kind becomes an answer."""

    class Handler:
        exception_type = refusal
        error_type = problem

        def handle(self, exception: errors.Refusal, *, field: Any, info: Any) -> Any:
            return problem_of(exception)

    return Handler()


EXCEPTION_HANDLERS = tuple(_handler(refusal, kind) for refusal, (kind, _) in PROBLEMS.items())
