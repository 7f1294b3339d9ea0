"""Slow senders lose their connection; slow resolvers and quiet WebSockets do not. The hasty server waits 2 s."""

import asyncio

import httpx2
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.schema.edge.conftest import Server

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: harbour\r\n"


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /heal",
        REQUEST,
        b"POST /length HTTP/1.1\r\nhost: harbour\r\ncontent-length: 10\r\n\r\nabc",
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_request_that_does_not_arrive_in_time_is_dropped_unanswered(hasty_server: Server, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty_server.port)
    writer.write(sent)

    assert await until_closed(reader) == b""
    writer.close()


async def test_the_deadline_starts_anew_with_each_request_of_a_connection(hasty_server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty_server.port)

    writer.write(REQUEST + b"\r\n")
    first = await reader.readuntil(b"ok")
    writer.write(REQUEST)
    rest = await until_closed(reader)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert rest == b""
    writer.close()


async def test_a_request_that_has_arrived_may_be_answered_later_than_the_deadline(
    hasty_client: httpx2.AsyncClient,
) -> None:
    response = await hasty_client.post("/graphql", json={"query": "{ waits }"})

    assert response.status_code == 503  # after the three seconds of the wall clock


async def two_hundred_half_open(server: Server) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    half_open = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)))
    for _, writer in half_open:
        writer.write(REQUEST)
    return half_open


async def test_two_hundred_half_open_connections_do_not_shut_anybody_out(server: Server) -> None:
    half_open = await two_hundred_half_open(server)

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(REQUEST + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"ok"), PATIENCE_SECONDS)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [each.at_eof() for each, _ in half_open] == [False] * 200
    for _, each in half_open:
        each.close()


async def test_two_hundred_half_open_connections_are_all_dropped(hasty_server: Server) -> None:
    half_open = await two_hundred_half_open(hasty_server)

    assert await asyncio.gather(*(until_closed(each) for each, _ in half_open)) == [b""] * 200
    for _, each in half_open:
        each.close()
