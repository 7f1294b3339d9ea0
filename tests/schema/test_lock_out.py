"""Too many wrong passwords lock an address: for everybody, for a while, and for addresses nobody has as well."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from models import passwords
from tests.builders import PASSWORD, Member, a_member, an_organization
from tests.simulators.world import World

SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) { __typename
  ... on SignInSuccess { viewer { email } } ... on SignInLocked { retryAt } ... on Problem { code message } } }"""
CHANGE = """mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"""
VIEWER = "{ viewer { email } }"
QUARTER = timedelta(minutes=15)


async def signs_in(world: World, email: str, password: str = "wrong") -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(SIGN_IN, input={"email": email, "password": password}))["signIn"]
    return told


async def somebody() -> Member:
    return await a_member(await an_organization())


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared with a hash, in their order."""
    compared: list[str] = []
    verify = passwords._fits

    def noted(password_hash: str, password: str) -> bool:
        compared.append(password)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_fits", noted)
    return compared


async def test_of_twenty_guesses_at_once_five_are_looked_at(world: World, looked_at: list[str]) -> None:
    # given
    ada = await somebody()
    began = datetime.now(UTC)

    # when
    told = await asyncio.gather(*(signs_in(world, ada.email, f"guess {number}") for number in range(20)))

    # then
    kinds = [each["__typename"] for each in told]
    assert (kinds.count("SignInRefused"), kinds.count("SignInLocked")) == (5, 15)
    assert len(looked_at) == 5
    (retry_at,) = {each["retryAt"] for each in told if "retryAt" in each}
    assert began + QUARTER <= datetime.fromisoformat(retry_at) <= datetime.now(UTC) + QUARTER


async def test_the_right_password_is_refused_while_the_address_is_locked_and_taken_afterwards(
    world: World, owner: asyncpg.Connection, looked_at: list[str]
) -> None:
    # given
    ada = await somebody()
    token = await world.token_of(ada)
    for _ in range(5):
        assert (await signs_in(world, ada.email))["code"] == "SIGN_IN_REFUSED"
    looked_at.clear()

    # when
    locked = await signs_in(world, ada.email, PASSWORD)
    shouted = await signs_in(world, ada.email.upper(), PASSWORD)
    looked_at_meanwhile = list(looked_at)
    session = await world.data(VIEWER, Member(ada.id, ada.email, None, (), access_token=token))
    await owner.execute("UPDATE sign_in_attempts SET locked_until = now()")
    after = await signs_in(world, ada.email, PASSWORD)

    # then: who is signed in already stays so
    assert (locked["code"], shouted) == ("SIGN_IN_LOCKED", locked)
    assert looked_at_meanwhile == []
    assert session == {"viewer": {"email": ada.email}}
    assert after["viewer"] == {"email": ada.email}


async def test_an_address_that_nobody_has_is_told_the_same(world: World) -> None:
    # given
    ada = await somebody()

    # when
    known = [await signs_in(world, ada.email) for _ in range(6)]
    unknown = [await signs_in(world, "nobody@aurora.example") for _ in range(6)]

    # then
    def without_time(told: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in told.items() if name != "retryAt"}

    assert [without_time(each) for each in known] == [without_time(each) for each in unknown]
    assert [each["code"] for each in known] == ["SIGN_IN_REFUSED"] * 5 + ["SIGN_IN_LOCKED"]


async def test_a_right_password_forgets_the_wrong_ones(world: World) -> None:
    ada = await somebody()

    for _ in range(2):
        for _ in range(4):
            assert (await signs_in(world, ada.email))["code"] == "SIGN_IN_REFUSED"
        assert (await signs_in(world, ada.email, PASSWORD))["viewer"] == {"email": ada.email}


async def test_guesses_in_one_document_and_by_a_stolen_session_count_too(world: World) -> None:
    # given
    ada = await somebody()
    await world.token_of(ada)
    aliased = " ".join(
        f'a{number}: signIn(input: {{ email: "{ada.email}", password: "guess" }}) {{ __typename }}'
        for number in range(3)
    )

    # when
    in_one = await world.data(f"mutation {{ {aliased} }}")
    stolen = [
        (await world.data(CHANGE, ada, input={"currentPassword": "guess", "newPassword": "a new password"}))
        for _ in range(3)
    ]

    # then
    assert [each["__typename"] for each in in_one.values()] == ["SignInRefused"] * 3
    assert [each["changePassword"]["__typename"] for each in stolen] == ["WrongPassword"] * 2 + ["SignInLocked"]
    assert (await signs_in(world, ada.email, PASSWORD))["code"] == "SIGN_IN_LOCKED"
