"""Spending: one PostgreSQL transaction, never Temporal.

The wallet is locked, what has expired leaves, the lots burn in order, and the answer is remembered under the caller's
key, a refusal as well: whoever was told "not enough" is told so again, and is never debited later by a slow first try.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import orjson

from models import ledger
from models.database import connection
from models.errors import InvalidTokens, OperationNotFound, Refusal
from models.intentions import FirstAnswer, Intention, recall_all
from models.locking import LockedWallet
from models.outcomes import Booked, booked, booked_from
from rules.identity import fingerprint
from rules.pricing import TOKEN_PLACES, places_of
from rules.sheet import Movement
from rules.spending import Moved, Spend

SPEND_MIN = Decimal("0.0001")
SPEND_MAX = Decimal(1_000_000_000)
OPERATION = "spendTokens"


@dataclass(frozen=True, slots=True)
class Rated:
    """What a number of tokens was worked out from: units of an operation at its price in tokens."""

    operation: str
    units: Decimal
    tokens_per_unit: Decimal

    def as_metadata(self) -> str:
        plain = {
            "operation": self.operation,
            "units": f"{self.units:f}",
            "tokens_per_unit": f"{self.tokens_per_unit:f}",
        }
        return orjson.dumps(plain).decode()


@dataclass(frozen=True, slots=True)
class SpendOrder:
    """Tokens to be spent once by `key`. `reference` is the caller's own name for what they were spent on.

    rated   when the caller named an operation instead of tokens; then it is the operation and its units that the key
            stands for, and a price that has changed since does not make a repeated request another one.
    """

    organization_id: UUID
    tokens: Decimal
    key: str
    actor: str
    reference_type: str | None = None
    reference_id: str | None = None
    description: str = ""
    request_id: str | None = None
    rated: Rated | None = None

    needs_active: ClassVar[bool] = True
    named_hold: ClassVar[None] = None

    def intention(self) -> Intention:
        values: dict[str, object] = {
            "reference_type": self.reference_type,
            "reference_id": self.reference_id,
            "description": self.description,
        }
        if self.rated is None:
            values["tokens"] = self.tokens
        else:
            values |= {"operation": self.rated.operation, "units": self.rated.units}
        return Intention(OPERATION, self.key, fingerprint(values))

    def request(self, at: datetime) -> Spend:
        return Spend(self.tokens, self.actor)

    def posting(self, movement: Movement) -> ledger.Posting:
        return ledger.Posting(
            movement,
            self.actor,
            reference_type=self.reference_type,
            reference_id=self.reference_id,
            description=self.description,
            key=self.key,
            metadata=None if self.rated is None else self.rated.as_metadata(),
            request_id=self.request_id,
        )

    def outcome(self, wallet: LockedWallet, moved: Moved) -> Booked:
        return booked(wallet.id, moved.movements[0])

    def told_again(self, first: FirstAnswer) -> Booked:
        return booked_from(self.intention().told_again(first))


async def spent_before(order: SpendOrder) -> Booked:
    """What an order without a price is told: what its key was answered before. Raises that refusal again,
    IdempotencyConflict, and OperationNotFound when the key is new."""
    (answer,) = await answers_before((order,))
    answer = answer or unpriced(order)
    if isinstance(answer, Refusal):
        raise answer
    return answer


def unpriced(order: SpendOrder) -> OperationNotFound:
    """The refusal of a new order whose operation has no price."""
    assert order.rated is not None
    return OperationNotFound(operation=order.rated.operation)


async def answers_before(orders: Sequence[SpendOrder]) -> list[Booked | Refusal | None]:
    """What the orders' keys were answered before, in one statement and in their order; None for a new key."""
    async with connection() as db:
        known = await recall_all(db, [(order.organization_id, order.intention()) for order in orders])
    return [_answer_before(order, known) for order in orders]


def _answer_before(order: SpendOrder, known: Mapping[tuple[UUID, str, str], FirstAnswer]) -> Booked | Refusal | None:
    first = known.get((order.organization_id, OPERATION, order.key))
    if first is None:
        return None
    try:
        return order.told_again(first)
    except Refusal as refusal:
        return refusal


def check_amount(tokens: Decimal) -> None:
    """Raises InvalidTokens unless the number can be spent; nothing is remembered of such a request."""
    if not tokens.is_finite() or not SPEND_MIN <= tokens <= SPEND_MAX or places_of(tokens) > TOKEN_PLACES:
        raise InvalidTokens(minimum=SPEND_MIN, maximum=SPEND_MAX)
