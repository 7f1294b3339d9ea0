"""How Stripe's words become ours: statuses, minor units, codes.

Stripe counts money in its own minor units, which are not everywhere those of the Unicode data Scrip rounds by: the
Albanian lek has no decimals there and two at Stripe. The tables here are Stripe's, from its page on currencies.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision

from activities.gateways.protocol import GatewayRejectedRequest, GatewayUnavailable, RefundReport, RefundStatus
from rules.payments import PaymentReport, PaymentStatus

ZERO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMALS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))

STATUSES = {
    "succeeded": PaymentStatus.CAPTURED,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.PROCESSING,
    "requires_confirmation": PaymentStatus.PROCESSING,
    "canceled": PaymentStatus.CANCELLED,
    "requires_payment_method": PaymentStatus.DECLINED,
}
REFUND_STATUSES = {
    "succeeded": RefundStatus.REFUNDED,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}


def decimals(currency: str) -> int:
    """How many decimals Stripe counts in. ISK and UGX have none of their own and two, always `00`, at Stripe."""
    code = currency.upper()
    if code in ZERO_DECIMALS:
        return 0
    return 3 if code in THREE_DECIMALS else 2


def to_minor_units(amount: Decimal, currency: str) -> int:
    """Stripe's whole number for an amount. Raises GatewayRejectedRequest rather than round."""
    minor = amount.scaleb(decimals(currency))
    if minor <= 0 or minor != minor.to_integral_value():
        raise GatewayRejectedRequest("invalid_amount", f"{amount} {currency} is not a positive number of minor units")
    return int(minor)


def from_minor_units(minor: int, currency: str) -> Decimal:
    """The amount at the currency's own precision, or at Stripe's where that would lose something."""
    amount = Decimal(minor).scaleb(-decimals(currency))
    own = round(amount, get_currency_precision(currency.upper()))
    return own if own == amount else amount


def read_payment(intent: Mapping[str, Any]) -> PaymentReport:
    """A PaymentIntent as a report. Raises GatewayUnavailable when Stripe uses a word we do not know."""
    try:
        status = STATUSES[intent["status"]]
        currency = str(intent["currency"]).upper()
        amount = from_minor_units(int(intent["amount"]), currency)
        payment_id = str(intent["id"])
    except (KeyError, ValueError, TypeError) as error:
        raise GatewayUnavailable("Stripe described a payment in words we do not know") from error
    return PaymentReport(
        payment_id=payment_id,
        status=status,
        amount=amount,
        currency=currency,
        decline_code=_decline_code(intent) if status is PaymentStatus.DECLINED else None,
        action_url=_action_url(intent) if status is PaymentStatus.REQUIRES_ACTION else None,
    )


def read_refund(refund: Mapping[str, Any]) -> RefundReport:
    """Raises GatewayUnavailable when Stripe uses a word we do not know."""
    try:
        currency = str(refund["currency"]).upper()
        return RefundReport(
            refund_id=str(refund["id"]),
            status=REFUND_STATUSES[refund["status"]],
            amount=from_minor_units(int(refund["amount"]), currency),
            currency=currency,
            failure_code=refund.get("failure_reason"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise GatewayUnavailable("Stripe described a refund in words we do not know") from error


def _decline_code(intent: Mapping[str, Any]) -> str:
    """The bank's reason where Stripe passes it on, Stripe's own otherwise."""
    error = intent.get("last_payment_error") or {}
    return str(error.get("decline_code") or error.get("code") or "payment_method_refused")


def _action_url(intent: Mapping[str, Any]) -> str | None:
    """None when the action can only be taken through Stripe's script on a page of ours."""
    redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    url = redirect.get("url")
    return str(url) if url else None
