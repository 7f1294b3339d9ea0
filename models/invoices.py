"""Invoices: issued once for a paid purchase, numbered without gaps, and never changed.

The number is taken from the series' counter row inside the crediting transaction: when that rolls back the number was
never given. Buyer and seller are copied as they are at issue. The rendered PDF is kept by its hash.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from models.database import Connection
from models.paging import read_pages
from models.purchases import PurchaseView
from rules.identity import derived_id
from rules.numbering import INVOICE_PREFIX, number_in, series_of
from rules.pricing import UNIT_PRICE_PLACES, round_half_up

NEXT_ORDINAL = """
INSERT INTO token_invoice_counters (series, last_ordinal) VALUES ($1, 1)
ON CONFLICT (series) DO UPDATE SET last_ordinal = token_invoice_counters.last_ordinal + 1 RETURNING last_ordinal
"""

ISSUE = """
INSERT INTO token_invoices (id, invoice_number, series, ordinal, organization_id, purchase_id, issued_at, due_at,
    paid_at, subtotal, tax_rate, tax_amount, total_amount, currency, buyer, seller, payment_reference)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $7, $9, $10, $11, $12, $13,
    jsonb_build_object('name', o.name, 'address', o.address, 'tax_id', o.tax_id, 'email', o.contact_email),
    $14::jsonb, $15
FROM organizations o WHERE o.id = $5
"""

LINES = """
INSERT INTO token_invoice_lines (id, invoice_id, position, item_type, description, quantity, unit_price, amount)
SELECT l.id, $1, l.position, l.kind, l.description, l.quantity, l.unit_price, l.amount
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], $8::numeric[])
    AS l(id, position, kind, description, quantity, unit_price, amount)
"""

COLUMNS = """
SELECT i.id, i.invoice_number AS number, i.organization_id, i.purchase_id, i.issued_at, i.due_at, i.paid_at, i.subtotal,
       i.tax_rate, i.tax_amount, i.total_amount, i.currency, i.buyer::text AS buyer, i.seller::text AS seller,
       i.payment_reference
FROM token_invoices i
"""

OF_ORGANIZATION = (
    COLUMNS
    + """
WHERE i.organization_id = $1 AND ($2::timestamptz IS NULL OR (i.issued_at, i.id) < ($2, $3))
ORDER BY i.issued_at DESC, i.id DESC LIMIT $4
"""
)

LINES_OF = """
SELECT invoice_id, position, item_type AS kind, description, quantity, unit_price, amount FROM token_invoice_lines
WHERE invoice_id = ANY ($1) ORDER BY invoice_id, position
"""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as printed on the invoice."""

    name: str
    address: str
    tax_id: str
    email: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "address": self.address, "tax_id": self.tax_id, "email": self.email}


@dataclass(frozen=True, slots=True)
class InvoiceLineView:
    """One line; `kind` is tokens, bonus, discount or tax. Amounts before tax except on the tax line."""

    position: int
    kind: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """An issued invoice; buyer and seller as they were then."""

    id: UUID
    number: str
    organization_id: UUID
    purchase_id: UUID
    issued_at: datetime
    due_at: datetime
    paid_at: datetime
    subtotal: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    currency: str
    buyer: Mapping[str, str | None]
    seller: Mapping[str, str | None]
    payment_reference: str | None


def lines_of(purchase: PurchaseView) -> tuple[InvoiceLineView, ...]:
    """The lines of a purchase's invoice; they add up to its total. A discount is a line of its own, below zero."""
    discount, listed = purchase.discount_amount, purchase.subtotal + purchase.discount_amount
    unit_price = round_half_up(listed / purchase.tokens, UNIT_PRICE_PLACES) if discount else purchase.price_per_token
    tokens = f"{purchase.description}: {_plain(purchase.tokens)} tokens"
    lines = [InvoiceLineView(1, "tokens", tokens, purchase.tokens, unit_price, listed)]
    if purchase.bonus_tokens > 0:
        bonus = f"Bonus: {_plain(purchase.bonus_tokens)} tokens"
        lines.append(InvoiceLineView(2, "bonus", bonus, purchase.bonus_tokens, Decimal(0), Decimal(0)))
    if discount > 0:
        coupon = f"Discount: coupon {purchase.coupon_code}"
        lines.append(InvoiceLineView(len(lines) + 1, "discount", coupon, Decimal(1), -discount, -discount))
    if purchase.tax_amount > 0:
        percent = _plain(purchase.tax_rate * 100)
        tax = purchase.tax_amount
        lines.append(InvoiceLineView(len(lines) + 1, "tax", f"Tax ({percent}%)", Decimal(1), tax, tax))
    return tuple(lines)


