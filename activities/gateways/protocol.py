"""The one language Scrip speaks with every payment gateway.

A gateway is asked to create a payment with *our* key (the purchase id): the same key never charges twice, however
often it is asked. A time-out therefore means "unknown", never "declined": ask again with the same key, or look the
payment up. Events are hints; the payment itself is fetched before anything is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from rules.payments import PaymentReport, PaymentStatus


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What is to be charged.

    key            our idempotency key: the purchase id. One key, at most one payment.
    amount         tax included, > 0, already at the currency's own precision.
    method_token   the gateway's name for the card or account; never a card number.
    return_url     where the gateway sends the buyer after an action such as 3-D Secure.
    """

    key: str
    amount: Decimal
    currency: str
    method_token: str
    description: str
    return_url: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class RefundStatus(StrEnum):
    PENDING = "PENDING"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class RefundReport:
    """One answer about one refund; `amount` is what goes back, at the currency's own precision."""

    refund_id: str
    status: RefundStatus
    amount: Decimal
    currency: str
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class MethodDetails:
    """What may be shown of a payment method: `last4` and the expiry month, never the number."""

    token: str
    kind: str
    brand: str
    last4: str
    expires_month: int | None
    expires_year: int | None


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A verified event.

    event_id     the gateway's own id: stored once by it.
    key          our key from the payment's metadata (the purchase id), when the gateway sends it.
    status       what the event claims; None for kinds that say nothing about a payment.
    """

    event_id: str
    kind: str
    payment_id: str | None
    key: str | None
    status: PaymentStatus | None
    occurred_at: datetime


class GatewayUnavailable(Exception):
    """The gateway did not answer, or answered with a fault. What happened to the payment is unknown."""


class GatewayRejectedRequest(Exception):
    """The gateway understood and will never accept this request. `code` is the gateway's word. No money moved."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownPaymentMethod(Exception):
    """The gateway knows no such payment method."""


class InvalidEvent(Exception):
    """The event is not signed by the gateway, is too old, or cannot be read. It must not be stored."""


class PaymentGateway(Protocol):
    """Every method raises GatewayUnavailable when the outcome is unknown; every method is safe to repeat."""

    @property
    def name(self) -> str: ...

    async def create_payment(self, order: PaymentOrder) -> PaymentReport:
        """Charge, once per `order.key`. A decline is a report, not an exception."""
        ...

    async def fetch_payment(self, payment_id: str) -> PaymentReport:
        """The truth about a payment now."""
        ...

    async def find_payment(self, key: str) -> PaymentReport | None:
        """The payment made with our key, or None when the gateway never made one."""
        ...

    async def cancel_payment(self, payment_id: str) -> PaymentReport:
        """Give the payment up. Answers CAPTURED when it was too late, DECLINED when it had failed before."""
        ...

    async def refund_payment(self, payment_id: str, *, key: str, amount: Decimal) -> RefundReport:
        """Send back `amount`, once per `key`."""
        ...

    async def describe_method(self, token: str) -> MethodDetails:
        """What may be shown of a payment method. Raises UnknownPaymentMethod."""
        ...

    def parse_event(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        """Verify the signature over the raw body (300 s tolerance, constant time, two secrets while rotating) and read
        the event. Unknown kinds are valid events with no status. Raises InvalidEvent."""
        ...

    async def aclose(self) -> None: ...
