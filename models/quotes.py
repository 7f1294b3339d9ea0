"""What a purchase would cost an organization now.

    tokens × price per token, or the package's own price   made smaller by volume tiers where there are some
    − what a coupon takes off   = subtotal   + tax   = total

It only looks and keeps nothing; a price that holds is in `models.held_quotes`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.coupons import usable_coupon
from models.currencies import minor_places
from models.database import Connection
from models.errors import (
    CouponNotApplicable,
    InvalidTokens,
    PackageNotFound,
    PackageWithdrawn,
    WalletNotFound,
)
from models.packages import PackageView, read_package
from models.redemptions import AppliedCoupon
from models.volume import read_schedule
from rules.coupons import Basket, take_off, unfit
from rules.pricing import (
    TOKEN_PLACES,
    TOKENS_MAX,
    TOKENS_MIN,
    Price,
    discounted,
    places_of,
    price_amount,
    price_tokens,
)
from rules.tiers import Schedule, amount_of, parts

TERMS = """
SELECT id, currency, price_per_token, tax_rate, expiration_enabled, expiration_days
FROM organization_token_wallets WHERE organization_id = $1
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an organization's wallet says about buying."""

    wallet_id: UUID
    currency: str
    price_per_token: Decimal
    tax_rate: Decimal
    validity_days: int | None


@dataclass(frozen=True, slots=True)
class Quote:
    """What is bought and what it costs; `validity_days` None means the tokens never expire.

    bonus_tokens   those of the package and of the coupon together.
    """

    wallet_id: UUID
    package_id: UUID | None
    description: str
    price: Price
    bonus_tokens: Decimal
    currency: str
    validity_days: int | None
    coupon: AppliedCoupon | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer wants: a fixed package, a number of tokens, or a custom package and a number of tokens.

    coupon_code   as `rules.coupons.code_of` keeps it; None to use none.
    """

    package_id: UUID | None
    tokens: Decimal | None
    coupon_code: str | None = None


async def read_terms(db: Connection, organization_id: UUID) -> Terms:
    """Raises WalletNotFound."""
    row = await db.fetch_one(TERMS, organization_id)
    if row is None:
        raise WalletNotFound
    days = row["expiration_days"] if row["expiration_enabled"] else None
    return Terms(row["id"], row["currency"], row["price_per_token"], row["tax_rate"], days)


async def quote(db: Connection, organization_id: UUID, wish: Wish, *, at: datetime) -> Quote:
    """The price at an instant.

    Raises WalletNotFound, PackageNotFound, PackageWithdrawn, InvalidTokens, CouponNotApplicable, and the refusals of
    `models.coupons.usable_coupon`.
    """
    terms = await read_terms(db, organization_id)
    offered = await _without_coupon(db, wish, terms)
    if wish.coupon_code is None:
        return offered
    return await _with_coupon(db, offered, wish.coupon_code, organization_id, at)


async def check_quantity(db: Connection, wish: Wish) -> None:
    """Raises InvalidTokens when the number is not sold, by itself or of its package; a package that is not known or not
    sold any more is not looked into."""
    if wish.package_id is None:
        check_tokens(wish.tokens or Decimal(0))
        return
    package = await read_package(db, wish.package_id)
    if package is not None and package.is_active:
        quantity_of(package, wish.tokens)


def check_tokens(tokens: Decimal, minimum: Decimal = TOKENS_MIN, maximum: Decimal = TOKENS_MAX) -> None:
    """Raises InvalidTokens for a number of tokens that is not sold."""
    if not tokens.is_finite() or not minimum <= tokens <= maximum or places_of(tokens) > TOKEN_PLACES:
        raise InvalidTokens(minimum=minimum, maximum=maximum, decimal_places=TOKEN_PLACES)


def quantity_of(package: PackageView, tokens: Decimal | None) -> Decimal:
    """How many tokens are bought of a package. A fixed one has its own number, which may be named and no other; of a
    custom one the buyer must name the number. Raises InvalidTokens."""
    if package.tokens is not None and tokens is None:
        return package.tokens
    wanted = Decimal(0) if tokens is None else tokens
    check_tokens(wanted, *package.ends())
    return wanted


async def _without_coupon(db: Connection, wish: Wish, terms: Terms) -> Quote:
    if wish.package_id is None:
        tokens = wish.tokens or Decimal(0)
        check_tokens(tokens)
        tiers = await read_schedule(db, None)
        return quote_quantity(tokens, terms, None if tiers is None else tiers.schedule)
    package = await read_package(db, wish.package_id)
    if package is None:
        raise PackageNotFound
    if not package.is_active:
        raise PackageWithdrawn(package_name=package.name)
    quantity = quantity_of(package, wish.tokens)
    tiers = await read_schedule(db, package.id) if package.is_custom else None
    return quote_package(package, quantity, terms, None if tiers is None else tiers.schedule)


def quote_package(package: PackageView, tokens: Decimal, terms: Terms, tiers: Schedule | None) -> Quote:
    """A package's own price counts only in its own currency; elsewhere its tokens cost what tokens cost."""
    own = package.currency == terms.currency
    if package.price is not None and own:
        price = price_amount(
            package.price, tokens=tokens, tax_rate=terms.tax_rate, minor_places=minor_places(terms.currency)
        )
    else:
        token_price = package.token_price if own else None
        price = _price_of(tokens, terms, token_price or terms.price_per_token, tiers)
    days = package.validity_days if package.validity_days is not None else terms.validity_days
    return Quote(terms.wallet_id, package.id, package.name, price, package.bonus_tokens, terms.currency, days)


def quote_quantity(tokens: Decimal, terms: Terms, tiers: Schedule | None) -> Quote:
    price = _price_of(tokens, terms, terms.price_per_token, tiers)
    return Quote(terms.wallet_id, None, "Tokens", price, Decimal(0), terms.currency, terms.validity_days)


def _price_of(tokens: Decimal, terms: Terms, unit_price: Decimal, tiers: Schedule | None) -> Price:
    places = minor_places(terms.currency)
    if tiers is None:
        return price_tokens(tokens, unit_price=unit_price, tax_rate=terms.tax_rate, minor_places=places)
    amount = amount_of(parts(tokens, unit_price=unit_price, schedule=tiers))
    return price_amount(amount, tokens=tokens, tax_rate=terms.tax_rate, minor_places=places)


async def _with_coupon(db: Connection, offered: Quote, code: str, organization_id: UUID, at: datetime) -> Quote:
    coupon = await usable_coupon(db, code, organization_id, at=at)
    places = minor_places(offered.currency)
    basket = Basket(offered.package_id, offered.price.tokens, offered.price.subtotal, offered.currency, places)
    reason = unfit(coupon.terms, basket)
    if reason is not None:
        raise CouponNotApplicable(reason=reason.value)
    taken = take_off(coupon.terms, basket)
    price = discounted(offered.price, taken.discount, minor_places=places) if taken.discount else offered.price
    applied = AppliedCoupon(coupon.id, coupon.code, taken.discount, taken.bonus_tokens)
    return replace(offered, price=price, bonus_tokens=offered.bonus_tokens + taken.bonus_tokens, coupon=applied)
