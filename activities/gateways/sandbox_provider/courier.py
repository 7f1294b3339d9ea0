"""Two things that happen by themselves: events are delivered, and late payments are decided.

Each is a loop that sleeps until something is due or until it is rung awake. Deliveries are at least once: a process
killed between sending and noting it sends again after its restart. A receiver that refuses is tried again with growing
pauses, then given up.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2

from activities.gateways.sandbox_provider.events import signed_headers
from activities.gateways.sandbox_provider.store import Delivery, Store

TRIES_MAX = 14
PAUSE_FIRST_MILLISECONDS = 250
PAUSE_MAX_MILLISECONDS = 60_000
TOGETHER_MAX = 20
RECEIVER_TIMEOUT = httpx2.Timeout(5, connect=2)


class Alarm:
    """Sleeps until a time, or until rung."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def sleep_until(self, at: int | None) -> None:
        """at    milliseconds since 1970; None sleeps until rung."""
        seconds = None if at is None else max(0, at - self._now()) / 1000
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


async def run_when_due(alarm: Alarm, next_due: Callable[[], int | None], act: Callable[[], Awaitable[None]]) -> None:
    """Act, then sleep until the next thing is due; for ever."""
    while True:
        await act()
        await alarm.sleep_until(next_due())


class Courier:
    """Delivers what is due in the store to one receiver."""

    def __init__(
        self, store: Store, client: httpx2.AsyncClient, *, url: str, secret: str, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._client = client
        self._url = url
        self._secret = secret
        self._now = now

    async def deliver_due(self) -> None:
        """Send what is due, a handful at a time."""
        deliveries = self._store.deliveries_due(self._now(), limit=TOGETHER_MAX)
        await asyncio.gather(*(self._deliver(delivery) for delivery in deliveries))

    async def _deliver(self, delivery: Delivery) -> None:
        if await self._is_accepted(delivery):
            self._store.mark_delivered(delivery.id, at=self._now())
            return
        is_last = delivery.tries + 1 >= TRIES_MAX
        self._store.postpone_delivery(delivery.id, until=None if is_last else self._now() + pause_after(delivery.tries))

    async def _is_accepted(self, delivery: Delivery) -> bool:
        headers = signed_headers(self._secret, delivery.event_id, delivery.body, at=self._now())
        try:
            async with asyncio.timeout(RECEIVER_TIMEOUT.read):
                answer = await self._client.post(self._url, content=delivery.body, headers=headers)
        except (httpx2.HTTPError, TimeoutError):
            return False
        return answer.is_success


def pause_after(tries: int) -> int:
    """Milliseconds to wait after `tries` earlier failures and one more."""
    return int(min(PAUSE_FIRST_MILLISECONDS * 2**tries, PAUSE_MAX_MILLISECONDS))
