"""Tokens that are not what we gave out: every one is refused with 401, over HTTP and on a WebSocket."""

import pytest

from tests.builders import PASSWORD, a_member, an_organization
from tests.schema.clients.forgery import Forger
from tests.schema.clients.sockets import unopened
from tests.simulators.world import World

SIGN_IN = """mutation ($input: SignInInput!) { signIn(input: $input) {
    ... on SignInSuccess { accessToken refreshToken } } }"""
VIEWER = {"query": "{ viewer { email } }"}
KINDS = ("header", "claims", "shape")


async def forgeries(world: World, kind: str) -> tuple[str, dict[str, str]]:
    """A good token, and what a forger makes of it."""
    aurora = await an_organization()
    ada, other = await a_member(aurora), await a_member(aurora)
    told = (await world.data(SIGN_IN, input={"email": ada.email, "password": PASSWORD}))["signIn"]
    await world.token_of(other)
    forger = Forger(world.settings, told["accessToken"], told["refreshToken"])
    made = {"header": forger.by_header, "claims": lambda: forger.by_claims(other), "shape": forger.by_shape}
    assert forger.own() != ""
    return forger.own(), made[kind]()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forged_token_is_nobodys(kind: str, world: World) -> None:
    # given
    good, forged = await forgeries(world, kind)

    # when
    answers = {}
    for what, token in {"good": good, **forged}.items():
        headers = {"authorization": f"Bearer {token}"}
        answer = await world.http.post(f"{world.url}/graphql", json=VIEWER, headers=headers)
        codes = [error["extensions"]["code"] for error in answer.json().get("errors", [])]
        answers[what] = (answer.status_code, codes, answer.headers.get("www-authenticate"))

    # then
    assert answers.pop("good") == (200, [], None)
    assert len(answers) == {"header": 16, "claims": 21, "shape": 11}[kind]
    wanted = (401, ["UNAUTHENTICATED"], 'Bearer error="invalid_token"')
    assert {what: answer for what, answer in answers.items() if answer != wanted} == {}


async def test_a_header_that_is_no_bearer_token_is_refused(world: World) -> None:
    good, _ = await forgeries(world, "shape")
    headers = ("", "Bearer", "Basic YWRhOnNlY3JldA==", f"Token {good}", good, f"Bearer {good} x", f"Bearer{good}")

    statuses = [
        (await world.http.post(f"{world.url}/graphql", json=VIEWER, headers={"authorization": header})).status_code
        for header in headers
    ]

    assert statuses == [401] * 7


@pytest.mark.parametrize("kind", KINDS)
async def test_a_socket_with_a_forged_token_is_closed_with_4403(kind: str, world: World) -> None:
    _, forged = await forgeries(world, kind)

    closed = {}
    for what, token in forged.items():
        async with unopened(world.url) as socket:
            await socket.say(type="connection_init", payload={"authorization": f"Bearer {token}"})
            closed[what] = await socket.close_code()

    assert {what: code for what, code in closed.items() if code != 4403} == {}


async def test_a_socket_with_an_odd_authorization_is_closed_and_one_without_is_nobodys(world: World) -> None:
    for odd in (5, {"Bearer": "x"}, "garbage", "Bearer"):
        async with unopened(world.url) as socket:
            await socket.say(type="connection_init", payload={"authorization": odd})
            assert await socket.close_code() == 4403, odd
    nothing: tuple[dict[str, object], ...] = ({}, {"authorization": None}, {"authorization": ""})
    for payload in nothing:
        async with unopened(world.url) as socket:
            await socket.say(type="connection_init", payload=payload)
            assert await socket.hear() == {"type": "connection_ack"}
            await socket.subscribe("{ viewer { email } }")
            assert await socket.next() == {"viewer": None}
