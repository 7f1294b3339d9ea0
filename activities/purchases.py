"""The effects of buying on our own books. Each happens once, by a key made of the purchase and the step."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from temporalio import activity

from activities.clock import Clock
from activities.messages import Closing, Completed, Placed, PurchaseRequest, Reported
from models import completion, purchases
from models.database import Connection, retrying, transaction
from models.effects import once
from models.errors import Refusal
from models.failpoints import failpoint
from models.intentions import remember
from models.invoices import Seller
from models.quotes import Wish
from rules.payments import PaymentReport, PaymentStatus
from rules.purchases import PurchaseStatus


def step_key(purchase_id: str, step: str) -> str:
    """The name of a step of a purchase: the key under which it happens once."""
    return f"purchase/{purchase_id}:{step}"


def order_of(request: PurchaseRequest) -> purchases.PurchaseOrder:
    """The order a workflow was started with, in the words of the models."""
    return purchases.PurchaseOrder(
        organization_id=UUID(request.organization_id),
        wish=Wish(UUID(request.package_id) if request.package_id else None, request.tokens, request.coupon_code),
        payment_method_id=UUID(request.payment_method_id) if request.payment_method_id else None,
        key=request.key,
        actor=request.actor,
        expected_total=request.expected_total,
        request_id=request.request_id,
        quote_id=UUID(request.quote_id) if request.quote_id else None,
        accepted_at=request.accepted_at,
    )


def report_of(reported: Reported) -> PaymentReport:
    return PaymentReport(
        reported.payment_id,
        PaymentStatus(reported.status),
        reported.amount,
        reported.currency,
        reported.decline_code,
        reported.action_url,
    )


@dataclass(frozen=True, slots=True)
class PurchaseActivities:
    """What a purchase does to the database. `seller` stands on its invoice."""

    seller: Seller
    clock: Clock

    @activity.defn
    async def place_purchase(self, request: PurchaseRequest) -> Placed:
        """The purchase is in the books at a frozen price, or its refusal is remembered under the buyer's key."""
        failpoint("purchase.before_place")
        order, now = order_of(request), self.clock()

        async def place(db: Connection) -> dict[str, object]:
            try:
                placed = await purchases.place(db, order, at=now)
            except Refusal as refusal:
                await remember(db, order.organization_id, order.intention(), refusal)
                return {"refused": refusal.code}
            return {
                "description": placed.description,
                "tokens": str(placed.tokens),
                "total": str(placed.total_amount),
                "currency": placed.currency,
                "gateway": placed.gateway,
            }

        result = await retrying(lambda: once(step_key(request.purchase_id, "place"), place))
        failpoint("purchase.after_place")
        return _placed_from(result)

    @activity.defn
    async def follow_payment(self, reported: Reported) -> None:
        """The purchase shows what its payment is waiting for. Safe to repeat: a step already taken changes nothing."""
        failpoint("payment.before_follow")
        report = report_of(reported)
        waiting = report.status is PaymentStatus.REQUIRES_ACTION
        status = PurchaseStatus.REQUIRES_ACTION if waiting else PurchaseStatus.PROCESSING

        async def follow() -> None:
            async with transaction() as db:
                await purchases.follow_payment(db, UUID(reported.purchase_id), status, report)

        await retrying(follow)
        failpoint("payment.after_follow")

    @activity.defn
    async def complete_purchase(self, reported: Reported) -> Completed:
        """Tokens, invoice and purchase are booked in one transaction, once; answers with the invoice's number."""
        failpoint("purchase.before_complete")
        now = self.clock()

        async def complete(db: Connection) -> dict[str, object]:
            done = await completion.complete_purchase(
                db, UUID(reported.purchase_id), report_of(reported), seller=self.seller, at=now
            )
            failpoint("purchase.inside_complete")
            return dict(done)

        result = await retrying(lambda: once(step_key(reported.purchase_id, "complete"), complete))
        failpoint("purchase.after_complete")
        return Completed(str(result["invoice_number"]))

    @activity.defn
    async def close_unpaid(self, closing: Closing) -> None:
        """The purchase ended without money. Safe to repeat; a purchase that was completed after all stays so."""

        async def close() -> None:
            async with transaction() as db:
                await purchases.close_unpaid(
                    db,
                    UUID(closing.purchase_id),
                    PurchaseStatus(closing.status),
                    code=closing.code,
                    reason=closing.reason,
                    report=None if closing.reported is None else report_of(closing.reported),
                    actor=closing.actor,
                )

        await retrying(close)


def _placed_from(result: object) -> Placed:
    values = dict(result) if isinstance(result, dict) else {}
    if values.get("refused"):
        return Placed(refused=str(values["refused"]))
    return Placed(
        description=str(values["description"]),
        tokens=Decimal(str(values["tokens"])),
        total=Decimal(str(values["total"])),
        currency=str(values["currency"]),
        gateway=str(values["gateway"]),
    )
