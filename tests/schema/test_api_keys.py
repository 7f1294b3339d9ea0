"""API keys over the API: shown once, read at each request, worth nothing when forged, expired, revoked or foreign."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from schema import authentication
from schema.credentials import read_key_token
from schema.ids import global_id, read_id
from tests.builders import EVERYTHING, Member, Organization, a_member, a_program, an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.books import everything
from tests.schema.clients.sockets import Socket, opened
from tests.simulators.world import World

CREATE = """
mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename
  ... on CreateApiKeySuccess { secret replayed apiKey { id name prefix scopes expiresAt lastUsedAt revokedAt
      createdBy { email } } }
  ... on PermissionNotGrantable { permissions } ... on Problem { code } } }
"""
REVOKE = """
mutation ($key: ID!) { revokeApiKey(input: { apiKeyId: $key }) { __typename
  ... on RevokeApiKeySuccess { apiKey { revokedAt } } ... on Problem { code } } }
"""
KEYS = """
query ($org: ID, $first: Int = 20, $after: Cursor) { apiKeys(organizationId: $org, first: $first, after: $after) {
  nodes { id name lastUsedAt createdBy { email } } pageInfo { hasNextPage endCursor } } }
"""
SPEND = """
mutation ($key: String!) { spendTokens(input: { tokens: "1", idempotencyKey: $key }) { __typename
  ... on SpendTokensSuccess { entryId } } }
