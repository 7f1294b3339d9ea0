"""What a member has open at the product: so many subscriptions, each for as long as its token lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from schema.credentials import OwnTokens
from schema.pages import FEED, sequence_cursor
from tests.builders import Member, a_member, an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.sockets import Socket, opened
from tests.schema.clients.streams import Told, stream
from tests.simulators.world import World

WATCH = "subscription ($after: Cursor) { walletUpdated(after: $after) { sequence } }"
START = sequence_cursor(0, of=FEED)
FIRST = {"walletUpdated": {"sequence": 1}}


async def watched_by(world: World, count: int) -> None:
    """Returns when exactly so many subscriptions follow the feed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.product.hub.subscribers != count:
            await asyncio.sleep(0.01)


async def signed_in(world: World, member: Member) -> dict[str, str]:
    return {"authorization": f"Bearer {await world.token_of(member)}"}


async def short_lived(world: World, member: Member) -> str:
    """An access token of the member's session that ends within two seconds."""
    identity = await world.product.own_tokens.identify(await world.token_of(member))
    assert identity.user_id is not None
    assert identity.session_id is not None
    options = replace(world.product.own_tokens.options, access_lifetime=timedelta(seconds=2))
    token, _ = OwnTokens(options).access_token(identity.user_id, identity.session_id, at=world.product.clock())
    return token


@asynccontextmanager
async def both_watching(world: World, member: Member) -> AsyncIterator[tuple[AsyncIterator[Told], Socket]]:
    """A stream and a socket that have told the first event, by a token that ends soon. Had it ended before they could,
    because the machine stood still, they are opened with another."""
    async with asyncio.timeout(PATIENCE_SECONDS), AsyncExitStack() as stack:
        while True:
            token = await short_lived(world, member)
            headers = {"authorization": f"Bearer {token}"}
            events = await stack.enter_async_context(stream(world.http, world.url, WATCH, headers=headers, after=START))
            socket = await stack.enter_async_context(opened(world.url, token))
            await socket.subscribe(WATCH, after=START)
            if [(await anext(events)).data, (await socket.hear())["payload"]] == [{"data": FIRST}] * 2:
                break
        yield events, socket


async def test_a_member_who_watches_as_much_as_they_may_is_told_so_and_all_of_it_ends_when_the_server_drains(
    world: World,
) -> None:
    # given
    aurora = await an_organization()
    ada, carol = await a_member(aurora), await a_member(aurora)
    await gives(aurora, "1")
    headers, others = await signed_in(world, ada), await signed_in(world, carol)

    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(stream(world.http, world.url, WATCH, headers=headers, after=START))
            for _ in range(50)
        ]
        assert [(await anext(events)).data["data"] for events in streams] == [FIRST] * 50

        # when
        async with stream(world.http, world.url, WATCH, headers=headers, after=START) as refused:
            told = [one async for one in refused]
        async with stream(world.http, world.url, WATCH, headers=others, after=START) as admitted:
            assert (await anext(admitted)).data["data"] == FIRST
        async with opened(world.url, ada.access_token) as socket:
            await socket.subscribe(WATCH)
            refused_too = await socket.error_codes()
        await watched_by(world, 50)
        world.product.hub.finish()
        rest = [[one.event async for one in events] for events in streams]

    # then
    assert [one.event for one in told] == ["next", "complete"]
    (error,) = told[0].data["errors"]
    assert error["extensions"] == {"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "caller"}
    assert refused_too == ["TOO_MANY_SUBSCRIPTIONS"]
    assert rest == [["complete"]] * 50
    await watched_by(world, 0)


async def test_a_token_that_ends_takes_its_subscriptions_with_it(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "1")

    async with both_watching(world, ada) as (events, socket):
        # when: nothing happens at all
        streamed = [await anext(events), await anext(events)]
        told = await socket.hear()

        # then
        await watched_by(world, 0)
        await gives(aurora, "1")
        assert [one async for one in events] == []
        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}
    assert [error["extensions"] for error in streamed[0].data["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert streamed[1].event == "complete"
    assert (told["type"], [error["extensions"] for error in told["payload"]]) == (
        "error",
        [{"code": "UNAUTHENTICATED"}],
    )
