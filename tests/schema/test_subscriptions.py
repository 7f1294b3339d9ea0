"""Subscriptions as clients meet them: over graphql-transport-ws with two different clients, and as server-sent events.

Whoever comes back with the last cursor misses nothing and sees nothing twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.web import WEB, node_executable
from models.database import connection
from schema.pages import FEED, sequence_cursor
from tests.builders import Member, Organization, a_member, a_payment_method, an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.scene import a_scene
from tests.schema.clients.sockets import Socket, opened, unopened
from tests.schema.clients.streams import stream
from tests.simulators.world import World

WATCH = """subscription ($org: ID, $after: Cursor) {
  walletUpdated(organizationId: $org, after: $after) { cursor sequence kind tokens available } }"""
PROGRESS = """subscription ($id: ID!) {
  purchaseProgress(purchaseId: $id) { happened status purchase { id } } }"""
START = sequence_cursor(0, of=FEED)
SCRIPT = Path(__file__).parent / "clients" / "watch.mjs"


@dataclass(frozen=True, slots=True)
class NodeClient:
    """The graphql-ws client in a Node process of its own."""

    process: asyncio.subprocess.Process

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_SECONDS)
        return json.loads(line)


@asynccontextmanager
async def node_client(world: World, token: str, query: str, **variables: object) -> AsyncIterator[NodeClient]:
    arguments = (WEB / "node_modules", f"{world.url.replace('http', 'ws', 1)}/graphql", token, query)
    process = await asyncio.create_subprocess_exec(
        node_executable(), SCRIPT, *arguments, json.dumps(variables), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def sequences(socket: Socket, count: int) -> list[int]:
    return [(await socket.next())["walletUpdated"]["sequence"] for _ in range(count)]


async def is_watched(world: World) -> None:
    """A subscription has begun: whatever happens from here on is told."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.product.hub.subscribers == 0:
            await asyncio.sleep(0.01)


async def aurora_and_ada(world: World) -> tuple[Organization, Member, str]:
    aurora = await an_organization()
    ada = await a_member(aurora)
    return aurora, ada, await world.token_of(ada)


async def test_a_wallet_is_watched_over_a_websocket(world: World) -> None:
    # given
    aurora, _, token = await aurora_and_ada(world)
    async with opened(world.url, token) as socket:
        await socket.subscribe(WATCH)
        await is_watched(world)

        # when
        await gives(aurora, "10")
        await gives(aurora, "2.5")

        # then
        first, second = await socket.next(), await socket.next()
    assert {**first["walletUpdated"], "cursor": "?"} == {
        "cursor": "?",
        "sequence": 1,
        "kind": "GRANT",
        "tokens": "10.0000",
        "available": "10.0000",
    }
    assert second["walletUpdated"]["available"] == "12.5000"
    assert await world.broken_rules() == []


async def test_whoever_comes_back_misses_nothing_and_sees_nothing_twice(world: World) -> None:
    # given: a client that goes away in the middle, again and again, while the wallet changes
    aurora, _, token = await aurora_and_ada(world)
    seen: list[int] = []
    after = START
    for _ in range(4):
        for _ in range(3):
            await gives(aurora, "1")
        async with opened(world.url, token) as socket:
            await socket.subscribe(WATCH, after=after)
            for _ in range(2):
                update = (await socket.next())["walletUpdated"]
                seen.append(update["sequence"])
                after = update["cursor"]

    # when: it stays
    async with opened(world.url, token) as socket:
        await socket.subscribe(WATCH, after=after)
        seen += await sequences(socket, 4)
        await gives(aurora, "1")
        seen += await sequences(socket, 1)

    # then
    assert seen == list(range(1, 14))


async def test_two_watchers_on_one_socket_and_a_stream_see_the_same(world: World) -> None:
    # given
    aurora, _, token = await aurora_and_ada(world)
    await gives(aurora, "1")
    await gives(aurora, "1")

    # when
    async with opened(world.url, token) as socket:
        await socket.subscribe(WATCH, "a", after=START)
        await socket.subscribe(WATCH, "b", after=START)
        heard = [await socket.hear() for _ in range(4)]
    headers = {"authorization": f"Bearer {token}"}
    async with stream(world.http, world.url, WATCH, headers=headers, after=START) as events:
        streamed = [(await anext(events)).data["data"]["walletUpdated"] for _ in range(2)]

    # then
    by_name = {name: [one["payload"]["data"]["walletUpdated"] for one in heard if one["id"] == name] for name in "ab"}
    assert by_name["a"] == by_name["b"] == streamed
    assert [one["sequence"] for one in streamed] == [1, 2]


