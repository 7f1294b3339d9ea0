"""What every payment gateway promises about events: the provider's own are read, anybody else's are refused."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from activities.gateways.protocol import GatewayEvent, InvalidEvent, PaymentGateway
from rules.payments import PaymentReport, PaymentStatus
from tests.activities.gateway_processes import Letter
from tests.activities.gateway_providers import (
    FOREIGN_SECRET,
    NEXT_SECRET,
    PRICE,
    PROVIDERS,
    SECRET,
    Provider,
    open_provider,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", params=PROVIDERS)
async def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with open_provider(request.param, tmp_path_factory.mktemp(request.param)) as provider:
        yield provider


@pytest.fixture
def gateway(provider: Provider) -> PaymentGateway:
    return provider.gateway


async def test_a_capture_is_told_by_a_signed_event(provider: Provider, gateway: PaymentGateway) -> None:
    order = provider.order(provider.methods.success)
    before = datetime.now(UTC) - timedelta(seconds=2)
    paid = await gateway.create_payment(order)

    letter, event = await provider.told(paid, PaymentStatus.CAPTURED)

    assert event == GatewayEvent(
        event_id=str(letter.content()["id"]),
        kind=provider.captured_kind,
        payment_id=paid.payment_id,
        key=order.key,
        status=PaymentStatus.CAPTURED,
        occurred_at=event.occurred_at,
    )
    assert before <= event.occurred_at <= datetime.now(UTC)


async def test_an_event_changed_on_its_way_is_refused(provider: Provider, gateway: PaymentGateway) -> None:
    paid = await gateway.create_payment(provider.order(provider.methods.success))
    letter, _ = await provider.told(paid, PaymentStatus.CAPTURED)

    forged = Letter(letter.headers, letter.body.replace(b"USD", b"KWD").replace(b"usd", b"kwd"))
    assert forged.body != letter.body

    with pytest.raises(InvalidEvent, match="signature"):
        provider.read(forged)


PAID = PaymentReport("pi_1", PaymentStatus.CAPTURED, PRICE, "USD")


def an_event(provider: Provider, kind: str | None = None) -> bytes:
    return provider.event_body(kind or provider.captured_kind, PAID, "purchase-1", NOON)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_an_event_within_five_minutes_is_fresh(provider: Provider, gateway: PaymentGateway, seconds: int) -> None:
    body = an_event(provider)
    headers = provider.sign(body, NOON, SECRET)

    event = gateway.parse_event(headers=headers, body=body, now=NOON + timedelta(seconds=seconds))

    assert event == GatewayEvent("evt_1", provider.captured_kind, "pi_1", "purchase-1", PaymentStatus.CAPTURED, NOON)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_event_too_old_or_from_the_future_is_refused(
    provider: Provider, gateway: PaymentGateway, seconds: int
) -> None:
    body = an_event(provider)
    headers = provider.sign(body, NOON, SECRET)

    with pytest.raises(InvalidEvent, match="fresh"):
        gateway.parse_event(headers=headers, body=body, now=NOON + timedelta(seconds=seconds))


async def test_both_secrets_are_accepted_while_they_change_and_no_other(provider: Provider) -> None:
    body = an_event(provider)
    changing = provider.connect(provider.url, (NEXT_SECRET, SECRET), timedelta(seconds=1))

    for secret in (SECRET, NEXT_SECRET):
        headers = provider.sign(body, NOON, secret)
        assert changing.parse_event(headers=headers, body=body, now=NOON).event_id == "evt_1"
    with pytest.raises(InvalidEvent):
        changing.parse_event(headers=provider.sign(body, NOON, FOREIGN_SECRET), body=body, now=NOON)
    await changing.aclose()


@pytest.mark.parametrize("secrets", [(), ("",)])
async def test_without_a_secret_no_event_is_believed(provider: Provider, secrets: tuple[str, ...]) -> None:
    body = an_event(provider)
    trusting = provider.connect(provider.url, secrets, timedelta(seconds=1))

    with pytest.raises(InvalidEvent):
        trusting.parse_event(headers=provider.sign(body, NOON, ""), body=body, now=NOON)
    await trusting.aclose()


def test_an_event_of_an_unknown_kind_says_nothing_about_the_payment(
    provider: Provider, gateway: PaymentGateway
) -> None:
    body = an_event(provider, "something.new")

    event = gateway.parse_event(headers=provider.sign(body, NOON, SECRET), body=body, now=NOON)

    assert (event.kind, event.status) == ("something.new", None)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b'{"id": 5}', b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_refused(provider: Provider, gateway: PaymentGateway, body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        gateway.parse_event(headers=provider.sign(body, NOON, SECRET), body=body, now=NOON)


def break_headers() -> Iterator[Callable[[Mapping[str, str]], dict[str, str]]]:
    yield lambda headers: {}
    yield lambda headers: dict.fromkeys(headers, "")
    yield lambda headers: dict.fromkeys(headers, "é,=,v1=zz t=١ v1,!!")
    yield lambda headers: {name: re.sub(r"v1", "v0", value) for name, value in headers.items()}


@pytest.mark.parametrize("broken", list(break_headers()), ids=["missing", "empty", "garbage", "other version"])
def test_an_event_without_a_readable_signature_is_refused(
    provider: Provider, gateway: PaymentGateway, broken: Callable[[Mapping[str, str]], dict[str, str]]
) -> None:
    body = an_event(provider)

    with pytest.raises(InvalidEvent):
        gateway.parse_event(headers=broken(provider.sign(body, NOON, SECRET)), body=body, now=NOON)
