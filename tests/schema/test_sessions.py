"""Signing in, staying signed in, and leaving: what ends access ends it at once."""

import asyncio
from typing import Any

import asyncpg
import pytest

from models import passwords
from tests.builders import PASSWORD, Member, a_member, an_organization
from tests.schema.clients.sockets import opened
from tests.simulators.world import World

SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) { __typename
  ... on SignInSuccess { accessToken refreshToken viewer { email } } ... on Problem { code message } } }"""
REFRESH = """mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { __typename
  ... on SignInSuccess { accessToken refreshToken viewer { email } } ... on Problem { code } } }"""
ENDED = {"__typename": "SessionEnded", "code": "SESSION_ENDED"}
VIEWER = "{ viewer { email } }"
WALLET = "{ wallet { available } }"


async def sign_in(world: World, email: str, password: str = PASSWORD) -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(SIGN_IN, input={"email": email, "password": password}))["signIn"]
    return told


async def refresh(world: World, token: str) -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(REFRESH, input={"refreshToken": token}))["refreshSession"]
    return told


async def with_token(world: World, token: str, query: str = VIEWER) -> tuple[int, dict[str, Any]]:
    """The status and the answer of a request with an access token, from a client that reads GraphQL statuses."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
    answer = await world.http.post(f"{world.url}/graphql", json={"query": query}, headers=headers)
    return answer.status_code, answer.json()


async def somebody(email: str | None = None) -> Member:
    return await a_member(await an_organization(), email=email)


async def test_the_address_is_taken_in_any_letter_case(world: World) -> None:
    await somebody("ada.case@aurora.example")

    told = [await sign_in(world, email) for email in ("ADA.Case@Aurora.EXAMPLE", "  ada.case@aurora.example ")]

    assert [one["viewer"] for one in told] == [{"email": "ada.case@aurora.example"}] * 2


async def test_every_wrong_sign_in_hears_the_same_and_costs_the_same_work(
    world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    known, inactive, homeless, unset = [await somebody() for _ in range(4)]
    await owner.execute("UPDATE users SET is_active = false WHERE id = $1", inactive.id)
    assert homeless.organization is not None
    await owner.execute("UPDATE organizations SET is_active = false WHERE id = $1", homeless.organization.id)
    await owner.execute("UPDATE users SET password_hash = NULL WHERE id = $1", unset.id)
    verified: list[str] = []
    verify = passwords._fits

    def counted(password_hash: str, password: str) -> bool:
        verified.append(password)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_fits", counted)

    # when
    told = [
        await sign_in(world, known.email, "wrong"),
        *[await sign_in(world, email) for email in ("who@aurora.example", inactive.email, homeless.email, unset.email)],
    ]

    # then
    assert {one["code"] for one in told} == {"SIGN_IN_REFUSED"}
    assert len({one["message"] for one in told}) == 1
    assert verified == ["wrong", PASSWORD, PASSWORD, PASSWORD, PASSWORD]
    assert await owner.fetchval("SELECT count(*) FROM sessions") == 0


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(world: World) -> None:
    # given
    ada = await somebody()
    first = await sign_in(world, ada.email)

    # when
    second = await refresh(world, first["refreshToken"])
    third = await refresh(world, second["refreshToken"])

    # then
    assert third["viewer"] == {"email": ada.email}
    assert (await with_token(world, third["accessToken"]))[0] == 200
    assert await refresh(world, first["refreshToken"]) == ENDED
    assert await refresh(world, third["refreshToken"]) == ENDED
    for one in (first, second, third):
        assert (await with_token(world, one["accessToken"]))[0] == 401


async def test_of_refreshes_at_once_at_most_one_wins_and_the_session_ends(world: World) -> None:
    # given
    ada = await somebody()
    first, other = await sign_in(world, ada.email), await sign_in(world, ada.email)

    # when
    told = await asyncio.gather(*(refresh(world, first["refreshToken"]) for _ in range(8)))

    # then
    won = [one for one in told if one != ENDED]
    assert len(won) <= 1
    for one in (first, *won):
        assert (await with_token(world, one["accessToken"]))[0] == 401
        assert await refresh(world, one["refreshToken"]) == ENDED
    assert (await with_token(world, other["accessToken"]))[0] == 200


async def test_a_refresh_token_of_nonsense_ends_nothing(world: World) -> None:
    ada = await somebody()
    first = await sign_in(world, ada.email)

    for odd in ("", "?", first["accessToken"], first["refreshToken"][:-4] + "AAAA", "a." * 5000, "\x00"):
        assert await refresh(world, odd) == ENDED
    assert (await refresh(world, first["refreshToken"]))["viewer"] == {"email": ada.email}


async def test_signing_out_ends_access_at_once_and_only_there(world: World) -> None:
    # given
    ada = await somebody()
    here, there = await sign_in(world, ada.email), await sign_in(world, ada.email)

    # when
    status, told = await with_token(world, here["accessToken"], "mutation { signOut { signedOut } }")

    # then
    assert (status, told) == (200, {"data": {"signOut": {"signedOut": True}}})
    refused, answer = await with_token(world, here["accessToken"])
    assert (refused, answer["errors"][0]["extensions"]) == (401, {"code": "UNAUTHENTICATED"})
    assert await refresh(world, here["refreshToken"]) == ENDED
    assert (await with_token(world, there["accessToken"]))[0] == 200


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        ("UPDATE users SET permissions = '{tokens.spend}' WHERE id = $1", (403, "FORBIDDEN")),
        ("UPDATE users SET permissions = '{}' WHERE id = $1", (403, "FORBIDDEN")),
        ("UPDATE users SET is_active = false WHERE id = $1", (401, "UNAUTHENTICATED")),
        (
            "UPDATE organizations SET is_active = false WHERE id = (SELECT organization_id FROM users WHERE id = $1)",
            (401, "UNAUTHENTICATED"),
        ),
        ("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", (401, "UNAUTHENTICATED")),
    ],
    ids=["another permission", "no permission", "inactive person", "inactive organization", "revoked session"],
)
async def test_what_the_database_takes_away_is_gone_with_the_next_request(
    change: str, answered: tuple[int, str], world: World, owner: asyncpg.Connection
) -> None:
    # given
    ada = await somebody()
    token = await world.token_of(ada)
    async with opened(world.url, token) as socket:
        await socket.subscribe(WALLET, "before")
        assert await socket.next() == {"wallet": {"available": "0.0000"}}
        assert (await socket.hear())["type"] == "complete"

        # when
        await owner.execute(change, ada.id)

        # then
        status, told = await with_token(world, token, WALLET)
        assert (status, told["errors"][0]["extensions"]["code"]) == answered
        await socket.subscribe(WALLET, "after")
        assert await socket.error_codes() == [answered[1]]
