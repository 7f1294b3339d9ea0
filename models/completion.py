"""The crediting transaction: a captured payment becomes tokens and a numbered invoice, all at once or not at all.

Locks are taken in one order everywhere: wallet, quote, purchase, coupon, invoice counter, audit chain.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models import ledger
from models.actors import SCRIP_ITSELF
from models.database import Connection
from models.granting import Incoming, put
from models.invoices import Seller, issue_invoice
from models.locking import lock_wallet
from models.purchases import PurchaseView, lock_purchase, require_purchase, tell
from models.redemptions import settle
from rules.entries import EntryKind
from rules.identity import derived_id
from rules.lots import LotKind
from rules.payments import PaymentReport, PaymentStatus
from rules.pricing import expiry
from rules.purchases import PurchaseStatus, may_become

CAPTURE = """
UPDATE payments SET status = 'CAPTURED', captured_at = $2, gateway_payment_id = $3, decline_code = NULL,
    updated_at = now()
WHERE purchase_id = $1 AND amount = $4 AND currency = $5 RETURNING id
"""

COMPLETE = """
UPDATE token_purchases SET status = 'completed', gateway_transaction_id = $2, payment_completed_at = $3,
    tokens_allocated_at = $3, token_expiration_date = $4, action_url = NULL, failure_code = NULL, failure_reason = NULL,
    updated_at = now()
WHERE id = $1
"""

NUMBER_OF = "SELECT invoice_number FROM token_invoices WHERE purchase_id = $1"


class PaymentDoesNotMatch(Exception):
    """The gateway captured another amount than the purchase is about. People must look; nothing was credited."""


async def complete_purchase(
    db: Connection, purchase_id: UUID, report: PaymentReport, *, seller: Seller, at: datetime
) -> Mapping[str, object]:
    """The purchase is completed: payment captured, lot and bonus in the wallet, coupon redeemed, invoice issued.

    Returns the invoice's number.

    Works from every state before completion, also from failed, cancelled and expired: whoever paid gets tokens. A
    suspended wallet is credited too, because the money has moved. Completing again answers with the same number.
    Raises PaymentDoesNotMatch.
    """
    organization_id = (await require_purchase(db, purchase_id)).organization_id
    wallet = await lock_wallet(db, organization_id, at=at)
    purchase = await lock_purchase(db, purchase_id)
    if not may_become(PurchaseStatus(purchase.status), PurchaseStatus.COMPLETED):
        row = await db.fetch_one(NUMBER_OF, purchase_id)
        return {"invoice_number": row["invoice_number"] if row else None}
    await _capture(db, purchase, report, at)
    expires_at = expiry(at, purchase.validity_days)
    await db.execute(COMPLETE, purchase_id, report.payment_id, at, expires_at)
    await settle(db, purchase_id, PurchaseStatus.COMPLETED)
    await put(db, wallet, _lots_of(purchase, at, expires_at), actor=SCRIP_ITSELF, at=at, key=str(purchase_id))
    number = await issue_invoice(
        db,
        purchase,
        seller=seller,
        terms_days=wallet.payment_terms_days,
        payment_reference=report.payment_id,
        at=at,
    )
    completed = await require_purchase(db, purchase_id)
    await tell(db, completed, "completed", details={"from": purchase.status, "invoice_number": number})
    return {"invoice_number": number}


async def _capture(db: Connection, purchase: PurchaseView, report: PaymentReport, at: datetime) -> None:
    matches = report.amount == purchase.total_amount and report.currency == purchase.currency
    if report.status is not PaymentStatus.CAPTURED or not matches:
        raise PaymentDoesNotMatch(f"purchase {purchase.id}: payment {report.payment_id} is not what was ordered")
    row = await db.fetch_one(CAPTURE, purchase.id, at, report.payment_id, purchase.total_amount, purchase.currency)
    if row is None:
        raise PaymentDoesNotMatch(f"purchase {purchase.id} has no payment of its amount")


def _lots_of(purchase: PurchaseView, at: datetime, expires_at: datetime | None) -> tuple[Incoming, ...]:
    paid = ledger.NewLot(
        id=derived_id("lot", "paid", purchase.id),
        kind=LotKind.PAID,
        tokens=purchase.tokens,
        unit_cost=purchase.price_per_token,
        cost=purchase.subtotal,
        effective_at=at,
        expires_at=expires_at,
        purchase_id=purchase.id,
        reason=purchase.description,
    )
    incoming = [Incoming(paid, EntryKind.PURCHASE, "purchase", str(purchase.id), purchase.description)]
    if purchase.bonus_tokens > 0:
        bonus = ledger.NewLot(
            id=derived_id("lot", "bonus", purchase.id),
            kind=LotKind.BONUS,
            tokens=purchase.bonus_tokens,
            unit_cost=Decimal(0),
            cost=Decimal(0),
            effective_at=at,
            expires_at=expires_at,
            parent_lot_id=paid.id,
            purchase_id=purchase.id,
            reason=f"Bonus of {purchase.description}",
        )
        incoming.append(Incoming(bonus, EntryKind.GRANT, "purchase", str(purchase.id), bonus.reason))
    return tuple(incoming)
