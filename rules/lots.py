"""Lots, and the order in which they burn.

Lower priority number, then earlier expiry (none is last), then free before paid, then earlier effective, then older,
then id: a total order, so that a replay draws from the same lots. A lot counts only between its effective and expiry
instants, whether or not anybody has booked its expiry yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

NEVER = datetime.max.replace(tzinfo=UTC)


class LotKind(StrEnum):
    PAID = "PAID"
    BONUS = "BONUS"
    PROMO = "PROMO"
    PLAN = "PLAN"
    ADJUSTMENT = "ADJUSTMENT"


@dataclass(frozen=True, slots=True)
class Lot:
    """The part of a lot that decides: `remaining` includes `held`; both are tokens with at most 4 places."""

    id: UUID
    remaining: Decimal
    held: Decimal
    unit_cost: Decimal
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    created_at: datetime

    @property
    def free(self) -> Decimal:
        """Tokens that are neither spent nor held."""
        return self.remaining - self.held

    def counts(self, at: datetime) -> bool:
        """Whether its tokens may be used at an instant: effective inclusive, expiry exclusive."""
        return self.effective_at <= at < (self.expires_at or NEVER)

    def has_expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class Draw:
    """Tokens taken from one lot."""

    lot_id: UUID
    tokens: Decimal


class NotEnough(Exception):
    """The lots hold fewer tokens than wanted; nothing was drawn."""

    def __init__(self, *, needed: Decimal, available: Decimal) -> None:
        super().__init__(f"needed {needed} tokens, {available} available")
        self.needed = needed
        self.available = available


def burn_order(lot: Lot) -> tuple[int, datetime, bool, datetime, datetime, UUID]:
    """The sort key that puts the lot to burn first in front."""
    return (lot.priority, lot.expires_at or NEVER, lot.unit_cost > 0, lot.effective_at, lot.created_at, lot.id)


def available_tokens(lots: Iterable[Lot], at: datetime) -> Decimal:
    """What may be spent or held at an instant."""
    return sum((lot.free for lot in lots if lot.counts(at)), Decimal(0))
