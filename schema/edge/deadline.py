"""A deadline for receiving a request, which uvicorn does not have.

A connection that opens and says nothing, or sends its head or its body one byte at a time, costs its owner nothing and
would hold a place for ever; some hundred of them would hold them all. This protocol closes a connection whose next
request has not arrived completely within `RECEIVE_SECONDS_MAX` of its first byte, and of the connection's opening for
the first one. The pause between two requests of a connection is uvicorn's own keep-alive timeout.

It bounds receiving only; the time to answer is bounded in `middleware`.

    uvicorn.run(app, http=DeadlineProtocol, **UVICORN_OPTIONS)
"""

from asyncio import BaseTransport, TimerHandle
from typing import TypedDict

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RECEIVE_SECONDS_MAX = 5.0


class UvicornOptions(TypedDict):
    """Arguments of `uvicorn.Config`; times in seconds, sizes in bytes."""

    server_header: bool
    timeout_keep_alive: int
    timeout_graceful_shutdown: int
    ws_max_size: int
    ws_per_message_deflate: bool


# What the edge needs of uvicorn. A proxy keeps an idle connection for a minute as a rule, and must be the one to close
# it: what it sends down a connection that we are closing is lost. A WebSocket message is bounded like a body, and not
# inflated: a compressed one could be a thousand times longer than what was received.
UVICORN_OPTIONS: UvicornOptions = {
    "server_header": False,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": 20,
    "ws_max_size": 256 * 1024,
    "ws_per_message_deflate": False,
}


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's own protocol with one timer, running while a request is being received."""

    receive_seconds_max = RECEIVE_SECONDS_MAX
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start()

    def on_message_complete(self) -> None:
        # The request that asks for a WebSocket completes here too, before another protocol takes the connection over.
        self._stop()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.receive_seconds_max, self._expire)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            # Aborted rather than closed: closing waits until the peer has read what we wrote.
            self.transport.abort()
