"""What a package of tokens may look like.

A fixed package is a number of tokens, at its own price or at the wallet's. A custom one lets the buyer name the number
between two ends; it may bring a price per token, volume tiers, a bonus and a validity of its own.
"""

from dataclasses import dataclass
from decimal import Decimal

from rules.pricing import TOKEN_PLACES, TOKENS_MAX, TOKENS_MIN, UNIT_PRICE_PLACES, places_of

PRICE_MAX = Decimal(1_000_000_000)
TOKEN_PRICE_MAX = Decimal(1_000_000)
BONUS_MAX = Decimal(1_000_000)
VALIDITY_DAYS_MAX = 36_500
ORDER_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Misfit:
    """Which field of something on offer is wrong, and why, in words."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Composition:
    """What a package is made of. Fixed: `tokens`, perhaps `price`. Custom: perhaps both ends and `token_price`.

    price         for the whole package before tax; token_price for one token. `currency` belongs to either.
    """

    is_custom: bool
    tokens: Decimal | None
    bonus_tokens: Decimal
    price: Decimal | None
    currency: str | None
    validity_days: int | None
    display_order: int
    min_tokens: Decimal | None = None
    max_tokens: Decimal | None = None
    token_price: Decimal | None = None


def misfit(package: Composition, minor_places: int | None) -> Misfit | None:
    """What is wrong with a package, or None. `minor_places` are those of its currency, None without one."""
    return _kind_misfit(package) or _quantity_misfit(package) or _price_misfit(package, minor_places) or _rest(package)


def ends_of(package: Composition) -> tuple[Decimal, Decimal]:
    """The fewest and the most tokens that can be bought of a package."""
    if package.tokens is not None:
        return package.tokens, package.tokens
    return package.min_tokens or TOKENS_MIN, package.max_tokens or TOKENS_MAX


def _kind_misfit(package: Composition) -> Misfit | None:
    if package.is_custom:
        if package.tokens is not None:
            return Misfit("tokens", "A custom package has no number of its own: the buyer names it.")
        if package.price is not None:
            return Misfit("price", "A custom package has a price per token.")
        return None
    if package.tokens is None:
        return Misfit("tokens", "A fixed package has a number of tokens.")
    for field in ("min_tokens", "max_tokens", "token_price"):
        if getattr(package, field) is not None:
            return Misfit(field, "Only a custom package has it.")
    return None


def _quantity_misfit(package: Composition) -> Misfit | None:
    for field in ("tokens", "min_tokens", "max_tokens"):
        tokens = getattr(package, field)
        if tokens is not None and (not TOKENS_MIN <= tokens <= TOKENS_MAX or places_of(tokens) > TOKEN_PLACES):
            return Misfit(field, "Tokens must be between 1 and 1000000 with at most 4 decimal places.")
    fewest, most = ends_of(package)
    return Misfit("max_tokens", "It must not be less than minTokens.") if most < fewest else None


def _price_misfit(package: Composition, minor_places: int | None) -> Misfit | None:
    price, token_price = package.price, package.token_price
    if price is not None and (not 0 < price <= PRICE_MAX or places_of(price) > (minor_places or 0)):
        return Misfit("price", "It must be more than 0, at most 1000000000, and exact in its currency.")
    if token_price is not None and (
        not 0 < token_price <= TOKEN_PRICE_MAX or places_of(token_price) > UNIT_PRICE_PLACES
    ):
        return Misfit("token_price", "It must be more than 0 and at most 1000000, with at most 6 decimal places.")
    return None


def _rest(package: Composition) -> Misfit | None:
    bonus = package.bonus_tokens
    if not 0 <= bonus <= BONUS_MAX or places_of(bonus) > TOKEN_PLACES:
        return Misfit("bonus_tokens", "They must be between 0 and 1000000 with at most 4 decimal places.")
    if package.validity_days is not None and not 1 <= package.validity_days <= VALIDITY_DAYS_MAX:
        return Misfit("validity_days", f"It must be between 1 and {VALIDITY_DAYS_MAX}.")
    if not 0 <= package.display_order <= ORDER_MAX:
        return Misfit("display_order", f"It must be between 0 and {ORDER_MAX}.")
    return None
