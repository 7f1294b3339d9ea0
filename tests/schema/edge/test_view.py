"""GraphQL over HTTP and SSE against a real server: media types, statuses, and bodies of every unfortunate kind."""

from typing import Any

import httpx2
import pytest

from tests.schema.edge.conftest import Server

SPOKEN = "application/graphql-response+json"
JSON = "application/json"


async def ask(client: httpx2.AsyncClient, query: str, *, accept: str = SPOKEN, **more: Any) -> httpx2.Response:
    headers = {"accept": accept, **more.pop("headers", {})}
    return await client.post("/graphql", json={"query": query, **more}, headers=headers)


async def send(client: httpx2.AsyncClient, body: bytes, content_type: str | None = JSON) -> httpx2.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return await client.post("/graphql", content=body, headers=headers)


def code_of(response: httpx2.Response) -> str:
    (error,) = response.json()["errors"]
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (SPOKEN, SPOKEN),
        (f"{SPOKEN}, {JSON}", SPOKEN),
        (f"{JSON}, {SPOKEN}", JSON),
        (f"{JSON};q=0.9, {SPOKEN}", SPOKEN),
        (f"{SPOKEN};q=0.5, {JSON}", JSON),
        (f"{SPOKEN};q=0", JSON),
        (f"{SPOKEN};q=high", JSON),
        (f"{SPOKEN.upper()}; charset=utf-8", SPOKEN),
        ("text/html", JSON),
    ],
)
async def test_the_media_type_follows_accept(client: httpx2.AsyncClient, accept: str, answered: str) -> None:
    response = await ask(client, "{ hello }", accept=accept)

    assert (response.status_code, response.json()) == (200, {"data": {"hello": "ahoy"}})
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("{ hello", "GRAPHQL_PARSE_FAILED", 400),
        ("{ helo }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("{" + " hello" * 21 + "}", "QUERY_TOO_COMPLEX", 400),
        ("query($k: Knots!){ speed(knots: $k) }", "BAD_USER_INPUT", 400),
        ("{ ledger { total } }", "UNAUTHENTICATED", 401),
    ],
)
async def test_a_request_error_has_no_data_and_a_status_for_those_who_ask(
    client: httpx2.AsyncClient, query: str, code: str, status: int
) -> None:
    spoken = await ask(client, query)
    legacy = await ask(client, query, accept=JSON)

    assert (spoken.status_code, code_of(spoken)) == (status, code)
    assert (legacy.status_code, code_of(legacy)) == (200, code)
    assert list(spoken.json()) == list(legacy.json()) == ["errors"]


async def test_a_forbidden_operation_answers_403(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "{ ledger { total } }", headers={"authorization": "Bearer finance.view"})

    assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")


async def test_a_field_error_keeps_its_data_and_200(client: httpx2.AsyncClient) -> None:
    partial = await ask(client, "{ hello sinks }")
    whole = await ask(client, "{ sinksWithAllHands }")

    assert (partial.status_code, partial.json()["data"]) == (200, {"hello": "ahoy", "sinks": None})
    assert (whole.status_code, whole.json()["data"]) == (200, None)
    assert (code_of(partial), code_of(whole)) == ("INTERNAL", "INTERNAL")


