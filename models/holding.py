"""Holding tokens, and what becomes of a hold: captured, released, extended, or over.

Each is decided under the wallet's lock, together with whatever else waits for that wallet, and remembered under its
key. A hold whose time is over stops counting at its instant; booking that is only tidying up.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from models import ledger
from models.database import connection
from models.errors import InvalidHoldTime, OperationNotFound
from models.intentions import FirstAnswer, Intention, recall
from models.locking import LockedWallet
from models.outcomes import Held, held_from
from models.spending import Rated
from rules.holding import HOLD_SECONDS_MAX, HOLD_SECONDS_MIN, CaptureExcess, Purpose
from rules.identity import derived_id, fingerprint
from rules.sheet import Movement
from rules.spending import Capture, Extend, Moved, Release, Request, Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAboutHold(ABC):
    """What every order about a hold has in common; each happens once by `key`."""

    organization_id: UUID
    key: str
    actor: str
    request_id: str | None = None

    operation: ClassVar[str]
    needs_active: ClassVar[bool] = True

    @property
    @abstractmethod
    def named_hold(self) -> UUID | None:
        """The hold that must be known before this can be decided."""

    @property
    @abstractmethod
    def hold(self) -> UUID:
        """The hold it is about."""

    @abstractmethod
    def values(self) -> dict[str, object]:
        """What the key stands for."""

    @abstractmethod
    def request(self, at: datetime) -> Request:
        """The request in the words of the rules."""

    def intention(self) -> Intention:
        return Intention(self.operation, self.key, fingerprint(self.values()))

    def posting(self, movement: Movement) -> ledger.Posting:
        return ledger.Posting(
            movement,
            self.actor,
            reference_type="hold" if movement.about == self.hold else "lot",
            reference_id=str(movement.about),
            description=self.why(),
            key=self.key,
            metadata=self.metadata(),
            request_id=self.request_id,
        )

    def why(self) -> str:
        """The caller's words."""
        return ""

    def metadata(self) -> str | None:
        """What reports read of it, as JSON."""
        return None

    def outcome(self, wallet: LockedWallet, moved: Moved) -> Held:
        assert moved.hold is not None
        return Held(moved.hold, moved.available, moved.held, moved.at)

    def told_again(self, first: FirstAnswer) -> Held:
        return held_from(self.intention().told_again(first))


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOrder(OrderAboutHold):
    """Tokens to be reserved for some seconds."""

    tokens: Decimal
    seconds: int
    purpose: Purpose = field(default_factory=Purpose)
    rated: Rated | None = None

    operation: ClassVar[str] = "holdTokens"

    @property
    def named_hold(self) -> None:
        return None

    @property
    def hold(self) -> UUID:
        return derived_id("hold", self.organization_id, self.key)

    def values(self) -> dict[str, object]:
        what: dict[str, object] = {"tokens": self.tokens}
        if self.rated is not None:
            what = {"operation": self.rated.operation, "units": self.rated.units}
        purpose = self.purpose
        return {
            **what,
            "seconds": self.seconds,
            "reference_type": purpose.reference_type,
            "reference_id": purpose.reference_id,
            "description": purpose.description,
        }

    def request(self, at: datetime) -> Reserve:
        return Reserve(self.hold, self.tokens, self.actor, at + timedelta(seconds=self.seconds), self.purpose)

    def why(self) -> str:
        return self.purpose.description

    def metadata(self) -> str | None:
        return None if self.rated is None else self.rated.as_metadata()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOnHold(OrderAboutHold):
    """What every order about a hold that exists has in common. `description` says why, in the caller's words."""

    hold_id: UUID
    description: str = ""

    @property
    def named_hold(self) -> UUID:
        return self.hold_id

    @property
    def hold(self) -> UUID:
        return self.hold_id

    def values(self) -> dict[str, object]:
        return {"hold_id": self.hold_id, "description": self.description}

    def why(self) -> str:
        return self.description


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder(OrderOnHold):
    """A hold to be spent. `tokens` None is all that is held; `excess` says what to do when it is more than that."""

    tokens: Decimal | None = None
    excess: CaptureExcess = CaptureExcess.REJECT

    operation: ClassVar[str] = "captureHold"

    def values(self) -> dict[str, object]:
        return {
            "hold_id": self.hold_id,
            "tokens": self.tokens,
            "excess": self.excess,
            "description": self.description,
        }

    def request(self, at: datetime) -> Capture:
        return Capture(self.hold_id, self.tokens, self.excess)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOrder(OrderOnHold):
    """A hold to be given up. A suspended wallet allows it: it only gives back."""

    operation: ClassVar[str] = "releaseHold"
    needs_active: ClassVar[bool] = False

    def request(self, at: datetime) -> Release:
        return Release(self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendOrder(OrderOnHold):
    """A hold to last for so many seconds from now; a shorter time than it has left changes nothing."""

    seconds: int

    operation: ClassVar[str] = "extendHold"

    def values(self) -> dict[str, object]:
        return {"hold_id": self.hold_id, "seconds": self.seconds}

    def request(self, at: datetime) -> Extend:
        return Extend(self.hold_id, at + timedelta(seconds=self.seconds))


def check_seconds(seconds: int) -> None:
    """Raises InvalidHoldTime unless a hold can be asked to last so long; nothing is remembered of such a request."""
    if not HOLD_SECONDS_MIN <= seconds <= HOLD_SECONDS_MAX:
        raise InvalidHoldTime(minimum_seconds=HOLD_SECONDS_MIN, maximum_seconds=HOLD_SECONDS_MAX)


async def held_before(order: HoldOrder) -> Held:
    """What an order without a price is told: what its key was answered before. Raises that refusal again,
    IdempotencyConflict, and OperationNotFound when the key is new."""
    assert order.rated is not None
    async with connection() as db:
        answer = await recall(db, order.organization_id, order.intention())
    if answer is None:
        raise OperationNotFound(operation=order.rated.operation)
    return held_from(answer)
