"""The two gateways under contract, each with its provider in a process of its own.

Stripe is played by `localstripe`. What it cannot play is written down in `Capability`, with the reason, and the tests
then claim what happens instead.
"""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from itertools import count
from pathlib import Path

import httpx2

from activities.gateways.protocol import GatewayEvent, MethodDetails, PaymentGateway, PaymentOrder
from activities.gateways.sandbox import SandboxGateway
from activities.gateways.stripe import StripeGateway
from rules.payments import PaymentReport, PaymentStatus
from tests.activities.gateway_processes import API_KEY, Inbox, Letter, open_inbox, sandbox_provider, stripe_emulator
from tests.patience import PATIENCE, PATIENCE_SECONDS

PROVIDERS = ("sandbox", "stripe")
SECRET, NEXT_SECRET, FOREIGN_SECRET = "a-secret-in-use", "the-secret-after-it", "somebody-elses-secret"
STRIPE_KEY = "sk_test_for_contract"
PRICE = Decimal("58.00")
keys = count(1)


class Capability(Enum):
    """What one of the two providers can be made to do, and why the other cannot."""

    ACTION_URL = "localstripe asks for its browser script (use_stripe_sdk) and offers no page to be sent to"
    DECLINE_REASON = "localstripe passes on Stripe's `card_declined` only, never the bank's reason"
    LATE_CAPTURE = "localstripe calls a bank debit succeeded at once, half a second before it books it"
    CANCELS_WHILE_PROCESSING = "Stripe cannot recall what a bank is deciding; it stays PROCESSING"


