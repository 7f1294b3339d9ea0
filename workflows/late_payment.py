"""Late payment: a gateway captured after all, when the purchase was already closed or its story was gone.

Whoever paid gets tokens and an invoice, so the purchase is completed as if the payment had been in time. When the
gateway says that nothing was captured, nothing happens.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.invoices import render_invoice
    from activities.messages import Notice, PaymentStep
    from activities.notices import NoticeActivities
    from activities.payments import PaymentActivities
    from activities.purchases import PurchaseActivities
    from rules.payments import PaymentStatus
    from workflows.policies import BOOKS, GATEWAY, LETTERS, PAPER


def late_payment_workflow_id(purchase_id: object) -> str:
    return f"purchase/{purchase_id}/late-payment"


@workflow.defn(name="LatePayment")
class LatePaymentWorkflow:
    @workflow.run
    async def run(self, step: PaymentStep) -> str:
        report = await workflow.execute_activity_method(
            PaymentActivities.find_payment, step, summary="ask for the truth", **GATEWAY
        )
        if report is None or report.status != PaymentStatus.CAPTURED:
            return "nothing was captured"

        completed = await workflow.execute_activity_method(
            PurchaseActivities.complete_purchase, report, summary="credit and invoice", **BOOKS
        )
        await workflow.execute_activity(render_invoice, completed, summary=completed.invoice_number, **PAPER)
        try:
            await workflow.execute_activity_method(
                NoticeActivities.send_notice, Notice(step.purchase_id, "receipt"), summary="receipt", **LETTERS
            )
        except ActivityError:
            workflow.logger.warning("a letter was given up")
        return completed.invoice_number
