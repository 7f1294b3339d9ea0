"""What every payment gateway promises when its provider is away, silent, confused, or does not know us."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from activities.gateways.protocol import GatewayRejectedRequest, GatewayUnavailable, PaymentGateway
from activities.gateways.sandbox import SandboxGateway
from activities.gateways.stripe import StripeGateway
from tests.activities.gateway_processes import Answer, scripted_server
from tests.activities.gateway_providers import PRICE, PROVIDERS, SECRET, Provider, open_provider
from tests.patience import PATIENCE


@pytest_asyncio.fixture(scope="module", params=PROVIDERS)
async def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with open_provider(request.param, tmp_path_factory.mktemp(request.param)) as provider:
        yield provider


@pytest.fixture
def gateway(provider: Provider) -> PaymentGateway:
    return provider.gateway


async def every_question(provider: Provider, gateway: PaymentGateway) -> list[object]:
    """The outcome of each method, exceptions included."""
    outcomes = await asyncio.gather(
        gateway.create_payment(provider.order(provider.methods.success)),
        gateway.fetch_payment("pi_1"),
        gateway.find_payment("purchase-1"),
        gateway.cancel_payment("pi_1"),
        gateway.refund_payment("pi_1", key="refund-1", amount=PRICE),
        gateway.describe_method(provider.methods.success),
        return_exceptions=True,
    )
    return list(outcomes)


async def test_a_gateway_that_is_not_there_leaves_everything_unknown(provider: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    unreachable = provider.connect(f"http://127.0.0.1:{port}", (SECRET,), timedelta(seconds=2))

    outcomes = await every_question(provider, unreachable)

    assert [type(outcome) for outcome in outcomes] == [GatewayUnavailable] * 6
    await unreachable.aclose()


async def test_a_gateway_that_never_answers_leaves_everything_unknown(provider: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        impatient = provider.connect(
            f"http://127.0.0.1:{silent.getsockname()[1]}", (SECRET,), timedelta(milliseconds=300)
        )

        outcomes = await every_question(provider, impatient)

    assert [type(outcome) for outcome in outcomes] == [GatewayUnavailable] * 6
    await impatient.aclose()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"error": {"type": "api_error", "code": "x", "message": "y"}}'),
        (503, b"<html>"),
        (429, b'{"error": {"code": "slow_down", "message": "too many"}}'),
        (200, b"<html>a captive portal</html>"),
        (200, b"{}"),
        (404, b"<html>a wrong turn</html>"),
    ],
)
async def test_an_answer_that_says_nothing_leaves_the_payment_unknown(
    provider: Provider, status: int, body: bytes
) -> None:
    with scripted_server({}, otherwise=Answer(status, body)) as url:
        confused = provider.connect(url, (SECRET,), timedelta(seconds=2))

        with pytest.raises(GatewayUnavailable):
            await confused.fetch_payment("pi_1")
        await confused.aclose()


async def test_a_wrong_api_key_is_a_rejection_and_charges_nothing(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)
    stranger: PaymentGateway
    if provider.name == "sandbox":
        stranger = SandboxGateway(provider.url, "not-the-key", webhook_secrets=(SECRET,), total_timeout=PATIENCE)
    else:
        stranger = StripeGateway("not-the-key", webhook_secrets=(SECRET,), api_url=provider.url, total_timeout=PATIENCE)

    with pytest.raises(GatewayRejectedRequest) as refusal:
        await stranger.create_payment(order)

    assert refusal.value.code == "unauthorized"
    assert await gateway.find_payment(order.key) is None
    await stranger.aclose()
