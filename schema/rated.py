"""What is used: a number of tokens, or units of an operation at its price in tokens."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from models import errors
from models.database import connection
from models.rates import RateView, rates_of
from models.spending import Rated, check_amount
from rules.rates import UNITS_MAX, UNITS_MIN, InvalidUnitCount, cost
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.rates import operation_name


async def rates_for(info: Info, operations: Iterable[str | None]) -> Mapping[str, RateView]:
    """The rates in force now of all operations that are named, in one statement; none when none is named."""
    names = sorted({operation_name(each) for each in operations if each is not None})
    if not names:
        return {}
    async with connection() as db:
        return await rates_of(db, names, at=info.context.now)


def amount_of(
    rates: Mapping[str, RateView], tokens: Decimal | None, operation: str | None, units: Decimal | None
) -> tuple[Decimal, Rated | None]:
    """How many tokens are meant, and what they were worked out from when an operation was named.

    An operation without a rate is worth no tokens at all: only what its key did before can be told then.
    Raises BAD_USER_INPUT, InvalidTokens, InvalidUnits.
    """
    if (tokens is None) == (operation is None) or (operation is None) != (units is None):
        raise public_error("Name either tokens, or operation with units.", ErrorCode.BAD_USER_INPUT)
    if tokens is not None:
        check_amount(tokens)
        return tokens, None
    assert operation is not None
    assert units is not None
    name = operation_name(operation)
    try:
        rate = rates.get(name)
        needed = cost(UNITS_MIN if rate is None else rate.tokens_per_unit, units)
    except InvalidUnitCount:
        raise errors.InvalidUnits(minimum=UNITS_MIN, maximum=UNITS_MAX) from None
    if rate is None:
        return Decimal(0), Rated(name, units, Decimal(0))
    check_amount(needed)
    return needed, Rated(name, units, rate.tokens_per_unit)
