"""Stripe's library on our HTTP client.

The library ships clients for httpx and aiohttp only; the product already has httpx2, so this is the thin adapter
between the two. It never repeats a request: retries belong to the workflow.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Mapping
from datetime import timedelta
from typing import Any

import httpx2
import stripe

CONNECT_SECONDS = 2


class Httpx2Client(stripe.HTTPClient):
    """total_timeout    the longest one request may take, connecting included."""

    name = "httpx2"

    def __init__(self, *, total_timeout: timedelta) -> None:
        super().__init__()
        self._total_seconds = total_timeout.total_seconds()
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(self._total_seconds, connect=min(CONNECT_SECONDS, self._total_seconds)),
            limits=httpx2.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=2),
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._client.request(method, url, headers=dict(headers), content=post_data)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise _unreachable(f"{type(error).__name__} while speaking to Stripe") from error
        return response.content, response.status_code, response.headers

    async def request_stream_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[AsyncIterable[bytes], int, Mapping[str, str]]:
        """Whole answers only: nothing Scrip asks Stripe for is long enough to be streamed."""
        raise _unreachable("streamed answers are not supported")

    def sleep_async(self, secs: float) -> Awaitable[None]:
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        await self._client.aclose()


def _unreachable(message: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(message)  # type: ignore[no-untyped-call]
