"""The rate card: what an operation costs in tokens.

    cost = tokens per unit × units, rounded up to the four places that tokens have

Up, because then nothing that has a rate is free: the least cost is 0.0001, which can be spent, and a cost never exceeds
the exact one by 0.0001 or more. One request for many units is never dearer than many requests for one.
"""

import re
from decimal import ROUND_UP, Decimal, localcontext

from rules.pricing import TOKEN_PLACES, places_of

UNITS_MIN = Decimal("0.000001")
UNITS_MAX = Decimal(1_000_000_000)
UNIT_PLACES = 6
RATE_MIN = Decimal("0.000001")
RATE_MAX = Decimal(1_000_000)
RATE_PLACES = 6
OPERATION_LENGTH_MAX = 100
OPERATION = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")


class InvalidUnitCount(Exception):
    """Not a number of units that can be priced."""


def is_operation(name: str) -> bool:
    """Whether a text can name an operation: lower-case words joined by `.`, `_` or `-`, such as `claim.submission`."""
    return len(name) <= OPERATION_LENGTH_MAX and OPERATION.fullmatch(name) is not None


def is_rate(tokens_per_unit: Decimal) -> bool:
    """Whether a number can be a price in tokens: 0.000001 to 1,000,000 with at most 6 places."""
    return (
        tokens_per_unit.is_finite()
        and RATE_MIN <= tokens_per_unit <= RATE_MAX
        and places_of(tokens_per_unit) <= RATE_PLACES
    )


def cost(tokens_per_unit: Decimal, units: Decimal) -> Decimal:
    """The tokens that units of an operation cost, rounded up to 4 places; at least 0.0001.

    units   0.000001 to 1,000,000,000 with at most 6 places.
    Raises  InvalidUnitCount.
    """
    if not units.is_finite() or not UNITS_MIN <= units <= UNITS_MAX or places_of(units) > UNIT_PLACES:
        raise InvalidUnitCount(str(units))
    with localcontext() as context:
        context.prec = 60
        return (tokens_per_unit * units).quantize(Decimal(1).scaleb(-TOKEN_PLACES), rounding=ROUND_UP)
