"""How facts born in the database reach their stories: a durable reader of the feed signals or starts workflows.

Events may come twice, so whatever is done here is fixed by the business: a signal carries the event's id, a start the
purchase's. A purchase that waits is woken; one that was closed, or whose story is gone, gets a late-payment story,
which asks the gateway for the truth.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.messages import PaymentStep
from models.database import connection
from models.errors import PurchaseNotFound
from models.feed import Event
from models.gateway_events import purchase_of_payment
from models.purchases import PurchaseView, require_purchase
from rules.payments import PaymentStatus
from rules.purchases import CLOSED_UNPAID, OPEN, PurchaseStatus
from workflows.late_payment import LatePaymentWorkflow, late_payment_workflow_id
from workflows.policies import BOOKS_QUEUE, STEP
from workflows.purchase import PurchaseWorkflow, purchase_workflow_id

READER_NAME = "dispatcher"
NO_MONEY = frozenset({PaymentStatus.DECLINED.value, PaymentStatus.CANCELLED.value})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Hands gateway events to the purchases they concern."""

    temporal: Client

    async def handle(self, event: Event) -> None:
        """The story concerned has been told. Safe to repeat; raises when Temporal cannot be reached."""
        purchase = await _purchase_concerned(event)
        if purchase is None:
            log.info("an event concerns no purchase", extra={"event_id": event.body["event_id"]})
            return
        status = PurchaseStatus(purchase.status)
        if status in OPEN and await self._wake(purchase.id, str(event.body["event_id"])):
            return
        if status in OPEN or (status in CLOSED_UNPAID and event.body["claimed_status"] not in NO_MONEY):
            await self._look_at_late_payment(purchase.id)

    async def _wake(self, purchase_id: UUID, event_id: str) -> bool:
        handle = self.temporal.get_workflow_handle(purchase_workflow_id(purchase_id))
        try:
            await handle.signal(PurchaseWorkflow.payment_event, event_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _look_at_late_payment(self, purchase_id: UUID) -> None:
        await self.temporal.start_workflow(
            LatePaymentWorkflow.run,
            PaymentStep(str(purchase_id)),
            id=late_payment_workflow_id(purchase_id),
            task_queue=BOOKS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            task_timeout=STEP,
            static_summary="A payment that came late",
        )


async def _purchase_concerned(event: Event) -> PurchaseView | None:
    key, payment_id = event.body["purchase_key"], event.body["payment_id"]
    async with connection() as db:
        try:
            purchase_id = UUID(str(key)) if key else None
        except ValueError:
            purchase_id = None
        if purchase_id is None and payment_id:
            purchase_id = await purchase_of_payment(db, str(event.body["gateway"]), str(payment_id))
        if purchase_id is None:
            return None
        try:
            return await require_purchase(db, purchase_id)
        except PurchaseNotFound:
            return None
