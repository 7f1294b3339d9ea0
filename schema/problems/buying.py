"""Refusals of buying as the API tells them."""

from typing import Any

import strawberry

from models import errors
from schema.enums import PurchaseStatus
from schema.money import Money, money
from schema.problems.problem import Problem, Shown, same


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


def _price_changed(refusal: errors.PriceChanged) -> dict[str, Any]:
    return {
        "expected": money(refusal.expected, refusal.currency),
        "actual": money(refusal.actual, refusal.currency),
    }


def _not_cancellable(refusal: errors.PurchaseNotCancellable) -> dict[str, Any]:
    return {"status": PurchaseStatus(refusal.status)}


PROBLEMS: Shown = {
    errors.PackageNotFound: (PackageNotFound, same()),
    errors.PackageWithdrawn: (PackageWithdrawn, same("package_name")),
    errors.PriceChanged: (PriceChanged, _price_changed),
    errors.PaymentMethodNotFound: (PaymentMethodNotFound, same()),
    errors.PaymentMethodRejected: (PaymentMethodRejected, same("reason")),
    errors.PurchaseNotFound: (PurchaseNotFound, same()),
    errors.PurchaseNotCancellable: (PurchaseNotCancellable, _not_cancellable),
}
