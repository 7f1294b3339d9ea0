"""What tests need to be on offer: custom packages, volume tiers, coupons, quotes, rates."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.coupons import CouponDraft, CouponView, create_coupon
from models.database import Connection, transaction
from models.errors import Refusal
from models.held_quotes import HeldQuote, QuoteOrder, hold_quote
from models.keepers import Keeper
from models.packages import PackageDraft, PackageView, create_package
from models.payment_methods import NewPaymentMethod, add_payment_method
from models.purchases import PurchaseOrder, PurchaseView, place
from models.quotes import Wish
from models.rates import RateDraft, RateView, set_rate
from models.volume import TiersWanted, set_tiers
from rules.coupons import CouponBenefit, CouponTerms
from rules.identity import derived_id
from rules.packages import Composition
from rules.tiers import Tier, TierMode
from tests.builders import Organization, an_organization

KEEPER = Keeper("user/keeper")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# The tiers of the token platform's design: 10 % off from 10, 20 % from 100, 30 % from 1,000.
TIERS = (("9", "0"), ("99", "0.1"), ("999", "0.2"), (None, "0.3"))

numbers = itertools.count(1)


async def a_custom_package(
    *,
    at_least: str | None = None,
    at_most: str | None = None,
    token_price: str | None = None,
    currency: str = "USD",
    bonus: str = "0",
    validity_days: int | None = None,
) -> PackageView:
    made = Composition(
        is_custom=True,
        tokens=None,
        bonus_tokens=Decimal(bonus),
        price=None,
        currency=None if token_price is None else currency,
        validity_days=validity_days,
        display_order=0,
        min_tokens=None if at_least is None else Decimal(at_least),
        max_tokens=None if at_most is None else Decimal(at_most),
        token_price=None if token_price is None else Decimal(token_price),
    )
    view, _ = await create_package(f"custom {next(numbers)}", PackageDraft("Bulk", None, made), KEEPER)
    return view


async def tiered(
    package_id: UUID | None = None,
    *,
    tiers: tuple[tuple[str | None, str], ...] = TIERS,
    mode: TierMode = TierMode.VOLUME,
    at: datetime = NOON,
) -> None:
    """Plain quantities, or a custom package, become cheaper."""
    wanted = tuple(Tier(None if up_to is None else Decimal(up_to), Decimal(off)) for up_to, off in tiers)
    await set_tiers(TiersWanted(package_id, mode, wanted), KEEPER, at=at)


async def a_coupon(code: str = "SPRING", **terms: Any) -> CouponView:
    """A coupon that takes 10 % off, or what its terms say."""
    benefits = {
        "share": CouponBenefit.PERCENT,
        "amount": CouponBenefit.AMOUNT,
        "bonus_tokens": CouponBenefit.BONUS_TOKENS,
    }
    given = terms if any(name in terms for name in benefits) else {"share": Decimal("0.1"), **terms}
    (benefit,) = (benefits[name] for name in given if name in benefits)
    view, _ = await create_coupon(code, CouponDraft(code, "", CouponTerms(benefit, **given)), KEEPER)
    return view


async def a_quote(organization: Organization, wish: Wish, *, at: datetime = NOON) -> HeldQuote:
    quote_id = derived_id("quote", "test", next(numbers))
    return await hold_quote(QuoteOrder(quote_id, organization.id, wish, "user/test"), at=at)


async def a_rate(operation: str = "report", each: str = "50", *, at: datetime = NOON) -> RateView:
    return await set_rate(RateDraft(operation, Decimal(each), "each", ""), KEEPER, at=at)


async def pays_by_card(organization: Organization) -> None:
    """The organization has a default payment method of the sandbox."""
    token = f"pm_success:{organization.id}"
    await add_payment_method(
        NewPaymentMethod(organization.id, "sandbox", token, "card", "visa", "4242", 12, 2030), actor="scrip"
    )


async def orders(
    organization: Organization,
    tokens: str | None = "100",
    *,
    package_id: UUID | None = None,
    coupon: str | None = None,
    quote_id: UUID | None = None,
    key: str | None = None,
    accepted_at: datetime | None = None,
    at: datetime = NOON,
) -> PurchaseView:
    """A pending purchase as the buying story places it, without the story. Raises what placing raises."""
    wanted = None if tokens is None or quote_id is not None else Decimal(tokens)
    order = PurchaseOrder(
        organization.id,
        Wish(package_id, wanted, coupon),
        None,
        key or f"offer-{next(numbers)}",
        "user/test",
        quote_id=quote_id,
        accepted_at=accepted_at,
    )
    async with transaction() as db:
        return await place(db, order, at=at)


async def a_payer() -> Organization:
    """An organization with a wallet and a card."""
    organization = await an_organization()
    await pays_by_card(organization)
    return organization


async def outcome(organization: Organization, **order: Any) -> str:
    """What placing an order comes to: "placed", or the code of the refusal."""
    try:
        await orders(organization, **order)
    except Refusal as refusal:
        return refusal.code
    return "placed"


async def uses(db: Connection) -> list[tuple[str, int]]:
    """Every coupon's code and how often it is used now."""
    return [(row["code"], row["redemptions"]) for row in await db.fetch("SELECT code, redemptions FROM coupons")]


async def redemptions(db: Connection) -> list[tuple[str, bool]]:
    """The state of every redemption, and whether its money was late."""
    rows = await db.fetch("SELECT status, is_late FROM coupon_redemptions ORDER BY reserved_at, id")
    return [(row["status"], row["is_late"]) for row in rows]