BODIES = {
    "empty": b"",
    "a number": b"5",
    "null": b"null",
    "a string": b'"x"',
    "true": b"true",
    "an array": b"[5]",
    "an empty array": b"[]",
    "a batch": b'[{"query":"{hello}"}]',
    "not JSON": b'{"query":',
    "invalid UTF-8": b'{"query":"{hello}\xff"}',
    "UTF-16": '{"query":"{hello}"}'.encode("utf-16"),
    "a lone surrogate": rb'{"query":"{hello}","operationName":"\ud800"}',
    "NaN": b'{"query":"{hello}","variables":{"a":NaN}}',
    "deep arrays": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "no query": b"{}",
    "null query": b'{"query":null}',
    "empty query": b'{"query":""}',
    "a query of blanks": b'{"query":"  "}',
    "a number as query": b'{"query":5}',
    "an array as variables": b'{"query":"{hello}","variables":[1]}',
    "a string as extensions": b'{"query":"{hello}","extensions":"x"}',
    "a number as operationName": b'{"query":"{hello}","operationName":5}',
    "an unknown operationName": b'{"query":"query A{hello}","operationName":"B"}',
    "an empty operationName": b'{"query":"query A{hello}","operationName":""}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_no_body_is_answered_with_500(client: httpx2.AsyncClient, body: bytes) -> None:
    spoken = await client.post("/graphql", content=body, headers={"content-type": JSON, "accept": SPOKEN})

    assert spoken.status_code == 400
    assert spoken.headers["content-type"] == f"{SPOKEN}; charset=utf-8"
    assert code_of(spoken) in ("BAD_REQUEST", "GRAPHQL_PARSE_FAILED")


@pytest.mark.parametrize(
    "variables",
    [b"9" * 5000, b"-" + b"9" * 5000, b"1e400", b"[" * 500 + b"]" * 500, b'{"a":' * 400 + b"1" + b"}" * 400, b'"x"'],
    ids=["a huge integer", "a huge negative integer", "a huge float", "deep arrays", "deep objects", "a string"],
)
async def test_no_variable_is_answered_with_500(client: httpx2.AsyncClient, variables: bytes) -> None:
    body = b'{"query":"query($n: Int!){ echo(text: \\"a\\", times: $n) }","variables":{"n":' + variables + b"}}"

    response = await send(client, body)

    assert response.status_code in (200, 400)
    assert code_of(response) in ("BAD_USER_INPUT", "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
        "application/json; charset=utf-16",
        "application/graphql",
    ],
)
async def test_only_json_is_read(client: httpx2.AsyncClient, content_type: str | None) -> None:
    response = await send(client, b'{"query":"{hello}"}', content_type)

    assert (response.status_code, code_of(response)) == (415, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'application/json; Charset="UTF-8"',
        "APPLICATION/JSON",
        "application/json;",
        "application/json; charset*=x''y",
    ],
)
async def test_json_may_be_spelled_in_several_ways(client: httpx2.AsyncClient, content_type: str) -> None:
    response = await send(client, b'{"query":"{hello}"}', content_type)

    assert response.json() == {"data": {"hello": "ahoy"}}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_but_post_is_served(client: httpx2.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql", params={"query": 'mutation { rename(name: "x") }'})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_subscription_that_does_not_accept_a_stream_is_refused(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "subscription { tides }")

    assert (response.status_code, code_of(response)) == (406, "BAD_REQUEST")


async def test_a_broken_credential_is_refused_before_the_operation_is_read(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "{ hello }", headers={"authorization": "Bearer broken"})

    assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_fault_outside_of_the_operation_is_masked(client: httpx2.AsyncClient, server: Server) -> None:
    response = await ask(client, "{ hello }", headers={"authorization": "Bearer fault"})

    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"], code_of(response)) == (500, "Unexpected error.", "INTERNAL")
    assert "hunter2" not in response.text
    assert server.logged().count(error["extensions"]["reference"]) == 1


async def test_text_that_is_no_matter_of_the_edge_reaches_the_resolver(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "query($t: String!){ echo(text: $t) }", variables={"t": "a\0b\u202ec🏃"})

    assert response.json() == {"data": {"echo": "a\0b\u202ec🏃"}}


def stream(body: str) -> list[str]:
    return body.replace("\r\n", "\n").strip().split("\n\n")


async def test_server_sent_events_end_with_complete(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "subscription { tides(count: 2) }", accept="text/event-stream")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert stream(response.text) == [
        'event: next\ndata: {"data":{"tides":0}}',
        'event: next\ndata: {"data":{"tides":1}}',
        "event: complete\ndata:",
    ]


async def test_queries_are_answered_as_events_too_when_asked(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "{ hello }", accept="text/event-stream")

    assert stream(response.text) == ['event: next\ndata: {"data":{"hello":"ahoy"}}', "event: complete\ndata:"]


async def test_a_refused_subscription_is_one_event_without_data(client: httpx2.AsyncClient) -> None:
    response = await ask(client, "subscription { takings }", accept="text/event-stream")

    event, complete = stream(response.text)
    assert event.startswith('event: next\ndata: {"errors":[')
    assert '"code":"UNAUTHENTICATED"' in event
    assert complete == "event: complete\ndata:"


async def test_a_stream_is_closed_when_its_reader_leaves(client: httpx2.AsyncClient) -> None:
    # given
    before = (await ask(client, "{ streamsClosed }")).json()["data"]["streamsClosed"]

    # when
    body = {"query": "subscription { watch }"}
    async with client.stream("POST", "/graphql", json=body, headers={"accept": "text/event-stream"}) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                break

    # then
    assert response.status_code == 200
    for _ in range(100):
        if (await ask(client, "{ streamsClosed }")).json()["data"]["streamsClosed"] == before + 1:
            return
    raise AssertionError("the subscription went on without its reader")