async def test_a_stream_resumes_like_a_socket(world: World) -> None:
    # given
    aurora, _, token = await aurora_and_ada(world)
    headers = {"authorization": f"Bearer {token}"}
    await gives(aurora, "1")
    async with stream(world.http, world.url, WATCH, headers=headers, after=START) as events:
        cursor = (await anext(events)).data["data"]["walletUpdated"]["cursor"]

    # when
    await gives(aurora, "1")
    async with stream(world.http, world.url, WATCH, headers=headers, after=cursor) as events:
        resumed = (await anext(events)).data["data"]["walletUpdated"]["sequence"]
        await gives(aurora, "1")
        live = (await anext(events)).data["data"]["walletUpdated"]["sequence"]

    # then
    assert (resumed, live) == (2, 3)


async def test_the_wallet_of_others_and_a_forgotten_place_are_errors(world: World) -> None:
    # given
    scene = await a_scene(world)
    token = await world.token_of(scene.bjorn)

    # when
    async with opened(world.url, token) as socket:
        await socket.subscribe(WATCH, "1", org=scene.aurora.global_id)
        foreign = await socket.error_codes()
        assert (await socket.hear())["type"] == "complete"
        await socket.subscribe(PROGRESS, "2", id=scene.purchase)
        foreign_purchase = await socket.error_codes()
        assert (await socket.hear())["type"] == "complete"
        await socket.subscribe(WATCH, "3", after=sequence_cursor(10**9, of=FEED))
        unknown = await socket.error_codes()
        assert (await socket.hear())["type"] == "complete"
        await gives(scene.boreal, "1")
        await socket.subscribe(WATCH, "4", after=START)
        own = await sequences(socket, 1)

    # then
    assert (foreign, foreign_purchase, unknown, own) == (["NOT_FOUND"], ["NOT_FOUND"], ["CURSOR_UNKNOWN"], [1])


async def everything_is_told(world: World) -> None:
    """Whoever watches from here on hears of nothing that is over already."""
    async with asyncio.timeout(PATIENCE_SECONDS), connection() as db:
        while True:
            (row,) = await db.fetch("SELECT max(seq) AS newest, (SELECT count(*) FROM outbox) AS waiting FROM feed")
            if row["waiting"] == 0 and world.product.hub.head >= (row["newest"] or 0):
                return
            await asyncio.sleep(0.02)


async def test_a_purchase_tells_each_of_its_steps_and_ends(world: World) -> None:
    # given: a payment that the gateway captures a moment later
    aurora, ada, token = await aurora_and_ada(world)
    await a_payment_method(aurora, "pm_three_d_secure")
    bought = await world.buys(ada, tokens="10", idempotencyKey="watched")
    purchase_id = bought["purchase"]["id"]
    assert bought["purchase"]["status"] == "REQUIRES_ACTION"
    await everything_is_told(world)

    async with opened(world.url, token) as socket:
        await socket.subscribe(PROGRESS, id=purchase_id)
        steps = [(await socket.next())["purchaseProgress"]]

        # when
        await world.http.post(bought["purchase"]["actionUrl"], data={"decision": "approve"})

        # then
        while (message := await socket.hear())["type"] == "next":
            steps.append(message["payload"]["data"]["purchaseProgress"])
        assert message == {"id": "1", "type": "complete"}
    assert [(step["happened"], step["status"]) for step in steps] == [
        ("now", "REQUIRES_ACTION"),
        ("completed", "COMPLETED"),
    ]
    assert {step["purchase"]["id"] for step in steps} == {purchase_id}
    assert await world.broken_rules() == []


async def test_a_purchase_that_is_over_says_so_and_ends(world: World) -> None:
    scene = await a_scene(world)
    headers = {"authorization": f"Bearer {await world.token_of(scene.ada)}"}

    async with stream(world.http, world.url, PROGRESS, headers=headers, id=scene.purchase) as events:
        told = [one async for one in events]

    assert [one.event for one in told] == ["next", "complete"]
    assert told[0].data["data"]["purchaseProgress"] == {
        "happened": "now",
        "status": "COMPLETED",
        "purchase": {"id": scene.purchase},
    }


async def test_the_javascript_client_watches_and_is_refused_with_4403(world: World) -> None:
    # given
    aurora, _, token = await aurora_and_ada(world)
    await gives(aurora, "7")

    # when
    async with node_client(world, token, WATCH, after=START) as client:
        assert await client.hear() == {"opened": True}
        replayed = await client.hear()
        await gives(aurora, "1")
        live = await client.hear()
    async with node_client(world, "forged", WATCH) as stranger:
        told = [await stranger.hear(), await stranger.hear()]

    # then
    assert replayed["next"]["data"]["walletUpdated"]["tokens"] == "7.0000"
    assert live["next"]["data"]["walletUpdated"]["sequence"] == 2
    assert told == [{"opened": True}, {"closed": 4403}]


async def test_nobody_watches_without_a_token(world: World) -> None:
    async with opened(world.url) as socket:
        await socket.subscribe(WATCH)
        assert await socket.error_codes() == ["UNAUTHENTICATED"]
    async with unopened(world.url) as socket:
        await socket.say(type="connection_init", payload={"authorization": "Bearer no"})
        assert await socket.close_code() == 4403
