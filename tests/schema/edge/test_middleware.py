"""What holds for every request: size, time, headers and the request id, against a real server."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from schema.edge.middleware import BODY_BYTES_MAX, harden
from tests.patience import PATIENCE_SECONDS
from tests.schema.edge.conftest import Server


async def exchange(server: Server, *parts: bytes) -> bytes:
    """Everything the server says on one connection, after it was sent the parts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: harbour", *headers, "", ""]).encode()


async def test_a_body_at_the_limit_is_read(client: httpx2.AsyncClient) -> None:
    response = await client.post("/length", content=b"x" * BODY_BYTES_MAX)

    assert (response.status_code, response.text) == (200, "262144")


async def test_a_body_above_the_limit_is_refused(client: httpx2.AsyncClient) -> None:
    response = await client.post("/length", content=b"x" * (BODY_BYTES_MAX + 1))

    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"] == {"code": "REQUEST_TOO_LARGE"}


async def test_a_body_that_announces_50_megabytes_is_not_awaited(server: Server) -> None:
    answer = await exchange(server, head("/graphql", "content-length: 52428800", "content-type: application/json"))

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_streamed_body_is_counted_as_it_comes(server: Server) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    answer = await exchange(server, head("/graphql", "transfer-encoding: chunked"), *[chunk] * 17, b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_without_end_is_cut_off(server: Server) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    try:
        answer = await exchange(server, head("/graphql", "transfer-encoding: chunked"), *[chunk] * 3200)
    except ConnectionError:
        answer = b"reset"

    assert answer == b"reset" or answer.startswith(b"HTTP/1.1 413 ")


async def test_a_streamed_body_within_the_limit_is_read_whole(server: Server) -> None:
    chunks = [b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"]

    answer = await exchange(server, head("/length", "transfer-encoding: chunked", "connection: close"), *chunks)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n5")


async def test_an_operation_that_waits_too_long_is_answered_with_503(hasty_client: httpx2.AsyncClient) -> None:
    response = await hasty_client.post("/graphql", json={"query": "{ waits }"})

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}


async def test_a_stream_that_has_begun_may_last_longer_than_the_wall_clock() -> None:
    async def longer() -> AsyncIterator[str]:
        yield "begun"
        await asyncio.sleep(1.2)
        yield ", ended"

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(longer())

    app = harden(Starlette(routes=[Route("/", stream)]), seconds_max=1.0)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://harbour") as client:
        response = await client.get("/")

    assert (response.status_code, response.text) == (200, "begun, ended")


async def test_every_answer_has_the_security_headers(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.post("/graphql", json={"query": "{ hello }"}),
        await client.get("/graphql"),
        await client.get("/nowhere"),
        await client.post("/length", content=b"x" * (BODY_BYTES_MAX + 1)),
    ]

    assert [answer.status_code for answer in answers] == [200, 405, 404, 413]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY


SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "strict-transport-security": None,
    "server": None,
}


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("", headers={"content-security-policy": "default-src 'self'"})


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/page", "default-src 'self'"),
        ("/page/x", "default-src 'self'"),
        ("/pages", "default-src 'none'; frame-ancestors 'none'"),
        ("/other", "default-src 'none'; frame-ancestors 'none'"),
    ],
)
def test_only_the_relaxed_paths_keep_a_policy_of_their_own(path: str, policy: str) -> None:
    app = harden(Starlette(routes=[Route("/{path:path}", page)]), relaxed_paths=["/page"])

    assert TestClient(app).get(path).headers["content-security-policy"] == policy


def test_https_is_asked_to_stay_https() -> None:
    app = harden(Starlette(routes=[Route("/", page)]))

    answer = TestClient(app, base_url="https://harbour.example").get("/")

    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("given", ["8c3e77a1", "req_1.A-b" * 7])
async def test_a_well_formed_request_id_is_kept(client: httpx2.AsyncClient, given: str) -> None:
    response = await client.get("/healthz", headers={"x-request-id": given})

    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["short", "a" * 65, "has a space", "semi;colon", '{"evil": 1}', ""])
async def test_any_other_request_id_is_replaced(client: httpx2.AsyncClient, given: str) -> None:
    response = await client.get("/healthz", headers={"x-request-id": given})

    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_the_log_line_of_a_fault_names_its_request(client: httpx2.AsyncClient, server: Server) -> None:
    await client.post("/graphql", json={"query": "{ sinks }"}, headers={"x-request-id": "this-very-request"})

    lines = [line for line in server.logged().splitlines() if "this-very-request" in line]
    assert len(lines) == 1
    assert '"event": "fault"' in lines[0]
