"""What is refused of holds and budgets, and when a wallet is too busy."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class HoldNotFound(Refusal):
    code: ClassVar[str] = "HOLD_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such hold."


@dataclass(eq=False)
class HoldResolved(Refusal):
    """A hold is resolved once; this tells how it ended."""

    code: ClassVar[str] = "HOLD_RESOLVED"
    status: str
    captured: Decimal
    resolved_at: datetime

    def sentence(self) -> str:
        return f"The hold was {self.status.lower()} before."


@dataclass(eq=False)
class CaptureExceedsHold(Refusal):
    code: ClassVar[str] = "CAPTURE_EXCEEDS_HOLD"
    asked: Decimal
    held: Decimal

    def sentence(self) -> str:
        return f"{self.asked:f} tokens cannot be captured from a hold of {self.held:f}."


@dataclass(eq=False)
class HoldTooLong(Refusal):
    code: ClassVar[str] = "HOLD_TOO_LONG"
    latest: datetime

    def sentence(self) -> str:
        return f"The hold may last until {self.latest.isoformat()} at most."


@dataclass(eq=False)
class InvalidHoldTime(Refusal):
    """Not a time that a hold can be asked to last."""

    code: ClassVar[str] = "INVALID_HOLD_TIME"
    minimum_seconds: int
    maximum_seconds: int

    def sentence(self) -> str:
        return f"A hold lasts between {self.minimum_seconds} and {self.maximum_seconds} seconds."


@dataclass(eq=False)
class BudgetExceeded(Refusal):
    """The caller's own budget has no room for it, whatever the wallet holds."""

    code: ClassVar[str] = "BUDGET_EXCEEDED"
    period: str
    limit: Decimal
    needed: Decimal
    left: Decimal
    resets_at: datetime

    def sentence(self) -> str:
        return f"{self.needed:f} tokens are needed and {self.left:f} are left of this {self.period.lower()}'s budget."


@dataclass(eq=False)
class BudgetNotFound(Refusal):
    code: ClassVar[str] = "BUDGET_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such budget."


@dataclass(eq=False)
class WalletBusy(Refusal):
    """More callers wait for this wallet than will be kept waiting. Nothing was decided; the same key may come again."""

    code: ClassVar[str] = "WALLET_BUSY"
    retry_after_ms: int

    def sentence(self) -> str:
        return f"Too many requests wait for this wallet; try again in {self.retry_after_ms} ms."


@dataclass(eq=False)
class BatchRefused(Refusal):
    """A request of an all-or-nothing batch in which another one was refused: `position` says which, from 0."""

    code: ClassVar[str] = "BATCH_REFUSED"
    position: int
    because: str

    def sentence(self) -> str:
        return f"Nothing of the batch was spent, because request {self.position} was refused ({self.because})."


@dataclass(eq=False)
class BudgetSubjectNotFound(Refusal):
    """Whoever was to have a budget is not of the organization."""

    code: ClassVar[str] = "BUDGET_SUBJECT_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such member or API key."


@dataclass(eq=False)
class InvalidBatch(Refusal):
    code: ClassVar[str] = "INVALID_BATCH"
    minimum: int
    maximum: int

    def sentence(self) -> str:
        return f"A batch holds between {self.minimum} and {self.maximum} requests."