"""
WALLET = "{ wallet { available } }"
VIEWER_KEY = "{ viewer { email } viewerKey { id name scopes } }"


async def with_key(world: World, token: str, query: str = WALLET, **variables: Any) -> tuple[int, dict[str, Any]]:
    headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
    body = {"query": query, "variables": variables}
    answer = await world.http.post(f"{world.url}/graphql", json=body, headers=headers)
    return answer.status_code, answer.json()


async def an_owner() -> Member:
    return await a_member(await an_organization())


async def makes(world: World, member: Member, **changed: Any) -> dict[str, Any]:
    asked = {"name": "Reports", "scopes": ["TOKENS_VIEW", "TOKENS_SPEND"], "idempotencyKey": "reports", **changed}
    told: dict[str, Any] = (await world.data(CREATE, member, input=asked))["createApiKey"]
    return told


def token_of(program: Member) -> str:
    assert program.access_token is not None
    return program.access_token


async def test_a_key_is_told_once_and_acts_for_its_organization(world: World) -> None:
    # given
    ada = await an_owner()
    assert ada.organization is not None
    await gives(ada.organization, "25")

    # when
    made = await makes(world, ada)
    again = await makes(world, ada)
    status, told = await with_key(world, made["secret"])
    _, spent = await with_key(world, made["secret"], SPEND, key="first")
    _, viewed = await with_key(world, made["secret"], VIEWER_KEY)

    # then
    key_id, _ = read_key_token(made["secret"])
    assert made["secret"].startswith(made["apiKey"]["prefix"] + "_")
    assert (made["apiKey"]["id"], made["replayed"]) == (global_id("ApiKey", key_id), False)
    assert made["apiKey"]["createdBy"] == {"email": ada.email}
    assert again == {**made, "secret": None, "replayed": True}
    assert (status, told) == (200, {"data": {"wallet": {"available": "25.0000"}}})
    assert spent["data"]["spendTokens"]["__typename"] == "SpendTokensSuccess"
    assert viewed["data"] == {
        "viewer": None,
        "viewerKey": {
            "id": made["apiKey"]["id"],
            "name": "Reports",
            "scopes": ["TOKENS_SPEND", "TOKENS_VIEW"],
        },
    }
    assert await world.broken_rules() == []


async def test_who_of_the_platform_made_a_key_is_not_shown_to_the_customer(world: World) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    ada = await a_member(aurora)
    admin = await a_member(None, permissions=(*EVERYTHING, "platform.admin"))
    visitor = await a_member(boreal, permissions=(*EVERYTHING, "platform.admin"))
    for number, maker in enumerate((admin, visitor, ada)):
        await makes(world, maker, organizationId=aurora.global_id, idempotencyKey=str(number))

    # when
    own, all_of_them = [
        [node["createdBy"] for node in (await world.data(KEYS, member, org=aurora.global_id))["apiKeys"]["nodes"]]
        for member in (ada, admin)
    ]

    # then
    assert own == [{"email": ada.email}, None, None]
    assert all_of_them == [{"email": ada.email}, {"email": visitor.email}, {"email": admin.email}]


async def test_what_a_key_did_stands_in_its_name(world: World, owner: asyncpg.Connection) -> None:
    ada = await an_owner()
    assert ada.organization is not None
    await gives(ada.organization, "25")
    program = await a_program(ada.organization)

    assert (await world.data(SPEND, program, key="k"))["spendTokens"]["__typename"] == "SpendTokensSuccess"

    actors = await owner.fetch("SELECT actor FROM token_balance_history WHERE change_type = 'SPEND'")
    assert [row["actor"] for row in actors] == [f"key/{program.id}"]


async def test_a_key_may_what_its_scopes_say_and_nothing_else(world: World) -> None:
    aurora = await an_organization()
    spender = token_of(await a_program(aurora, scopes=("tokens.spend",)))

    status, told = await with_key(world, spender)

    assert (status, told["errors"][0]["extensions"]) == (
        403,
        {"code": "FORBIDDEN", "permission": "TOKENS_VIEW", "field": "Query.wallet"},
    )


async def test_scopes_beyond_ones_own_are_refused_by_name(world: World, owner: asyncpg.Connection) -> None:
    aurora = await an_organization()
    vera = await a_member(aurora, permissions=("tokens.view", "tokens.configure"))
    await world.token_of(vera)
    before = await everything(owner)

    told = await makes(world, vera, scopes=["TOKENS_VIEW", "TOKENS_SPEND", "PLATFORM_ADMIN"])

    assert told == {
        "__typename": "PermissionNotGrantable",
        "code": "PERMISSION_NOT_GRANTABLE",
        "permissions": ["PLATFORM_ADMIN", "TOKENS_SPEND"],
    }
    assert await everything(owner) == before


async def test_a_revoked_key_is_refused_with_the_next_request(world: World) -> None:
    # given
    ada = await an_owner()
    made = await makes(world, ada)
    assert (await with_key(world, made["secret"]))[0] == 200

    # when
    revoked = (await world.data(REVOKE, ada, key=made["apiKey"]["id"]))["revokeApiKey"]
    again = (await world.data(REVOKE, ada, key=made["apiKey"]["id"]))["revokeApiKey"]

    # then
    assert revoked["apiKey"]["revokedAt"] is not None
    assert again == revoked
    assert (await with_key(world, made["secret"]))[0] == 401


async def test_keys_of_another_organization_can_neither_be_seen_nor_revoked_nor_used_there(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    ada, bjorn = await a_member(aurora), await a_member(boreal)
    program = await a_program(aurora)
    key = global_id("ApiKey", program.id)
    for member in (ada, bjorn, program):
        await world.data(WALLET, member)
    before = await everything(owner)

    # when
    listed = await world.data(KEYS, bjorn, org=aurora.global_id)
    own = await world.data(KEYS, bjorn)
    node = await world.data("query ($id: ID!) { node(id: $id) { id } }", bjorn, id=key)
    revoked = await world.data(REVOKE, bjorn, key=key)
    foreign = await world.data(
        "query ($org: ID!) { wallet(organizationId: $org) { id } }", program, org=boreal.global_id
    )
    made = await makes(world, bjorn, organizationId=aurora.global_id)

    # then
    assert (listed, own["apiKeys"]["nodes"], node) == ({"apiKeys": None}, [], {"node": None})
    assert revoked == {"revokeApiKey": {"__typename": "ApiKeyNotFound", "code": "API_KEY_NOT_FOUND"}}
    assert foreign == {"wallet": None}
    assert made["__typename"] == "OrganizationNotFound"
    assert await everything(owner) == before


async def test_keys_and_members_are_nodes_for_those_who_administer_them(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, vera = await a_member(aurora), await a_member(aurora, permissions=("tokens.view",))
    program = await a_program(aurora)
    ids = [global_id("ApiKey", program.id), global_id("Member", vera.id)]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

    # when
    seen, unseen = [(await world.data(query, member, ids=ids))["nodes"] for member in (ada, vera)]

    # then
    assert seen == [{"__typename": "ApiKey", "id": ids[0]}, {"__typename": "Member", "id": ids[1]}]
    assert unseen == [None, None]


async def test_a_key_lets_nobody_in_and_a_person_must_do_it(world: World, owner: asyncpg.Connection) -> None:
    # given
    aurora = await an_organization()
    program, vera = await a_program(aurora), await a_member(aurora)
    await world.data(WALLET, program)
    before = await everything(owner)
    member = global_id("Member", vera.id)
    mutations = (
        'createApiKey(input: { name: "x", scopes: [TOKENS_VIEW], idempotencyKey: "x" })',
        f'revokeApiKey(input: {{ apiKeyId: "{global_id("ApiKey", program.id)}" }})',
        'addMember(input: { email: "eve@aurora.example", name: "Eve", role: VIEWER })',
        f'setMemberPermissions(input: {{ memberId: "{member}", role: VIEWER }})',
        f'removeMember(input: {{ memberId: "{member}" }})',
        'updateContactData(input: { address: "Elsewhere" })',
        'changePassword(input: { currentPassword: "x", newPassword: "a new password" })',
    )

    # when
    told = [await world.ask(f"mutation {{ {each} {{ __typename }} }}", program) for each in mutations]
    left = await world.ask("mutation { signOut { signedOut } }", program)

    # then
    codes = [answer["errors"][0]["extensions"]["code"] for answer in (*told, left)]
    assert codes == ["FORBIDDEN"] * 8
    assert await everything(owner) == before


async def test_a_key_outlives_who_made_it_unless_it_is_taken_along(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    kept, taken = await makes(world, bob), await makes(world, bob, idempotencyKey="second", name="Second")
    remove = """mutation ($id: ID!, $all: Boolean!) { removeMember(input: { memberId: $id, revokeApiKeys: $all }) {
        ... on RemoveMemberSuccess { workingApiKeys { name } } ... on Problem { code } } }"""
    again = """mutation ($input: AddMemberInput!) { addMember(input: $input) {
        ... on AddMemberSuccess { member { id } } ... on Problem { code } } }"""

    # when
    left = await world.data(remove, ada, id=global_id("Member", bob.id), all=False)
    works = [(await with_key(world, each["secret"]))[0] for each in (kept, taken)]
    back = await world.data(again, ada, input={"email": bob.email, "name": "Bob", "role": "VIEWER"})
    gone = await world.data(remove, ada, id=back["addMember"]["member"]["id"], all=True)
    ended = [(await with_key(world, each["secret"]))[0] for each in (kept, taken)]

    # then
    assert left == {"removeMember": {"workingApiKeys": [{"name": "Second"}, {"name": "Reports"}]}}
    assert (works, gone, ended) == ([200, 200], {"removeMember": {"workingApiKeys": []}}, [401, 401])


async def test_keys_are_listed_page_by_page_with_their_last_use(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    programs = [await a_program(aurora) for _ in range(3)]
    await world.data(WALLET, programs[0])

    # when
    first = (await world.data(KEYS, ada, first=2))["apiKeys"]
    rest = (await world.data(KEYS, ada, first=2, after=first["pageInfo"]["endCursor"]))["apiKeys"]

    # then
    nodes = [*first["nodes"], *rest["nodes"]]
    assert [read_id(node["id"], "ApiKey") for node in nodes] == [each.id for each in reversed(programs)]
    assert [node["lastUsedAt"] is not None for node in nodes] == [False, False, True]
    assert len({node["createdBy"]["email"] for node in nodes}) == 3
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


async def first_told(socket: Socket, organization: Organization) -> Any:
    """What a subscription that has just begun tells first; until it listens, something happens again and again."""
    hearing = asyncio.create_task(socket.hear())
    while not hearing.done():
        await gives(organization, "1")
        await asyncio.wait((hearing,), timeout=0.1)
    return hearing.result()["payload"]


@asynccontextmanager
async def watching(world: World, program: Member, organization: Organization) -> AsyncIterator[tuple[Socket, Any]]:
    """A subscription of a program, and the first that it told. One that was over before, because the machine stood
    still, is followed by another."""
    async with asyncio.timeout(PATIENCE_SECONDS), AsyncExitStack() as stack:
        while True:
            socket = await stack.enter_async_context(opened(world.url, token_of(program)))
            await socket.subscribe("subscription { walletUpdated { available } }")
            told = await first_told(socket, organization)
            if isinstance(told, dict) and "errors" not in told:
                break
        yield socket, told["data"]


@pytest.mark.parametrize("altered_settings", [{"jwt_expires_in": timedelta(seconds=2)}])
async def test_a_subscription_of_a_key_ends_with_the_time_an_access_token_lasts(world: World) -> None:
    # given
    aurora = await an_organization()
    program = await a_program(aurora, expires_at=datetime.now(UTC) + timedelta(days=1))
    async with watching(world, program, aurora) as (socket, heard):
        # when
        await asyncio.sleep(2)
        await gives(aurora, "1")

        # then
        assert set(heard) == {"walletUpdated"}
        codes: list[str] = []
        while not codes:
            message = await socket.hear()
            # The subscription's end, or the event that is withheld because it came first.
            told = message["payload"] if message["type"] == "error" else message["payload"].get("errors", [])
            codes = [error["extensions"]["code"] for error in told]
        assert codes == ["UNAUTHENTICATED"]


async def test_no_secret_is_in_any_table_log_or_error(
    world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # given
    ada = await an_owner()
    made = await makes(world, ada)
    _, secret = read_key_token(made["secret"])

    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("the database has a bad day")

    # when a key is used, mistyped, revoked, and used while something breaks
    told = [
        await with_key(world, made["secret"]),
        await with_key(world, made["secret"] + "A"),
        await world.data(REVOKE, ada, key=made["apiKey"]["id"]),
        await with_key(world, made["secret"]),
    ]
    monkeypatch.setattr(authentication, "recognise_key", breaks)
    told.append(await with_key(world, made["secret"]))

    # then
    names = [
        row["tablename"] for row in await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    search = "SELECT count(*) FROM {0} row WHERE row::text LIKE '%' || $1 || '%'"
    assert [name for name in names if await owner.fetchval(search.format(name), secret)] == []
    assert await owner.fetchval(search.format("api_keys"), hashlib.sha256(secret.encode()).hexdigest()) == 1
    logged = "".join(capfd.readouterr())
    assert "the database has a bad day" in logged
    assert secret not in logged + repr(told)
