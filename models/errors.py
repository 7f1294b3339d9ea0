"""What the domain refuses, as data.

    Refusal
    ├── WalletNotFound, PackageNotFound, PaymentMethodNotFound, PurchaseNotFound, OrganizationNotFound
    ├── InsufficientTokens, InvalidTokens, InvalidExpiry, WalletSuspended
    ├── PackageWithdrawn, PriceChanged, PaymentMethodRejected, PurchaseNotCancellable
    ├── IdempotencyConflict, TokenSystemDisabled
    └── SignInRefused, SessionEnded

A refusal is an answer, not a fault: nothing moved, and the caller is told why in fields, not in prose. Refusals of
operations with an idempotency key are remembered and given again. Anything else that is raised is a fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, get_type_hints


@dataclass(eq=False)
class Refusal(Exception):
    """The domain says no. `code` is stable; the sentence is for people."""

    code: ClassVar[str] = "REFUSED"

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        return "The request was refused."


@dataclass(eq=False)
class InsufficientTokens(Refusal):
    code: ClassVar[str] = "INSUFFICIENT_TOKENS"
    needed: Decimal
    available: Decimal

    def sentence(self) -> str:
        return f"{self.needed:f} tokens are needed and {self.available:f} are available."


@dataclass(eq=False)
class InvalidTokens(Refusal):
    """Not a number of tokens that the operation takes."""

    code: ClassVar[str] = "INVALID_TOKENS"
    minimum: Decimal
    maximum: Decimal
    decimal_places: int = 4

    def sentence(self) -> str:
        return (
            f"Tokens must be between {self.minimum:f} and {self.maximum:f}"
            f" with at most {self.decimal_places} decimal places."
        )


@dataclass(eq=False)
class InvalidExpiry(Refusal):
    """Tokens would expire before they are granted."""

    code: ClassVar[str] = "INVALID_EXPIRY"
    expires_at: datetime

    def sentence(self) -> str:
        return "Tokens must expire in the future."


@dataclass(eq=False)
class WalletSuspended(Refusal):
    code: ClassVar[str] = "WALLET_SUSPENDED"
    reason: str
    since: datetime

    def sentence(self) -> str:
        return f"The wallet is suspended: {self.reason}"


@dataclass(eq=False)
class WalletNotFound(Refusal):
    code: ClassVar[str] = "WALLET_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such wallet."


@dataclass(eq=False)
class OrganizationNotFound(Refusal):
    code: ClassVar[str] = "ORGANIZATION_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such organization."


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


@dataclass(eq=False)
class IdempotencyConflict(Refusal):
    """The key was used before with other input. The first answer stands; nothing happened now."""

    code: ClassVar[str] = "IDEMPOTENCY_CONFLICT"

    def sentence(self) -> str:
        return "This idempotency key was already used for a different request."


@dataclass(eq=False)
class TokenSystemDisabled(Refusal):
    code: ClassVar[str] = "TOKEN_SYSTEM_DISABLED"

    def sentence(self) -> str:
        return "Spending and buying are switched off for now; reading goes on."


@dataclass(eq=False)
class SignInRefused(Refusal):
    """Deliberately does not say whether the address exists."""

    code: ClassVar[str] = "SIGN_IN_REFUSED"

    def sentence(self) -> str:
        return "The e-mail address or the password is wrong."


@dataclass(eq=False)
class SessionEnded(Refusal):
    code: ClassVar[str] = "SESSION_ENDED"

    def sentence(self) -> str:
        return "The session has ended; sign in again."


def all_refusals() -> dict[str, type[Refusal]]:
    """Every refusal by its code."""
    return {kind.code: kind for kind in Refusal.__subclasses__()}


def refusal_as_answer(refusal: Refusal) -> dict[str, object]:
    """The refusal as JSON, to be remembered: decimals and times as text."""
    values = {field.name: _as_text(getattr(refusal, field.name)) for field in fields(refusal)}
    return {"refused": refusal.code, **values}


def refusal_from_answer(answer: Mapping[str, object]) -> Refusal | None:
    """The refusal a remembered answer stands for, or None when the answer was a success."""
    if "refused" not in answer:
        return None
    kind = all_refusals()[str(answer["refused"])]
    types = get_type_hints(kind)
    values = {field.name: _from_text(types[field.name], answer[field.name]) for field in fields(kind)}
    return kind(**values)


def _as_text(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, datetime) else value


def _from_text(kind: type, value: object) -> object:
    if kind is Decimal:
        return Decimal(str(value))
    return datetime.fromisoformat(str(value)) if kind is datetime else value
