"""Invoices and credit notes as PDF.

An `InvoiceDocument` says everything that stands on the paper. It is frozen when the invoice is issued, so the same
document gives the same bytes whenever and wherever it is rendered. Figures become text here; `invoice.typ` only lays
them out. Whatever people typed (names, addresses, descriptions) is shown as it is, never interpreted. Nothing is added
up here: the amounts are those that were issued.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from activities.documents.figures import day, money, one_line, percentage, quantity, unit_price
from activities.documents.typesetting import set_pages

# What goes to the template: text, lists of text, and tables of text.
Shown = str | None | Sequence["Shown"] | Mapping[str, "Shown"]


class DocumentKind(StrEnum):
    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class LineKind(StrEnum):
    TOKENS = "tokens"
    BONUS = "bonus"
    DISCOUNT = "discount"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer, as they were when the document was issued. Empty parts are left out of the page."""

    name: str
    address: tuple[str, ...] = ()
    tax_id: str | None = None
    email: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line. A line of kind `tax` stands among the totals and lends them its description.

    quantity      tokens, at most 4 decimals; 1 of a discount or a tax.
    unit_price    per token, at most 6 decimals; below zero for a discount, like its amount.
    amount        at the currency's own precision.
    """

    kind: LineKind
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    """Everything on the paper.

    corrects      the number of the invoice that a credit note corrects; None for an invoice.
    tax_rate      a fraction: 0.16 is 16 %.
    subtotal, tax, total    at the currency's own precision; a credit note states positive amounts given back.
    paid_on       the day the money came (went back, for a credit note); None while it has not.
    """

    kind: DocumentKind
    number: str
    issued_on: date
    due_on: date | None
    currency: str
    seller: Party
    buyer: Party
    lines: tuple[DocumentLine, ...]
    subtotal: Decimal
    tax_rate: Decimal
    tax: Decimal
    total: Decimal
    corrects: str | None = None
    paid_on: date | None = None
    payment_reference: str | None = None
    purchase_reference: str | None = None
    footer_note: str | None = None


def render_invoice(document: InvoiceDocument) -> bytes:
    """The PDF of an invoice or credit note; equal documents give equal bytes.

    Takes some tens of milliseconds of one core; inside an event loop use `typeset`.
    Raises    ValueError when an amount is finer than its currency.
    """
    shown = json.dumps(_shown(document), ensure_ascii=False, sort_keys=True)
    return set_pages(_template(), data=shown, dated=document.issued_on)


async def typeset(document: InvoiceDocument) -> bytes:
    """`render_invoice` in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(render_invoice, document)


@lru_cache(maxsize=1)
def _template() -> bytes:
    return Path(__file__).with_name("invoice.typ").read_bytes()


def _shown(document: InvoiceDocument) -> Mapping[str, Shown]:
    credit = document.kind is DocumentKind.CREDIT_NOTE
    return {
        "title": "Credit note" if credit else "Invoice",
        "number": one_line(document.number),
        "seller": _party(document.seller),
        "buyer": _party(document.buyer),
        "buyer_label": "Credited to" if credit else "Billed to",
        "facts": _facts(document),
        "lines": [_line(line, document.currency) for line in document.lines if line.kind is not LineKind.TAX],
        "totals": _totals(document),
        "total_label": "Total credited" if credit else "Total",
        "total": money(document.total, document.currency),
        "stamp": _stamp(document),
        "footer_note": _optional(document.footer_note),
    }


def _party(party: Party) -> Mapping[str, Shown]:
    extras = (("Tax ID", party.tax_id), ("Email", party.email), ("Contact", party.contact))
    return {
        "name": one_line(party.name),
        "address": [line for line in map(one_line, party.address) if line],
        "extras": [[label, one_line(text)] for label, text in extras if text and one_line(text)],
    }


def _facts(document: InvoiceDocument) -> list[list[str]]:
    """What identifies the document, as (label, text)."""
    facts = [
        ("Corrects invoice", document.corrects),
        ("Issued", day(document.issued_on)),
        ("Due", day(document.due_on) if document.due_on is not None else None),
        ("Currency", document.currency),
        ("Purchase", document.purchase_reference),
        ("Payment", document.payment_reference),
    ]
    return [[label, one_line(text)] for label, text in facts if text]


def _line(line: DocumentLine, currency: str) -> list[str]:
    return [
        one_line(line.description),
        quantity(line.quantity),
        unit_price(line.unit_price, currency),
        money(line.amount, currency),
    ]


def _totals(document: InvoiceDocument) -> list[list[str]]:
    """Subtotal and tax as (label, amount); the tax is shown even when zero: that it is nothing is a statement."""
    taxes = [(one_line(line.description), line.amount) for line in document.lines if line.kind is LineKind.TAX]
    taxes = taxes or [(f"Tax ({percentage(document.tax_rate)})", document.tax)]
    rows = [("Subtotal", document.subtotal), *taxes]
    return [[label, money(amount, document.currency)] for label, amount in rows]


def _stamp(document: InvoiceDocument) -> str | None:
    if document.paid_on is None:
        return None
    verb = "Refunded" if document.kind is DocumentKind.CREDIT_NOTE else "Paid"
    return f"{verb} on {day(document.paid_on)}"


def _optional(text: str | None) -> str | None:
    return one_line(text) if text else None
