"""What a caller is told when tokens moved: what happened, and the balances right after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from rules.holding import Hold, HoldStatus, Purpose
from rules.identity import derived_id
from rules.sheet import Movement


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry, as it is answered and remembered. `tokens` is what moved, without a sign.

    replayed   the same answer told again to the same key; nothing moved this time.
    """

    entry_id: UUID
    sequence: int
    tokens: Decimal
    available: Decimal
    held: Decimal
    occurred_at: datetime
    replayed: bool = False

    def as_answer(self) -> dict[str, object]:
        return {
            "entry_id": str(self.entry_id),
            "sequence": self.sequence,
            "tokens": f"{self.tokens:f}",
            "available": f"{self.available:f}",
            "held": f"{self.held:f}",
            "occurred_at": self.occurred_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it was left by what was asked, and the balances right after it; answered and remembered."""

    hold: Hold
    available: Decimal
    held: Decimal
    occurred_at: datetime
    replayed: bool = False

    def as_answer(self) -> dict[str, object]:
        hold = self.hold
        return {
            "hold_id": str(hold.id),
            "tokens": f"{hold.tokens:f}",
            "status": hold.status.value,
            "actor": hold.actor,
            "held_at": hold.held_at.isoformat(),
            "expires_at": hold.expires_at.isoformat(),
            "captured": f"{hold.captured:f}",
            "resolved_at": None if hold.resolved_at is None else hold.resolved_at.isoformat(),
            "reference_type": hold.purpose.reference_type,
            "reference_id": hold.purpose.reference_id,
            "description": hold.purpose.description,
            "available": f"{self.available:f}",
            "held": f"{self.held:f}",
            "occurred_at": self.occurred_at.isoformat(),
        }


def entry_id(wallet_id: UUID, sequence: int) -> UUID:
    """An entry's id follows from its place in its wallet."""
    return derived_id("entry", wallet_id, sequence)


def booked(wallet_id: UUID, movement: Movement) -> Booked:
    """The answer for one movement that has been decided."""
    return Booked(
        entry_id(wallet_id, movement.sequence),
        movement.sequence,
        movement.tokens,
        movement.available_after,
        movement.held_after,
        movement.occurred_at,
    )


def booked_from(answer: Mapping[str, object]) -> Booked:
    """A remembered answer, marked as replayed."""
    return Booked(
        entry_id=UUID(str(answer["entry_id"])),
        sequence=int(str(answer["sequence"])),
        tokens=Decimal(str(answer["tokens"])),
        available=Decimal(str(answer["available"])),
        held=Decimal(str(answer["held"])),
        occurred_at=datetime.fromisoformat(str(answer["occurred_at"])),
        replayed=True,
    )


def held_from(answer: Mapping[str, object]) -> Held:
    """A remembered answer about a hold, marked as replayed. Which lots it reserved is not remembered with it."""
    resolved_at = answer["resolved_at"]
    hold = Hold(
        id=UUID(str(answer["hold_id"])),
        tokens=Decimal(str(answer["tokens"])),
        status=HoldStatus(str(answer["status"])),
        actor=str(answer["actor"]),
        held_at=datetime.fromisoformat(str(answer["held_at"])),
        expires_at=datetime.fromisoformat(str(answer["expires_at"])),
        parts=(),
        captured=Decimal(str(answer["captured"])),
        resolved_at=None if resolved_at is None else datetime.fromisoformat(str(resolved_at)),
        purpose=Purpose(_text(answer["reference_type"]), _text(answer["reference_id"]), str(answer["description"])),
    )
    return Held(
        hold,
        available=Decimal(str(answer["available"])),
        held=Decimal(str(answer["held"])),
        occurred_at=datetime.fromisoformat(str(answer["occurred_at"])),
        replayed=True,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
