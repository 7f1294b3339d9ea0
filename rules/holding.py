"""Holds: tokens that are reserved until they are captured, released, or their time is over.

    HELD ─▶ CAPTURED   all of it, or a part and the rest returns to the lots it came from
      ├───▶ RELEASED   all of it returns
      └───▶ EXPIRED    nobody resolved it in time; all of it returns at that instant

A hold is resolved once. It counts until its instant, whether or not anybody has booked its end; a hold on a lot that
expires meanwhile stays valid, and what returns to such a lot expires at once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from rules.lots import Draw

HOLD_SECONDS_MIN = 1
HOLD_SECONDS_MAX = 30 * 24 * 3600


class HoldStatus(StrEnum):
    HELD = "HELD"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class CaptureExcess(StrEnum):
    """What happens when more is captured than is held."""

    REJECT = "REJECT"
    CAP = "CAP"
    TAKE_AVAILABLE = "TAKE_AVAILABLE"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the caller says tokens are for, in their own words; nothing is decided by it."""

    reference_type: str | None = None
    reference_id: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands. `parts` says how many of its tokens are reserved in which lot; they add up to `tokens`.

    captured     tokens that were spent by it in the end; may exceed `tokens` when the rest was taken from what was
                 available. 0 until it is captured.
    resolved_at  when it stopped reserving anything; None while it is held.
    """

    id: UUID
    tokens: Decimal
    status: HoldStatus
    actor: str
    held_at: datetime
    expires_at: datetime
    parts: tuple[Draw, ...]
    captured: Decimal = Decimal(0)
    resolved_at: datetime | None = None
    purpose: Purpose = field(default_factory=Purpose)

    def reserves(self, at: datetime) -> bool:
        """Whether it still keeps its tokens from others at an instant."""
        return self.status is HoldStatus.HELD and at < self.expires_at

    def is_overdue(self, at: datetime) -> bool:
        """Whether its time is over and nobody has booked that yet."""
        return self.status is HoldStatus.HELD and self.expires_at <= at


def latest_expiry(held_at: datetime) -> datetime:
    """No hold lasts longer than 30 days in all, however often it is extended."""
    return held_at + timedelta(seconds=HOLD_SECONDS_MAX)


def split(parts: tuple[Draw, ...], tokens: Decimal) -> tuple[tuple[Draw, ...], tuple[Draw, ...]]:
    """The parts that pay for `tokens`, in the order in which they were reserved, and the parts that are left over."""
    paying: list[Draw] = []
    left: list[Draw] = []
    wanted = tokens
    for part in parts:
        taken = min(part.tokens, wanted)
        wanted -= taken
        if taken > 0:
            paying.append(Draw(part.lot_id, taken))
        if part.tokens > taken:
            left.append(Draw(part.lot_id, part.tokens - taken))
    return tuple(paying), tuple(left)
