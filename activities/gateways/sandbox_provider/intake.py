"""What the provider accepts: requests are read into exact types here, or refused with a code.

Amounts are decimal strings at the currency's own precision; a number in JSON is refused, because it may already have
been a binary fraction on its way here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

from babel.numbers import get_currency_precision

from activities.gateways.sandbox_provider.methods import script_of
from rules.payments import PaymentStatus

AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")
CURRENCY = re.compile(r"[A-Z]{3}")
KEY = re.compile(r"[\x21-\x7e]{1,255}")
TEXT_LENGTH_MAX = 500
METADATA_ENTRIES_MAX = 50


class Refused(Exception):
    """A request that is answered with an error. `status` is HTTP's, `code` ours."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    amount: Decimal
    currency: str
    method: str
    description: str
    return_url: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Equal exactly when two requests ask for the same; `5.00` and `5.0` are not the same."""
        canonical = json.dumps(asdict(self), default=str, sort_keys=True)
        return sha256(canonical.encode()).hexdigest()


def read_key(value: str | None) -> str:
    if value is None or not KEY.fullmatch(value):
        raise Refused(400, "idempotency_key_required", "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return value


def read_payment_request(body: Mapping[str, object]) -> PaymentRequest:
    """Raises Refused, with `unknown_payment_method` when that is what is wrong."""
    currency = _text(body, "currency")
    if not CURRENCY.fullmatch(currency):
        raise Refused(400, "invalid_currency", "currency must be three capital letters")
    method = _text(body, "method")
    if script_of(method) is None:
        raise unknown_method()
    return PaymentRequest(
        amount=read_amount(body.get("amount"), currency),
        currency=currency,
        method=method,
        description=_text(body, "description"),
        return_url=_web_address(_text(body, "return_url")),
        metadata=_metadata(body.get("metadata", {})),
    )


def read_amount(value: object, currency: str) -> Decimal:
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise Refused(400, "invalid_amount", "amount must be a string of digits with at most one point")
    amount = Decimal(value)
    if amount <= 0:
        raise Refused(400, "invalid_amount", "amount must be more than nothing")
    if amount != round(amount, get_currency_precision(currency)):
        raise Refused(400, "invalid_amount", f"amount has more decimals than {currency}")
    return amount


def read_status(value: object) -> PaymentStatus:
    try:
        return PaymentStatus(str(value))
    except ValueError:
        raise Refused(400, "invalid_status", f"status must be one of {', '.join(PaymentStatus)}") from None


def unknown_method() -> Refused:
    return Refused(404, "unknown_payment_method", "there is no such payment method")


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= TEXT_LENGTH_MAX:
        raise Refused(400, "invalid_request", f"{name} must be text of 1 to {TEXT_LENGTH_MAX} characters")
    return value


def _web_address(value: str) -> str:
    """An address a browser may be sent to: never `javascript:` and its like."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(ord(letter) < 0x21 for letter in value):
        raise Refused(400, "invalid_return_url", "return_url must be a whole http or https address")
    return value


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > METADATA_ENTRIES_MAX:
        raise Refused(400, "invalid_metadata", f"metadata must be an object of at most {METADATA_ENTRIES_MAX} texts")
    for name, text in value.items():
        if not isinstance(text, str) or len(text) > TEXT_LENGTH_MAX or len(name) > TEXT_LENGTH_MAX:
            raise Refused(400, "invalid_metadata", "metadata must map texts to texts")
    return value
