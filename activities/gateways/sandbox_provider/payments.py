"""The engine: plays the script of each method and keeps the promises a payment provider makes.

One key makes at most one payment, one refund key at most one refund, and refunds never exceed what was captured. Each
change is committed together with the events that tell of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from secrets import token_hex

from activities.gateways.sandbox_provider import events
from activities.gateways.sandbox_provider.intake import PaymentRequest, Refused, read_amount, unknown_method
from activities.gateways.sandbox_provider.methods import EventHabit, FirstAnswer, ScriptedMethod, script_of
from activities.gateways.sandbox_provider.store import Payment, Refund, Store
from rules.payments import UNDECIDED, PaymentStatus

AUTHENTICATION_FAILED = "authentication_failed"
DUPLICATES = 3
# How late and how much older the out-of-order events are, in milliseconds.
STRAGGLERS = ((PaymentStatus.PROCESSING, 300, 2000), (PaymentStatus.DECLINED, 600, 1000))


class DisputeStage(StrEnum):
    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Creation:
    """A payment, and whether the answer that tells of it must be withheld."""

    payment: Payment
    is_answer_withheld: bool


class Payments:
    """now             milliseconds since 1970.
    late_milliseconds  how long a late method stays undecided.
    ring               called after each commit that may have left something due.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], int], late_milliseconds: int, ring: Callable[[], None]
    ) -> None:
        self._store = store
        self._now = now
        self._late_milliseconds = late_milliseconds
        self._ring = ring

    def create(self, key: str, request: PaymentRequest) -> Creation:
        """Charge, once per key. Raises Refused (409) when the key was used for another request."""
        known = self._store.payment_by_key(key)
        if known is not None:
            if known.fingerprint != request.fingerprint():
                raise _conflict()
            return Creation(known, is_answer_withheld=False)
        script = _script(request.method)
        if script.first_answer is FirstAnswer.FAULT and self._store.note_fault(key):
            raise Refused(503, "fault", "a fault before anything was charged; try again")
        payment = self._new_payment(key, request, script)
        with self._store.transaction():
            self._store.insert_payment(payment)
            self._tell(payment)
        self._ring()
        return Creation(payment, is_answer_withheld=script.first_answer is FirstAnswer.WITHHELD)

    def fetch(self, payment_id: str) -> Payment:
        payment = self._store.payment(payment_id)
        if payment is None:
            raise Refused(404, "unknown_payment", "there is no such payment")
        return payment

    def find(self, key: str) -> list[Payment]:
        payment = self._store.payment_by_key(key)
        return [payment] if payment else []

    def cancel(self, payment_id: str) -> Payment:
        """Give an undecided payment up; a decided one is answered as it is."""
        payment = self.fetch(payment_id)
        if payment.status not in UNDECIDED:
            return payment
        if _script(payment.method).capture_wins:
            return self._become(payment, PaymentStatus.CAPTURED)
        return self._become(payment, PaymentStatus.CANCELLED)

    def act(self, payment_id: str, *, is_approved: bool) -> Payment:
        """The buyer's answer on the 3-D Secure page. Only the first one counts."""
        payment = self.fetch(payment_id)
        if payment.status is not PaymentStatus.REQUIRES_ACTION:
            return payment
        if is_approved:
            return self._become(payment, PaymentStatus.CAPTURED)
        return self._become(payment, PaymentStatus.DECLINED, decline_code=AUTHENTICATION_FAILED)

    def force(self, payment_id: str, status: PaymentStatus) -> Payment:
        """Put a payment into a status whatever it was, as late captures do; never what has been refunded."""
        payment = self.fetch(payment_id)
        if status is not PaymentStatus.CAPTURED and self.refunded(payment_id):
            raise Refused(422, "payment_refunded", "what was refunded was captured")
        code = "do_not_honor" if status is PaymentStatus.DECLINED else None
        return self._become(payment, status, decline_code=code)

    def dispute(self, payment_id: str, stage: DisputeStage) -> Payment:
        """Tell of a dispute. The provider keeps no record of it."""
        payment = self.fetch(payment_id)
        if payment.status is not PaymentStatus.CAPTURED:
            raise _not_captured()
        with self._store.transaction():
            event_id, body = events.dispute_event(payment, stage, at=self._now())
            self._store.insert_delivery(event_id, body, due_at=self._now())
        self._ring()
        return payment

    def refund(self, payment_id: str, key: str, amount_text: object) -> Refund:
        """Send back part or all of what was captured, once per key.

        Raises Refused: 409 for a key used otherwise, 422 for a payment not captured or an amount too large.
        """
        payment = self.fetch(payment_id)
        amount = read_amount(amount_text, payment.currency)
        known = self._store.refund_by_key(key)
        if known is not None:
            if (known.payment_id, known.amount) != (payment_id, amount):
                raise _conflict()
            return known
        if payment.status is not PaymentStatus.CAPTURED:
            raise _not_captured()
        if self.refunded(payment_id) + amount > payment.amount:
            raise Refused(422, "amount_too_large", "more than what remains of the payment")
        refund = Refund(f"ref_{token_hex(12)}", key, payment_id, amount, self._now())
        with self._store.transaction():
            self._store.insert_refund(refund)
            self._send(payment, [events.refund_event(payment, refund)])
        self._ring()
        return refund

    def refunded(self, payment_id: str) -> Decimal:
        """What has been sent back of a payment."""
        return sum((refund.amount for refund in self._store.refunds_of(payment_id)), Decimal(0))

    def settle_due(self) -> None:
        """Let every late payment whose time has come become what its script says."""
        for payment in self._store.payments_to_settle(self._now()):
            script = _script(payment.method)
            if script.becomes is not None:
                self._become(payment, script.becomes, decline_code=script.decline_code)

    def _new_payment(self, key: str, request: PaymentRequest, script: ScriptedMethod) -> Payment:
        return Payment(
            id=f"pay_{token_hex(12)}",
            key=key,
            fingerprint=request.fingerprint(),
            amount=request.amount,
            currency=request.currency,
            method=request.method,
            description=request.description,
            return_url=request.return_url,
            metadata=request.metadata,
            status=script.begins,
            decline_code=script.decline_code if script.begins is PaymentStatus.DECLINED else None,
            settles_at=self._now() + self._late_milliseconds if script.becomes else None,
            created_at=self._now(),
        )

    def _become(self, payment: Payment, status: PaymentStatus, *, decline_code: str | None = None) -> Payment:
        code = decline_code if status is PaymentStatus.DECLINED else None
        changed = replace(payment, status=status, decline_code=code, settles_at=None)
        with self._store.transaction():
            self._store.update_payment(changed)
            self._tell(changed)
        self._ring()
        return changed

    def _tell(self, payment: Payment) -> None:
        """Write the event of a payment's present status, in the caller's transaction."""
        now = self._now()
        self._send(payment, [events.payment_event(payment, payment.status, at=now)])
        if _script(payment.method).events is EventHabit.REORDERED:
            for status, delay, age in STRAGGLERS:
                event_id, body = events.payment_event(payment, status, at=now - age)
                self._store.insert_delivery(event_id, body, due_at=now + delay)

    def _send(self, payment: Payment, told: list[tuple[str, str]]) -> None:
        habit = _script(payment.method).events
        copies = {EventHabit.NEVER: 0, EventHabit.THRICE: DUPLICATES}.get(habit, 1)
        for event_id, body in told * copies:
            self._store.insert_delivery(event_id, body, due_at=self._now())


def _script(token: str) -> ScriptedMethod:
    script = script_of(token)
    if script is None:
        raise unknown_method()
    return script


def _conflict() -> Refused:
    return Refused(409, "idempotency_conflict", "this key was used for another request")


def _not_captured() -> Refused:
    return Refused(422, "payment_not_captured", "only what was captured can be sent back or disputed")
