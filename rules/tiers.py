"""Volume tiers: what many tokens cost when more of them cost less.

A tier reaches up to a number of tokens, that number included; the last one reaches for ever. Its discount is a share of
the price per token, so that one schedule serves every currency and every wallet's own price. Two ways to read it:

    GRADUATED   each part of the quantity at the price of the tier it lies in
    VOLUME      the whole quantity at the price of the tier it reaches

Amounts are exact here; they are rounded once, where the price is made (`rules.pricing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from enum import StrEnum

from rules.pricing import TOKEN_PLACES, TOKENS_MAX, places_of

TIERS_MAX = 20
SHARE_PLACES = 6
EXACT = Context(prec=60)


class TierMode(StrEnum):
    GRADUATED = "graduated"
    VOLUME = "volume"


class InvalidTiers(Exception):
    """Not a schedule of tiers; says why."""


@dataclass(frozen=True, slots=True)
class Tier:
    """`up_to` is included, None has no end; `discount` is a share of the price per token, 0 … less than 1."""

    up_to: Decimal | None
    discount: Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """Tiers in rising order, the last one without an end."""

    mode: TierMode
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """How many tokens are sold at which price per token before tax."""

    tokens: Decimal
    unit_price: Decimal


def schedule_of(mode: TierMode, tiers: Sequence[Tier]) -> Schedule:
    """The schedule that some tiers make, in the order they were given.

    Limits rise, the last tier alone has none, discounts are shares below one that never fall: buying more never costs
    more per token. Raises InvalidTiers.
    """
    if not 1 <= len(tiers) <= TIERS_MAX:
        raise InvalidTiers(f"There must be 1 to {TIERS_MAX} tiers.")
    if tiers[-1].up_to is not None or any(tier.up_to is None for tier in tiers[:-1]):
        raise InvalidTiers("The last tier, and only that, must be without an end.")
    below, discount = Decimal(0), Decimal(0)
    for tier in tiers:
        below = _checked_limit(tier.up_to, below)
        discount = _checked_discount(tier.discount, discount)
    return Schedule(mode, tuple(tiers))


def _checked_limit(up_to: Decimal | None, below: Decimal) -> Decimal:
    if up_to is None:
        return below
    if not up_to.is_finite() or not below < up_to <= TOKENS_MAX or places_of(up_to) > TOKEN_PLACES:
        raise InvalidTiers(f"Limits must rise, to {TOKENS_MAX} at most, with at most {TOKEN_PLACES} decimal places.")
    return up_to


def _checked_discount(discount: Decimal, before: Decimal) -> Decimal:
    if not discount.is_finite() or not 0 <= discount < 1 or places_of(discount) > SHARE_PLACES:
        raise InvalidTiers(f"A discount is a share from 0 to less than 1 with at most {SHARE_PLACES} decimal places.")
    if discount < before:
        raise InvalidTiers("Discounts must not fall from one tier to the next.")
    return discount


def parts(tokens: Decimal, *, unit_price: Decimal, schedule: Schedule) -> tuple[Part, ...]:
    """A quantity (> 0) as the schedule sells it: one part for each tier that counts. Parts add up to the quantity."""
    with localcontext(EXACT):
        if schedule.mode is TierMode.VOLUME:
            reached = next(tier for tier in schedule.tiers if tier.up_to is None or tokens <= tier.up_to)
            return (Part(tokens, unit_price * (1 - reached.discount)),)
        sold: list[Part] = []
        below = Decimal(0)
        for tier in schedule.tiers:
            upper = tokens if tier.up_to is None else min(tokens, tier.up_to)
            if upper > below:
                sold.append(Part(upper - below, unit_price * (1 - tier.discount)))
                below = upper
        return tuple(sold)


def amount_of(sold: Sequence[Part]) -> Decimal:
    """What all parts cost before tax, exact."""
    with localcontext(EXACT):
        return sum((part.tokens * part.unit_price for part in sold), Decimal(0))
