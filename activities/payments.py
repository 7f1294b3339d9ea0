"""The effects of buying at the payment gateway.

Every call carries the purchase's id as its key, so repeating one never charges twice. "Unavailable" means that we do
not know: it is raised, and Temporal asks again. A decline is an answer and is returned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from activities.gateways.protocol import GatewayRejectedRequest, PaymentGateway, PaymentOrder
from activities.messages import PaymentStep, Reported
from models.database import connection, retrying, transaction
from models.failpoints import failpoint
from models.purchases import PurchaseView, begin_payment, require_purchase
from rules.payments import PaymentReport, PaymentStatus

METHOD_TOKEN = "SELECT tokenized_data AS token FROM payment_methods WHERE id = $1"


@dataclass(frozen=True, slots=True)
class PaymentActivities:
    """Payments at the gateways that are configured; `return_url` is where a buyer comes back to after an action."""

    gateways: Mapping[str, PaymentGateway]
    return_url: str

    @activity.defn
    async def create_payment(self, step: PaymentStep) -> Reported:
        """Charge the purchase, once per purchase; it is processing as soon as the gateway is asked."""
        purchase, token = await _purchase_and_token(step)
        await retrying(lambda: _begin(purchase.id))
        failpoint("payment.before_create")
        try:
            report = await self._gateway(purchase).create_payment(self._order(purchase, token))
        except GatewayRejectedRequest as rejection:
            report = _rejected(purchase, rejection.code)
        failpoint("payment.after_create")
        return _told(purchase, report)

    @activity.defn
    async def fetch_payment(self, step: PaymentStep) -> Reported:
        """The truth about the payment now."""
        purchase, _ = await _purchase_and_token(step)
        return _told(purchase, await self._gateway(purchase).fetch_payment(step.payment_id))

    @activity.defn
    async def find_payment(self, step: PaymentStep) -> Reported | None:
        """The payment the gateway made for the purchase, if it ever made one."""
        purchase, _ = await _purchase_and_token(step)
        report = await self._gateway(purchase).find_payment(step.purchase_id)
        return None if report is None else _told(purchase, report)

    @activity.defn
    async def cancel_payment(self, step: PaymentStep) -> Reported:
        """Give the payment up; answers what it became, which is captured when it was too late."""
        purchase, _ = await _purchase_and_token(step)
        return _told(purchase, await self._gateway(purchase).cancel_payment(step.payment_id))

    def _gateway(self, purchase: PurchaseView) -> PaymentGateway:
        return self.gateways[purchase.gateway]

    def _order(self, purchase: PurchaseView, token: str) -> PaymentOrder:
        return PaymentOrder(
            key=str(purchase.id),
            amount=purchase.total_amount,
            currency=purchase.currency,
            method_token=token,
            description=f"{purchase.description} ({purchase.reference})",
            return_url=f"{self.return_url}?purchase={purchase.id}",
            metadata={"purchase_id": str(purchase.id), "organization_id": str(purchase.organization_id)},
        )


async def _begin(purchase_id: UUID) -> None:
    async with transaction() as db:
        await begin_payment(db, purchase_id)


async def _purchase_and_token(step: PaymentStep) -> tuple[PurchaseView, str]:
    async with connection() as db:
        purchase = await require_purchase(db, UUID(step.purchase_id))
        method = await db.fetch_one(METHOD_TOKEN, purchase.payment_method_id)
    return purchase, str(method["token"]) if method else ""


def _rejected(purchase: PurchaseView, code: str) -> PaymentReport:
    return PaymentReport("", PaymentStatus.DECLINED, purchase.total_amount, purchase.currency, decline_code=code)


def _told(purchase: PurchaseView, report: PaymentReport) -> Reported:
    return Reported(
        str(purchase.id),
        report.payment_id,
        report.status.value,
        report.amount,
        report.currency,
        report.decline_code,
        report.action_url,
    )
