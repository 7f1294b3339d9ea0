"""graphql-transport-ws against a real server, with well-behaved clients and others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.patience import PATIENCE_SECONDS
from tests.schema.edge.conftest import Server

TRANSPORT = Subprotocol("graphql-transport-ws")


@asynccontextmanager
async def socket(
    server: Server, *, protocol: str | None = TRANSPORT, origin: str | None = None
) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"ws://127.0.0.1:{server.port}/graphql",
        subprotocols=None if protocol is None else [Subprotocol(protocol)],
        origin=None if origin is None else Origin(origin),
        open_timeout=PATIENCE_SECONDS,
    ) as connection:
        yield connection


async def say(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection) -> dict[str, Any]:
    frame = await asyncio.wait_for(connection.recv(), PATIENCE_SECONDS)
    assert isinstance(frame, str)
    message: dict[str, Any] = json.loads(frame)
    return message


async def introduce(connection: ClientConnection, token: str = "") -> None:
    await say(connection, type="connection_init", payload={"token": token})
    assert await hear(connection) == {"type": "connection_ack"}


async def closing(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the server closes, whatever it says before."""
    await asyncio.wait_for(connection.wait_closed(), PATIENCE_SECONDS)
    assert connection.close_code is not None
    return connection.close_code, connection.close_reason or ""


