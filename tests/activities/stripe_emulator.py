"""`localstripe` as a process of its own, with what the contract needs of Stripe and localstripe leaves out.

localstripe models payments, methods, refunds and events. It ignores idempotency keys, has no search and refuses
parameters it does not know. This front adds the first two as Stripe documents them and drops the third; everything that
is decided about a payment is decided by localstripe. Writes one line of JSON with its address when it listens.
"""

import asyncio
import hashlib
import json
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from localstripe import resources, server

NOT_MODELLED = ("description", "return_url", "error_on_requires_action")
QUERY = re.compile(r"metadata\['(?P<name>[^']+)'\]:'(?P<value>.*)'")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

answers: dict[str, tuple[str, int, bytes]] = {}
in_progress: set[str] = set()


def _error(status: int, contents: dict[str, str]) -> web.Response:
    return web.json_response({"error": contents}, status=status)


@web.middleware
async def remember_keys(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Same key, same request: the first answer again. Same key, other request: refused. Still running: 409."""
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or not key:
        return await handler(request)
    fingerprint = hashlib.sha256(request.path.encode() + b"\n" + await request.read()).hexdigest()
    if key in in_progress:
        return _error(409, {"type": "idempotency_error", "code": "idempotency_key_in_use"})
    if key in answers:
        known, status, body = answers[key]
        if known != fingerprint:
            return _error(
                400, {"type": "idempotency_error", "message": "Keys can only be used with the same parameters"}
            )
        return web.Response(status=status, body=body, content_type="application/json")
    in_progress.add(key)
    try:
        response = await handler(request)
    finally:
        in_progress.discard(key)
    # As Stripe does: answers of the endpoint are kept, refusals of its validation are not.
    if isinstance(response, web.Response) and response.status in {200, 402} and isinstance(response.body, bytes):
        answers[key] = (fingerprint, response.status, response.body)
    return response


@web.middleware
async def search(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path != "/v1/payment_intents/search":
        return await handler(request)
    match = QUERY.fullmatch(request.query.get("query", ""))
    if match is None:
        return _error(400, {"type": "invalid_request_error"})
    value = re.sub(r"\\(.)", r"\1", match["value"])
    found = [
        intent._export()
        for key, intent in resources.store.items()
        if key.startswith("payment_intent:") and intent.metadata.get(match["name"]) == value
    ]
    return web.json_response({"object": "search_result", "data": found, "has_more": False, "url": request.path})


read_post_data = server.get_post_data


async def post_data_that_is_modelled(request: web.Request, remove_auth: bool = True) -> Any:
    data = await read_post_data(request, remove_auth)
    if data and request.path == "/v1/payment_intents":
        return {name: value for name, value in data.items() if name not in NOT_MODELLED}
    return data


async def main() -> None:
    # Otherwise every emulator on the machine shares one file of payments.
    resources.Store.dump_to_disk = lambda self: None
    server.get_post_data = post_data_that_is_modelled
    server.app.middlewares.insert(0, remember_keys)
    # After localstripe's own, so that it checks the key and words the errors.
    server.app.middlewares.append(search)
    listener = socket.create_server(("127.0.0.1", 0))
    runner = web.AppRunner(server.app)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    sys.stdout.write(json.dumps({"listening": f"http://127.0.0.1:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
