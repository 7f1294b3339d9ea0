"""What no client should send about organizations, members and keys: a clear answer, and nothing changes."""

from collections.abc import Iterator
from typing import Any

import asyncpg

from schema.ids import global_id
from tests.builders import EVERYTHING, Member, a_member, a_program, an_organization
from tests.schema.clients.books import everything
from tests.schema.clients.documents import answered
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
ADMIN = (*EVERYTHING, "platform.admin")
TEXTS = ("a\x00b", "a\x1b[31mb", "a\u202eb", "a\u2066b", "4242 4242 4242 4242")
EMAILS = ("", "ada", "ada@", "@aurora.example", "ada@aurora", "a b@aurora.example", "ada@aurora.example, eve@x.example")
SLUGS = ("", "-", "Cirrus", "cirrus_labs", "cirrus-", "-cirrus", "a--b", "a b", "ä", "x" * 64, "../etc")

GOOD: dict[str, dict[str, Any]] = {
    "createOrganization": {
        "slug": "cirrus",
        "name": "Cirrus",
        "contactEmail": "billing@cirrus.example",
        "idempotencyKey": "bad",
    },
    "updateOrganization": {"organizationId": "?", "name": "Cirrus"},
    "updateContactData": {"contactEmail": "billing@cirrus.example"},
    "addMember": {"email": "nia@aurora.example", "name": "Nia", "role": "VIEWER"},
    "setMemberPermissions": {"memberId": "?", "role": "VIEWER"},
    "createApiKey": {"name": "Reports", "scopes": ["TOKENS_VIEW"], "idempotencyKey": "bad"},
    "changePassword": {"currentPassword": "x", "newPassword": "a new password"},
}
LENGTHS = {
    "createOrganization": {"name": 200, "address": 500, "taxId": 50, "idempotencyKey": 255},
    "updateOrganization": {"name": 200, "address": 500, "taxId": 50},
    "updateContactData": {"address": 500},
    "addMember": {"name": 200},
    "createApiKey": {"name": 100, "idempotencyKey": 255},
}
NEVER_EMPTY = {
    "createOrganization": ("name", "idempotencyKey"),
    "updateOrganization": ("name",),
    "addMember": ("name",),
    "createApiKey": ("name", "idempotencyKey"),
}


def mutation(name: str) -> str:
    kind = name[0].upper() + name[1:]
    return f"mutation ($input: {kind}Input!) {{ answer: {name}(input: $input) {{ __typename }} }}"


def bad_inputs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, lengths in LENGTHS.items():
        for field, length_max in lengths.items():
            for text in (*TEXTS, "x" * (length_max + 1)):
                yield f"{name}.{field}: {text[:20]!r}", name, {**GOOD[name], field: text}
    for name, fields in NEVER_EMPTY.items():
        for field in fields:
            for text in ("", " \n"):
                yield f"{name}.{field}: {text!r}", name, {**GOOD[name], field: text}
    for name, field in (
        ("createOrganization", "contactEmail"),
        ("updateOrganization", "contactEmail"),
        ("updateContactData", "contactEmail"),
        ("addMember", "email"),
    ):
        for email in (*EMAILS, *TEXTS, f"{'x' * 250}@a.example"):
            yield f"{name}.{field}: {email[:20]!r}", name, {**GOOD[name], field: email}
    for slug in SLUGS:
        yield f"slug {slug!r}", "createOrganization", {**GOOD["createOrganization"], "slug": slug}
    for name in ("addMember", "setMemberPermissions"):
        neither = {field: value for field, value in GOOD[name].items() if field != "role"}
        yield f"{name}: neither", name, neither
        yield f"{name}: both", name, {**GOOD[name], "permissions": ["TOKENS_VIEW"]}
        yield f"{name}: an unknown role", name, {**GOOD[name], "role": "GOD"}
        yield f"{name}: an unknown permission", name, {**neither, "permissions": ["EVERYTHING"]}
    for scopes in ([], ["EVERYTHING"], "tokens.view", None, [None]):
        yield f"scopes {scopes!r}", "createApiKey", {**GOOD["createApiKey"], "scopes": scopes}
    for expiry in ("tomorrow", "2026-11-23", "2026-11-23T09:00:00", 1_800_000_000, "9999-99-99T00:00:00Z"):
        yield f"expires at {expiry!r}", "createApiKey", {**GOOD["createApiKey"], "expiresAt": expiry}


