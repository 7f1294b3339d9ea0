"""A client of graphql-transport-ws that speaks the protocol word by word."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Socket:
    """One connection; `name` tells its operations apart."""

    connection: ClientConnection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        frame = await asyncio.wait_for(self.connection.recv(), PATIENCE_SECONDS)
        message: dict[str, Any] = json.loads(frame)
        return message

    async def subscribe(self, query: str, name: str = "1", **variables: Any) -> None:
        await self.say(id=name, type="subscribe", payload={"query": query, "variables": variables})

    async def next(self) -> Any:
        """The data of the next event."""
        message = await self.hear()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def error_codes(self) -> list[str]:
        """The codes of the errors the next message brings: of the whole operation, or of an event."""
        message = await self.hear()
        payload = message["payload"]
        errors = payload if message["type"] == "error" else payload["errors"]
        return [error["extensions"]["code"] for error in errors]

    async def close_code(self) -> int | None:
        await asyncio.wait_for(self.connection.wait_closed(), PATIENCE_SECONDS)
        return self.connection.close_code


@asynccontextmanager
async def unopened(url: str) -> AsyncIterator[Socket]:
    """A connection that has not introduced itself yet; `url` is that of the API."""
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    transport = Subprotocol("graphql-transport-ws")
    async with connect(address, subprotocols=[transport], open_timeout=PATIENCE_SECONDS) as connection:
        yield Socket(connection)


@asynccontextmanager
async def opened(url: str, token: str | None = None) -> AsyncIterator[Socket]:
    """A connection that was acknowledged, for the caller with an access token or for nobody."""
    async with unopened(url) as socket:
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        await socket.say(type="connection_init", payload=payload)
        assert await socket.hear() == {"type": "connection_ack"}
        yield socket
