"""Making the paper of an issued invoice: rendered from what was issued, kept by its hash, once."""

from datetime import date, datetime

from temporalio import activity

from activities.documents.invoice import DocumentKind, DocumentLine, InvoiceDocument, LineKind, Party, typeset
from activities.messages import Completed
from models.database import connection, transaction
from models.failpoints import failpoint
from models.invoices import InvoiceLineView, InvoiceView, invoice_by_number, keep_document, read_lines_of


@activity.defn
async def render_invoice(completed: Completed) -> str:
    """The invoice's PDF is kept; answers with its SHA-256. Repeating keeps the first one."""
    failpoint("invoice.before_render")
    async with connection() as db:
        invoice = await invoice_by_number(db, completed.invoice_number)
        if invoice is None:
            raise LookupError(f"no invoice {completed.invoice_number}")
        lines = (await read_lines_of(db, [invoice.id]))[invoice.id]
    content = await typeset(document_of(invoice, lines))
    async with transaction() as db:
        digest = await keep_document(db, invoice.id, content)
    failpoint("invoice.after_render")
    return digest


def document_of(invoice: InvoiceView, lines: tuple[InvoiceLineView, ...]) -> InvoiceDocument:
    """What stands on the paper of an invoice, from what was issued and nothing else."""
    return InvoiceDocument(
        kind=DocumentKind.INVOICE,
        number=invoice.number,
        issued_on=_day(invoice.issued_at),
        due_on=_day(invoice.due_at),
        currency=invoice.currency,
        seller=_party(dict(invoice.seller)),
        buyer=_party(dict(invoice.buyer)),
        lines=tuple(
            DocumentLine(LineKind(line.kind), line.description, line.quantity, line.unit_price, line.amount)
            for line in lines
        ),
        subtotal=invoice.subtotal,
        tax_rate=invoice.tax_rate,
        tax=invoice.tax_amount,
        total=invoice.total_amount,
        paid_on=_day(invoice.paid_at),
        payment_reference=invoice.payment_reference,
        purchase_reference=f"REF-{invoice.purchase_id}",
    )


def _day(moment: datetime) -> date:
    return moment.date()


def _party(details: dict[str, str | None]) -> Party:
    address = tuple(part.strip() for part in (details.get("address") or "").split(",") if part.strip())
    return Party(
        name=details.get("name") or "",
        address=address,
        tax_id=details.get("tax_id"),
        email=details.get("email"),
    )
