"""Visits to the view without a server between, so that a test decides what a client reads and when it goes.

`a_view` serves the harbour; whoever calls is named by `authorization`, or by `token` in a socket's introduction.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from schema.edge.costs import Toll
from schema.edge.schema import EdgeSchema
from schema.edge.view import GraphQLView
from tests.patience import PATIENCE_SECONDS
from tests.schema.edge.harbour import Context, Sailor, harbour_schema

HOME = "192.0.2.1"
TRANSPORT = "graphql-transport-ws"

View = GraphQLView[Context]


def a_view(
    sailor: Callable[[str], Sailor | None], *, schema: EdgeSchema | None = None, toll: Toll | None = None
) -> View:
    """The harbour's view, for callers as `sailor` knows them by name."""

    async def context_of(request: Request | WebSocket) -> Context:
        address = request.client.host if request.client else None
        return Context(sailor(request.headers.get("authorization", "")), client_address=address)

    async def authenticate(context: Context, params: Mapping[str, object]) -> None:
        context.actor = sailor(str(params.get("token", "")))

    return GraphQLView(
        schema or harbour_schema(), context_factory=context_of, authenticate_connection=authenticate, toll=toll
    )


@dataclass(slots=True)
class Visit:
    """A client that hears all it is sent; one that has stopped reading leaves the server waiting."""

    heard: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    said: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    serving: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self.reads.set()

    async def hear(self) -> Any:
        return await asyncio.wait_for(self.heard.get(), PATIENCE_SECONDS)

    async def takes(self) -> None:
        """Something arrives, which takes a turn of the loop."""
        await asyncio.sleep(0)
        await self.reads.wait()

    async def over(self) -> None:
        """The server has done with this client."""
        assert self.serving is not None
        await asyncio.wait_for(asyncio.wait([self.serving]), PATIENCE_SECONDS)


class Reader(Visit):
    """One operation as server-sent events; each is heard as its name and its data."""

    async def send(self, message: Message) -> None:
        await self.takes()
        for event in message.get("body", b"").decode().replace("\r\n", "\n").split("\n\n"):
            name, _, data = event.removeprefix("event: ").partition("\ndata: ")
            if name:
                self.heard.put_nowait((name, json.loads(data) if data else None))

    def leave(self) -> None:
        self.said.put_nowait({"type": "http.disconnect"})


class Caller(Visit):
    """One WebSocket; messages are heard as they are, and its closing as a code and a reason."""

    async def send(self, message: Message) -> None:
        await self.takes()
        if message["type"] == "websocket.send":
            self.heard.put_nowait(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.heard.put_nowait((message["code"], message["reason"]))

    def say(self, **message: Any) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def subscribe(self, query: str, name: str = "1") -> None:
        self.say(id=name, type="subscribe", payload={"query": query})

    def leave(self) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1006})


V = TypeVar("V", Reader, Caller)


def _scope(kind: str, address: str, **others: Any) -> Scope:
    scope = {"type": kind, "path": "/graphql", "query_string": b"", "client": (address, 1), "asgi": {"version": "3.0"}}
    return {**scope, **others}


@asynccontextmanager
async def _served(view: View, scope: Scope, visit: V) -> AsyncIterator[V]:
    receive: Callable[[], Awaitable[Message]] = visit.said.get
    visit.serving = asyncio.create_task(view(scope, receive, visit.send))
    try:
        yield visit
    finally:
        visit.reads.set()
        visit.leave()
        await visit.over()


@asynccontextmanager
async def reading(
    view: View, query: str, *, who: str = "ada", address: str = HOME, **request: Any
) -> AsyncIterator[Reader]:
    """A client that has asked for one operation as a stream."""
    headers = {"authorization": who, "accept": "text/event-stream", "content-type": "application/json"}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    visit = Reader()
    body = json.dumps({"query": query, **request}).encode()
    visit.said.put_nowait({"type": "http.request", "body": body, "more_body": False})
    async with _served(view, _scope("http", address, method="POST", headers=encoded), visit) as served:
        yield served


@asynccontextmanager
async def calling(view: View, *, who: str = "ada", address: str = HOME) -> AsyncIterator[Caller]:
    """A client that has opened a socket and introduced itself; what it is answered is its to hear."""
    visit = Caller()
    visit.said.put_nowait({"type": "websocket.connect"})
    visit.say(type="connection_init", payload={"token": who})
    async with _served(view, _scope("websocket", address, headers=[], subprotocols=[TRANSPORT]), visit) as served:
        yield served
