"""The sandbox provider as a bank, a buyer or a forger would use it: behind the product's back, over HTTP."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2

from activities.gateways.sandbox_provider.events import signed_headers
from schema.ids import read_id
from tests.activities.gateway_processes import API_KEY
from tests.patience import PATIENCE_SECONDS
from tests.simulators.world import WEBHOOK_SECRET, World

AUTHORISED = {"authorization": f"Bearer {API_KEY}"}


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider that a world's product charges at."""

    url: str
    http: httpx2.AsyncClient

    @classmethod
    def of(cls, world: World) -> "Provider":
        url = world.settings.sandbox_gateway_url
        assert url is not None
        return cls(url, world.http)

    async def payments(self, purchase_id: str) -> list[dict[str, Any]]:
        """Every payment the provider has made for a purchase."""
        key = str(read_id(purchase_id, "Purchase"))
        answer = await self.http.get(f"{self.url}/v1/payments", params={"key": key}, headers=AUTHORISED)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["payments"]
        return found

    async def payment(self, purchase_id: str, status: str | None = None) -> dict[str, Any]:
        """The one payment of a purchase, as soon as there is one and, when a status is given, it has it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self.payments(purchase_id)
                if found and status in (None, found[0]["status"]):
                    (payment,) = found
                    return payment
                await asyncio.sleep(0.03)

    async def forces(self, purchase_id: str, status: str) -> None:
        """The payment of a purchase takes a status, whatever it was, and the provider tells of it."""
        payment_id = (await self.payment(purchase_id))["id"]
        url = f"{self.url}/v1/payments/{payment_id}/simulate"
        (await self.http.post(url, json={"status": status}, headers=AUTHORISED)).raise_for_status()

    async def clicks(self, action_url: str, decision: str) -> None:
        """The buyer reads the 3-D Secure page and presses `approve` or `refuse`."""
        page = (await self.http.get(action_url)).raise_for_status().text
        assert f'value="{decision}"' in page
        answer = await self.http.post(action_url, data={"decision": decision}, follow_redirects=False)
        assert answer.status_code == 303


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the provider's words. `status` is what it claims of the payment."""

    id: str
    key: str
    status: str
    payment_id: str = "pay_of_nobody"

    def body(self) -> str:
        data = {"payment_id": self.payment_id, "key": self.key, "status": self.status}
        kind = f"payment.{self.status.lower()}"
        happened = datetime(2026, 11, 24, 9, 0, tzinfo=UTC).isoformat()
        return json.dumps({"id": self.id, "type": kind, "created_at": happened, "data": data})


async def post_event(
    world: World,
    event: Event,
    *,
    secret: str = WEBHOOK_SECRET,
    sent_at: datetime | None = None,
    gateway: str = "sandbox",
) -> int:
    """Send an event to the product's webhook, signed with `secret` at `sent_at` (now); the HTTP status it answers."""
    milliseconds = int((sent_at or datetime.now(UTC)).timestamp() * 1000)
    body = event.body()
    headers = signed_headers(secret, event.id, body, at=milliseconds)
    answer = await world.http.post(f"{world.url}/webhooks/{gateway}", content=body, headers=headers)
    return answer.status_code


def event_for(purchase_id: str, status: str, *, id: str = "evt_1") -> Event:
    """An event about the purchase with a global id."""
    key = read_id(purchase_id, "Purchase")
    assert isinstance(key, UUID)
    return Event(id, str(key), status)