@dataclass(frozen=True, slots=True)
class Methods:
    success: str
    declined: str
    action: str
    late: str
    late_decline: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One gateway under test, with the provider behind it.

    connect    the same gateway for another address, secrets and patience.
    sign       headers that sign a body as the provider does, at a time, with a secret.
    act        the buyer approves (True) or refuses.
    """

    name: str
    gateway: PaymentGateway
    connect: Callable[[str, tuple[str, ...], timedelta], PaymentGateway]
    url: str
    methods: Methods
    shown: MethodDetails
    inbox: Inbox
    sign: Callable[[bytes, datetime, str], dict[str, str]]
    event_body: Callable[[str, PaymentReport, str, datetime], bytes]
    captured_kind: str
    act: Callable[[PaymentReport, bool], Awaitable[None]]
    capabilities: frozenset[Capability]

    def order(self, method: str, *, amount: Decimal = PRICE, currency: str = "USD") -> PaymentOrder:
        return PaymentOrder(
            key=f"purchase-{next(keys)}",
            amount=amount,
            currency=currency,
            method_token=method,
            description="1,000 tokens",
            return_url="https://buyer.example/back",
            metadata={"organization": "acme"},
        )

    async def told(self, payment: PaymentReport, status: PaymentStatus) -> tuple[Letter, GatewayEvent]:
        """The event that says so, once it has arrived."""

        def says_so(letter: Letter) -> bool:
            event = self.read(letter)
            return (event.payment_id, event.status) == (payment.payment_id, status)

        letter = (await self.inbox.wait_for(says_so))[0]
        return letter, self.read(letter)

    def read(self, letter: Letter) -> GatewayEvent:
        return self.gateway.parse_event(headers=letter.headers, body=letter.body, now=datetime.now(UTC))


def sign_as_sandbox(body: bytes, at: datetime, secret: str) -> dict[str, str]:
    try:
        event_id = str(json.loads(body)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        event_id = "evt_unreadable"
    timestamp = str(int(at.timestamp()))
    digest = hmac.digest(secret.encode(), f"{event_id}.{timestamp}.".encode() + body, sha256)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def sign_as_stripe(body: bytes, at: datetime, secret: str) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    digest = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, sha256)
    return {"Stripe-Signature": f"t={timestamp},v1={digest.hex()}"}


def sandbox_event_body(kind: str, payment: PaymentReport, key: str, at: datetime) -> bytes:
    data = {"payment_id": payment.payment_id, "key": key}
    return json.dumps({"id": "evt_1", "type": kind, "created_at": at.isoformat(), "data": data}).encode()


def stripe_event_body(kind: str, payment: PaymentReport, key: str, at: datetime) -> bytes:
    intent = {"id": payment.payment_id, "object": "payment_intent", "metadata": {"scrip_key": key}}
    event = {"id": "evt_1", "type": kind, "created": int(at.timestamp()), "data": {"object": intent}}
    return json.dumps(event).encode()


def connect_sandbox(url: str, secrets: tuple[str, ...], patience: timedelta) -> SandboxGateway:
    return SandboxGateway(url, API_KEY, webhook_secrets=secrets, total_timeout=patience)


def connect_stripe(url: str, secrets: tuple[str, ...], patience: timedelta) -> StripeGateway:
    return StripeGateway(STRIPE_KEY, webhook_secrets=secrets, api_url=url, total_timeout=patience)


@contextmanager
def the_sandbox(data: Path) -> Iterator[Provider]:
    async def act(payment: PaymentReport, is_approved: bool) -> None:
        assert payment.action_url is not None
        async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as browser:
            answer = await browser.post(payment.action_url, data={"decision": "approve" if is_approved else "refuse"})
        assert answer.headers["location"] == "https://buyer.example/back"

    with (
        open_inbox() as inbox,
        sandbox_provider(data, late_seconds="0.4", webhook_url=inbox.url, webhook_secret=SECRET) as provider,
    ):
        yield Provider(
            name="sandbox",
            gateway=connect_sandbox(provider.url, (SECRET,), PATIENCE),
            connect=connect_sandbox,
            url=provider.url,
            methods=Methods(
                success="pm_success:acme-1",
                declined="pm_declined_insufficient_funds",
                action="pm_three_d_secure",
                late="pm_late",
                late_decline="pm_late_decline",
            ),
            shown=MethodDetails("pm_success:acme-1", "card", "visa", "4746", 12, 2034),
            inbox=inbox,
            sign=sign_as_sandbox,
            event_body=sandbox_event_body,
            captured_kind="payment.captured",
            act=act,
            capabilities=frozenset(Capability),
        )


@contextmanager
def stripe_by_localstripe() -> Iterator[Provider]:
    with open_inbox() as inbox, stripe_emulator() as emulator:
        with httpx2.Client(
            base_url=emulator.url,
            headers={"authorization": f"Bearer {STRIPE_KEY}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        ) as operator:

            def method(kind: str, **details: str) -> str:
                form = {"type": kind} | {f"{kind}[{name}]": value for name, value in details.items()}
                answer = operator.post("/v1/payment_methods", data=form)
                return str(answer.raise_for_status().json()["id"])

            def card(number: str) -> str:
                return method("card", number=number, exp_month="8", exp_year="2031", cvc="123")

            operator.post("/_config/webhooks/contract", json={"url": inbox.url, "secret": SECRET}).raise_for_status()
            success = card("4242424242424242")
            methods = Methods(
                success=success,
                declined=card("4000000000000341"),
                action=card("4000002760003184"),
                late=method("sepa_debit", iban="DE89370400440532013000"),
                late_decline=method("sepa_debit", iban="DE62370400440532013001"),
            )

        async def act(payment: PaymentReport, is_approved: bool) -> None:
            path = f"/v1/payment_intents/{payment.payment_id}"
            headers = {"authorization": f"Bearer {STRIPE_KEY}"}
            async with httpx2.AsyncClient(
                base_url=emulator.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
            ) as browser:
                secret = (await browser.get(path)).json()["client_secret"]
                form = {"client_secret": secret, "success": str(is_approved).lower()}
                (await browser.post(f"{path}/_authenticate", data=form)).raise_for_status()

        yield Provider(
            name="stripe",
            gateway=connect_stripe(emulator.url, (SECRET,), PATIENCE),
            connect=connect_stripe,
            url=emulator.url,
            methods=methods,
            shown=MethodDetails(success, "card", "visa", "4242", 8, 2031),
            inbox=inbox,
            sign=sign_as_stripe,
            event_body=stripe_event_body,
            captured_kind="payment_intent.succeeded",
            act=act,
            capabilities=frozenset(),
        )


@asynccontextmanager
async def open_provider(name: str, folder: Path) -> AsyncIterator[Provider]:
    """The provider of that name, one of PROVIDERS, until the block ends."""
    opened = the_sandbox(folder / "payments.sqlite") if name == "sandbox" else stripe_by_localstripe()
    with opened as provider:
        yield provider
        await provider.gateway.aclose()
