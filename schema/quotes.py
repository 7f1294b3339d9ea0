"""What a purchase would cost: a look that keeps nothing, and a quote that holds its price."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID, uuid4

import strawberry

from models import errors
from models.database import connection
from models.held_quotes import HeldQuote, QuoteOrder, hold_quote
from models.quotes import Quote, Wish, check_tokens, quote
from models.wallets import ensure_wallet
from rules.coupons import code_of
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.ids import global_id, read_id
from schema.money import Money, at_token_places, money
from schema.nodes import Node
from schema.problems import (
    CouponExhausted,
    CouponExpired,
    CouponNotApplicable,
    CouponNotFound,
    CouponNotYetValid,
    InvalidTokens,
    PackageNotFound,
    PackageWithdrawn,
    TokenSystemDisabled,
    WalletNotFound,
)
from schema.scalars import clean_text
from schema.scope import refuse_when_disabled, wallet_owner

CODE_LENGTH_MAX = 40


@strawberry.type(description="What a purchase would cost now. What is charged is what is invoiced, tax included.")
class PriceQuote:
    description: str = strawberry.field(description="What is bought.")
    tokens: Decimal = strawberry.field(description="Tokens that are paid for.")
    bonus_tokens: Decimal = strawberry.field(description="Free tokens on top, of the package and of the coupon.")
    unit_price: Decimal = strawberry.field(
        description="What one paid token costs before tax, tiers and coupon included, to 6 places."
    )
    discount: Money = strawberry.field(description="What the coupon takes off before tax; 0 without one.")
    coupon_code: str | None = strawberry.field(description="The coupon that counts; null for none.")
    subtotal: Money = strawberry.field(description="Before tax, the discount taken off.")
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
            discount=money(price.discount, offered.currency),
            coupon_code=None if offered.coupon is None else offered.coupon.code,
            subtotal=money(price.subtotal, offered.currency),
            tax_rate=price.tax_rate,
            tax=money(price.tax, offered.currency),
            total=money(price.total, offered.currency),
            validity_days=offered.validity_days,
        )


@strawberry.type(
    description="A price that holds. It can be bought once, by `startPurchase(quoteId:)`, whatever changes meanwhile; "
    "only a coupon that others have used up by then is refused."
)
class HeldPriceQuote(Node):
    organization_key: strawberry.Private[UUID]
    price: PriceQuote = strawberry.field(description="What is bought and what it costs.")
    quoted_at: datetime = strawberry.field(description="When the price was made.")
    expires_at: datetime = strawberry.field(description="Until when it holds, that instant excluded.")
    used_at: datetime | None = strawberry.field(description="When a purchase was placed at it; null while none was.")

    @classmethod
    def of(cls, held: HeldQuote) -> Self:
        return cls(
            key=held.id,
            organization_key=held.organization_id,
            price=PriceQuote.of(held.quote),
            quoted_at=held.quoted_at,
            expires_at=held.expires_at,
            used_at=held.used_at,
        )

    @strawberry.field(description="Whose quote it is.")
    def organization_id(self) -> strawberry.ID:
        return global_id("Organization", self.organization_key)


@strawberry.input(
    description="What a price is wanted for: a fixed package, a number of tokens, or a custom package and a number."
)
class CreateQuoteInput:
    package_id: strawberry.ID | None = strawberry.field(default=None, description="The package.")
    tokens: Decimal | None = strawberry.field(
        default=None, description="A number of tokens: 1 to 1,000,000 with at most 4 places."
    )
    coupon_code: str | None = strawberry.field(default=None, description="In any letter case; null for none.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who would buy; null for the caller's own."
    )


@strawberry.type(description="The price holds for 15 minutes.")
class CreateQuoteSuccess:
    quote: HeldPriceQuote = strawberry.field(description="The quote.")


PriceQuoteResult: TypeAlias = Annotated[
    PriceQuote
    | PackageNotFound
    | PackageWithdrawn
    | InvalidTokens
    | WalletNotFound
    | CouponNotFound
    | CouponNotYetValid
    | CouponExpired
    | CouponExhausted
    | CouponNotApplicable,
    strawberry.union("PriceQuoteResult"),
]
CreateQuoteResult: TypeAlias = Annotated[
    CreateQuoteSuccess
    | PackageNotFound
    | PackageWithdrawn
    | InvalidTokens
    | WalletNotFound
    | CouponNotFound
    | CouponNotYetValid
    | CouponExpired
    | CouponExhausted
    | CouponNotApplicable
    | TokenSystemDisabled,
    strawberry.union("CreateQuoteResult"),
]

PackageId = Annotated[strawberry.ID | None, strawberry.argument(description="The package, or null.")]
Tokens = Annotated[
    Decimal | None,
    strawberry.argument(
        description="1 to 1,000,000 with at most 4 places; null for a fixed package, which has its own number."
    ),
]
CouponCode = Annotated[
    str | None, strawberry.argument(description="A coupon's code in any letter case; null to use none.")
]


def wish_of(package_id: str | None, tokens: Decimal | None, coupon_code: str | None = None) -> Wish:
    """A package, a number, or both. Raises BAD_USER_INPUT for neither, InvalidTokens for a number that is never sold,
    PackageNotFound for an id of anything else, CouponNotFound for what can be no code."""
    if package_id is None and tokens is None:
        raise public_error("Name packageId or tokens.", ErrorCode.BAD_USER_INPUT)
    if tokens is not None:
        check_tokens(tokens)
    key = None if package_id is None else read_id(package_id, "TokenPackage")
    if package_id is not None and key is None:
        raise errors.PackageNotFound
    return Wish(key, tokens, None if coupon_code is None else read_code(coupon_code))


def read_code(given: str) -> str:
    """A coupon's code as it is kept. Raises BAD_USER_INPUT, and CouponNotFound for what can be no code."""
    code = code_of(clean_text(given, "couponCode", length_min=1, length_max=CODE_LENGTH_MAX))
    if code is None:
        raise errors.CouponNotFound
    return code


@strawberry.type
class QuoteQueries:
    @strawberry.field(
        description="What a package, or a number of tokens, would cost the organization now. Keeps nothing; a price "
        "that holds is made by `createQuote`.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def price_quote(
        self,
        info: Info,
        package_id: PackageId = None,
        tokens: Tokens = None,
        coupon_code: CouponCode = None,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Who would buy; null for the caller's own.")
        ] = None,
    ) -> PriceQuoteResult:
        owner, wish = wallet_owner(info, organization_id), wish_of(package_id, tokens, coupon_code)
        await ensure_wallet(owner, info.context.product.options.wallet_defaults)
        async with connection() as db:
            return PriceQuote.of(await quote(db, owner, wish, at=info.context.now))


@strawberry.type
class QuoteMutations:
    @strawberry.mutation(
        description="Hold a price for 15 minutes. Changes of the package, its tiers, the wallet's price, the tax rate "
        "or the coupon's time do not touch it.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def create_quote(
        self,
        info: Info,
        input: Annotated[CreateQuoteInput, strawberry.argument(description="What the price is wanted for.")],
    ) -> CreateQuoteResult:
        refuse_when_disabled(info)
        owner = wallet_owner(info, input.organization_id)
        wish = wish_of(input.package_id, input.tokens, input.coupon_code)
        await ensure_wallet(owner, info.context.product.options.wallet_defaults)
        order = QuoteOrder(uuid4(), owner, wish, info.context.caller().name, info.context.request_id)
        return CreateQuoteSuccess(quote=HeldPriceQuote.of(await hold_quote(order, at=info.context.now)))
