"""An issuer that does not answer is asked once in half a minute, whatever is sent to us, and known keys go on."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from schema import credentials
from schema.credentials import Identity, InvalidCredential, IssuerTokens
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.issuer import new_key, token

ADA = "ada@aurora.example"
KEY, LATER_KEY, STRANGERS = (new_key(name, "ES256") for name in ("first", "later", "unknown"))


def good() -> str:
    """A token that the issuer has given just now; they last five minutes."""
    return token(KEY, ADA)


def garbage() -> str:
    """A token of somebody else, signed with their own key."""
    return token(STRANGERS, ADA)


@dataclass(slots=True)
class Issuer:
    """Publishes its keys to nobody before `answering` is set, and then with this status; counts who asked."""

    answering: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 200
    keys: tuple[object, ...] = ()
    asked: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.answering.wait()
        content = json.dumps({"keys": self.keys}).encode()
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    async def is_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.asked < times:
                await asyncio.sleep(0.01)


@dataclass(slots=True)
class Clock:
    """Stands in for the module `time`."""

    seconds: float = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(credentials, "time", clock)
    return clock


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer(keys=(KEY.as_dict(private=False),))
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    issuer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield issuer
        issuer.answering.set()


@pytest.fixture
def tokens(issuer: Issuer) -> IssuerTokens:
    url = f"http://127.0.0.1:{issuer.port}/keys"
    return IssuerTokens(url, issuer="https://issuer.example", audience="scrip-api")


async def told(tokens: IssuerTokens, *shown: str) -> list[bool]:
    """Which of the tokens, all shown at once, are somebody's."""
    answers = await asyncio.gather(*(tokens.identify(each) for each in shown), return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Identity, InvalidCredential}
    return [isinstance(answer, Identity) for answer in answers]


async def test_an_issuer_that_fails_is_asked_once_in_half_a_minute(
    issuer: Issuer, tokens: IssuerTokens, clock: Clock
) -> None:
    # given
    issuer.status = 500
    issuer.answering.set()

    # when
    first = [*await told(tokens, *[garbage()] * 50), *await told(tokens, *[garbage()] * 50)]
    asked = [issuer.asked]
    clock.seconds += 31
    second = await told(tokens, *[garbage()] * 50)
    asked.append(issuer.asked)
    issuer.status = 200
    clock.seconds += 31

    # then
    assert (first, second, asked) == ([False] * 100, [False] * 50, [1, 2])
    assert await told(tokens, good(), garbage(), good()) == [True, False, True]
    assert issuer.asked == 3


async def test_an_issuer_that_fails_later_is_asked_once_too_and_its_keys_go_on(
    issuer: Issuer, tokens: IssuerTokens, clock: Clock
) -> None:
    # given
    issuer.answering.set()
    assert await told(tokens, good()) == [True]
    issuer.status = 500

    # when: the keys are too old
    clock.seconds += 601
    answers = await told(tokens, *[good(), garbage()] * 25)

    # then
    assert answers == [True, False] * 25
    assert issuer.asked == 2


async def test_nobody_whose_key_is_known_waits_for_an_issuer_that_is_being_asked(
    issuer: Issuer, tokens: IssuerTokens, clock: Clock
) -> None:
    # given
    issuer.answering.set()
    assert await told(tokens, good()) == [True]
    issuer.answering.clear()
    clock.seconds += 601
    asking = asyncio.create_task(told(tokens, garbage()))
    await issuer.is_asked(2)

    # when
    async with asyncio.timeout(PATIENCE_SECONDS):
        answers = await told(tokens, *[good()] * 20)

    # then
    assert (answers, asking.done(), issuer.asked) == ([True] * 20, False, 2)
    issuer.answering.set()
    assert await asking == [False]


async def test_whoever_comes_with_a_new_key_waits_for_it(issuer: Issuer, tokens: IssuerTokens, clock: Clock) -> None:
    # given
    issuer.answering.set()
    assert await told(tokens, good()) == [True]
    issuer.answering.clear()
    issuer.keys = (*issuer.keys, LATER_KEY.as_dict(private=False))
    clock.seconds += 31

    # when
    asking = asyncio.create_task(told(tokens, *[garbage(), token(LATER_KEY, ADA)] * 10))
    await issuer.is_asked(2)
    issuer.answering.set()

    # then
    assert await asking == [False, True] * 10
    assert issuer.asked == 2


async def test_an_issuer_that_never_answers_is_given_up(
    issuer: Issuer, tokens: IssuerTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for the question to reach the issuer.
    monkeypatch.setattr(credentials, "FETCH_SECONDS", 2)

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await told(tokens, good(), garbage()) == [False, False]

    assert issuer.asked == 1
