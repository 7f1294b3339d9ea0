"""What holds for every HTTP request, whatever it is for: its size, its time, its headers, its name in the logs.

`harden` puts the four layers around an application in their only sensible order: the request id outside, so that every
answer and every log line has it; then the headers, which refusals carry too; then the time, which includes receiving
the body; then the body, which is read here completely, so that the application never sees half of one.

Slow request heads are for `deadline`, below ASGI; how often a caller may come is for the rate limits.
"""

import asyncio
import re
import secrets
from collections.abc import Collection, Iterable

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from schema.edge.masking import ErrorCode

# A batch of a thousand spends fits; what a document may cost is bounded elsewhere.
BODY_BYTES_MAX = 256 * 1024
SECONDS_MAX = 10.0
# A body this many times too large is still read to its end, so that the caller can read the answer.
DRAIN_FACTOR = 16

REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"


def harden(
    app: ASGIApp,
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
    seconds_max: float = SECONDS_MAX,
    relaxed_paths: Collection[str] = (),
) -> ASGIApp:
    """The application behind all four layers.

    relaxed_paths  paths (and what lies under them) whose own content-security-policy is kept, such as "/graphiql".
    """
    limited = WallClock(BodyLimit(app, body_bytes_max), seconds_max)
    return RequestIdentity(SecurityHeaders(limited, relaxed_paths))


def refusal(status: int, code: ErrorCode, message: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A request refused outside of GraphQL, in the shape GraphQL clients read."""
    body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": str(code)}}]})
    return Response(body, status, headers=dict(headers), media_type="application/json")


class RequestIdentity:
    """Names every request and connection: the caller's `x-request-id` when it is well formed, otherwise a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)

        async def send_named(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_named)


class SecurityHeaders:
    """Adds the headers that tell a browser to trust nothing here, except the pages under the relaxed paths."""

    def __init__(self, app: ASGIApp, relaxed_paths: Collection[str]) -> None:
        self._app = app
        self._relaxed_paths = tuple(path.rstrip("/") for path in relaxed_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        relaxed = any(scope["path"] == path or scope["path"].startswith(f"{path}/") for path in self._relaxed_paths)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
                if not (relaxed and "content-security-policy" in headers):
                    headers["content-security-policy"] = CONTENT_POLICY
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = STRICT_TRANSPORT
            await send(message)

        await self._app(scope, receive, send_guarded)


class WallClock:
    """Answers 503 when nothing has been answered after `seconds_max`. What has begun to answer, a stream, goes on."""

    def __init__(self, app: ASGIApp, seconds_max: float) -> None:
        self._app = app
        self._seconds_max = seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds_max) as clock:

                async def send_in_time(message: Message) -> None:
                    if not clock.expired():
                        clock.reschedule(None)
                    await send(message)

                await self._app(scope, receive, send_in_time)
        except TimeoutError:
            if not clock.expired():
                raise
            answer = refusal(503, ErrorCode.TIMEOUT, "The request took too long.", [("retry-after", "1")])
            await answer(scope, receive, send)


class BodyLimit:
    """Reads the body and passes it on whole, or answers 413 when it is, or says it is, longer than `bytes_max`."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = None
        if not self._announces_too_much(scope):
            try:
                body = await self._read(receive)
            except ConnectionError:
                return
        if body is None:
            message = f"The body may have at most {self._bytes_max} bytes."
            answer = refusal(413, ErrorCode.REQUEST_TOO_LARGE, message, [("connection", "close")])
            await answer(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_whole() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, receive_whole, send)

    def _announces_too_much(self, scope: Scope) -> bool:
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or len(announced) > 18:
            return True
        return int(announced) > self._bytes_max * DRAIN_FACTOR

    async def _read(self, receive: Receive) -> bytes | None:
        """The body, or None when it is too long. Raises ConnectionError when the caller has gone."""
        chunks: list[bytes] = []
        length = 0
        more = True
        while more and length <= self._bytes_max * DRAIN_FACTOR:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            chunk = message.get("body", b"")
            length += len(chunk)
            if length <= self._bytes_max:
                chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks) if length <= self._bytes_max else None
