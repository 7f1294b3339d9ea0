"""Subscriptions and sockets are counted while they are open, and a subscription ends with the session it began in."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLError

from schema.edge.masking import ErrorCode, public_error
from schema.edge.trusted import TrustedDocuments
from tests.patience import PATIENCE_SECONDS
from tests.schema.edge import harbour
from tests.schema.edge.harbour import NOON, Context, Sailor, a_sailor, all_of, harbour_schema, next_of, problems
from tests.schema.edge.visits import Caller, Reader, View, a_view, calling, reading

WATCH = "subscription { watch }"
WELL = {"data": {"watch": "all's well"}}
# The harbour's clock stands still at noon, and the event loop's does not: a moment after noon is a moment from now.
# Long enough for a subscription to begin.
A_MOMENT = timedelta(seconds=1)


def anybody(name: str) -> Sailor | None:
    return Sailor(name=name) if name else None


def briefly(name: str) -> Sailor:
    return Sailor(name=name, expires_at=NOON + A_MOMENT)


@pytest.fixture
def view() -> View:
    return a_view(anybody)


def codes(heard: Any) -> list[dict[str, Any]]:
    """The extensions of the errors in a streamed event or a message."""
    payload = heard[1] if isinstance(heard, tuple) else heard["payload"]
    return [error["extensions"] for error in (payload if isinstance(payload, list) else payload["errors"])]


async def comes_true(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not claim():
            await asyncio.sleep(0)


async def watching(stack: AsyncExitStack, view: View, count: int, **who: str) -> list[Reader]:
    """So many streams, all of which have begun."""
    readers = [await stack.enter_async_context(reading(view, WATCH, **who)) for _ in range(count)]
    assert [await reader.hear() for reader in readers] == [("next", WELL)] * count
    return readers


@asynccontextmanager
async def acknowledged(view: View, **who: str) -> AsyncIterator[Caller]:
    async with calling(view, **who) as caller:
        assert await caller.hear() == {"type": "connection_ack"}
        yield caller


async def test_a_caller_watches_fifty_things_at_once_and_no_more(view: View) -> None:
    async with AsyncExitStack() as stack:
        readers = await watching(stack, view, 50)

        # when
        async with reading(view, WATCH) as refused, reading(view, WATCH, who="bob") as other:
            told = [await refused.hear(), await refused.hear()]
            assert await other.hear() == ("next", WELL)
        readers[0].leave()
        await readers[0].over()
        async with reading(view, WATCH) as later:
            assert await later.hear() == ("next", WELL)

    # then
    assert codes(told[0]) == [{"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "caller"}]
    assert told[1] == ("complete", None)
    assert "data" not in told[0][1]
    assert view.streams.places.is_empty


async def test_sockets_and_streams_are_counted_together(view: View) -> None:
    async with AsyncExitStack() as stack:
        await watching(stack, view, 41)
        one, two = [await stack.enter_async_context(acknowledged(view)) for _ in range(2)]
        for number in range(9):
            one.subscribe(WATCH, str(number))
            assert (await one.hear())["type"] == "next"

        # when
        two.subscribe(WATCH, "refused")
        refused = await two.hear()
        one.say(id="0", type="complete")
        await comes_true(lambda: harbour.done == ["stream closed"])
        two.subscribe(WATCH, "admitted")

        # then
        assert (refused["id"], refused["type"]) == ("refused", "error")
        assert codes(refused) == [{"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "caller"}]
        assert await two.hear() == {"id": "admitted", "type": "next", "payload": WELL}
    assert view.streams.places.is_empty


async def test_an_address_has_two_hundred_streams_whoever_asks(view: View) -> None:
    async with AsyncExitStack() as stack:
        for number in range(4):
            await watching(stack, view, 50, who=f"caller {number}", address=f"2001:db8::{number}")

        async with (
            reading(view, WATCH, who="fifth", address="2001:db8::5") as refused,
            reading(view, WATCH, who="", address="2001:db8::5") as nobody,
            reading(view, WATCH, who="fifth", address="2001:db8:1::5") as elsewhere,
        ):
            told = [await refused.hear(), await nobody.hear()]
            assert await elsewhere.hear() == ("next", WELL)

    assert [codes(each) for each in told] == [[{"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "address"}]] * 2
    assert view.streams.places.is_empty


async def test_whoever_is_refused_a_stream_pays_for_having_asked() -> None:
    paid: list[int] = []
    exhausted: list[GraphQLError] = []

    async def toll(context: Context, units: int) -> GraphQLError | None:
        paid.append(units)
        return exhausted[0] if exhausted else None

    view = a_view(anybody, toll=toll)
    async with AsyncExitStack() as stack:
        await watching(stack, view, 50)
        async with reading(view, WATCH) as refused:
            await refused.hear()
        exhausted.append(public_error("Come again.", ErrorCode.RATE_LIMITED))
        async with reading(view, WATCH) as refused:
            told = await refused.hear()

    assert paid == [1, 1]
    assert codes(told) == [{"code": "RATE_LIMITED"}]


async def test_only_subscriptions_are_counted(view: View) -> None:
    async with AsyncExitStack() as stack:
        await watching(stack, view, 50)
        socket = await stack.enter_async_context(acknowledged(view))
        mixed = "query Ask { hello } subscription Watch { watch }"

        async with reading(view, "{ hello }") as asking, reading(view, mixed, operationName="Ask") as chosen:
            assert await asking.hear() == await chosen.hear() == ("next", {"data": {"hello": "ahoy"}})
        socket.subscribe("{ hello }")
        assert (await socket.hear())["payload"] == {"data": {"hello": "ahoy"}}
        async with reading(view, mixed, operationName="Watch") as refused:
            assert codes(await refused.hear()) == [{"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "caller"}]


async def test_a_document_by_its_id_is_counted_too() -> None:
    name = hashlib.sha256(WATCH.encode()).hexdigest()
    view = a_view(anybody, schema=harbour_schema(trusted=TrustedDocuments({name: WATCH}, is_enforced=True)))
    async with AsyncExitStack() as stack:
        await watching(stack, view, 50)

        persisted = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
        for request in ({"documentId": name}, persisted):
            async with reading(view, "", **request) as refused:
                assert codes(await refused.hear()) == [{"code": "TOO_MANY_SUBSCRIPTIONS", "limit": "caller"}]


async def test_the_twenty_first_socket_of_a_caller_is_asked_to_come_again(view: View) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(acknowledged(view)) for _ in range(20)]

        async with calling(view) as refused, acknowledged(view, who="bob"):
            assert await refused.hear() == (
                1013,
                "This caller has 20 WebSockets open, and that is as many as it may.",
            )
            await refused.over()
        sockets[0].leave()
        await sockets[0].over()
        async with acknowledged(view):
            pass

    assert view.sockets.is_empty


async def test_an_address_has_a_hundred_sockets_whoever_calls(view: View) -> None:
    async with AsyncExitStack() as stack:
        for number in range(100):
            await stack.enter_async_context(acknowledged(view, who=f"caller {number % 10}"))

        async with calling(view, who="") as refused, acknowledged(view, address="192.0.2.2"):
            code, reason = await refused.hear()
            await refused.over()

    assert (code, reason) == (1013, "This address has 100 WebSockets open, and that is as many as it may.")
    assert view.sockets.is_empty


async def leaves(visit: Reader | Caller) -> None:
    visit.leave()


async def is_cancelled(visit: Reader | Caller) -> None:
    assert visit.serving is not None
    visit.serving.cancel()


async def leaves_without_reading(visit: Reader | Caller) -> None:
    visit.reads.clear()
    await asyncio.sleep(0.01)
    visit.leave()


ENDINGS = [leaves, is_cancelled, leaves_without_reading]
ENDLESS = [WATCH, "subscription { tides(count: 100000) }"]


def by_socket(view: View, query: str) -> AbstractAsyncContextManager[Caller]:
    @asynccontextmanager
    async def subscribed() -> AsyncIterator[Caller]:
        async with acknowledged(view) as caller:
            caller.subscribe(query)
            yield caller

    return subscribed()


@pytest.mark.parametrize("opened", [reading, by_socket])
@pytest.mark.parametrize("query", ENDLESS)
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_place_is_given_back_however_its_client_goes(
    view: View, opened: Callable[[View, str], Any], query: str, ending: Callable[[Reader | Caller], Any]
) -> None:
    async with opened(view, query) as visit:
        await visit.hear()
        assert not view.streams.places.is_empty

        await ending(visit)

        visit.reads.set()
        await visit.over()
        assert harbour.done == ["stream closed"]
        assert view.streams.places.is_empty
        assert view.sockets.is_empty


@pytest.mark.parametrize(
    "query",
    [
        "subscription { tides(count: 2) }",
        "subscription { leak }",
        "subscription { takings }",
        "subscription { nothing }",
        "subscription { watch",
        "subscription A { watch } subscription B { watch }",
    ],
)
async def test_a_place_is_given_back_when_a_subscription_ends_breaks_or_is_refused(view: View, query: str) -> None:
    async with acknowledged(view) as caller:
        caller.subscribe(query)
        async with reading(view, query) as reader:
            await reader.over()
        while isinstance(message := await caller.hear(), dict) and message["type"] == "next":
            pass

        await comes_true(lambda: view.streams.places.is_empty)


async def test_a_stream_ends_with_its_session_though_nothing_happens() -> None:
    view = a_view(briefly)
    async with reading(view, WATCH) as reader:
        told = [await reader.hear() for _ in range(3)]
        await reader.over()

        assert (told[0], codes(told[1]), told[2]) == (("next", WELL), [{"code": "UNAUTHENTICATED"}], ("complete", None))
        assert harbour.done == ["stream closed"]
        assert view.streams.places.is_empty
        assert reader.heard.empty()


async def test_a_subscription_of_a_socket_ends_with_its_session_and_the_socket_goes_on() -> None:
    view = a_view(briefly)
    async with acknowledged(view) as caller:
        caller.subscribe(WATCH)
        told = [await caller.hear(), await caller.hear()]

        assert told[0]["payload"] == WELL
        assert (told[1]["id"], told[1]["type"], codes(told[1])) == ("1", "error", [{"code": "UNAUTHENTICATED"}])
        assert harbour.done == ["stream closed"]
        assert view.streams.places.is_empty
        caller.say(type="ping")
        assert await caller.hear() == {"type": "pong"}


@pytest.mark.parametrize("opened", [reading, by_socket])
@pytest.mark.parametrize("query", ENDLESS)
async def test_a_session_expires_for_those_who_do_not_read_as_well(
    opened: Callable[[View, str], Any], query: str
) -> None:
    view = a_view(briefly)
    async with opened(view, query) as visit:
        await visit.hear()
        visit.reads.clear()

        await comes_true(lambda: view.streams.places.is_empty)

        assert harbour.done == ["stream closed"]


async def test_a_query_may_take_longer_than_its_session() -> None:
    view = a_view(briefly)
    async with acknowledged(view) as caller, reading(view, "{ waits }") as reader:
        caller.subscribe("{ waits }")
        await asyncio.sleep(A_MOMENT.total_seconds() * 2)

        assert caller.heard.empty()
        assert reader.heard.empty()


async def test_an_event_that_comes_too_late_is_withheld_and_is_the_last() -> None:
    # given: a clock that has been set forward, which no timer notices
    schema = harbour_schema()
    stream = await schema.stream("subscription { tides }", context_value=Context(a_sailor(hours_left=1)))
    first = await next_of(stream)

    # when
    context = harbour.contexts[0]
    assert context.actor is not None
    context.actor = replace(context.actor, expires_at=NOON)
    rest = await all_of(stream)

    # then
    assert first.data == {"tides": 0}
    assert [(result.data, problems(result)) for result in rest] == [(None, [{"code": "UNAUTHENTICATED"}])]
    assert harbour.done == ["stream closed"]


@pytest.mark.parametrize("query", [WATCH, "subscription { nothing }"])
async def test_a_session_that_has_expired_begins_no_stream(query: str) -> None:
    view = a_view(lambda name: Sailor(name=name, expires_at=NOON))
    async with acknowledged(view) as caller, reading(view, query) as reader:
        caller.subscribe(query)

        assert (await caller.hear())["type"] == "error"
        assert [(await reader.hear())[0], await reader.hear()] == ["next", ("complete", None)]
    assert harbour.done == []
    assert view.streams.places.is_empty