async def an_admin(world: World) -> Member:
    """Somebody of an organization who may do everything there and elsewhere, signed in."""
    member = await a_member(await an_organization(), permissions=ADMIN)
    await world.token_of(member)
    return member


async def test_no_input_brings_what_it_should_not(world: World, owner: asyncpg.Connection) -> None:
    # given
    admin = await an_admin(world)
    before = await everything(owner)

    # when
    answers = {
        what: answered(await world.ask(mutation(name), admin, input=given)) for what, name, given in bad_inputs()
    }

    # then
    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}
    assert len(answers) == 11 * 6 + 6 * 2 + 4 * 13 + 11 + 8 + 5 + 5
    assert await everything(owner) == before


async def test_ids_of_nothing_find_nothing(world: World, owner: asyncpg.Connection) -> None:
    # given
    admin = await an_admin(world)
    program = await a_program(await an_organization())
    wrong_kind = global_id("Wallet", program.id)
    before = await everything(owner)

    # when
    wanted = {
        "updateOrganization": ("organizationId", "OrganizationNotFound", {"name": "x"}),
        "deactivateOrganization": ("organizationId", "OrganizationNotFound", {}),
        "reactivateOrganization": ("organizationId", "OrganizationNotFound", {}),
        "updateContactData": ("organizationId", "OrganizationNotFound", {}),
        "setMemberPermissions": ("memberId", "MemberNotFound", {"role": "VIEWER"}),
        "removeMember": ("memberId", "MemberNotFound", {}),
        "revokeApiKey": ("apiKeyId", "ApiKeyNotFound", {}),
        "addMember": ("organizationId", "OrganizationNotFound", GOOD["addMember"]),
        "createApiKey": ("organizationId", "OrganizationNotFound", GOOD["createApiKey"]),
    }
    kinds = {"deactivateOrganization": "Organization", "reactivateOrganization": "Organization"}
    answers = {}
    for name, (field, refusal, more) in wanted.items():
        kind = kinds.get(name, name[0].upper() + name[1:])
        query = f"mutation ($input: {kind}Input!) {{ answer: {name}(input: $input) {{ __typename }} }}"
        unknown = global_id({"M": "Member", "A": "ApiKey"}.get(refusal[0], "Organization"), admin.id)
        for odd in (wrong_kind, "", "%%%", "x" * 300, "a\x00", *([unknown] if refusal[0] != "M" else [])):
            told = answered(await world.ask(query, admin, input={**more, field: odd}))
            answers[f"{name}: {odd[:20]!r}"] = (told, refusal)

    # then
    assert {what: told for what, (told, refusal) in answers.items() if told != refusal} == {}
    assert await everything(owner) == before


async def test_passwords_have_their_lengths(world: World, owner: asyncpg.Connection) -> None:
    # given
    admin = await an_admin(world)
    before = await everything(owner)

    # when
    told = [
        answered(await world.ask(mutation("addMember"), admin, input={**GOOD["addMember"], "password": password}))
        for password in ("", "x" * 11, "x" * 257)
    ]
    long = await world.ask(
        mutation("changePassword"), admin, input={**GOOD["changePassword"], "currentPassword": "x" * 257}
    )

    # then
    assert told == ["InvalidPassword"] * 3
    assert answered(long) == "WrongPassword"
    assert await everything(owner) == before


async def test_a_key_that_has_expired_already_is_not_made(world: World, owner: asyncpg.Connection) -> None:
    admin = await an_admin(world)
    before = await everything(owner)

    asked = {**GOOD["createApiKey"], "expiresAt": "2020-01-01T00:00:00Z"}
    told = answered(await world.ask(mutation("createApiKey"), admin, input=asked))

    assert told == "InvalidKeyExpiry"
    assert await everything(owner) == before
