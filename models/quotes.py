"""What a purchase would cost an organisation now."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from models.currencies import minor_places
from models.database import Connection
from models.errors import InvalidTokens, PackageNotFound, PackageWithdrawn, WalletNotFound
from models.packages import PackageView, read_package
from rules.pricing import (
    TOKEN_PLACES,
    TOKENS_MAX,
    TOKENS_MIN,
    InvalidQuantity,
    Price,
    custom_quantity,
    price_amount,
    price_tokens,
)

TERMS = """
SELECT id, currency, price_per_token, tax_rate, expiration_enabled, expiration_days
FROM organization_token_wallets WHERE organization_id = $1
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an organisation's wallet says about buying."""

    wallet_id: UUID
    currency: str
    price_per_token: Decimal
    tax_rate: Decimal
    validity_days: int | None


@dataclass(frozen=True, slots=True)
class Quote:
    """What is bought and what it costs; `validity_days` None means the tokens never expire."""

    wallet_id: UUID
    package_id: UUID | None
    description: str
    price: Price
    bonus_tokens: Decimal
    currency: str
    validity_days: int | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer wants: a package, or a number of tokens of their own choice; exactly one of them."""

    package_id: UUID | None
    tokens: Decimal | None


async def read_terms(db: Connection, organization_id: UUID) -> Terms:
    """Raises WalletNotFound."""
    row = await db.fetch_one(TERMS, organization_id)
    if row is None:
        raise WalletNotFound
    days = row["expiration_days"] if row["expiration_enabled"] else None
    return Terms(row["id"], row["currency"], row["price_per_token"], row["tax_rate"], days)


async def quote(db: Connection, organization_id: UUID, wish: Wish) -> Quote:
    """The price now. Raises WalletNotFound, PackageNotFound, PackageWithdrawn, InvalidTokens."""
    terms = await read_terms(db, organization_id)
    if wish.package_id is None:
        return quote_quantity(wish.tokens or Decimal(0), terms)
    package = await read_package(db, wish.package_id)
    if package is None:
        raise PackageNotFound
    if not package.is_active:
        raise PackageWithdrawn(package_name=package.name)
    return quote_package(package, terms)


def quote_package(package: PackageView, terms: Terms) -> Quote:
    """A package's own price counts only in its own currency; elsewhere its tokens cost what tokens cost."""
    places = minor_places(terms.currency)
    if package.price is not None and package.currency == terms.currency:
        price = price_amount(package.price, tokens=package.tokens, tax_rate=terms.tax_rate, minor_places=places)
    else:
        price = _at_wallet_price(package.tokens, terms)
    days = package.validity_days if package.validity_days is not None else terms.validity_days
    return Quote(terms.wallet_id, package.id, package.name, price, package.bonus_tokens, terms.currency, days)


def quote_quantity(tokens: Decimal, terms: Terms) -> Quote:
    """Raises InvalidTokens for a quantity that is not sold."""
    try:
        quantity = custom_quantity(tokens)
    except InvalidQuantity:
        raise InvalidTokens(minimum=TOKENS_MIN, maximum=TOKENS_MAX, decimal_places=TOKEN_PLACES) from None
    price = _at_wallet_price(quantity, terms)
    return Quote(terms.wallet_id, None, "Tokens", price, Decimal(0), terms.currency, terms.validity_days)


def _at_wallet_price(tokens: Decimal, terms: Terms) -> Price:
    return price_tokens(
        tokens,
        unit_price=terms.price_per_token,
        tax_rate=terms.tax_rate,
        minor_places=minor_places(terms.currency),
    )
