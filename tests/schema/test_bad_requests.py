"""Pages, cursors, documents and bodies that are not what they should be: a clear answer each, and never a fault."""

import base64
from typing import Any
from uuid import UUID

import pytest

from schema.pages import ENTRIES, FEED, HOLDS, INVOICES, LOTS, PURCHASES
from tests.builders import Member
from tests.schema.clients.documents import answered
from tests.schema.clients.scene import a_scene
from tests.schema.clients.streams import stream
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
LISTS = {"entries": ENTRIES, "lots": LOTS, "holds": HOLDS, "purchases": PURCHASES, "invoices": INVOICES}
SOME_KEY = UUID(int=7)
TOP = "query ($first: Int! = 20, $after: Cursor) { answer: purchases(first: $first, after: $after) { __typename } }"
WATCH = "subscription ($after: Cursor) { walletUpdated(after: $after) { sequence } }"


def sealed(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def page(name: str) -> str:
    fields = f"answer: {name}(first: $first, after: $after) {{ __typename }}"
    return f"query ($first: Int! = 20, $after: Cursor) {{ wallet {{ {fields} }} }}"


QUERIES = {**{name: page(name) for name in LISTS}, "top": TOP}

FORGED = {
    "garbage": "garbage",
    "nothing": "",
    "bytes that are no text": sealed(b"\xff\xfe"),
    "very long": "A" * 5000,
    "no base64": "%%%",
    "another script": "é",
    "of no list": sealed("1"),
    "of an unknown list": sealed("nothing:1"),
}
FORGED_SEQUENCES = ("-1", "1.5", "9" * 19, "٣", "", "NULL", "1; DROP TABLE feed")
FORGED_MOMENTS = (
    f"2026-01-01T00:00:00|{SOME_KEY}",
    f"0001-01-01T00:00:00+23:59|{SOME_KEY}",
    f"9999-12-31T23:59:59-23:59|{SOME_KEY}",
    "2026-01-01T00:00:00+00:00|1",
    "2026-01-01T00:00:00+00:00",
    f"now()|{SOME_KEY}",
    "|",
)


def forged_cursors(of: str) -> list[str]:
    own = FORGED_SEQUENCES if of in (ENTRIES, FEED) else FORGED_MOMENTS
    return [*FORGED.values(), *(sealed(f"{of}:{text}") for text in own)]


async def all_cursors(world: World, member: Member) -> dict[str, str]:
    """The first cursor of each of the wallet's lists, and one of the feed."""
    fields = " ".join(f"{name} {{ pageInfo {{ endCursor }} }}" for name in LISTS)
    wallet = (await world.data(f"{{ wallet {{ {fields} }} }}", member))["wallet"]
    found = {LISTS[name]: connection["pageInfo"]["endCursor"] for name, connection in wallet.items()}
    return {**found, FEED: sealed("feed:1")}


async def test_a_page_has_1_to_100_rows(world: World) -> None:
    scene = await a_scene(world)

    answers = {
        (name, first): answered(await world.ask(query, scene.ada, first=first))
        for name, query in QUERIES.items()
        for first in (1, 100, 0, -1, 101, 2**31 - 1, 2**31, -(2**31), "10", 1.5, None)
    }

    good = {what for what, answer in answers.items() if answer.endswith("Connection")}
    assert good == {(name, first) for name in QUERIES for first in (1, 100)}
    refused = {first: answer for (_, first), answer in answers.items() if first not in (1, 100)}
    assert refused == dict.fromkeys(refused, BAD) | dict.fromkeys((2**31 - 1, 2**31), "QUERY_TOO_COMPLEX")


async def test_only_a_cursor_of_the_same_list_is_taken(world: World) -> None:
    # given
    scene = await a_scene(world)
    real = await all_cursors(world, scene.ada)
    queries = {**{LISTS[name]: query for name, query in QUERIES.items() if name in LISTS}}

    # when
    answers = {
        (of, given): answered(await world.ask(query, scene.ada, after=cursor))
        for of, query in queries.items()
        for given, cursor in real.items()
    }
    forged = {
        (of, cursor): answered(await world.ask(query, scene.ada, after=cursor))
        for of, query in queries.items()
        for cursor in forged_cursors(of)
    }

    # then
    assert {what for what, answer in answers.items() if answer != BAD} == {(of, of) for of in queries}
    assert {what: answer for what, answer in forged.items() if answer != BAD} == {}


async def test_a_stream_takes_only_cursors_of_the_feed(world: World) -> None:
    # given
    scene = await a_scene(world)
    real = await all_cursors(world, scene.ada)
    headers = {"authorization": f"Bearer {await world.token_of(scene.ada)}"}

    async def first_told(after: str) -> str:
        async with stream(world.http, world.url, WATCH, headers=headers, after=after) as events:
            told: dict[str, Any] = (await anext(events)).data
        return str(told["errors"][0]["extensions"]["code"]) if "errors" in told else "data"

    # when: the feed has begun
    assert await first_told(scene.start) == "data"
    foreign = {of: await first_told(cursor) for of, cursor in real.items()}
    forged = {cursor: await first_told(cursor) for cursor in forged_cursors(FEED)}

    # then
    assert foreign == {ENTRIES: BAD, LOTS: BAD, HOLDS: BAD, PURCHASES: BAD, INVOICES: BAD, FEED: "data"}
    assert {cursor: told for cursor, told in forged.items() if told != BAD} == {}
    assert await first_told(sealed("feed:999999")) == "CURSOR_UNKNOWN"


async def test_the_page_behind_the_last_row_is_empty(world: World) -> None:
    scene = await a_scene(world)
    real = await all_cursors(world, scene.ada)

    for name, of in LISTS.items():
        query = f"""query ($after: Cursor) {{ wallet {{ {name}(after: $after) {{
            nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }} }}"""
        told = (await world.data(query, scene.ada, after=real[of]))["wallet"][name]
        assert told == {
            "nodes": [],
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "endCursor": None},
        }, name


