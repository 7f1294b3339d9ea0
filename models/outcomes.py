"""What a caller is told when tokens moved: the entry that was written, and the balances right after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


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