async def test_a_subscription_runs_to_its_end(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        await say(connection, id="1", type="subscribe", payload={"query": "subscription { tides(count: 2) }"})

        assert [await hear(connection) for _ in range(3)] == [
            {"id": "1", "type": "next", "payload": {"data": {"tides": 0}}},
            {"id": "1", "type": "next", "payload": {"data": {"tides": 1}}},
            {"id": "1", "type": "complete"},
        ]


async def test_queries_with_variables_are_answered_too(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        query = "query A($t: String!) { echo(text: $t) }"
        await say(
            connection,
            id="1",
            type="subscribe",
            payload={"query": query, "variables": {"t": "ahoy"}, "operationName": "A"},
        )

        assert await hear(connection) == {"id": "1", "type": "next", "payload": {"data": {"echo": "ahoy"}}}


async def test_unsubscribing_closes_the_stream(server: Server) -> None:
    async def closed_streams(name: str) -> int:
        await say(connection, id=name, type="subscribe", payload={"query": "{ streamsClosed }"})
        answer = await hear(connection)
        await hear(connection)
        count: int = answer["payload"]["data"]["streamsClosed"]
        return count

    async with socket(server) as connection:
        await introduce(connection)
        before = await closed_streams("before")
        await say(connection, id="1", type="subscribe", payload={"query": "subscription { watch }"})
        assert (await hear(connection))["payload"] == {"data": {"watch": "all's well"}}

        await say(connection, id="1", type="complete")

        assert await closed_streams("after") == before + 1


async def test_the_token_of_the_connection_decides(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection, "tokens.view")
        await say(connection, id="1", type="subscribe", payload={"query": "{ ledger { total } }"})
        await say(connection, id="2", type="subscribe", payload={"query": "subscription { takings }"})

        heard = {(message["id"], message["type"]): message for message in [await hear(connection) for _ in range(3)]}

    assert heard["1", "next"]["payload"] == {"data": {"ledger": {"total": 7}}}
    assert [error["extensions"] for error in heard["2", "error"]["payload"]] == [
        {"code": "FORBIDDEN", "permission": "FINANCE_VIEW", "field": "Subscription.takings"}
    ]


async def test_an_expired_token_may_not_ask_for_anything(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection, "expired")
        await say(connection, id="1", type="subscribe", payload={"query": "{ hello }"})

        assert [error["extensions"] for error in (await hear(connection))["payload"]] == [{"code": "UNAUTHENTICATED"}]


async def test_a_refused_token_closes_the_connection(server: Server) -> None:
    async with socket(server) as connection:
        await say(connection, type="connection_init", payload={"token": "broken"})

        assert await closing(connection) == (4403, "Forbidden")


async def test_a_fault_while_authenticating_closes_with_a_reference(server: Server) -> None:
    async with socket(server) as connection:
        await say(connection, type="connection_init", payload={"token": "fault"})

        code, reason = await closing(connection)

    assert (code, reason[:-16]) == (1011, "Unexpected error. Reference ")
    assert server.logged().count(reason[-16:]) == 1


async def test_without_init_nothing_is_served(server: Server) -> None:
    async with socket(server) as connection:
        await say(connection, id="1", type="subscribe", payload={"query": "{ hello }"})

        assert await closing(connection) == (4401, "Unauthorized")


async def test_who_never_introduces_itself_is_shown_out_after_five_seconds(server: Server) -> None:
    async with socket(server) as connection:
        assert await closing(connection) == (4408, "Connection initialisation timeout")


@pytest.mark.parametrize("protocol", ["graphql-ws", "graphql-sse", "something-else", None])
async def test_no_other_protocol_is_spoken(server: Server, protocol: str | None) -> None:
    async with socket(server, protocol=protocol) as connection:
        assert await closing(connection) == (4406, "Subprotocol not acceptable")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_page_of_another_origin_is_refused_at_the_handshake(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(server, origin=origin):
            pass

    assert refused.value.response.status_code == 403


async def test_pages_of_allowed_origins_are_served(server: Server) -> None:
    for origin in ("https://harbour.example", server.url):
        async with socket(server, origin=origin) as connection:
            await introduce(connection)


async def test_the_eleventh_subscription_of_a_connection_is_refused(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        for number in range(11):
            await say(connection, id=str(number), type="subscribe", payload={"query": "subscription { watch }"})
        heard = [await hear(connection) for _ in range(11)]

    (refused,) = [message for message in heard if message["type"] == "error"]
    assert (refused["id"], refused["payload"][0]["extensions"]) == ("10", {"code": "TOO_MANY_SUBSCRIPTIONS"})


async def test_the_twenty_first_socket_of_a_caller_is_closed_until_another_has_gone(server: Server) -> None:
    everything = "tokens.view,finance.view"
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(20):
            connections.append(await stack.enter_async_context(socket(server)))
            await introduce(connections[-1], everything)

        one_more = await stack.enter_async_context(socket(server))
        await say(one_more, type="connection_init", payload={"token": everything})
        refused = await closing(one_more)
        connections[0].transport.abort()
        for _ in range(100):
            async with socket(server) as another:
                await say(another, type="connection_init", payload={"token": everything})
                try:
                    admitted = await hear(another)
                    break
                except ConnectionClosed:
                    await asyncio.sleep(0.01)

    assert refused == (1013, "This caller has 20 WebSockets open, and that is as many as it may.")
    assert admitted == {"type": "connection_ack"}


SUBSCRIBE = {"id": "1", "type": "subscribe"}
BROKEN = {
    "a number": "5",
    "null": "null",
    "a list": "[1]",
    "a string": '"x"',
    "not JSON": "{",
    "deep": "[" * 5000,
    "no type": "{}",
    "a number as type": '{"type":5}',
    "an unknown type": json.dumps({"type": "x" * 500}),
    "an old type": '{"type":"start","id":"1","payload":{}}',
    "an init that is a list": '{"type":"connection_init","payload":[1]}',
    "no id": json.dumps({"type": "subscribe", "payload": {"query": "{hello}"}}),
    "a list as id": json.dumps({**SUBSCRIBE, "id": [1], "payload": {"query": "{hello}"}}),
    "an endless id": json.dumps({**SUBSCRIBE, "id": "x" * 129, "payload": {"query": "{hello}"}}),
    "no payload": json.dumps(SUBSCRIBE),
    "null as payload": json.dumps({**SUBSCRIBE, "payload": None}),
    "a list as payload": json.dumps({**SUBSCRIBE, "payload": [1]}),
    "no query": json.dumps({**SUBSCRIBE, "payload": {}}),
    "a number as query": json.dumps({**SUBSCRIBE, "payload": {"query": 5}}),
    "a list as variables": json.dumps({**SUBSCRIBE, "payload": {"query": "{hello}", "variables": [1]}}),
    "a number as operationName": json.dumps({**SUBSCRIBE, "payload": {"query": "{hello}", "operationName": 5}}),
    "a list as the id to complete": '{"type":"complete","id":[1]}',
}


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN)
async def test_a_broken_message_closes_with_4400_and_logs_nothing(server: Server, frame: str) -> None:
    before = len(server.logged())

    async with socket(server) as connection:
        await introduce(connection)
        await connection.send(frame)
        code, _ = await closing(connection)

    assert code == 4400
    assert "Traceback" not in server.logged()[before:]
    assert "fault" not in server.logged()[before:]


async def test_a_binary_message_closes_with_4400(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        await connection.send(b'{"type":"ping"}')

        assert await closing(connection) == (4400, "WebSocket message type must be text")


async def test_a_message_longer_than_a_body_may_be_closes_with_1009(server: Server) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        await connection.send(json.dumps({"type": "ping", "payload": {"x": "x" * 262144}}))

        assert (await closing(connection))[0] == 1009


async def test_a_null_payload_introduces_as_well(server: Server) -> None:
    async with socket(server) as connection:
        await connection.send('{"type":"connection_init","payload":null}')

        assert await hear(connection) == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("{ helo }", "GRAPHQL_VALIDATION_FAILED"),
        ("{" + " hello" * 21 + "}", "QUERY_TOO_COMPLEX"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
        ("{ sinks }", "INTERNAL"),
        ("", "BAD_REQUEST"),
    ],
)
async def test_errors_have_codes_and_the_connection_goes_on(server: Server, query: str, code: str) -> None:
    async with socket(server) as connection:
        await introduce(connection)
        await say(connection, id="1", type="subscribe", payload={"query": query})
        first = await hear(connection)
        await say(connection, type="ping")
        heard = [await hear(connection) for _ in range(2 if first["type"] == "next" else 1)]

    payload = first["payload"]
    errors = payload if first["type"] == "error" else payload["errors"]
    assert [error["extensions"]["code"] for error in errors] == [code]
    assert {"type": "pong"} in heard


async def test_a_client_that_vanishes_leaves_no_trace_in_the_log(server: Server) -> None:
    before = len(server.logged())

    async with socket(server) as connection:
        await introduce(connection)
        await say(connection, id="1", type="subscribe", payload={"query": "subscription { watch }"})
        await hear(connection)
        connection.transport.abort()
    async with socket(server) as connection:
        await introduce(connection)

    assert "Traceback" not in server.logged()[before:]
    assert "fault" not in server.logged()[before:]