DOCUMENTS = {
    "{": "GRAPHQL_PARSE_FAILED",
    "": "BAD_REQUEST",
    "{ nonsense }": "GRAPHQL_VALIDATION_FAILED",
    "{ wallet }": "GRAPHQL_VALIDATION_FAILED",
    "{ priceQuote(tokens: 1e30) { __typename } }": BAD,
    "{ priceQuote(tokens: NaN) { __typename } }": BAD,
    '{ priceQuote(tokens: "NaN") { __typename } }': BAD,
    "{ priceQuote { __typename } }": BAD,
    '{ purchases(after: "\\uD800") { __typename } }': "GRAPHQL_PARSE_FAILED",
    "{ wallet { entries(first: 101) { __typename } } }": BAD,
    "{ wallet { entries(kinds: [NOTHING]) { __typename } } }": "GRAPHQL_VALIDATION_FAILED",
    "subscription { walletUpdated { sequence } }": "BAD_REQUEST",
    "query A { viewer { id } } query B { viewer { id } }": "BAD_REQUEST",
}

BODIES = {
    b"": 400,
    b"{": 400,
    b"[]": 400,
    b"null": 400,
    b'"{ viewer { id } }"': 400,
    b'{"query": 5}': 400,
    b'{"query": "{ viewer { id } }", "variables": []}': 400,
    b'{"query": "{ viewer { id } }", "variables": "x"}': 400,
    b'{"query": "{ viewer { id } }", "operationName": 5}': 400,
    b'{"query": "{ viewer { id } }", "variables": {"x": NaN}}': 400,
    b'{"query": "{ viewer { id } }", "variables": {"x": Infinity}}': 400,
    b'{"query": "{ viewer { id } }", "variables": {"x": "\\ud800"}}': 400,
    b'{"query": "{ viewer { id } }", "variables": {"x": "\xff"}}': 400,
    b"[" * 5000: 400,
    b'[{"query": "{ viewer { id } }"}]': 400,
    b'{"query": "' + b"x" * 270_000 + b'"}': 413,
}


async def test_documents_that_cannot_run_are_told_why(world: World) -> None:
    scene = await a_scene(world)

    answers = {}
    for text in DOCUMENTS:
        errors = (await world.ask(text, scene.ada))["errors"]
        answers[text] = ",".join(sorted({error["extensions"]["code"] for error in errors}))

    assert answers == DOCUMENTS


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_bodies_that_are_no_requests_are_refused(accept: str, world: World) -> None:
    statuses, codes = {}, set()
    for body in BODIES:
        headers = {"content-type": "application/json", "accept": accept}
        answer = await world.http.post(f"{world.url}/graphql", content=body, headers=headers)
        statuses[body] = answer.status_code
        codes |= {error["extensions"]["code"] for error in answer.json()["errors"]}

    assert statuses == BODIES
    assert codes == {"BAD_REQUEST", "REQUEST_TOO_LARGE"}
