"""Stripe's own words, as its API reference shows them, read right; the emulator of the contract cannot say them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from activities.gateways.protocol import (
    GatewayRejectedRequest,
    GatewayUnavailable,
    MethodDetails,
    PaymentOrder,
    RefundReport,
    RefundStatus,
)
from activities.gateways.stripe import StripeGateway
from activities.gateways.stripe_reading import from_minor_units, read_payment, read_refund, to_minor_units
from rules.payments import PaymentReport, PaymentStatus
from tests.activities.gateway_processes import Answer, Question, scripted_server
from tests.activities.gateway_providers import sign_as_stripe

SECRET = "whsec_stripe_uses_it_as_it_stands"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = PaymentOrder(
    key="it's purchase \\1",
    amount=Decimal("58.00"),
    currency="USD",
    method_token="pm_1",
    description="1,000 tokens",
    return_url="https://buyer.example/back",
    metadata={"organization": "acme"},
)
INTENT = {"id": "pi_1", "object": "payment_intent", "amount": 5800, "currency": "usd", "status": "succeeded"}
PAID = PaymentReport("pi_1", PaymentStatus.CAPTURED, Decimal("58.00"), "USD")
NOTHING_FOUND = {"object": "search_result", "data": [], "has_more": False}
CARD = {"id": "pm_1", "object": "payment_method", "type": "card", "customer": "cus_1", "card": {"last4": "4242"}}

SEARCH = ("GET", "/v1/payment_intents/search")
FETCH = ("GET", "/v1/payment_intents/pi_1")
METHOD = ("GET", "/v1/payment_methods/pm_1")
CREATE = ("POST", "/v1/payment_intents")


def answer(body: Mapping[str, Any], *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


def error(status: int, **contents: object) -> Answer:
    return answer({"error": contents}, status=status)


@contextmanager
def stripe_that_says(
    created: Answer, *, found: Mapping[str, Any] = NOTHING_FOUND, heard: list[Question] | None = None
) -> Iterator[StripeGateway]:
    """Whatever is not listed is answered with a fault."""
    answers = {SEARCH: answer(found), FETCH: answer(INTENT), METHOD: answer(CARD), CREATE: created}
    with scripted_server(answers, otherwise=error(500, type="api_error"), heard=heard) as url:
        yield StripeGateway("sk_test_1", webhook_secrets=(SECRET,), api_url=f"{url}/")


async def test_a_saved_card_is_charged_as_its_customer_under_our_key() -> None:
    heard: list[Question] = []
    with stripe_that_says(answer(INTENT), heard=heard) as gateway:
        report = await gateway.create_payment(ORDER)
        await gateway.aclose()

    assert report == PAID
    charge = heard[-1]
    assert (charge.method, charge.path) == CREATE
    assert charge.headers["idempotency-key"] == ORDER.key
    assert charge.fields == {
        "amount": "5800",
        "currency": "usd",
        "payment_method": "pm_1",
        "customer": "cus_1",
        "confirm": "true",
        "error_on_requires_action": "false",
        "description": "1,000 tokens",
        "return_url": "https://buyer.example/back",
        "metadata[organization]": "acme",
        "metadata[scrip_key]": ORDER.key,
    }


async def test_a_key_stripe_has_forgotten_is_found_by_search_and_not_charged_again() -> None:
    heard: list[Question] = []
    stale = INTENT | {"status": "processing"}
    with stripe_that_says(answer(INTENT), found=NOTHING_FOUND | {"data": [stale]}, heard=heard) as gateway:
        report = await gateway.create_payment(ORDER)
        with pytest.raises(GatewayRejectedRequest) as refusal:
            await gateway.create_payment(replace(ORDER, amount=Decimal("59.00")))
        await gateway.aclose()

    assert report == PAID
    assert refusal.value.code == "idempotency_conflict"
    assert [question.method for question in heard] == ["GET"] * 4
    assert parse_qs(urlsplit(heard[0].path).query) == {"query": [r"metadata['scrip_key']:'it\'s purchase \\1'"]}


async def test_a_refund_key_stripe_has_forgotten_is_found_among_the_refunds_and_not_sent_again() -> None:
    made = {"id": "re_1", "amount": 800, "currency": "usd", "status": "succeeded"}
    made_under_key = made | {"metadata": {"scrip_refund_key": "refund-1"}}
    page = {"object": "list", "data": [made_under_key], "has_more": False, "url": "/v1/refunds"}
    answers = {FETCH: answer(INTENT), ("GET", "/v1/refunds"): answer(page)}
    heard: list[Question] = []
    with scripted_server(answers, otherwise=error(500, type="api_error"), heard=heard) as url:
        gateway = StripeGateway("sk_test_1", webhook_secrets=(SECRET,), api_url=url)
        report = await gateway.refund_payment("pi_1", key="refund-1", amount=Decimal("8.00"))
        await gateway.aclose()

    assert report == RefundReport("re_1", RefundStatus.REFUNDED, Decimal("8.00"), "USD")
    assert [question.method for question in heard] == ["GET", "GET"]


async def test_a_decline_carries_the_banks_reason() -> None:
    reason = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
    failed = INTENT | {"status": "requires_payment_method", "last_payment_error": reason}
    with stripe_that_says(error(402, **reason, payment_intent=failed)) as gateway:
        report = await gateway.create_payment(ORDER)
        await gateway.aclose()

    assert report == replace(PAID, status=PaymentStatus.DECLINED, decline_code="insufficient_funds")


async def test_three_d_secure_carries_the_page_of_the_bank() -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.com/3ds", "return_url": "x"}}
    with stripe_that_says(answer(INTENT | {"status": "requires_action", "next_action": action})) as gateway:
        report = await gateway.create_payment(ORDER)
        await gateway.aclose()

    assert report == replace(PAID, status=PaymentStatus.REQUIRES_ACTION, action_url="https://hooks.stripe.com/3ds")


@pytest.mark.parametrize(
    "said",
    [
        error(409, type="idempotency_error", code="idempotency_key_in_use", message="another request is running"),
        error(409, type="invalid_request_error", code="lock_timeout"),
        error(429, type="invalid_request_error", code="rate_limit"),
        error(500, type="api_error"),
        answer(INTENT | {"status": "a_status_of_tomorrow"}),
    ],
)
async def test_an_answer_that_leaves_the_charge_open_is_not_a_decline(said: Answer) -> None:
    with stripe_that_says(said) as gateway:
        with pytest.raises(GatewayUnavailable):
            await gateway.create_payment(ORDER)
        await gateway.aclose()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (error(400, type="idempotency_error", message="different parameters"), "idempotency_conflict"),
        (error(400, type="invalid_request_error", code="amount_too_small", message="at least 50"), "amount_too_small"),
        (error(401, type="invalid_request_error", message="Invalid API Key"), "unauthorized"),
        (error(403, type="invalid_request_error", message="no permission"), "unauthorized"),
    ],
)
async def test_a_request_stripe_will_never_accept_is_rejected_by_name(said: Answer, code: str) -> None:
    with stripe_that_says(said) as gateway:
        with pytest.raises(GatewayRejectedRequest) as refusal:
            await gateway.create_payment(ORDER)
        await gateway.aclose()

    assert refusal.value.code == code


async def test_a_payment_captured_while_it_was_being_given_up_says_captured() -> None:
    # Stripe refuses the cancellation; by then the payment, asked again, has been decided.
    pending = INTENT | {"status": "requires_action", "next_action": None}
    heard: list[Question] = []
    answers = {
        FETCH: answer(pending),
        ("POST", "/v1/payment_intents/pi_1/cancel"): error(
            400, type="invalid_request_error", code="payment_intent_unexpected_state"
        ),
    }

    class CapturedMeanwhile(dict[tuple[str, str], Answer]):
        def get(self, key: tuple[str, str], default: Any = None) -> Any:
            if len(heard) > 2:
                return answer(INTENT)
            return super().get(key, default)

    with scripted_server(CapturedMeanwhile(answers), otherwise=error(500, type="api_error"), heard=heard) as url:
        gateway = StripeGateway("sk_test_1", webhook_secrets=(SECRET,), api_url=url)
        report = await gateway.cancel_payment("pi_1")
        await gateway.aclose()

    assert report == PAID
    assert [question.method for question in heard] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("succeeded", PaymentStatus.CAPTURED),
        ("processing", PaymentStatus.PROCESSING),
        ("requires_capture", PaymentStatus.PROCESSING),
        ("requires_confirmation", PaymentStatus.PROCESSING),
        ("requires_action", PaymentStatus.REQUIRES_ACTION),
        ("canceled", PaymentStatus.CANCELLED),
        ("requires_payment_method", PaymentStatus.DECLINED),
    ],
)
def test_each_of_stripes_statuses_has_one_of_ours(word: str, status: PaymentStatus) -> None:
    assert read_payment(INTENT | {"status": word}).status is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("succeeded", RefundStatus.REFUNDED),
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.PENDING),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.FAILED),
    ],
)
def test_each_of_stripes_refund_statuses_has_one_of_ours(word: str, status: RefundStatus) -> None:
    refund = {"id": "re_1", "amount": 800, "currency": "usd", "status": word, "failure_reason": "lost_or_stolen_card"}

    assert read_refund(refund) == RefundReport("re_1", status, Decimal("8.00"), "USD", "lost_or_stolen_card")


# Source: docs.stripe.com/currencies. Scrip rounds ISK, UGX and ALL to whole units; Stripe counts two decimals.
@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("10.00", "USD", 1000),
        ("0.50", "EUR", 50),
        ("500", "JPY", 500),
        ("1", "KRW", 1),
        ("5.120", "KWD", 5120),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("100", "ALL", 10_000),
        ("700", "MGA", 700),
    ],
)
def test_amounts_travel_in_stripes_minor_units_and_back(amount: str, currency: str, minor: int) -> None:
    assert to_minor_units(Decimal(amount), currency) == minor
    assert str(from_minor_units(minor, currency)) == amount


async def test_a_bank_account_is_described_without_an_expiry() -> None:
    account = {"id": "pm_1", "type": "sepa_debit", "sepa_debit": {"last4": "3000"}}
    with scripted_server({METHOD: answer(account)}, otherwise=error(500, type="api_error")) as url:
        gateway = StripeGateway("sk_test_1", webhook_secrets=(SECRET,), api_url=url)
        described = await gateway.describe_method("pm_1")
        await gateway.aclose()

    assert described == MethodDetails("pm_1", "sepa_debit", "sepa_debit", "3000", None, None)


@pytest.mark.parametrize("kind", ["charge.dispute.created", "charge.refunded", "refund.updated"])
async def test_an_event_about_a_dispute_or_refund_names_its_payment(kind: str) -> None:
    subject = {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "metadata": {}}
    body = json.dumps({"id": "evt_1", "type": kind, "created": 1_772_366_400, "data": {"object": subject}}).encode()
    gateway = StripeGateway("sk_test_1", webhook_secrets=(SECRET,))

    event = gateway.parse_event(headers=sign_as_stripe(body, NOON, SECRET), body=body, now=NOON)
    await gateway.aclose()

    assert (event.payment_id, event.key, event.status, event.occurred_at) == ("pi_1", None, None, NOON)
