"""API keys that are not what we gave out, or no longer good: refused with 401, over HTTP and on a WebSocket."""

import hashlib
from uuid import UUID

import asyncpg
import pytest

from schema.credentials import key_token, new_key_secret, read_key_token
from tests.builders import Member, a_program, an_organization
from tests.schema.clients.sockets import opened, unopened
from tests.simulators.world import World

WALLET = "{ wallet { available } }"
INVALID = (401, "UNAUTHENTICATED", 'Bearer error="invalid_token"')


def token_of(program: Member) -> str:
    assert program.access_token is not None
    return program.access_token


async def asks(world: World, token: str) -> tuple[int, str, str | None]:
    """The status, the codes of the errors, and what the client is told to do about its credential."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
    answer = await world.http.post(f"{world.url}/graphql", json={"query": WALLET}, headers=headers)
    codes = [error["extensions"]["code"] for error in answer.json().get("errors", [])]
    return answer.status_code, ",".join(codes), answer.headers.get("www-authenticate")


def forgeries(good: str, other: str) -> dict[str, str]:
    """What somebody would try who has one key, another organization's key, or none."""
    key_id, secret = read_key_token(good)
    other_id, other_secret = read_key_token(other)
    return {
        "another secret": key_token(key_id, new_key_secret()),
        "the secret of another key": key_token(key_id, other_secret),
        "the key of another secret": key_token(other_id, secret),
        "a key nobody has": key_token(UUID(int=7), secret),
        "the hash as the secret": f"scrip_{key_id.hex}_{hashlib.sha256(secret.encode()).hexdigest()[:43]}",
        "no secret": f"scrip_{key_id.hex}_",
        "no id": f"scrip__{secret}",
        "the prefix alone": f"scrip_{key_id.hex}",
        "a letter less": good[:-1],
        "a letter more": good + "A",
        "another case": good.upper(),
        "a secret of nonsense": f"scrip_{key_id.hex}_{'%' * 43}",
        "an id of SQL": f"scrip_' OR 1=1 --_{secret}",
        "too long": good + "A" * 9000,
        "dashes in the id": f"scrip_{key_id}_{secret}",
    }


async def test_a_forged_key_is_nobodys_over_http_and_on_a_socket(world: World) -> None:
    # given
    good = token_of(await a_program(await an_organization()))
    other = token_of(await a_program(await an_organization()))
    forged = forgeries(good, other)

    # when
    answers = {what: await asks(world, token) for what, token in {"good": good, **forged}.items()}
    closed = {}
    for what, token in forged.items():
        async with unopened(world.url) as socket:
            await socket.say(type="connection_init", payload={"authorization": f"Bearer {token}"})
            closed[what] = await socket.close_code()

    # then
    assert answers.pop("good") == (200, "", None)
    assert len(answers) == 15
    assert {what: answer for what, answer in answers.items() if answer != INVALID} == {}
    assert {what: code for what, code in closed.items() if code != 4403} == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_keys SET revoked_at = now(), revoked_by = 'scrip'",
        "UPDATE api_keys SET expires_at = now()",
        "UPDATE organizations SET is_active = false",
    ],
    ids=["revoked", "expired", "inactive organization"],
)
async def test_a_key_that_may_not_act_any_more_stops_at_once(
    change: str, world: World, owner: asyncpg.Connection
) -> None:
    # given
    token = token_of(await a_program(await an_organization()))
    async with opened(world.url, token) as socket:
        await socket.subscribe(WALLET, "before")
        assert await socket.next() == {"wallet": {"available": "0.0000"}}
        assert (await socket.hear())["type"] == "complete"

        # when
        await owner.execute(change)

        # then
        assert await asks(world, token) == INVALID
        await socket.subscribe(WALLET, "after")
        assert await socket.error_codes() == ["UNAUTHENTICATED"]
