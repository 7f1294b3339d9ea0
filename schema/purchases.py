"""Purchases as the API shows them, and how far each has come."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models.database import connection
from models.errors import PurchaseNotFound
from models.purchases import PurchaseView, read_purchases, require_purchase
from rules.permissions import Permission
from schema.context import Info
from schema.edge.permissions import requires
from schema.enums import PurchaseStatus, PurchaseType
from schema.ids import global_id, read_id
from schema.invoices import Invoice
from schema.money import Money, money
from schema.nodes import Node
from schema.operations import WorkflowLink, describe_workflow
from schema.pages import PURCHASES, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.scope import organization_of
from workflows.purchase import purchase_workflow_id


@strawberry.type(description="Why a purchase was not paid.")
class PaymentFailure:
    code: str | None = strawberry.field(description="The gateway's own word, such as `insufficient_funds`.")
    message: str = strawberry.field(description="One sentence, for people.")


@strawberry.type(description="A buyer's order: what is bought, at which price, and what became of it.")
class Purchase(Node):
    organization_key: strawberry.Private[UUID]
    package_key: strawberry.Private[UUID | None]
    method_key: strawberry.Private[UUID]
    quote_key: strawberry.Private[UUID | None]
    failure_code: strawberry.Private[str | None]
    failure_reason: strawberry.Private[str | None]
    reference: str = strawberry.field(description="For people and papers.")
    status: PurchaseStatus = strawberry.field(description="How far it has come.")
    kind: PurchaseType = strawberry.field(description="What made it.")
    description: str = strawberry.field(description="What is bought.")
    tokens: Decimal = strawberry.field(description="Tokens that are paid for.")
    bonus_tokens: Decimal = strawberry.field(description="Tokens on top of them, free.")
    price_per_token: Decimal = strawberry.field(description="Before tax, to 6 places; frozen when it was placed.")
    discount: Money = strawberry.field(description="What its coupon took off before tax; 0 without one.")
    coupon_code: str | None = strawberry.field(description="Its coupon; null for none.")
    subtotal: Money = strawberry.field(description="Before tax, the discount taken off.")
    tax_rate: Decimal = strawberry.field(description="A share of one: 0.16 is 16 %.")
    tax: Money = strawberry.field(description="The tax.")
    total: Money = strawberry.field(description="What is charged, tax included.")
    gateway: str = strawberry.field(description="Who charges.")
    action_url: str | None = strawberry.field(description="Where the buyer acts while the status is REQUIRES_ACTION.")
    placed_at: datetime = strawberry.field(description="When it was placed.")
    completed_at: datetime | None = strawberry.field(description="When the tokens were in the wallet.")
    tokens_expire_at: datetime | None = strawberry.field(description="When its tokens expire; null for never.")

    @classmethod
    def of(cls, view: PurchaseView) -> Self:
        return cls(
            key=view.id,
            organization_key=view.organization_id,
            package_key=view.package_id,
            method_key=view.payment_method_id,
            quote_key=view.quote_id,
            failure_code=view.failure_code,
            failure_reason=view.failure_reason,
            reference=view.reference,
            status=PurchaseStatus(view.status),
            kind=PurchaseType(view.purchase_type),
            description=view.description,
            tokens=view.tokens,
            bonus_tokens=view.bonus_tokens,
            price_per_token=view.price_per_token,
            discount=money(view.discount_amount, view.currency),
            coupon_code=view.coupon_code,
            subtotal=money(view.subtotal, view.currency),
            tax_rate=view.tax_rate,
            tax=money(view.tax_amount, view.currency),
            total=money(view.total_amount, view.currency),
            gateway=view.gateway,
            action_url=view.action_url,
            placed_at=view.placed_at,
            completed_at=view.completed_at,
            tokens_expire_at=view.tokens_expire_at,
        )

    @strawberry.field(description="Whose purchase it is.")
    def organization_id(self) -> strawberry.ID:
        return global_id("Organization", self.organization_key)

    @strawberry.field(description="The package that was bought; null for plain tokens.")
    def package_id(self) -> strawberry.ID | None:
        return None if self.package_key is None else global_id("TokenPackage", self.package_key)

    @strawberry.field(description="The quote it was bought at; null when it was bought at the price of the moment.")
    def quote_id(self) -> strawberry.ID | None:
        return None if self.quote_key is None else global_id("HeldPriceQuote", self.quote_key)

    @strawberry.field(description="The payment method it is paid with.")
    def payment_method_id(self) -> strawberry.ID:
        return global_id("PaymentMethod", self.method_key)

    @strawberry.field(description="Why it was not paid; null unless it failed, was cancelled or expired.")
    def failure(self) -> PaymentFailure | None:
        if self.failure_reason is None:
            return None
        return PaymentFailure(code=self.failure_code, message=self.failure_reason)

    @strawberry.field(description="Its invoice; null until it is completed.")
    async def invoice(self, info: Info) -> Invoice | None:
        view = await info.context.loaders.invoices.load(self.key)
        return None if view is None else Invoice.of(view)

    @strawberry.field(description="The workflow that works for it, as operators see it; null when it is long gone.")
    async def workflow(self, info: Info) -> WorkflowLink | None:
        return await describe_workflow(info, purchase_workflow_id(self.key))


async def visible_purchase(info: Info, purchase_id: str) -> PurchaseView | None:
    """A purchase by its global id, when the caller may see its organization."""
    key = read_id(purchase_id, "Purchase")
    if key is None:
        return None
    try:
        async with connection() as db:
            view = await require_purchase(db, key)
    except PurchaseNotFound:
        return None
    return view if info.context.caller().may_see(view.organization_id) else None


async def purchases_of(
    info: Info, organization_id: UUID, first: int, after: After, statuses: Sequence[PurchaseStatus] | None
) -> Connection[Purchase]:
    """A page of an organization's purchases, read together with the same page of other organizations."""
    size, before = page_size(first), read_moment(after, of=PURCHASES)
    chosen = tuple(status.value for status in statuses or ())
    page = info.context.loaders.page
    views = await page(read_purchases, organization_id, limit=size + 1, before=before, statuses=chosen)
    rows = [(moment_cursor(view.placed_at, view.id, of=PURCHASES), Purchase.of(view)) for view in views]
    return page_of(rows, size, continued=after is not None)


@strawberry.type
class PurchaseQueries:
    @strawberry.field(
        description="A purchase. Null when there is none or it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def purchase(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The purchase.")]
    ) -> Purchase | None:
        view = await visible_purchase(info, id)
        return None if view is None else Purchase.of(view)

    @strawberry.field(
        description="An organization's purchases, newest first. Null when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def purchases(
        self,
        info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose; null for the caller's own.")
        ] = None,
        first: First = 20,
        after: After = None,
        statuses: Annotated[
            list[PurchaseStatus] | None, strawberry.argument(description="Only in these states; null for all.")
        ] = None,
    ) -> Connection[Purchase] | None:
        owner = organization_of(info, organization_id)
        return None if owner is None else await purchases_of(info, owner, first, after, statuses)
