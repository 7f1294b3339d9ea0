"""The catalogue and what a purchase would cost."""

from decimal import Decimal
from typing import Annotated, Self, TypeAlias

import strawberry

from models import errors
from models.database import connection
from models.packages import PackageView, packages_on_sale, read_package
from models.quotes import Quote, Wish, quote
from models.wallets import ensure_wallet
from rules.permissions import Permission
from rules.pricing import TOKEN_PLACES, TOKENS_MAX, TOKENS_MIN, InvalidQuantity, custom_quantity
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import public, requires
from schema.ids import read_id
from schema.money import Money, at_token_places, money
from schema.nodes import Node
from schema.problems import InvalidTokens, PackageNotFound, PackageWithdrawn, WalletNotFound
from schema.scope import wallet_owner


@strawberry.type(description="A number of tokens on offer.")
class TokenPackage(Node):
    name: str = strawberry.field(description="Its name.")
    description: str | None = strawberry.field(description="What it is for.")
    tokens: Decimal = strawberry.field(description="Tokens that are paid for.")
    bonus_tokens: Decimal = strawberry.field(description="Tokens on top of them, free.")
    price: Money | None = strawberry.field(
        description="Its own price before tax; null when it costs tokens × the wallet's price per token."
    )
    validity_days: int | None = strawberry.field(
        description="Days of 24 hours until its tokens expire; null for the wallet's rule."
    )
    is_active: bool = strawberry.field(description="Whether it is sold.")

    @classmethod
    def of(cls, view: PackageView) -> Self:
        return cls(
            key=view.id,
            name=view.name,
            description=view.description,
            tokens=view.tokens,
            bonus_tokens=view.bonus_tokens,
            price=None if view.price is None or view.currency is None else money(view.price, view.currency),
            validity_days=view.validity_days,
            is_active=view.is_active,
        )


@strawberry.type(description="What a purchase would cost now. What is charged is what is invoiced, tax included.")
class PriceQuote:
    description: str = strawberry.field(description="What is bought.")
    tokens: Decimal = strawberry.field(description="Tokens that are paid for.")
    bonus_tokens: Decimal = strawberry.field(description="Tokens on top of them, free.")
    unit_price: Decimal = strawberry.field(description="What one paid token costs before tax, to 6 places.")
    subtotal: Money = strawberry.field(description="Before tax.")
    tax_rate: Decimal = strawberry.field(description="A share of one: 0.16 is 16 %.")
    tax: Money = strawberry.field(description="Rounded once, half up, to the currency's own precision.")
    total: Money = strawberry.field(
        description="What would be charged. Send it as `expectedTotal` to be safe from changes."
    )
    validity_days: int | None = strawberry.field(description="Days until the tokens expire; null for never.")

    @classmethod
    def of(cls, offered: Quote) -> Self:
        price = offered.price
        return cls(
            description=offered.description,
            tokens=at_token_places(price.tokens),
            bonus_tokens=at_token_places(offered.bonus_tokens),
            unit_price=price.unit_price,
            subtotal=money(price.subtotal, offered.currency),
            tax_rate=price.tax_rate,
            tax=money(price.tax, offered.currency),
            total=money(price.total, offered.currency),
            validity_days=offered.validity_days,
        )


PriceQuoteResult: TypeAlias = Annotated[
    PriceQuote | PackageNotFound | PackageWithdrawn | InvalidTokens | WalletNotFound,
    strawberry.union("PriceQuoteResult"),
]

PackageId = Annotated[strawberry.ID | None, strawberry.argument(description="The package, or null.")]
Tokens = Annotated[
    Decimal | None,
    strawberry.argument(description="1 to 1,000,000 with at most 4 places, or null when a package is named."),
]


def check_quantity(tokens: Decimal) -> None:
    """Raises InvalidTokens for a quantity that is never sold, before anything is begun or remembered."""
    try:
        custom_quantity(tokens)
    except InvalidQuantity:
        raise errors.InvalidTokens(minimum=TOKENS_MIN, maximum=TOKENS_MAX, decimal_places=TOKEN_PLACES) from None


def wish_of(package_id: str | None, tokens: Decimal | None) -> Wish:
    """Exactly one of them. Raises BAD_USER_INPUT, InvalidTokens, and PackageNotFound for an id of anything else."""
    if (package_id is None) == (tokens is None):
        raise public_error("Name either packageId or tokens.", ErrorCode.BAD_USER_INPUT)
    if tokens is not None:
        check_quantity(tokens)
        return Wish(None, tokens)
    assert package_id is not None
    key = read_id(package_id, "TokenPackage")
    if key is None:
        raise errors.PackageNotFound
    return Wish(key, None)


@strawberry.type
class PackageQueries:
    @strawberry.field(description="The packages on sale, in the shop's order.", directives=public())
    async def token_packages(self) -> list[TokenPackage]:
        async with connection() as db:
            return [TokenPackage.of(view) for view in await packages_on_sale(db)]

    @strawberry.field(description="One package, also one that is sold no more. Null when unknown.", directives=public())
    async def token_package(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The package.")]
    ) -> TokenPackage | None:
        key = read_id(id, "TokenPackage")
        if key is None:
            return None
        async with connection() as db:
            view = await read_package(db, key)
        return None if view is None else TokenPackage.of(view)

    @strawberry.field(
        description="What a package, or a number of tokens, would cost the organization now.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def price_quote(
        self,
        info: Info,
        package_id: PackageId = None,
        tokens: Tokens = None,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Who would buy; null for the caller's own.")
        ] = None,
    ) -> PriceQuoteResult:
        owner, wish = wallet_owner(info, organization_id), wish_of(package_id, tokens)
        await ensure_wallet(owner, info.context.product.options.wallet_defaults)
        async with connection() as db:
            return PriceQuote.of(await quote(db, owner, wish))
