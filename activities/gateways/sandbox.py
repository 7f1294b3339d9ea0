"""The sandbox provider, spoken to over HTTP exactly as a real one would be.

A time-out, a broken connection, a 5xx or a 429 says nothing about the payment, so they all become GatewayUnavailable
and the caller asks again with the same key. Every other refusal is final. It does not retry by itself: the workflow
that called does, and its history shows it.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import httpx2

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
from activities.gateways.signatures import check_age, check_signature, object_in, optional_text, read_object, text_in
from rules.payments import PaymentReport, PaymentStatus

CONNECT_SECONDS = 2
TOTAL_TIMEOUT = timedelta(seconds=8)
KEY_NAME = "scrip_key"
SECRET_PREFIX = "whsec_"
SIGNATURE_VERSION = "v1"

STATUS_OF_KIND = {f"payment.{status.lower()}": status for status in PaymentStatus}


class SandboxGateway:
    """url               where the provider listens.
    webhook_secrets    those whose signatures are accepted: one, or two while the secret is being changed.
    total_timeout      the longest one question may take, connecting included.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        webhook_secrets: tuple[str, ...],
        total_timeout: timedelta = TOTAL_TIMEOUT,
    ) -> None:
        self._webhook_secrets = tuple(_secret_bytes(secret) for secret in webhook_secrets)
        self._total_seconds = total_timeout.total_seconds()
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {api_key}"},
            timeout=httpx2.Timeout(self._total_seconds, connect=min(CONNECT_SECONDS, self._total_seconds)),
            # Shorter than servers keep idle connections, so that a reused one is rarely closed under a request.
            limits=httpx2.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=2),
            trust_env=False,
        )

    @property
    def name(self) -> str:
        return "sandbox"

    async def create_payment(self, order: PaymentOrder) -> PaymentReport:
        body = {
            "amount": f"{order.amount:f}",
            "currency": order.currency,
            "method": order.method_token,
            "description": order.description,
            "return_url": order.return_url,
            "metadata": {**order.metadata, KEY_NAME: order.key},
        }
        answer = await self._ask("POST", "/v1/payments", key=order.key, body=body)
        return _payment(answer)

    async def fetch_payment(self, payment_id: str) -> PaymentReport:
        return _payment(await self._ask("GET", _payment_path(payment_id)))

    async def find_payment(self, key: str) -> PaymentReport | None:
        answer = await self._ask("GET", f"/v1/payments?key={quote(key, safe='')}")
        payments = answer.get("payments")
        if not isinstance(payments, list):
            raise GatewayUnavailable("the sandbox answered without a list of payments")
        return _payment(payments[0]) if payments else None

    async def cancel_payment(self, payment_id: str) -> PaymentReport:
        return _payment(await self._ask("POST", f"{_payment_path(payment_id)}/cancel"))

    async def refund_payment(self, payment_id: str, *, key: str, amount: Decimal) -> RefundReport:
        path = f"{_payment_path(payment_id)}/refunds"
        return _refund(await self._ask("POST", path, key=key, body={"amount": f"{amount:f}"}))

    async def describe_method(self, token: str) -> MethodDetails:
        answer = await self._ask("GET", f"/v1/payment-methods/{quote(token, safe='')}")
        try:
            return MethodDetails(
                token=answer["token"],
                kind=answer["kind"],
                brand=answer["brand"],
                last4=answer["last4"],
                expires_month=answer["expires_month"],
                expires_year=answer["expires_year"],
            )
        except KeyError as error:
            raise GatewayUnavailable("the sandbox described a method in words we do not know") from error

    def parse_event(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        given = {name.lower(): value for name, value in headers.items()}
        event_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
        message = f"{event_id}.{timestamp}.".encode() + body
        check_signature(message, _digests(given.get("webhook-signature", "")), secrets=self._webhook_secrets)
        check_age(timestamp, now)
        event = read_object(body)
        kind, data = text_in(event, "type"), object_in(event, "data")
        if text_in(event, "id") != event_id:
            raise InvalidEvent("the event's id is not the one that was signed for")
        return GatewayEvent(
            event_id=event_id,
            kind=kind,
            payment_id=optional_text(data.get("payment_id")),
            key=optional_text(data.get("key")),
            status=STATUS_OF_KIND.get(kind),
            occurred_at=_instant(text_in(event, "created_at")),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, *, key: str | None = None, body: Mapping[str, object] | None = None
    ) -> Mapping[str, Any]:
        """One question, one answer. Raises GatewayUnavailable, GatewayRejectedRequest, UnknownPaymentMethod."""
        headers = {} if key is None else {"idempotency-key": key}
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._client.request(method, path, json=body, headers=headers)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise GatewayUnavailable(f"the sandbox did not answer: {type(error).__name__}") from error
        if response.status_code >= 500 or response.status_code == 429:
            raise GatewayUnavailable(f"the sandbox answered {response.status_code}")
        answer = _json_object(response)
        if response.is_success:
            return answer
        raise _rejection(response.status_code, answer)


def _payment_path(payment_id: str) -> str:
    return f"/v1/payments/{quote(payment_id, safe='')}"


def _json_object(response: httpx2.Response) -> Mapping[str, Any]:
    """An answer that is no JSON object came from something between us and the sandbox: it says nothing."""
    try:
        answer = response.json()
    except (ValueError, RecursionError) as error:
        raise GatewayUnavailable(f"the sandbox answered {response.status_code} without JSON") from error
    if not isinstance(answer, dict):
        raise GatewayUnavailable(f"the sandbox answered {response.status_code} without a JSON object")
    return answer


def _rejection(status: int, answer: Mapping[str, Any]) -> Exception:
    error = answer.get("error")
    if not isinstance(error, dict):
        return GatewayUnavailable(f"the sandbox answered {status} without a reason")
    code, message = str(error.get("code")), str(error.get("message"))
    return UnknownPaymentMethod(message) if code == "unknown_payment_method" else GatewayRejectedRequest(code, message)


def _payment(answer: Mapping[str, Any]) -> PaymentReport:
    try:
        return PaymentReport(
            payment_id=answer["id"],
            status=PaymentStatus(answer["status"]),
            amount=Decimal(answer["amount"]),
            currency=answer["currency"],
            decline_code=answer["decline_code"],
            action_url=answer["action_url"],
        )
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise GatewayUnavailable("the sandbox described a payment in words we do not know") from error


def _refund(answer: Mapping[str, Any]) -> RefundReport:
    try:
        return RefundReport(
            refund_id=answer["id"],
            status=RefundStatus(answer["status"]),
            amount=Decimal(answer["amount"]),
            currency=answer["currency"],
        )
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise GatewayUnavailable("the sandbox described a refund in words we do not know") from error


def _digests(header: str) -> list[bytes]:
    """The `v1` digests of a Standard Webhooks signature header; a signer changing secrets sends several."""
    digests = []
    for part in header.split():
        version, _, text = part.partition(",")
        if version == SIGNATURE_VERSION:
            try:
                digests.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return digests


def _secret_bytes(secret: str) -> bytes:
    """A secret written `whsec_…` is base64; any other is taken as it stands."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidEvent("the event's time cannot be read") from None
    if moment.tzinfo is None:
        raise InvalidEvent("the event's time has no zone")
    return moment
