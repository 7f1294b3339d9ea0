"""A product that runs nothing but the documents its frontends were built with, asked over every transport."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.database import connection
from schema.edge.trusted import read_manifest
from tests.builders import Member
from tests.conftest import Database
from tests.frontends.visits import VISIT, a_customer, remember_the_order, visit
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.sockets import Socket, opened
from tests.simulators.world import World
from tests.source_tree import ROOT

OTHER = "{ viewer { id } }"
UNKNOWN = "0" * 64
SPEND = 'mutation { spendTokens(input: { tokens: "1", idempotencyKey: "k" }) { __typename } }'


@pytest.fixture
def altered_settings(manifest: Path) -> Mapping[str, object]:
    return {"trusted_documents": str(manifest)}


@pytest.fixture
def ids(manifest: Path) -> dict[str, str]:
    """The ids of the manifest's documents, by the names of their operations."""
    return {text.split("(")[0].split()[1]: name for name, text in read_manifest(manifest).items()}


async def posted(world: World, member: Member, **body: Any) -> Any:
    headers = {"authorization": f"Bearer {await world.token_of(member)}"}
    return (await world.http.post(f"{world.url}/graphql", json=body, headers=headers)).json()


async def streamed(world: World, member: Member, **body: Any) -> list[Any]:
    """The data of all server-sent events."""
    token = await world.token_of(member)
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    answer = await world.http.post(f"{world.url}/graphql", json=body, headers=headers)
    lines = [line.removeprefix("data:").strip() for line in answer.text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line]


async def said(socket: Socket, **payload: Any) -> Any:
    await socket.say(id="1", type="subscribe", payload=payload)
    return await socket.hear()


def codes(errors: Any) -> list[str]:
    return [error["extensions"]["code"] for error in errors]


@pytest.fixture
async def ada(world: World, ids: dict[str, str]) -> Member:
    """Signed in by the manifest's own document."""
    member = await a_customer(world)
    variables = {"input": {"email": member.email, "password": member.password}}
    body = {"documentId": f"sha256:{ids['SignIn']}", "variables": variables}
    answer = (await world.http.post(f"{world.url}/graphql", json=body)).json()
    member.access_token = answer["data"]["signIn"]["accessToken"]
    return member


async def test_the_example_runs_by_its_manifest_alone(world: World, ada: Member, example: Path) -> None:
    assert await visit(world, ada, example) == VISIT

    await remember_the_order(world)
    assert await world.broken_rules() == []


async def test_any_other_document_is_refused_on_every_transport(world: World, ada: Member) -> None:
    for query in (SPEND, OTHER, "{ __schema { types { name } } }"):
        over_http = await posted(world, ada, query=query)
        over_sse = await streamed(world, ada, query=query)
        async with opened(world.url, ada.access_token) as socket:
            over_socket = await said(socket, query=query)

        assert (list(over_http), codes(over_http["errors"])) == (["errors"], ["UNTRUSTED_DOCUMENT"])
        assert [codes(event["errors"]) for event in over_sse] == [["UNTRUSTED_DOCUMENT"]]
        assert over_socket["type"] == "error"
        assert codes(over_socket["payload"]) == ["UNTRUSTED_DOCUMENT"]
    async with connection() as db:
        assert await db.fetch("SELECT id FROM token_balance_history WHERE change_type = 'SPEND'") == []


async def test_an_id_that_is_not_in_the_manifest_is_not_found_on_any_transport(world: World, ada: Member) -> None:
    over_http = await posted(world, ada, documentId=UNKNOWN)
    over_sse = await streamed(world, ada, extensions={"persistedQuery": {"version": 1, "sha256Hash": UNKNOWN}})
    async with opened(world.url, ada.access_token) as socket:
        over_socket = await said(socket, documentId=UNKNOWN)

        assert codes(over_http["errors"]) == ["PERSISTED_QUERY_NOT_FOUND"]
        assert [codes(event["errors"]) for event in over_sse] == [["PERSISTED_QUERY_NOT_FOUND"]]
        assert codes(over_socket["payload"]) == ["PERSISTED_QUERY_NOT_FOUND"]
        # The connection is as good as before.
        assert codes((await said(socket, documentId=UNKNOWN))["payload"]) == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_document_is_run_by_its_id_on_every_transport(world: World, ada: Member, ids: dict[str, str]) -> None:
    page, variables = ids["WalletPage"], {"first": 1}
    extension = {"persistedQuery": {"version": 1, "sha256Hash": page}}

    over_http = await posted(world, ada, documentId=page, variables=variables)
    over_sse = await streamed(world, ada, extensions=extension, variables=variables, operationName="WalletPage")
    async with opened(world.url, ada.access_token) as socket:
        over_socket = await said(socket, extensions=extension, variables=variables, operationName="WalletPage")

    assert over_http["data"]["wallet"]["available"] == "100.0000"
    assert over_sse == [over_http]
    assert over_socket["payload"] == over_http


async def test_an_id_is_a_string_and_a_request_has_a_document(world: World, ada: Member) -> None:
    assert (await posted(world, ada, documentId=5))["errors"][0]["message"] == "`documentId` must be a string or null."
    assert (await posted(world, ada, variables={}))["errors"][0]["message"] == "`query` is missing."
    async with opened(world.url, ada.access_token) as socket:
        await socket.say(id="1", type="subscribe", payload={"variables": {}})
        assert await socket.close_code() == 4400


async def test_graphiql_is_not_served_where_its_documents_would_be_refused(world: World) -> None:
    assert (await world.http.get(f"{world.url}/graphiql/")).status_code == 404


@pytest.mark.parametrize("is_enforced", ["true", "false"])
async def test_a_manifest_that_no_longer_fits_the_schema_stops_the_door(
    is_enforced: str, books: Database, tmp_path: Path
) -> None:
    # given
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"old-page": "query WalletPage { wallet { guthaben } }", "good": OTHER}))
    environment = {
        **os.environ,
        "DATABASE_URL": books.app_dsn,
        "TRUSTED_DOCUMENTS": str(path),
        "TRUSTED_DOCUMENTS_ENFORCED": is_enforced,
        "PORT": "0",
        "LOG_FILE": str(tmp_path / "app.log"),
    }

    # when
    door = await asyncio.create_subprocess_exec(
        sys.executable, "server.py", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(door.communicate(), PATIENCE_SECONDS)

    # then
    assert door.returncode == 2
    assert complaint.decode().splitlines() == [
        "These trusted documents cannot be run:",
        "  WalletPage (old-page): Cannot query field 'guthaben' on type 'Wallet'.",
    ]
