"""What every payment gateway promises about payments, refunds and methods, asked of both.

`test_gateway_contract_events.py` continues with events, `test_gateway_contract_faults.py` with gateways that are away.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import pytest_asyncio

from activities.gateways.protocol import (
    GatewayRejectedRequest,
    GatewayUnavailable,
    PaymentGateway,
    RefundStatus,
    UnknownPaymentMethod,
)
from rules.payments import PaymentReport, PaymentStatus
from tests.activities.gateway_providers import PRICE, PROVIDERS, Capability, Provider, keys, open_provider
from tests.patience import PATIENCE_SECONDS


@pytest_asyncio.fixture(scope="module", params=PROVIDERS)
async def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with open_provider(request.param, tmp_path_factory.mktemp(request.param)) as provider:
        yield provider


@pytest.fixture
def gateway(provider: Provider) -> PaymentGateway:
    return provider.gateway


def test_a_gateway_is_known_by_its_name(provider: Provider, gateway: PaymentGateway) -> None:
    assert gateway.name == provider.name


async def test_a_payment_is_charged_once_per_key(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)

    first = await gateway.create_payment(order)
    second = await gateway.create_payment(order)

    assert first == PaymentReport(first.payment_id, PaymentStatus.CAPTURED, PRICE, "USD")
    assert second == first
    assert await gateway.fetch_payment(first.payment_id) == first
    assert await gateway.find_payment(order.key) == first


async def test_a_key_asked_five_times_at_once_makes_one_payment(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)

    answers = await asyncio.gather(*(gateway.create_payment(order) for _ in range(5)), return_exceptions=True)

    found = await gateway.find_payment(order.key)
    assert found is not None
    # Whoever was told nothing was told that nothing is known, never that nothing was charged.
    unknown = [answer for answer in answers if isinstance(answer, GatewayUnavailable)]
    assert [answer for answer in answers if answer not in unknown] == [found] * (5 - len(unknown))
    assert len(unknown) < 5


async def test_a_key_used_for_another_amount_is_refused(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)
    paid = await gateway.create_payment(order)

    with pytest.raises(GatewayRejectedRequest) as refusal:
        await gateway.create_payment(replace(order, amount=Decimal("59.00")))

    assert refusal.value.code == "idempotency_conflict"
    assert await gateway.find_payment(order.key) == paid


async def test_a_decline_is_a_report_and_stays_the_same_when_asked_again(
    provider: Provider, gateway: PaymentGateway
) -> None:
    order = provider.order(provider.methods.declined)
    code = "insufficient_funds" if Capability.DECLINE_REASON in provider.capabilities else "card_declined"

    declined = await gateway.create_payment(order)

    assert declined == PaymentReport(declined.payment_id, PaymentStatus.DECLINED, PRICE, "USD", decline_code=code)
    assert await gateway.create_payment(order) == declined
    assert await gateway.fetch_payment(declined.payment_id) == declined


@pytest.mark.parametrize(("is_approved", "status"), [(True, PaymentStatus.CAPTURED), (False, PaymentStatus.DECLINED)])
async def test_a_payment_that_asks_the_buyer_is_decided_by_the_buyer(
    provider: Provider, gateway: PaymentGateway, is_approved: bool, status: PaymentStatus
) -> None:
    # given
    asked = await gateway.create_payment(provider.order(provider.methods.action))
    assert asked.status is PaymentStatus.REQUIRES_ACTION
    assert (asked.action_url is not None) is (Capability.ACTION_URL in provider.capabilities)

    # when
    await provider.act(asked, is_approved)

    # then
    decided = await gateway.fetch_payment(asked.payment_id)
    assert (decided.status, decided.action_url) == (status, None)
    assert (decided.decline_code is None) is is_approved


async def test_a_late_payment_is_processing_and_then_captured(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.late, currency="EUR")

    pending = await gateway.create_payment(order)
    _, event = await provider.told(pending, PaymentStatus.CAPTURED)

    begins = PaymentStatus.PROCESSING if Capability.LATE_CAPTURE in provider.capabilities else PaymentStatus.CAPTURED
    assert pending == PaymentReport(pending.payment_id, begins, PRICE, "EUR")
    assert event.key == order.key
    assert await gateway.fetch_payment(pending.payment_id) == replace(pending, status=PaymentStatus.CAPTURED)


async def test_a_late_payment_may_be_declined(provider: Provider, gateway: PaymentGateway) -> None:
    pending = await gateway.create_payment(provider.order(provider.methods.late_decline, currency="EUR"))

    await provider.told(pending, PaymentStatus.DECLINED)

    assert pending.status is PaymentStatus.PROCESSING
    decided = await gateway.fetch_payment(pending.payment_id)
    assert decided.status is PaymentStatus.DECLINED
    assert decided.decline_code in {"insufficient_funds", "card_declined"}


async def test_a_key_never_used_finds_no_payment(gateway: PaymentGateway) -> None:
    assert await gateway.find_payment("purchase-never-made' OR metadata['x']:'y") is None


async def test_an_unknown_payment_is_rejected(gateway: PaymentGateway) -> None:
    with pytest.raises(GatewayRejectedRequest):
        await gateway.fetch_payment("pi_nobody")
    with pytest.raises(GatewayRejectedRequest):
        await gateway.cancel_payment("pi_nobody")
    with pytest.raises(GatewayRejectedRequest):
        await gateway.refund_payment("pi_nobody", key="refund-of-nobody", amount=PRICE)


async def test_an_undecided_payment_can_be_given_up_twice(provider: Provider, gateway: PaymentGateway) -> None:
    asked = await gateway.create_payment(provider.order(provider.methods.action))

    first = await gateway.cancel_payment(asked.payment_id)
    second = await gateway.cancel_payment(asked.payment_id)

    assert first == PaymentReport(asked.payment_id, PaymentStatus.CANCELLED, PRICE, "USD")
    assert second == first
    assert await gateway.fetch_payment(asked.payment_id) == first


async def test_a_payment_in_the_banks_hands_is_given_up_where_that_is_possible(
    provider: Provider, gateway: PaymentGateway
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            pending = await gateway.create_payment(provider.order(provider.methods.late_decline, currency="EUR"))
            assert pending.status is PaymentStatus.PROCESSING

            report = await gateway.cancel_payment(pending.payment_id)
            # A bank decides within half a second, which is over at once where everything stands still for a while.
            if report.status is not PaymentStatus.DECLINED:
                break

    if Capability.CANCELS_WHILE_PROCESSING in provider.capabilities:
        assert report.status is PaymentStatus.CANCELLED
    else:
        assert report == pending


async def test_a_cancellation_that_comes_too_late_says_captured(provider: Provider, gateway: PaymentGateway) -> None:
    paid = await gateway.create_payment(provider.order(provider.methods.success))

    assert await gateway.cancel_payment(paid.payment_id) == paid
    assert await gateway.fetch_payment(paid.payment_id) == paid


async def test_a_cancellation_of_a_declined_payment_says_declined(provider: Provider, gateway: PaymentGateway) -> None:
    declined = await gateway.create_payment(provider.order(provider.methods.declined))

    assert await gateway.cancel_payment(declined.payment_id) == declined


async def test_a_refund_is_made_once_per_key(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)
    paid = await gateway.create_payment(order)

    first = await gateway.refund_payment(paid.payment_id, key=order.key, amount=Decimal("20.00"))
    second = await gateway.refund_payment(paid.payment_id, key=order.key, amount=Decimal("20.00"))
    rest = await gateway.refund_payment(paid.payment_id, key=f"{order.key}-rest", amount=Decimal("38.00"))

    assert (first.status, first.amount, first.currency) == (RefundStatus.REFUNDED, Decimal("20.00"), "USD")
    assert second == first
    assert (rest.status, rest.amount) == (RefundStatus.REFUNDED, Decimal("38.00"))
    assert rest.refund_id != first.refund_id


async def test_refunds_never_exceed_what_was_captured(provider: Provider, gateway: PaymentGateway) -> None:
    # given
    order = provider.order(provider.methods.success)
    paid = await gateway.create_payment(order)
    await gateway.refund_payment(paid.payment_id, key=f"{order.key}-1", amount=Decimal("50.00"))

    # when
    with pytest.raises(GatewayRejectedRequest) as refusal:
        await gateway.refund_payment(paid.payment_id, key=f"{order.key}-2", amount=Decimal("8.01"))

    # then
    assert refusal.value.code == "amount_too_large"
    rest = await gateway.refund_payment(paid.payment_id, key=f"{order.key}-3", amount=Decimal("8.00"))
    assert rest.status is RefundStatus.REFUNDED


async def test_a_refund_key_used_for_another_amount_is_refused(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)
    paid = await gateway.create_payment(order)
    await gateway.refund_payment(paid.payment_id, key=order.key, amount=Decimal("1.00"))

    with pytest.raises(GatewayRejectedRequest) as refusal:
        await gateway.refund_payment(paid.payment_id, key=order.key, amount=Decimal("2.00"))

    assert refusal.value.code == "idempotency_conflict"


async def test_what_was_not_captured_cannot_be_refunded(provider: Provider, gateway: PaymentGateway) -> None:
    declined = await gateway.create_payment(provider.order(provider.methods.declined))

    with pytest.raises(GatewayRejectedRequest) as refusal:
        await gateway.refund_payment(declined.payment_id, key=f"refund-{next(keys)}", amount=PRICE)

    assert refusal.value.code == "payment_not_captured"


async def test_a_method_is_described_by_what_may_be_shown(provider: Provider, gateway: PaymentGateway) -> None:
    assert await gateway.describe_method(provider.methods.success) == provider.shown


async def test_an_unknown_method_is_refused_and_charges_nothing(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order("pm_nobody_has_this")

    with pytest.raises(UnknownPaymentMethod):
        await gateway.describe_method(order.method_token)
    with pytest.raises(UnknownPaymentMethod):
        await gateway.create_payment(order)

    assert await gateway.find_payment(order.key) is None


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("500", "JPY"), ("5.120", "KWD"), ("0.01", "USD"), ("120", "ISK"), ("100", "ALL"), ("999999.99", "EUR")],
)
async def test_an_amount_is_charged_at_its_currencys_own_precision(
    provider: Provider, gateway: PaymentGateway, amount: str, currency: str
) -> None:
    paid = await gateway.create_payment(
        provider.order(provider.methods.success, amount=Decimal(amount), currency=currency)
    )

    assert (str(paid.amount), paid.currency) == (amount, currency)


@pytest.mark.parametrize(("amount", "currency"), [("10.001", "USD"), ("10.5", "JPY"), ("0", "USD"), ("-1", "USD")])
async def test_an_amount_that_cannot_be_charged_exactly_is_refused(
    provider: Provider, gateway: PaymentGateway, amount: str, currency: str
) -> None:
    order = provider.order(provider.methods.success, amount=Decimal(amount), currency=currency)

    with pytest.raises(GatewayRejectedRequest) as refusal:
        await gateway.create_payment(order)

    assert refusal.value.code == "invalid_amount"
    assert await gateway.find_payment(order.key) is None
