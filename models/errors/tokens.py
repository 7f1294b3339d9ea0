"""What is refused of tokens: spending, holding and granting them, and the wallets they are in."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from models.errors.refusals import Refusal


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
