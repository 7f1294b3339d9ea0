"""Purchase: from an order to tokens in the wallet and a numbered invoice.

    placed ──▶ paying ──▶ paid ──▶ credited and invoiced ──▶ told
       │          └──▶ failed, cancelled or expired
       └──▶ refused

Before the money moves any step may give up and close the purchase. After the money has moved every step is retried
until it succeeds: nothing is undone, whoever paid gets tokens and an invoice. A gateway that does not answer is asked
again with the same key; its events only wake this story, which then asks for the truth itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.invoices import render_invoice
    from activities.messages import Closing, Completed, Notice, PaymentStep, Placed, PurchaseRequest, Reported
    from activities.notices import NoticeActivities
    from activities.payments import PaymentActivities
    from activities.purchases import PurchaseActivities, report_of
    from rules.payments import UNDECIDED, PaymentStatus, more_final
    from rules.purchases import PurchaseStatus
    from workflows.attributes import AMOUNT, ORGANIZATION, PURCHASE, STAGE
    from workflows.policies import AT_ONCE, BOOKS, CHARGE, GATEWAY, PAPER, letters


@dataclass(frozen=True, slots=True)
class PurchaseDecision:
    """How far a purchase has come. `status` is "refused" with a `refusal` code when it was never placed."""

    status: str
    refusal: str | None = None
    invoice_number: str | None = None


class News(StrEnum):
    """Why a waiting purchase woke up."""

    EVENT = "event"
    CANCEL = "cancel"
    POLL = "poll"
    DEADLINE = "deadline"


def purchase_workflow_id(purchase_id: object) -> str:
    return f"purchase/{purchase_id}"


def opening_attributes(request: PurchaseRequest) -> TypedSearchAttributes:
    """What a purchase can be found by from its first moment."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(ORGANIZATION, request.organization_id),
            SearchAttributePair(PURCHASE, request.purchase_id),
            SearchAttributePair(STAGE, "placing"),
        ]
    )


