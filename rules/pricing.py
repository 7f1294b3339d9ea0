"""What tokens cost: subtotal, tax and total, each rounded once, half up, to the currency's own minor unit."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

TOKENS_MIN = Decimal(1)
TOKENS_MAX = Decimal(1_000_000)
TOKEN_PLACES = 4
UNIT_PRICE_PLACES = 6


class InvalidQuantity(Exception):
    """Not a number of tokens that can be bought: fewer than 1, more than 1,000,000, or more than 4 decimal places."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a buyer pays. `unit_price` is subtotal / tokens to 6 places: what one token cost before tax.

    discount      what a coupon took off: without it the subtotal would be higher by as much.
    """

    tokens: Decimal
    unit_price: Decimal
    subtotal: Decimal
    tax_rate: Decimal
    tax: Decimal
    total: Decimal
    discount: Decimal = Decimal(0)


def round_half_up(amount: Decimal, places: int) -> Decimal:
    """`amount` to a number of decimal places, half away from zero; never loses digits to the context's precision."""
    with localcontext() as context:
        context.prec = 60
        return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def places_of(number: Decimal) -> int:
    """The decimal places a finite number really uses: 1.50 uses one."""
    digits = number.as_tuple().digits
    # In a context of its own, or a number with more than 28 digits would be rounded before it is looked at.
    exponent = number.normalize(Context(prec=len(digits))).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def custom_quantity(tokens: Decimal) -> Decimal:
    """The quantity itself when it can be bought. Raises InvalidQuantity."""
    if not tokens.is_finite() or not TOKENS_MIN <= tokens <= TOKENS_MAX or places_of(tokens) > TOKEN_PLACES:
        raise InvalidQuantity(str(tokens))
    return tokens


def price_tokens(tokens: Decimal, *, unit_price: Decimal, tax_rate: Decimal, minor_places: int) -> Price:
    """The price of a quantity at a price per token.

    tokens        > 0.       unit_price  > 0, before tax, at most 6 places.
    tax_rate      0 … 1.     minor_places  of the currency: 2 for USD, 0 for JPY, 3 for BHD.
    Returns       subtotal = tokens × unit price, at least one minor unit, so that nothing is sold for nothing.
    """
    return price_amount(tokens * unit_price, tokens=tokens, tax_rate=tax_rate, minor_places=minor_places)


def price_amount(subtotal: Decimal, *, tokens: Decimal, tax_rate: Decimal, minor_places: int) -> Price:
    """The price of a package that has a price of its own (> 0); arguments and the least price as in `price_tokens`."""
    subtotal = max(round_half_up(subtotal, minor_places), Decimal(1).scaleb(-minor_places))
    tax = round_half_up(subtotal * tax_rate, minor_places)
    unit_price = round_half_up(subtotal / tokens, UNIT_PRICE_PLACES)
    return Price(tokens, unit_price, subtotal, tax_rate, tax, subtotal + tax)


def discounted(price: Price, discount: Decimal, *, minor_places: int) -> Price:
    """The price with something taken off before tax: 0 ≤ `discount` < subtotal, exact in the currency."""
    reduced = price_amount(
        price.subtotal - discount, tokens=price.tokens, tax_rate=price.tax_rate, minor_places=minor_places
    )
    return replace(reduced, discount=discount)


def expiry(effective_at: datetime, validity_days: int | None) -> datetime | None:
    """When tokens granted at an instant expire; None when they never do. A day is 24 hours."""
    return None if validity_days is None else effective_at + timedelta(days=validity_days)
