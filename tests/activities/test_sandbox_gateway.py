"""The sandbox provider's own mischief: every method does what its description says, and a crash forgets nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from time import monotonic

import httpx2
import pytest
import pytest_asyncio

from activities.gateways.protocol import (
    GatewayEvent,
    GatewayRejectedRequest,
    GatewayUnavailable,
    PaymentOrder,
    RefundStatus,
)
from activities.gateways.sandbox import SandboxGateway
from rules.payments import PaymentReport, PaymentStatus, more_final
from tests.activities.gateway_processes import API_KEY, Inbox, Letter, Running, open_inbox, sandbox_provider
from tests.patience import PATIENCE, PATIENCE_SECONDS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRICE = Decimal("58.00")
keys = count(1)


@dataclass(frozen=True, slots=True)
class Sandbox:
    provider: Running
    gateway: SandboxGateway
    inbox: Inbox

    async def simulate(self, payment: PaymentReport, **change: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {API_KEY}"}
        async with httpx2.AsyncClient(
            base_url=self.provider.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
        ) as operator:
            return await operator.post(f"/v1/payments/{payment.payment_id}/simulate", json=change)


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with open_inbox() as inbox:
        yield inbox


@pytest_asyncio.fixture(scope="module")
async def sandbox(inbox: Inbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    data = tmp_path_factory.mktemp("sandbox") / "payments.sqlite"
    with sandbox_provider(data, late_seconds="0.3", webhook_url=inbox.url, webhook_secret=SECRET) as provider:
        gateway = connect(provider)
        yield Sandbox(provider, gateway, inbox)
        await gateway.aclose()


@pytest.fixture
def gateway(sandbox: Sandbox) -> SandboxGateway:
    return sandbox.gateway


def connect(provider: Running) -> SandboxGateway:
    return SandboxGateway(provider.url, API_KEY, webhook_secrets=(SECRET,), total_timeout=PATIENCE)


def order(method: str) -> PaymentOrder:
    return PaymentOrder(f"purchase-{next(keys)}", PRICE, "USD", method, "1,000 tokens", "https://buyer.example/back")


@cache
def reader() -> SandboxGateway:
    return SandboxGateway("http://127.0.0.1", API_KEY, webhook_secrets=(SECRET,))


def read(letter: Letter) -> GatewayEvent:
    return reader().parse_event(headers=letter.headers, body=letter.body, now=datetime.now(UTC))


async def tellings(inbox: Inbox, payment: PaymentReport, *, times: int) -> list[GatewayEvent]:
    """The first letters about a payment, as they arrived."""
    letters = await inbox.wait_for(lambda letter: read(letter).payment_id == payment.payment_id, count=times)
    return [read(letter) for letter in letters]


async def told(inbox: Inbox, payment: PaymentReport, *, times: int) -> list[GatewayEvent]:
    """The first events about a payment, as they arrived; one that was sent again, because we stood still, is one."""
    letters = times
    while len(events := list(dict.fromkeys(await tellings(inbox, payment, times=letters)))) < times:
        letters += 1
    return events


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_declined_insufficient_funds", "insufficient_funds"),
        ("pm_declined_expired_card", "expired_card"),
        ("pm_declined_lost_card", "lost_card"),
        ("pm_declined_do_not_honor", "do_not_honor"),
        ("pm_declined_fraud:acme-1", "fraudulent"),
    ],
)
async def test_a_card_is_declined_with_its_own_code(gateway: SandboxGateway, method: str, code: str) -> None:
    declined = await gateway.create_payment(order(method))

    assert (declined.status, declined.decline_code) == (PaymentStatus.DECLINED, code)


async def test_a_charge_whose_answer_is_lost_is_found_and_not_repeated(gateway: SandboxGateway) -> None:
    # given
    lost = order("pm_timeout_after_charge")
    with pytest.raises(GatewayUnavailable):
        await gateway.create_payment(lost)

    # when
    found = await gateway.find_payment(lost.key)
    repeated = await gateway.create_payment(lost)

    # then
    assert found is not None
    assert (found.status, found.amount) == (PaymentStatus.CAPTURED, PRICE)
    assert repeated == found


async def test_a_fault_before_the_charge_charges_nothing_and_the_next_attempt_does(gateway: SandboxGateway) -> None:
    faulty = order("pm_fault_before_charge")

    with pytest.raises(GatewayUnavailable):
        await gateway.create_payment(faulty)
    assert await gateway.find_payment(faulty.key) is None

    assert (await gateway.create_payment(faulty)).status is PaymentStatus.CAPTURED


async def test_an_event_may_arrive_three_times_under_one_id(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    paid = await gateway.create_payment(order("pm_duplicate_events"))

    first, second, third = await tellings(sandbox.inbox, paid, times=3)

    assert first == second == third
    assert first.status is PaymentStatus.CAPTURED


async def test_older_events_that_arrive_late_undo_nothing(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    # given: what fell due while the provider stood still it sends at once, and then it is another payment that shows it
    late_ones_last = [PaymentStatus.CAPTURED, PaymentStatus.PROCESSING, PaymentStatus.DECLINED]
    events: list[GatewayEvent] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while [event.status for event in events] != late_ones_last:
            paid = await gateway.create_payment(order("pm_reordered_events"))

            # when
            events = await told(sandbox.inbox, paid, times=3)

    # then
    captured, processing, declined = events
    assert processing.occurred_at < declined.occurred_at < captured.occurred_at
    claimed = [PaymentReport(paid.payment_id, event.status or paid.status, PRICE, "USD") for event in events]
    believed = claimed[0]
    for claim in claimed:
        believed = more_final(believed, claim)
    assert believed == paid == await gateway.fetch_payment(paid.payment_id)


async def test_a_capture_whose_events_are_lost_is_seen_by_asking(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    silent = await gateway.create_payment(order("pm_lost_events"))
    later = await gateway.create_payment(order("pm_late"))

    await told(sandbox.inbox, later, times=2)

    assert silent.status is PaymentStatus.PROCESSING
    assert (await gateway.fetch_payment(silent.payment_id)).status is PaymentStatus.CAPTURED
    assert silent.payment_id not in [read(letter).payment_id for letter in sandbox.inbox.letters]


async def test_a_capture_may_win_the_race_against_its_cancellation(gateway: SandboxGateway) -> None:
    pending = await gateway.create_payment(order("pm_uncancellable"))

    assert pending.status is PaymentStatus.PROCESSING
    assert (await gateway.cancel_payment(pending.payment_id)).status is PaymentStatus.CAPTURED


async def test_a_payment_never_answered_can_be_given_up(gateway: SandboxGateway) -> None:
    pending = await gateway.create_payment(order("pm_silent"))

    assert pending.status is PaymentStatus.PROCESSING
    assert (await gateway.cancel_payment(pending.payment_id)).status is PaymentStatus.CANCELLED


async def test_a_cancelled_payment_may_be_captured_after_all(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    pending = await gateway.create_payment(order("pm_silent"))
    await gateway.cancel_payment(pending.payment_id)

    (await sandbox.simulate(pending, status="CAPTURED")).raise_for_status()

    assert (await gateway.fetch_payment(pending.payment_id)).status is PaymentStatus.CAPTURED
    events = await told(sandbox.inbox, pending, times=3)
    assert {event.status for event in events} == {
        PaymentStatus.PROCESSING,
        PaymentStatus.CANCELLED,
        PaymentStatus.CAPTURED,
    }


async def test_what_was_refunded_cannot_be_made_uncaptured(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    paid = await gateway.create_payment(order("pm_success"))
    await gateway.refund_payment(paid.payment_id, key=f"refund-{next(keys)}", amount=PRICE)

    answer = await sandbox.simulate(paid, status="DECLINED")

    assert answer.status_code == 422
    assert await gateway.fetch_payment(paid.payment_id) == paid


async def test_a_dispute_is_told_and_changes_no_payment(sandbox: Sandbox, gateway: SandboxGateway) -> None:
    disputed = order("pm_success")
    paid = await gateway.create_payment(disputed)

    (await sandbox.simulate(paid, dispute="opened")).raise_for_status()

    captured, opened = sorted(await told(sandbox.inbox, paid, times=2), key=lambda event: event.kind, reverse=True)
    assert (captured.kind, opened.kind) == ("payment.captured", "dispute.opened")
    assert (opened.key, opened.status) == (disputed.key, None)
    assert await gateway.fetch_payment(paid.payment_id) == paid


async def test_an_event_refused_by_its_receiver_is_sent_again(tmp_path: Path) -> None:
    with open_inbox() as inbox:
        inbox.refusals = 2
        with sandbox_provider(tmp_path / "data.sqlite", webhook_url=inbox.url, webhook_secret=SECRET) as provider:
            gateway = connect(provider)
            paid = await gateway.create_payment(order("pm_success"))

            events = await tellings(inbox, paid, times=3)
            await gateway.aclose()

    assert len({event.event_id for event in events}) == 1


async def test_a_receiver_that_never_answers_does_not_hold_up_payments(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with sandbox_provider(tmp_path / "data.sqlite", webhook_url=url, webhook_secret=SECRET) as provider:
            gateway = connect(provider)
            began = monotonic()
            for _ in range(30):
                assert (await gateway.create_payment(order("pm_success"))).status is PaymentStatus.CAPTURED
            # Held up, each would wait the five seconds that the receiver is given.
            assert monotonic() - began < PATIENCE_SECONDS
            await gateway.aclose()


async def test_a_killed_provider_has_forgotten_nothing_it_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "data.sqlite"
    paid_order, late_order, lost_order = order("pm_success"), order("pm_late"), order("pm_timeout_after_charge")

    # given a provider that has charged, refunded, promised, and not been able to deliver any event
    with sandbox_provider(data, late_seconds="1") as provider:
        gateway = connect(provider)
        paid = await gateway.create_payment(paid_order)
        refund = await gateway.refund_payment(paid.payment_id, key="refund-1", amount=Decimal("8.00"))
        late = await gateway.create_payment(late_order)
        with pytest.raises(GatewayUnavailable):
            await gateway.create_payment(lost_order)
        # when it is killed
        provider.kill()
        await gateway.aclose()

    # then the next one knows the payments, keeps the promise and delivers the events
    with open_inbox() as inbox, sandbox_provider(data, webhook_url=inbox.url, webhook_secret=SECRET) as provider:
        gateway = connect(provider)
        assert await gateway.create_payment(paid_order) == paid
        assert await gateway.refund_payment(paid.payment_id, key="refund-1", amount=Decimal("8.00")) == refund
        with pytest.raises(GatewayRejectedRequest, match="remains"):
            await gateway.refund_payment(paid.payment_id, key="refund-2", amount=Decimal("50.01"))
        found = await gateway.find_payment(lost_order.key)
        assert found is not None
        assert found.status is PaymentStatus.CAPTURED
        kinds = {event.kind for event in await told(inbox, paid, times=2)}
        assert kinds == {"payment.captured", "refund.succeeded"}
        late_statuses = {event.status for event in await told(inbox, late, times=2)}
        assert late_statuses == {PaymentStatus.PROCESSING, PaymentStatus.CAPTURED}
        await gateway.aclose()
    assert refund.status is RefundStatus.REFUNDED
