"""What the provider tells about a payment, and how it signs it.

Signed in the manner of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, prefixed `v1,`. The body is
fixed when the thing happens; the timestamp and signature are made at each sending, so that a delivery retried for an
hour is still fresh.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex

from activities.gateways.sandbox_provider.store import Payment, Refund
from rules.payments import PaymentStatus

SECRET_PREFIX = "whsec_"


def payment_event(payment: Payment, status: PaymentStatus, *, at: int) -> tuple[str, str]:
    """The id and body of `payment.<status>`, which happened at `at` (milliseconds since 1970)."""
    code = payment.decline_code if status is PaymentStatus.DECLINED else None
    return _event(f"payment.{status.lower()}", payment, {"status": status, "decline_code": code}, at=at)


def refund_event(payment: Payment, refund: Refund) -> tuple[str, str]:
    """The id and body of `refund.succeeded`."""
    facts = {"refund_id": refund.id, "refund_amount": str(refund.amount)}
    return _event("refund.succeeded", payment, facts, at=refund.created_at)


def dispute_event(payment: Payment, stage: str, *, at: int) -> tuple[str, str]:
    """The id and body of `dispute.<stage>`."""
    return _event(f"dispute.{stage}", payment, {}, at=at)


def signed_headers(secret: str, event_id: str, body: str, *, at: int) -> dict[str, str]:
    """The headers that prove a sending made at `at` (milliseconds since 1970)."""
    timestamp = str(at // 1000)
    digest = hmac.digest(secret_bytes(secret), f"{event_id}.{timestamp}.{body}".encode(), sha256)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def secret_bytes(secret: str) -> bytes:
    """A secret written `whsec_…` is base64; any other is taken as it stands."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def iso_time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().replace("+00:00", "Z")


def _event(kind: str, payment: Payment, facts: Mapping[str, str | None], *, at: int) -> tuple[str, str]:
    event_id = f"evt_{token_hex(12)}"
    data = {
        "payment_id": payment.id,
        "key": payment.key,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "metadata": dict(payment.metadata),
        **facts,
    }
    return event_id, json.dumps({"id": event_id, "type": kind, "created_at": iso_time(at), "data": data})
