"""What is refused of buying: packages, prices, payment methods and purchases."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class PackageNotFound(Refusal):
    code: ClassVar[str] = "PACKAGE_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such package."


@dataclass(eq=False)
class PackageWithdrawn(Refusal):
    code: ClassVar[str] = "PACKAGE_WITHDRAWN"
    package_name: str

    def sentence(self) -> str:
        return f"The package {self.package_name} is no longer sold."


@dataclass(eq=False)
class PriceChanged(Refusal):
    """The buyer named the total they expect to pay, and it is another one now."""

    code: ClassVar[str] = "PRICE_CHANGED"
    expected: Decimal
    actual: Decimal
    currency: str

    def sentence(self) -> str:
        return f"The total is {self.actual:f} {self.currency}, not {self.expected:f}."


@dataclass(eq=False)
class PaymentMethodNotFound(Refusal):
    code: ClassVar[str] = "PAYMENT_METHOD_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such payment method, or it was removed."


@dataclass(eq=False)
class PaymentMethodRejected(Refusal):
    """The gateway does not know the token, or it is something that must never reach us, such as a card number."""

    code: ClassVar[str] = "PAYMENT_METHOD_REJECTED"
    reason: str

    def sentence(self) -> str:
        return f"The payment method cannot be used: {self.reason}"


@dataclass(eq=False)
class PurchaseNotFound(Refusal):
    code: ClassVar[str] = "PURCHASE_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such purchase."


@dataclass(eq=False)
class PurchaseNotCancellable(Refusal):
    code: ClassVar[str] = "PURCHASE_NOT_CANCELLABLE"
    status: str

    def sentence(self) -> str:
        return f"The purchase is {self.status.replace('_', ' ')} and can no longer be cancelled."
