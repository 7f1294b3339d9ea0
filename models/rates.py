"""The rate card: what one unit of an operation costs in tokens, now and at any instant before.

A rate is never edited: a new version takes its place at an instant, so that what was charged can be explained later.
Whoever changes an operation's rate holds a lock by its name, so that versions have no gaps and one is in force.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.database import Connection, transaction
from models.errors import InvalidRate, InvalidUnits, OperationNotFound
from models.keepers import Keeper, record_change
from rules.identity import derived_id
from rules.rates import RATE_MAX, RATE_MIN, UNITS_MAX, UNITS_MIN, InvalidUnitCount, cost, is_rate

COLUMNS = """
SELECT id, operation, version, tokens_per_unit, unit, description, valid_from, ended_at FROM token_rates
"""
IN_FORCE = COLUMNS + "WHERE operation = $1 AND ended_at IS NULL"
AT = COLUMNS + "WHERE operation = ANY ($1) AND valid_from <= $2 AND (ended_at IS NULL OR ended_at > $2)"

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('scrip/rate/' || $1, 0))"
END = "UPDATE token_rates SET ended_at = greatest(valid_from, $2) WHERE operation = $1 AND ended_at IS NULL"
BEGIN = """
INSERT INTO token_rates (id, operation, version, tokens_per_unit, unit, description, valid_from)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
CARD_MAX = 1000


@dataclass(frozen=True, slots=True)
class RateView:
    """A rate, in force from `valid_from` until `ended_at`, that excluded."""

    id: UUID
    operation: str
    version: int
    tokens_per_unit: Decimal
    unit: str
    description: str
    valid_from: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RateDraft:
    """What an operation is to cost; `unit` says of what, such as "page"."""

    operation: str
    tokens_per_unit: Decimal
    unit: str
    description: str


@dataclass(frozen=True, slots=True)
class RatedCost:
    """What some units of an operation cost: `tokens`, at least 0.0001, at most 4 places; by which rate."""

    operation: str
    units: Decimal
    tokens: Decimal
    rate: RateView


async def set_rate(draft: RateDraft, keeper: Keeper, *, at: datetime) -> RateView:
    """The operation costs this from `at` on. The same again changes nothing. Raises InvalidRate."""
    if not is_rate(draft.tokens_per_unit):
        raise InvalidRate(minimum=RATE_MIN, maximum=RATE_MAX)
    async with transaction() as db:
        await db.execute(LOCK, draft.operation)
        present = await _in_force(db, draft.operation)
        if present is not None:
            told = RateDraft(present.operation, present.tokens_per_unit, present.unit, present.description)
            if told == draft:
                return present
        # A clock that is behind the one that set the present rate must not make a rate begin before it ends.
        begins = at if present is None else max(at, present.valid_from)
        await db.execute(END, draft.operation, begins)
        rate = await _begin(db, draft, begins)
        details = {"version": rate.version, "tokens_per_unit": f"{rate.tokens_per_unit:f}"}
        await record_change(db, "rate.set", draft.operation, keeper, details)
        return rate


async def _begin(db: Connection, draft: RateDraft, at: datetime) -> RateView:
    made = await db.fetch_one("SELECT count(*) AS made FROM token_rates WHERE operation = $1", draft.operation)
    version = (made["made"] if made else 0) + 1
    rate = RateView(
        derived_id("token rate", draft.operation, version),
        draft.operation,
        version,
        draft.tokens_per_unit,
        draft.unit,
        draft.description,
        at,
        None,
    )
    await db.execute(
        BEGIN, rate.id, rate.operation, version, rate.tokens_per_unit, rate.unit, rate.description, rate.valid_from
    )
    return rate


async def remove_rate(operation: str, keeper: Keeper, *, at: datetime) -> RateView:
    """The operation is on the card no more; what it cost until now can still be read. Raises OperationNotFound."""
    async with transaction() as db:
        await db.execute(LOCK, operation)
        present = await _in_force(db, operation)
        if present is None:
            raise OperationNotFound(operation=operation)
        ends = max(at, present.valid_from)
        await db.execute(END, operation, ends)
        await record_change(db, "rate.removed", operation, keeper, {"version": present.version})
        return replace(present, ended_at=ends)


async def rate_card(db: Connection) -> list[RateView]:
    """The rates in force, by operation; at most 1,000."""
    rows = await db.fetch(f"{COLUMNS}WHERE ended_at IS NULL ORDER BY operation LIMIT {CARD_MAX}")
    return [RateView(*row.values()) for row in rows]


async def rates_by_id(db: Connection, rate_ids: Sequence[UUID]) -> dict[UUID, RateView]:
    """Rates by their ids, whether they are in force or were; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(rate_ids))
    return {row["id"]: RateView(*row.values()) for row in rows}


async def rates_of(db: Connection, operations: Sequence[str], *, at: datetime) -> dict[str, RateView]:
    """The rates that these operations had at an instant, by their names; those without one are left out."""
    return {row["operation"]: RateView(*row.values()) for row in await db.fetch(AT, list(operations), at)}


async def price_operation(db: Connection, operation: str, units: Decimal, *, at: datetime) -> RatedCost:
    """What units of an operation cost at an instant. Raises OperationNotFound, InvalidUnits."""
    (rated,) = await price_operations(db, ((operation, units),), at=at)
    return rated


async def price_operations(
    db: Connection, wanted: Sequence[tuple[str, Decimal]], *, at: datetime
) -> tuple[RatedCost, ...]:
    """As `price_operation`, for many (operation, units) in one statement, in their order."""
    rates = await rates_of(db, [operation for operation, _ in wanted], at=at)
    return tuple(_rated(rates.get(operation), operation, units) for operation, units in wanted)


def _rated(rate: RateView | None, operation: str, units: Decimal) -> RatedCost:
    if rate is None:
        raise OperationNotFound(operation=operation)
    try:
        return RatedCost(operation, units, cost(rate.tokens_per_unit, units), rate)
    except InvalidUnitCount:
        raise InvalidUnits(minimum=UNITS_MIN, maximum=UNITS_MAX) from None


async def _in_force(db: Connection, operation: str) -> RateView | None:
    row = await db.fetch_one(IN_FORCE, operation)
    return None if row is None else RateView(*row.values())
