"""Who calls the product over HTTP and does not give up: the same request, with the same key, until it is answered.

A connection that breaks, a time-out, a 5xx and "unavailable" say nothing about what has happened, so the caller asks
again, at the next address when it knows several. Every other answer is an answer.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import websockets

from schema.pages import FEED, sequence_cursor
from tests.builders import Member
from tests.patience import PATIENCE_SECONDS
from tests.simulators.world import START_PURCHASE

PAUSE_SECONDS = 0.05
ANSWER_SECONDS = PATIENCE_SECONDS / 2
FROM_THE_FIRST = sequence_cursor(0, of=FEED)

SIGN_IN = """mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignInSuccess { accessToken } ... on Problem { code } } }"""

SPEND = """mutation ($input: SpendTokensInput!) { spendTokens(input: $input) { __typename
  ... on SpendTokensSuccess { entryId sequence available replayed } ... on Problem { code } } }"""

WALLET_UPDATED = "subscription ($after: Cursor) { walletUpdated(after: $after) { cursor sequence kind available } }"


class NotAnswered(Exception):
    """Nobody knows what became of the request; it is safe to repeat with its key."""


@dataclass(slots=True)
class Caller:
    """A member at one address or several. `repeats` counts the requests that were not answered."""

    urls: Sequence[str]
    member: Member
    repeats: int = 0
    _http: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=ANSWER_SECONDS))
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def sign_in(self) -> None:
        given = {"email": self.member.email, "password": self.member.password}
        self.member.access_token = (await self.data(SIGN_IN, input=given))["signIn"]["accessToken"]

    async def buys(self, **order: Any) -> dict[str, Any]:
        """The answer to `startPurchase`, once there is a purchase to tell of."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                told: dict[str, Any] = (await self.data(START_PURCHASE, input=order))["startPurchase"]
                if told["__typename"] != "PurchaseQueued":
                    return told

    async def spends(self, key: str, tokens: str = "1") -> dict[str, Any]:
        told: dict[str, Any] = (await self.data(SPEND, input={"tokens": tokens, "idempotencyKey": key}))["spendTokens"]
        return told

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an operation that is answered in the end and has no errors."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with suppress(NotAnswered):
                    return await self._ask_once(query, variables)
                self.repeats += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ask_once(self, query: str, variables: dict[str, Any]) -> Any:
        url = self.urls[next(self._turns) % len(self.urls)]
        try:
            answer = await self._http.post(
                f"{url}/graphql", json={"query": query, "variables": variables}, headers=self._headers()
            )
        except httpx2.TransportError as broken:
            raise NotAnswered from broken
        if answer.status_code >= 500:
            raise NotAnswered
        told = answer.json()
        codes = [error.get("extensions", {}).get("code") for error in told.get("errors", ())]
        if codes and set(codes) <= {"UNAVAILABLE", "INTERNAL"}:
            raise NotAnswered
        assert codes == [], told
        return told["data"]

    def _headers(self) -> dict[str, str]:
        token = self.member.access_token
        return {} if token is None else {"authorization": f"Bearer {token}"}


@dataclass(slots=True)
class Watcher:
    """A client of `walletUpdated` that resumes by its cursor, each time at the next address.

    leaves_after   how many updates it stays for before it moves on by itself; None stays for as long as it can.
    ends           how each of its visits ended: "left", "complete" or "broken".
    """

    urls: Sequence[str]
    token: str
    leaves_after: int | None = None
    sequences: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    cursor: str = FROM_THE_FIRST

    async def watches(self, is_enough: Callable[[list[int]], bool]) -> None:
        """Watches until what it has seen is enough."""
        for visit in itertools.count():
            url = self.urls[visit % len(self.urls)]
            self.ends.append(await self._visit(url, is_enough))
            if is_enough(self.sequences):
                return
            if self.ends[-1] != "left":
                await asyncio.sleep(PAUSE_SECONDS)

    async def _visit(self, url: str, is_enough: Callable[[list[int]], bool]) -> str:
        seen_here = 0
        try:
            async with aclosing(wallet_updates(url, self.token, self.cursor)) as updates:
                async for update in updates:
                    self.sequences.append(update["sequence"])
                    self.cursor, seen_here = update["cursor"], seen_here + 1
                    if is_enough(self.sequences) or seen_here == self.leaves_after:
                        return "left"
        except (OSError, websockets.WebSocketException):
            return "broken"
        return "complete"


async def wallet_events(url: str, token: str, after: str) -> AsyncGenerator[dict[str, Any], None]:
    """`walletUpdated` as server-sent events until the server completes it. Raises when the stream ends before that."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    body = {"query": WALLET_UPDATED, "variables": {"after": after}}
    async with (
        httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers=headers) as response,
    ):
        kind = ""
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "next":
                yield json.loads(value)["data"]["walletUpdated"]
            if kind == "complete":
                return
    raise ConnectionError("the stream ended without saying so")


async def wallet_updates(url: str, token: str, after: str) -> AsyncGenerator[dict[str, Any], None]:
    """`walletUpdated` over graphql-transport-ws until the server completes it. Raises when the connection breaks."""
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    # Without a bound on what waits unread: a client that leaves in the middle would not see the goodbye behind it.
    spoken = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(
        address, subprotocols=spoken, open_timeout=PATIENCE_SECONDS, max_queue=None
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": WALLET_UPDATED, "variables": {"after": after}}
        await socket.send(json.dumps({"type": "subscribe", "id": "wallet", "payload": payload}))
        while (message := json.loads(await socket.recv()))["type"] != "complete":
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            yield message["payload"]["data"]["walletUpdated"]
