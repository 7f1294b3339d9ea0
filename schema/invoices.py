"""Invoices as the API shows them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models.database import connection
from models.invoices import InvoiceLineView, InvoiceView, invoice_by_number
from rules.permissions import Permission
from schema.context import Info
from schema.edge.permissions import requires
from schema.ids import global_id
from schema.money import Money, money
from schema.nodes import Node

NUMBER_LENGTH_MAX = 40


@strawberry.type(description="One line of an invoice; the lines add up to its total.")
class InvoiceLine:
    kind: str = strawberry.field(description='"tokens", "bonus", "discount" or "tax".')
    description: str = strawberry.field(description="As it stands on the paper.")
    quantity: Decimal = strawberry.field(description="Tokens; 1 on the lines of a discount and of the tax.")
    unit_price: Decimal = strawberry.field(description="Before tax, at most 6 places; a discount is below zero.")
    amount: Money = strawberry.field(description="The line's amount.")

    @classmethod
    def of(cls, view: InvoiceLineView, currency: str) -> Self:
        return cls(
            kind=view.kind,
            description=view.description,
            quantity=view.quantity,
            unit_price=view.unit_price,
            amount=money(view.amount, currency),
        )


@strawberry.type(description="A numbered proof of what was charged. Never changed after issue.")
class Invoice(Node):
    currency: strawberry.Private[str]
    purchase_key: strawberry.Private[UUID]
    number: str = strawberry.field(description="Gapless in its series: `TOK-2026-000001`.")
    issued_at: datetime = strawberry.field(description="When it was issued.")
    due_at: datetime = strawberry.field(description="When it would be due; it is paid already.")
    paid_at: datetime = strawberry.field(description="When it was paid.")
    subtotal: Money = strawberry.field(description="Before tax, a discount taken off.")
    tax_rate: Decimal = strawberry.field(description="A share of one: 0.16 is 16 %.")
    tax: Money = strawberry.field(description="The tax.")
    total: Money = strawberry.field(description="What was charged.")

    @classmethod
    def of(cls, view: InvoiceView) -> Self:
        return cls(
            key=view.id,
            currency=view.currency,
            purchase_key=view.purchase_id,
            number=view.number,
            issued_at=view.issued_at,
            due_at=view.due_at,
            paid_at=view.paid_at,
            subtotal=money(view.subtotal, view.currency),
            tax_rate=view.tax_rate,
            tax=money(view.tax_amount, view.currency),
            total=money(view.total_amount, view.currency),
        )

    @strawberry.field(description="The purchase it belongs to.")
    def purchase_id(self) -> strawberry.ID:
        return global_id("Purchase", self.purchase_key)

    @strawberry.field(description="The PDF; send the same Authorization header. 404 for a moment while it is made.")
    def pdf_url(self, info: Info) -> str:
        return f"{info.context.product.options.public_url}/invoices/{self.number}.pdf"

    @strawberry.field(description="Its lines in the order of the paper.")
    async def lines(self, info: Info) -> list[InvoiceLine]:
        return [InvoiceLine.of(view, self.currency) for view in await info.context.loaders.lines.load(self.key)]


@strawberry.type
class InvoiceQueries:
    @strawberry.field(
        description="An invoice by its number. Null when there is none or it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def invoice(
        self, info: Info, number: Annotated[str, strawberry.argument(description="Such as `TOK-2026-000001`.")]
    ) -> Invoice | None:
        view = await visible_invoice(info.context.caller().may_see, number)
        return None if view is None else Invoice.of(view)


async def visible_invoice(may_see: Callable[[UUID], bool], number: str) -> InvoiceView | None:
    """An invoice by its number, when the caller may see its organization."""
    if len(number) > NUMBER_LENGTH_MAX or not number.isascii() or not number.isprintable():
        return None
    async with connection() as db:
        view = await invoice_by_number(db, number)
    return view if view is not None and may_see(view.organization_id) else None