@workflow.defn(name="Purchase")
class PurchaseWorkflow:
    @workflow.init
    def __init__(self, request: PurchaseRequest) -> None:
        self._request = request
        self._placed = Placed()
        self._decision: PurchaseDecision | None = None
        self._closed = False
        self._cancel_wanted_by: str | None = None
        self._events: set[str] = set()
        self._news = False
        self._letters: list[workflow.ActivityHandle[None]] = []

    @workflow.run
    async def run(self, request: PurchaseRequest) -> PurchaseDecision:
        self._placed = await self._place()
        if self._placed.refused:
            return await self._end(PurchaseDecision("refused", refusal=self._placed.refused))

        report = await self._collect_payment()
        if report.status != PaymentStatus.CAPTURED:
            unpaid = await self._close_unpaid(report)
            report = await self._look_again(report)
            if report.status != PaymentStatus.CAPTURED:
                return await self._end(unpaid)

        completed = await self._credit_and_invoice(report)
        await self._render_invoice(completed)
        self._write("receipt")
        return await self._end(PurchaseDecision(PurchaseStatus.COMPLETED, invoice_number=completed.invoice_number))

    # What others ask of a running purchase.

    @workflow.update
    async def decision(self, fingerprint: str) -> PurchaseDecision:
        """Answers when the buyer can be told something: refused, an action to take, failed, or completed."""
        await workflow.wait_condition(lambda: self._decision is not None)
        assert self._decision is not None
        return self._decision

    @decision.validator
    def _same_request(self, fingerprint: str) -> None:
        if fingerprint != self._request.fingerprint:
            raise ApplicationError("the key was used for another purchase", type="IDEMPOTENCY_CONFLICT")

    @workflow.update
    async def cancel(self, actor: str) -> PurchaseDecision:
        """Give the purchase up if no money has moved; answers what it became."""
        self.cancel_wanted(actor)
        await workflow.wait_condition(lambda: self._closed or self._cancel_wanted_by is None)
        return self._decision or PurchaseDecision(PurchaseStatus.PROCESSING)

    @workflow.signal
    def cancel_wanted(self, actor: str) -> None:
        """As `cancel`, from somebody who no longer waits for the answer."""
        if not self._closed:
            self._cancel_wanted_by = actor
            self._news = True

    @workflow.signal
    def payment_event(self, event_id: str) -> None:
        """The gateway has news. What it claims is not believed; the payment is fetched."""
        if event_id not in self._events:
            self._events.add(event_id)
            self._news = True

    @workflow.query
    def stage(self) -> str:
        return self._decision.status if self._decision else "placing"

    # The story's sentences.

    async def _place(self) -> Placed:
        placed = await workflow.execute_local_activity_method(
            PurchaseActivities.place_purchase, self._request, **AT_ONCE
        )
        if not placed.refused:
            self._placed = placed
            workflow.upsert_search_attributes([AMOUNT.value_set(float(placed.total))])
            self._show("paying")
        return placed

    async def _collect_payment(self) -> Reported:
        report = await self._charge()
        while report.status in UNDECIDED:
            deadline = await self._follow(report)
            report = await self._until_it_changes(report, deadline)
        return report

    async def _until_it_changes(self, report: Reported, deadline: datetime) -> Reported:
        while True:
            heard = await self._wait_for_news(deadline)
            told = await (self._ask(report) if heard in (News.EVENT, News.POLL) else self._give_up(report))
            if told.status != report.status or heard is News.DEADLINE:
                return told

    async def _charge(self) -> Reported:
        """The gateway's first answer; when it gave none for half an hour, what it knows of the payment."""
        step = PaymentStep(self._request.purchase_id)
        try:
            return await workflow.execute_activity_method(
                PaymentActivities.create_payment, step, summary=self._summary("charge"), **CHARGE
            )
        except ActivityError:
            found = await workflow.execute_activity_method(
                PaymentActivities.find_payment, step, summary="look the payment up", **GATEWAY
            )
            return found or self._never_charged()

    async def _follow(self, report: Reported) -> datetime:
        """The purchase shows what it waits for; returns until when."""
        await workflow.execute_activity_method(
            PurchaseActivities.follow_payment, report, summary=report.status, **BOOKS
        )
        acting = report.status == PaymentStatus.REQUIRES_ACTION
        deadline = workflow.now() + (self._request.action_window if acting else self._request.processing_window)
        if acting:
            self._decision = PurchaseDecision(PurchaseStatus.REQUIRES_ACTION)
            self._show("requires_action")
            self._write("action-required", deadline)
        else:
            self._show("processing")
        return deadline

    async def _wait_for_news(self, deadline: datetime) -> News:
        """Waits for an event, a wish to cancel, the next time to ask, or the deadline; says which it was."""
        left = deadline - workflow.now()
        if left <= timedelta(0):
            return News.DEADLINE
        try:
            await workflow.wait_condition(
                lambda: self._news, timeout=min(left, self._request.poll_interval), timeout_summary="ask the gateway"
            )
        except TimeoutError:
            return News.DEADLINE if workflow.now() >= deadline else News.POLL
        self._news = False
        return News.CANCEL if self._cancel_wanted_by is not None else News.EVENT

    async def _ask(self, known: Reported) -> Reported:
        step = PaymentStep(self._request.purchase_id, known.payment_id)
        told = await workflow.execute_activity_method(
            PaymentActivities.fetch_payment, step, summary="ask for the truth", **GATEWAY
        )
        return told if more_final(report_of(known), report_of(told)) == report_of(told) else known

    async def _give_up(self, known: Reported) -> Reported:
        """The payment is cancelled, or turns out to have been decided already; a gateway may also be unable to."""
        step = PaymentStep(self._request.purchase_id, known.payment_id)
        told = await workflow.execute_activity_method(
            PaymentActivities.cancel_payment, step, summary="give the payment up", **GATEWAY
        )
        if told.status in UNDECIDED:
            self._cancel_wanted_by = None
        return told

    async def _credit_and_invoice(self, report: Reported) -> Completed:
        self._show("paid")
        completed = await workflow.execute_activity_method(
            PurchaseActivities.complete_purchase, report, summary=self._summary("credit and invoice"), **BOOKS
        )
        self._decision = PurchaseDecision(PurchaseStatus.COMPLETED, invoice_number=completed.invoice_number)
        self._closed = True
        self._show("completed", completed.invoice_number)
        return completed

    async def _close_unpaid(self, report: Reported) -> PurchaseDecision:
        closing = self._closing(report)
        await workflow.execute_activity_method(
            PurchaseActivities.close_unpaid, closing, summary=closing.status, **BOOKS
        )
        self._decision = PurchaseDecision(closing.status)
        self._closed = True
        self._show(closing.status, closing.reason)
        if closing.status == PurchaseStatus.FAILED:
            self._write("payment-failed")
        elif closing.status == PurchaseStatus.EXPIRED:
            self._write("purchase-expired")
        return self._decision

    def _closing(self, report: Reported) -> Closing:
        purchase_id = self._request.purchase_id
        if report.status == PaymentStatus.DECLINED:
            reason = f"The payment was declined ({report.decline_code})."
            return Closing(purchase_id, PurchaseStatus.FAILED, reason, report.decline_code, report)
        if self._cancel_wanted_by is not None:
            who = self._cancel_wanted_by
            return Closing(purchase_id, PurchaseStatus.CANCELLED, "Cancelled.", None, report, who)
        return Closing(purchase_id, PurchaseStatus.EXPIRED, "Nobody paid in time.", None, report)

    async def _look_again(self, report: Reported) -> Reported:
        """An event that came while the purchase was being closed may tell of a payment after all."""
        await self._letters_out()
        while self._news and report.status != PaymentStatus.CAPTURED:
            self._news = False
            found = await workflow.execute_activity_method(
                PaymentActivities.find_payment, PaymentStep(self._request.purchase_id), summary="look again", **GATEWAY
            )
            report = found or report
        return report

    async def _render_invoice(self, completed: Completed) -> None:
        await workflow.execute_activity(render_invoice, completed, summary=completed.invoice_number, **PAPER)

    def _write(self, kind: str, deadline: datetime | None = None) -> None:
        """A letter goes out while the story goes on."""
        options = letters(attempts=self._request.letter_attempts, first_pause=self._request.letter_pause)
        notice = Notice(self._request.purchase_id, kind, deadline)
        self._letters.append(
            workflow.start_activity_method(NoticeActivities.send_notice, notice, summary=kind, **options)
        )

    async def _letters_out(self) -> None:
        while self._letters:
            try:
                await self._letters.pop()
            except ActivityError:
                workflow.logger.warning("a letter was given up")

    async def _end(self, decision: PurchaseDecision) -> PurchaseDecision:
        """Everybody who asked is answered and every letter is out, or given up, before the story closes."""
        self._decision = decision
        self._closed = True
        self._show(decision.status)
        await self._letters_out()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return decision

    # What operators see.

    def _never_charged(self) -> Reported:
        placed = self._placed
        return Reported(
            self._request.purchase_id,
            "",
            PaymentStatus.DECLINED,
            placed.total,
            placed.currency,
            decline_code="gateway_unavailable",
        )

    def _summary(self, what: str) -> str:
        return f"{what}: {self._placed.total} {self._placed.currency}"

    def _show(self, stage: str, note: str = "") -> None:
        placed = self._placed
        workflow.upsert_search_attributes([STAGE.value_set(stage)])
        workflow.set_current_details(
            f"**{stage}** {note}\n\n{placed.tokens} tokens ({placed.description}) for {placed.total} {placed.currency}"
            f" by {placed.gateway}\n\norganization `{self._request.organization_id}`"
        )
