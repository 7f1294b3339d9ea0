"""Stripe, through PaymentIntents that are created and confirmed in one request.

Our key is Stripe's idempotency key and is also written into the payment's metadata. Stripe forgets idempotency keys
after a day, and its search learns of new payments after about a minute; asking the search before charging and charging
under the key cover each other, so the same key never charges twice, however much later it is asked again. Search is
not offered to Stripe accounts in India.

A saved card is charged as its customer, whom the card itself names. This adapter does not save cards, capture in two
steps, or model Stripe's subscriptions and invoices: those are Scrip's own.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import stripe

from activities.gateways.protocol import (
    GatewayEvent,
    GatewayRejectedRequest,
    GatewayUnavailable,
    InvalidEvent,
    MethodDetails,
    PaymentOrder,
    RefundReport,
    RefundStatus,
    UnknownPaymentMethod,
)
from activities.gateways.signatures import (
    check_age,
    check_signature,
    instant,
    object_in,
    optional_text,
    read_object,
    text_in,
)
from activities.gateways.stripe_reading import read_payment, read_refund, to_minor_units
from activities.gateways.stripe_transport import Httpx2Client
from rules.payments import UNDECIDED, PaymentReport, PaymentStatus, more_final

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams

# Confirming a card asks its bank, which is slow at times; a time-out only means asking again with the same key.
TOTAL_TIMEOUT = timedelta(seconds=20)
KEY_NAME = "scrip_key"
REFUND_KEY_NAME = "scrip_refund_key"
NEWEST = 100

STATUS_OF_KIND = {
    "payment_intent.succeeded": PaymentStatus.CAPTURED,
    "payment_intent.processing": PaymentStatus.PROCESSING,
    "payment_intent.requires_action": PaymentStatus.REQUIRES_ACTION,
    "payment_intent.payment_failed": PaymentStatus.DECLINED,
    "payment_intent.canceled": PaymentStatus.CANCELLED,
}


class StripeGateway:
    """api_url           where the API is; None is Stripe's own address, another one an emulator's.
    webhook_secrets    those whose signatures are accepted: one, or two while the secret is being changed.
    total_timeout      the longest one request may take, connecting included.
    """

    def __init__(
        self,
        api_key: str,
        *,
        webhook_secrets: tuple[str, ...],
        api_url: str | None = None,
        total_timeout: timedelta = TOTAL_TIMEOUT,
    ) -> None:
        self._webhook_secrets = tuple(secret.encode() for secret in webhook_secrets)
        self._http_client = Httpx2Client(total_timeout=total_timeout)
        self._stripe = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_url.rstrip("/")} if api_url else {},
            http_client=self._http_client,
            max_network_retries=0,
        ).v1

    @property
    def name(self) -> str:
        return "stripe"

    async def create_payment(self, order: PaymentOrder) -> PaymentReport:
        minor = to_minor_units(order.amount, order.currency)
        earlier = await self._searched(order.key)
        if earlier is not None:
            return _same_order(order, earlier)
        params = _creation(order, minor, customer=await self._customer_of(order.method_token))
        with _faults():
            try:
                intent = await self._stripe.payment_intents.create_async(params, {"idempotency_key": order.key})
            except stripe.CardError as declined:
                return await self._declined(order, declined)
            return read_payment(intent.to_dict())

    async def fetch_payment(self, payment_id: str) -> PaymentReport:
        return read_payment(await self._intent(payment_id))

    async def find_payment(self, key: str) -> PaymentReport | None:
        """The search may not know the last minute yet, so the newest payments are looked through as well."""
        return await self._searched(key) or await self._among_newest(key)

    async def cancel_payment(self, payment_id: str) -> PaymentReport:
        """Answers PROCESSING when Stripe cannot give the payment up until its bank has decided."""
        known = await self.fetch_payment(payment_id)
        if known.status not in UNDECIDED:
            return known
        with _faults():
            try:
                intent = await self._stripe.payment_intents.cancel_async(payment_id)
            except stripe.InvalidRequestError:
                # Stripe refuses what it has decided meanwhile; the payment itself says what it decided.
                return await self.fetch_payment(payment_id)
            return read_payment(intent.to_dict())

    async def refund_payment(self, payment_id: str, *, key: str, amount: Decimal) -> RefundReport:
        payment, refunds = await asyncio.gather(self.fetch_payment(payment_id), self._refunds(payment_id))
        minor = to_minor_units(amount, payment.currency)
        for refund in refunds:
            if (refund.get("metadata") or {}).get(REFUND_KEY_NAME) == key:
                return _same_refund(read_refund(refund), amount)
        _check_refundable(payment, [read_refund(refund) for refund in refunds], amount)
        with _faults():
            created = await self._stripe.refunds.create_async(
                {"payment_intent": payment_id, "amount": minor, "metadata": {REFUND_KEY_NAME: key}},
                # Stripe keeps one list of idempotency keys for payments and refunds; ours are two.
                {"idempotency_key": f"refund-{key}"},
            )
        return read_refund(created.to_dict())

    async def describe_method(self, token: str) -> MethodDetails:
        method = await self._method(token)
        kind = str(method.get("type"))
        details = method.get(kind) or {}
        return MethodDetails(
            token=token,
            kind=kind,
            brand=str(details.get("brand") or kind),
            last4=str(details.get("last4") or ""),
            expires_month=details.get("exp_month"),
            expires_year=details.get("exp_year"),
        )

    def parse_event(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        header = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
        timestamp, digests = _read_signature(header)
        check_signature(timestamp.encode() + b"." + body, digests, secrets=self._webhook_secrets)
        check_age(timestamp, now)
        event = read_object(body)
        kind, subject = text_in(event, "type"), object_in(object_in(event, "data"), "object")
        created = event.get("created")
        if not isinstance(created, int):
            raise InvalidEvent("the event has no time")
        return GatewayEvent(
            event_id=text_in(event, "id"),
            kind=kind,
            payment_id=_payment_id_in(subject),
            key=optional_text((subject.get("metadata") or {}).get(KEY_NAME)),
            status=STATUS_OF_KIND.get(kind),
            occurred_at=instant(created),
        )

    async def aclose(self) -> None:
        await self._http_client.close_async()

    async def _intent(self, payment_id: str) -> Mapping[str, Any]:
        with _faults():
            intent = await self._stripe.payment_intents.retrieve_async(payment_id)
        return intent.to_dict()

    async def _method(self, token: str) -> Mapping[str, Any]:
        with _faults():
            try:
                method = await self._stripe.payment_methods.retrieve_async(token)
            except stripe.InvalidRequestError as error:
                if error.http_status == 404:
                    raise UnknownPaymentMethod(f"Stripe knows no payment method {token}") from error
                raise
        return method.to_dict()

    async def _customer_of(self, token: str) -> str | None:
        customer = (await self._method(token)).get("customer")
        return str(customer) if customer else None

    async def _refunds(self, payment_id: str) -> list[Mapping[str, Any]]:
        with _faults():
            page = await self._stripe.refunds.list_async({"payment_intent": payment_id, "limit": NEWEST})
            return [refund.to_dict() async for refund in page.auto_paging_iter()]

    async def _searched(self, key: str) -> PaymentReport | None:
        """The search finds the payment; what it says about it may be old, so the payment itself is asked."""
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        with _faults():
            page = await self._stripe.payment_intents.search_async({"query": f"metadata['{KEY_NAME}']:'{quoted}'"})
        found = _most_final([intent.to_dict() for intent in page.data])
        return await self.fetch_payment(found.payment_id) if found else None

    async def _among_newest(self, key: str) -> PaymentReport | None:
        with _faults():
            page = await self._stripe.payment_intents.list_async({"limit": NEWEST})
        intents = [intent.to_dict() for intent in page.data]
        return _most_final([intent for intent in intents if (intent.get("metadata") or {}).get(KEY_NAME) == key])

    async def _declined(self, order: PaymentOrder, declined: stripe.CardError) -> PaymentReport:
        """A decline as a report. Stripe sends the payment along with the error; failing that, it is looked up."""
        body = declined.json_body if isinstance(declined.json_body, dict) else {}
        intent = (body.get("error") or {}).get("payment_intent")
        report = read_payment(intent) if intent else await self.find_payment(order.key)
        if report is None:
            raise GatewayRejectedRequest(declined.code or "card_error", declined.user_message or "the card was refused")
        return report


@contextmanager
def _faults() -> Iterator[None]:
    """Stripe's exceptions as ours."""
    try:
        yield
    except stripe.IdempotencyError as error:
        raise _conflict() from error
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise GatewayRejectedRequest(error.code or "invalid_request", error.user_message or str(error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise GatewayRejectedRequest("unauthorized", "Stripe does not accept the API key for this") from error
    except stripe.StripeError as error:
        raise GatewayUnavailable(f"Stripe did not answer: {type(error).__name__}") from error


def _conflict() -> GatewayRejectedRequest:
    return GatewayRejectedRequest("idempotency_conflict", "this key was used for another request")


def _creation(order: PaymentOrder, minor: int, *, customer: str | None) -> "PaymentIntentCreateParams":
    params: PaymentIntentCreateParams = {
        "amount": minor,
        "currency": order.currency.lower(),
        "payment_method": order.method_token,
        "confirm": True,
        "error_on_requires_action": False,
        "description": order.description,
        "return_url": order.return_url,
        "metadata": {**order.metadata, KEY_NAME: order.key},
    }
    if customer is not None:
        params["customer"] = customer
    return params


def _same_order(order: PaymentOrder, earlier: PaymentReport) -> PaymentReport:
    if (earlier.amount, earlier.currency) != (order.amount, order.currency):
        raise _conflict()
    return earlier


def _same_refund(earlier: RefundReport, amount: Decimal) -> RefundReport:
    if earlier.amount != amount:
        raise _conflict()
    return earlier


def _check_refundable(payment: PaymentReport, refunds: list[RefundReport], amount: Decimal) -> None:
    """Stripe refuses these too, in several words; asking first gives them one name each."""
    if payment.status is not PaymentStatus.CAPTURED:
        raise GatewayRejectedRequest("payment_not_captured", "only what was captured can be sent back")
    refunded = sum((refund.amount for refund in refunds if refund.status is not RefundStatus.FAILED), Decimal(0))
    if refunded + amount > payment.amount:
        raise GatewayRejectedRequest("amount_too_large", "more than what remains of the payment")


def _most_final(intents: list[dict[str, Any]]) -> PaymentReport | None:
    known: PaymentReport | None = None
    for intent in intents:
        known = more_final(known, read_payment(intent))
    return known


def _read_signature(header: str) -> tuple[str, list[bytes]]:
    """The timestamp and the `v1` digests of `t=…,v1=…,v1=…`; what cannot be read is left out and will not match."""
    timestamp, digests = "", []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            timestamp = value
        elif name == "v1":
            try:
                digests.append(bytes.fromhex(value))
            except ValueError:
                continue
    return timestamp, digests


def _payment_id_in(subject: Mapping[str, Any]) -> str | None:
    """Refunds, charges and disputes name the payment they belong to."""
    payment_id = subject.get("id") if subject.get("object") == "payment_intent" else subject.get("payment_intent")
    return optional_text(payment_id)
