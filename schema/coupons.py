"""Coupons, for those with CATALOG_MANAGE. Buyers only ever name a code."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.coupons import CouponDraft, CouponView, create_coupon, read_coupons, withdraw_coupon
from models.database import connection
from rules.coupons import CouponTerms, code_of
from rules.permissions import Permission
from schema.catalogue import keeper, package_key
from schema.context import Info
from schema.edge.costs import sized
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import CouponBenefit
from schema.ids import global_id
from schema.money import Money, MoneyInput, money, read_money
from schema.nodes import Node
from schema.pages import COUPONS, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.problems import CouponCodeTaken, CouponNotFound, IdempotencyConflict, InvalidCoupon, PackageNotFound
from schema.quotes import CODE_LENGTH_MAX
from schema.scalars import clean_text, read_key


@strawberry.type(description="A code that makes a purchase cheaper or larger. Its terms never change.")
class Coupon(Node):
    package_keys: strawberry.Private[tuple[UUID, ...]]
    code: str = strawberry.field(description="In capitals; buyers may write it in any letter case.")
    description: str = strawberry.field(description="For those who keep the catalogue.")
    benefit: CouponBenefit = strawberry.field(description="What it gives.")
    share: Decimal | None = strawberry.field(description="Of a PERCENT coupon: 0.1 is 10 % off.")
    amount: Money | None = strawberry.field(description="Of an AMOUNT coupon: what comes off before tax.")
    bonus_tokens: Decimal | None = strawberry.field(description="Of a BONUS_TOKENS coupon: the tokens on top.")
    valid_from: datetime | None = strawberry.field(description="From when it can be used; null for at once.")
    valid_until: datetime | None = strawberry.field(description="Until when, that instant excluded; null for no end.")
    withdrawn_at: datetime | None = strawberry.field(description="When it was deactivated; null while it is not.")
    min_tokens: Decimal | None = strawberry.field(description="The fewest tokens it goes with; null for any number.")
    min_subtotal: Money | None = strawberry.field(description="The least price before tax it goes with; null for any.")
    max_redemptions: int | None = strawberry.field(description="How often it may be used by all; null for no limit.")
    max_redemptions_per_organization: int | None = strawberry.field(
        description="How often one organization may use it; null for no limit."
    )
    redemptions: int = strawberry.field(
        description="How often it is used now: by purchases that are open or paid. More than maxRedemptions only when "
        "purchases were paid after they had been given up."
    )
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, view: CouponView) -> Self:
        terms = view.terms
        return cls(
            key=view.id,
            package_keys=tuple(terms.package_ids),
            code=view.code,
            description=view.description,
            benefit=CouponBenefit(terms.benefit),
            share=terms.share,
            amount=_money(terms.amount, terms.currency),
            bonus_tokens=terms.bonus_tokens,
            valid_from=terms.valid_from,
            valid_until=terms.valid_until,
            withdrawn_at=view.withdrawn_at,
            min_tokens=terms.min_tokens,
            min_subtotal=_money(terms.min_subtotal, terms.currency),
            max_redemptions=terms.max_redemptions,
            max_redemptions_per_organization=terms.max_per_organization,
            redemptions=view.redemptions,
            created_at=view.created_at,
        )

    @strawberry.field(description="The packages it goes with; empty for everything that is sold.")
    def package_ids(self) -> list[strawberry.ID]:
        return [global_id("TokenPackage", key) for key in self.package_keys]


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else money(amount, currency)


@strawberry.input(description="A coupon: exactly one of `share`, `amount` and `bonusTokens`.")
class CreateCouponInput:
    idempotency_key: str = strawberry.field(
        description="Your own name for this coupon, 1 to 255 characters. The same key never makes two."
    )
    code: str = strawberry.field(description="3 to 40 letters, digits, `_` and `-`, kept in capitals; given once.")
    description: str = strawberry.field(default="", description="What it is for, up to 500 characters.")
    share: Decimal | None = strawberry.field(
        default=None, description="More than 0 and less than 1, at most 6 places: 0.1 is 10 % off."
    )
    amount: MoneyInput | None = strawberry.field(
        default=None, description="What comes off before tax, of wallets in its currency; a minor unit always remains."
    )
    bonus_tokens: Decimal | None = strawberry.field(
        default=None, description="Free tokens on top, up to 1,000,000 with at most 4 places."
    )
    valid_from: datetime | None = strawberry.field(default=None, description="Null for at once.")
    valid_until: datetime | None = strawberry.field(default=None, description="Excluded; null for no end.")
    max_redemptions: int | None = strawberry.field(default=None, description="By all together; null for no limit.")
    max_redemptions_per_organization: int | None = strawberry.field(
        default=None, description="By each organization; null for no limit."
    )
    min_tokens: Decimal | None = strawberry.field(default=None, description="The fewest tokens; null for any number.")
    min_subtotal: MoneyInput | None = strawberry.field(
        default=None, description="The least price before tax, in the currency of `amount`; null for any."
    )
    package_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The packages it goes with, up to 50; empty for everything that is sold."
    )


@strawberry.input(description="Which coupon is to be used no more.")
class DeactivateCouponInput:
    code: str = strawberry.field(description="Its code, in any letter case.")


@strawberry.type(description="The coupon can be used.")
class CreateCouponSuccess:
    coupon: Coupon = strawberry.field(description="The coupon as it stands now.")
    replayed: bool = strawberry.field(description="Whether the key had been used before; then nothing new was made.")


@strawberry.type(description="The coupon is used no more. Purchases and quotes that have it keep it.")
class DeactivateCouponSuccess:
    coupon: Coupon = strawberry.field(description="The coupon.")


CreateCouponResult: TypeAlias = Annotated[
    CreateCouponSuccess | InvalidCoupon | CouponCodeTaken | PackageNotFound | IdempotencyConflict,
    strawberry.union("CreateCouponResult"),
]
DeactivateCouponResult: TypeAlias = Annotated[
    DeactivateCouponSuccess | CouponNotFound, strawberry.union("DeactivateCouponResult")
]


def coupon_draft(input: CreateCouponInput) -> CouponDraft:
    """The coupon in the words of the models. Raises BAD_USER_INPUT, InvalidCoupon, PackageNotFound."""
    code = code_of(clean_text(input.code, "code", length_min=1, length_max=CODE_LENGTH_MAX))
    if code is None:
        raise errors.InvalidCoupon(field="code", reason="A code has 3 to 40 letters, digits, _ and -.")
    amount, amount_currency = (None, None) if input.amount is None else read_money(input.amount, "amount")
    least, least_currency = (
        (None, None) if input.min_subtotal is None else read_money(input.min_subtotal, "minSubtotal")
    )
    if amount_currency and least_currency and amount_currency != least_currency:
        raise errors.InvalidCoupon(field="min_subtotal", reason="It must be in the currency of the amount.")
    terms = CouponTerms(
        benefit=_benefit_of(input),
        share=input.share,
        amount=amount,
        bonus_tokens=input.bonus_tokens,
        currency=amount_currency or least_currency,
        valid_from=input.valid_from,
        valid_until=input.valid_until,
        max_redemptions=input.max_redemptions,
        max_per_organization=input.max_redemptions_per_organization,
        min_tokens=input.min_tokens,
        min_subtotal=least,
        package_ids=[package_key(one) for one in input.package_ids],
    )
    return CouponDraft(code, clean_text(input.description, "description"), terms)


def _benefit_of(input: CreateCouponInput) -> CouponBenefit:
    """Raises BAD_USER_INPUT unless the coupon gives exactly one thing."""
    given = {
        CouponBenefit.PERCENT: input.share,
        CouponBenefit.AMOUNT: input.amount,
        CouponBenefit.BONUS_TOKENS: input.bonus_tokens,
    }
    found = [benefit for benefit, value in given.items() if value is not None]
    if len(found) != 1:
        raise public_error("Name exactly one of share, amount and bonusTokens.", ErrorCode.BAD_USER_INPUT)
    return found[0]


@strawberry.type
class CouponQueries:
    @strawberry.field(
        description="All coupons, newest first, deactivated ones included.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def coupons(self, first: First = 20, after: After = None) -> Connection[Coupon]:
        size, before = page_size(first), read_moment(after, of=COUPONS)
        async with connection() as db:
            views = await read_coupons(db, limit=size + 1, before=before)
        rows = [(moment_cursor(view.created_at, view.id, of=COUPONS), Coupon.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class CouponMutations:
    @strawberry.mutation(
        description="Make a coupon. The same key with the same input answers with the same coupon.",
        directives=[*requires(Permission.CATALOG_MANAGE), *sized("input.packageIds")],
    )
    async def create_coupon(
        self, info: Info, input: Annotated[CreateCouponInput, strawberry.argument(description="The coupon.")]
    ) -> CreateCouponResult:
        view, replayed = await create_coupon(read_key(input.idempotency_key), coupon_draft(input), keeper(info))
        return CreateCouponSuccess(coupon=Coupon.of(view), replayed=replayed)

    @strawberry.mutation(
        description="Let a coupon be used no more. Doing so again is no error.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def deactivate_coupon(
        self, info: Info, input: Annotated[DeactivateCouponInput, strawberry.argument(description="Which.")]
    ) -> DeactivateCouponResult:
        code = code_of(clean_text(input.code, "code", length_min=1, length_max=CODE_LENGTH_MAX))
        if code is None:
            raise errors.CouponNotFound
        return DeactivateCouponSuccess(coupon=Coupon.of(await withdraw_coupon(code, keeper(info), at=info.context.now)))
