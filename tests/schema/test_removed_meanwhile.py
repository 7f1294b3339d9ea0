"""A document that is running when its author is sent away, or may do less, leaves neither a friend nor a key behind."""

import asyncio
from typing import Any

import asyncpg
import pytest

from models import passwords
from schema import members
from schema.ids import global_id
from tests.builders import Member, a_member, a_program, an_organization
from tests.schema.clients.books import everything
from tests.simulators.world import World

REMOVE = """mutation ($id: ID!) { removeMember(input: { memberId: $id, revokeApiKeys: true }) {
  ... on RemoveMemberSuccess { workingApiKeys { id } } ... on Problem { code } } }"""
MAKE = 'createApiKey(input: { name: "way back", scopes: [TOKENS_VIEW], idempotencyKey: "back" }) { __typename }'
NAMES = ("addMember", "setMemberPermissions", "removeMember", "createApiKey", "revokeApiKey")
FRIENDS = " ".join(
    f'a{n}: addMember(input: {{ email: "friend{n}@aurora.example", name: "Friend", role: OWNER, '
    'password: "a friend of mine" }) { __typename }'
    for n in range(6)
)


def deed_of(name: str, colleague: Member, program: Member) -> str:
    """A mutation by which somebody lets others in or sends them away."""
    member, key = global_id("Member", colleague.id), global_id("ApiKey", program.id)
    asked = {
        "addMember": 'email: "eve@aurora.example", name: "Eve", role: VIEWER',
        "setMemberPermissions": f'memberId: "{member}", role: VIEWER',
        "removeMember": f'memberId: "{member}"',
        "createApiKey": 'name: "way back", scopes: [TOKENS_VIEW], idempotencyKey: "back"',
        "revokeApiKey": f'apiKeyId: "{key}"',
    }
    return f"{name}(input: {{ {asked[name]} }}) {{ __typename }}"


async def told_after(world: World, owner: asyncpg.Connection, change: str, person: Member, deed: str) -> Any:
    """What a document answers that began before a change of its author was written down."""
    async with owner.transaction():
        await owner.execute(change, person.id)
        asking = asyncio.create_task(world.ask(f"mutation {{ {deed} }}", person))
        while not asking.done() and not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
    return await asking


async def test_a_document_goes_no_further_than_its_author_was_there(
    world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    begun, removed = asyncio.Event(), asyncio.Event()
    hashed: list[str] = []

    async def slowly(password: str) -> str:
        hashed.append(password)
        if len(hashed) == 2:
            begun.set()
            await removed.wait()
        return await passwords.hash_new_password(password)

    monkeypatch.setattr(members, "hash_new_password", slowly)
    await world.token_of(bob)

    # when
    asking = asyncio.create_task(world.ask(f"mutation {{ {FRIENDS} k: {MAKE} }}", bob))
    await begun.wait()
    answer = await world.data(REMOVE, ada, id=global_id("Member", bob.id))
    before = await everything(owner)
    removed.set()
    told = await asking

    # then
    assert answer == {"removeMember": {"workingApiKeys": []}}
    assert told["data"] is None
    assert [(error["path"], error["extensions"]) for error in told["errors"]] == [
        (["a1"], {"code": "FORBIDDEN", "permission": "TOKENS_CONFIGURE", "field": "Mutation.addMember"})
    ]
    assert await everything(owner) == before
    friends = await owner.fetch("SELECT email FROM users WHERE name = 'Friend'")
    assert [row["email"] for row in friends] == ["friend0@aurora.example"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET permissions = '{tokens.view,tokens.spend}' WHERE id = $1",
    ],
    ids=["removed", "demoted"],
)
@pytest.mark.parametrize("name", NAMES)
async def test_whoever_is_out_meanwhile_is_told_that_they_may_not(
    name: str, change: str, world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora = await an_organization()
    bob, colleague, program = await a_member(aurora), await a_member(aurora), await a_program(aurora)
    await world.token_of(bob)

    # when
    told = await told_after(world, owner, change, bob, deed_of(name, colleague, program))

    # then
    (error,) = told["errors"]
    assert error["extensions"] == {
        "code": "FORBIDDEN",
        "permission": "TOKENS_CONFIGURE",
        "field": f"Mutation.{name}",
    }
    assert await owner.fetch("SELECT 1 FROM users WHERE name = 'Eve' OR (id <> $1 AND NOT is_active)", bob.id) == []
    assert await owner.fetch("SELECT 1 FROM api_keys WHERE name = 'way back' OR revoked_at IS NOT NULL") == []