async def issue_invoice(
    db: Connection, purchase: PurchaseView, *, seller: Seller, terms_days: int, payment_reference: str, at: datetime
) -> str:
    """The invoice exists with the next number of its series, which is returned. Call in the crediting transaction."""
    series = series_of(INVOICE_PREFIX, at)
    counter = await db.fetch_one(NEXT_ORDINAL, series)
    ordinal = int(counter["last_ordinal"]) if counter else 0
    invoice_id, number = derived_id("invoice", purchase.id), number_in(series, ordinal)
    await db.execute(
        ISSUE,
        invoice_id,
        number,
        series,
        ordinal,
        purchase.organization_id,
        purchase.id,
        at,
        at + timedelta(days=terms_days),
        purchase.subtotal,
        purchase.tax_rate,
        purchase.tax_amount,
        purchase.total_amount,
        purchase.currency,
        orjson.dumps(seller.as_json()).decode(),
        payment_reference,
    )
    await _insert_lines(db, invoice_id, lines_of(purchase))
    return number


async def _insert_lines(db: Connection, invoice_id: UUID, lines: tuple[InvoiceLineView, ...]) -> None:
    await db.execute(
        LINES,
        invoice_id,
        [derived_id("invoice line", invoice_id, line.position) for line in lines],
        [line.position for line in lines],
        [line.kind for line in lines],
        [line.description for line in lines],
        [line.quantity for line in lines],
        [line.unit_price for line in lines],
        [line.amount for line in lines],
    )


async def keep_document(db: Connection, invoice_id: UUID, content: bytes) -> str:
    """The PDF of an invoice is kept, once; returns the SHA-256 of the one that was kept first."""
    digest = hashlib.sha256(content).hexdigest()
    await db.execute(
        "INSERT INTO token_invoice_documents (id, invoice_id, sha256, content) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        derived_id("invoice document", invoice_id),
        invoice_id,
        digest,
        content,
    )
    kept = await db.fetch_one("SELECT sha256 FROM token_invoice_documents WHERE invoice_id = $1", invoice_id)
    return str(kept["sha256"]) if kept else digest


async def read_document(db: Connection, invoice_id: UUID) -> bytes | None:
    """The PDF as it was first rendered, or None while it is still being made."""
    row = await db.fetch_one("SELECT content FROM token_invoice_documents WHERE invoice_id = $1", invoice_id)
    return None if row is None else bytes(row["content"])


async def invoice_by_number(db: Connection, number: str) -> InvoiceView | None:
    """An invoice whosever it is, for workflows and for the platform's administrators."""
    row = await db.fetch_one(COLUMNS + "WHERE i.invoice_number = $1", number)
    return None if row is None else _view(*row.values())


async def invoices_by_id(db: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, InvoiceView]:
    """Invoices by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE i.id = ANY ($1)", list(invoice_ids))
    return {row["id"]: _view(*row.values()) for row in rows}


async def invoices_of_purchases(db: Connection, purchase_ids: Sequence[UUID]) -> dict[UUID, InvoiceView]:
    """The invoices of many purchases in one statement, by purchase."""
    rows = await db.fetch(COLUMNS + "WHERE i.purchase_id = ANY ($1)", list(purchase_ids))
    return {row["purchase_id"]: _view(*row.values()) for row in rows}


async def read_invoices(
    db: Connection, organization_ids: Sequence[UUID], *, limit: int, before: tuple[datetime, UUID] | None
) -> dict[UUID, list[InvoiceView]]:
    """Invoices newest first, those issued before the given place; at most `limit` of each organization."""
    args, order = (*(before or (None, None)), limit), "issued_at DESC, id DESC"
    return await read_pages(db, OF_ORGANIZATION, organization_ids, *args, order=order, view=_view)


async def read_lines_of(db: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, tuple[InvoiceLineView, ...]]:
    """The lines of many invoices in one statement, by invoice, in their order on the paper."""
    found: dict[UUID, tuple[InvoiceLineView, ...]] = dict.fromkeys(invoice_ids, ())
    for row in await db.fetch(LINES_OF, list(invoice_ids)):
        invoice_id, *line = row.values()
        found[invoice_id] += (InvoiceLineView(*line),)
    return found


def _view(*columns: Any) -> InvoiceView:
    *_, buyer, seller, _payment_reference = columns
    return replace(InvoiceView(*columns), buyer=orjson.loads(buyer), seller=orjson.loads(seller))


def _plain(number: Decimal) -> str:
    """A number without trailing zeros: 100.0000 is 100."""
    return f"{number.normalize():f}"
