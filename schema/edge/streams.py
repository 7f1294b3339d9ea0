"""What stays open: subscriptions, and the sockets that they come by. How many there may be, and until when.

An operation is paid for when it begins and is soon over; a subscription costs memory and work for as long as it lasts.
So whatever stays open is counted while it does, in this process, for its caller and for the address they call from.

A subscription is decided once, for a credential. It ends when that has run out, whether or not anything happens then
and whether or not its reader still reads: its caller is told so, and its source is stopped.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Protocol, cast

from graphql import DocumentNode, GraphQLError
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from strawberry.http.streaming import SSETransport
from strawberry.types.graphql import OperationType
from strawberry.utils.operation import get_operation_type

from rules.allowances import network_of
from schema.edge.costs import REFUSED_UNITS, Toll
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import Actor, OperationContext, has_expired, unauthenticated

# A dashboard in every tab of a busy person, and an office of such people behind one address. A stream takes a tenth of
# a megabyte, and more while its reader is slow.
STREAMS_PER_CALLER_MAX = 50
STREAMS_PER_ADDRESS_MAX = 200
SOCKETS_PER_CALLER_MAX = 20
SOCKETS_PER_ADDRESS_MAX = 100

CALLER, ADDRESS = "caller", "address"


class Named(Actor, Protocol):
    """A caller who can be told from others."""

    @property
    def name(self) -> str: ...


class Subscriber(OperationContext, Protocol):
    """The context of whoever has something open, and where they call from if that is known."""

    @property
    def actor(self) -> Named | None: ...

    @property
    def client_address(self) -> str | None: ...


class NoPlaceLeft(Exception):
    """A caller or an address has as much open as it may; `whose` says which."""

    def __init__(self, whose: str, most: int, things: str) -> None:
        super().__init__(f"This {whose} has {most} {things} open, and that is as many as it may.")
        self.whose = whose


class StreamEnded(Exception):
    """Why a stream does not begin, or does not go on: the error that its caller is told."""

    def __init__(self, error: GraphQLError) -> None:
        super().__init__(error.message)
        self.error = error


class Places:
    """How many things of one kind each caller and each address has open in this process."""

    def __init__(self, things: str, *, per_caller: int, per_address: int) -> None:
        self._things = things
        self._most = {CALLER: per_caller, ADDRESS: per_address}
        self._taken: Counter[tuple[str, str]] = Counter()

    @property
    def is_empty(self) -> bool:
        return not self._taken

    @contextmanager
    def taken(self, whose: str, name: str | None) -> Iterator[None]:
        """One place of a caller or an address while the block lasts; without a name none is needed.

        Raises NoPlaceLeft.
        """
        if name is None:
            yield
            return
        holder = (whose, name)
        if self._taken[holder] >= self._most[whose]:
            raise NoPlaceLeft(whose, self._most[whose], self._things)
        self._taken[holder] += 1
        try:
            yield
        finally:
            self._taken[holder] -= 1
            if not self._taken[holder]:
                del self._taken[holder]


def sockets() -> Places:
    """The places of WebSockets, none taken."""
    return Places("WebSockets", per_caller=SOCKETS_PER_CALLER_MAX, per_address=SOCKETS_PER_ADDRESS_MAX)


class Streams:
    """The subscriptions of this process.

    clock  the present in UTC, to tell expired sessions.
    toll   is paid by whoever is refused a stream, as for any document that is refused.
    """

    def __init__(self, clock: Callable[[], datetime], toll: Toll | None) -> None:
        self.places = Places("subscriptions", per_caller=STREAMS_PER_CALLER_MAX, per_address=STREAMS_PER_ADDRESS_MAX)
        self._clock = clock
        self._toll = toll

    @asynccontextmanager
    async def lasting(self, subscriber: Subscriber) -> AsyncIterator[None]:
        """A place among the streams while the block lasts, which is cancelled when the subscriber's session expires.

        Raises StreamEnded: there is no place, or the session has expired.
        """
        actor = subscriber.actor
        with ExitStack() as places:
            try:
                places.enter_context(self.places.taken(CALLER, caller_of(subscriber)))
                places.enter_context(self.places.taken(ADDRESS, address_of(subscriber)))
            except NoPlaceLeft as full:
                raise StreamEnded(await self._refusal(subscriber, full)) from None
            try:
                async with asyncio.timeout(self._seconds_left(actor)) as session:
                    yield
            except TimeoutError:
                if not session.expired():
                    raise
                raise StreamEnded(unauthenticated(None)) from None

    async def _refusal(self, subscriber: Subscriber, full: NoPlaceLeft) -> GraphQLError:
        unpaid = None if self._toll is None else await self._toll(subscriber, REFUSED_UNITS)
        return unpaid or public_error(str(full), ErrorCode.TOO_MANY_SUBSCRIPTIONS, limit=full.whose)

    def _seconds_left(self, actor: Actor | None) -> float | None:
        """Until the actor's session expires. One that has expired begins nothing, so there is nothing to end."""
        now = self._clock()
        if actor is None or actor.expires_at is None or has_expired(actor, now):
            return None
        return (actor.expires_at - now).total_seconds()


def caller_of(subscriber: Subscriber) -> str | None:
    """Who counts as one caller; None for somebody who has not signed in."""
    return None if subscriber.actor is None else subscriber.actor.name


def address_of(subscriber: Subscriber) -> str | None:
    """Who counts as one address; None when it is not known."""
    return None if subscriber.client_address is None else network_of(subscriber.client_address)


def is_subscription(document: DocumentNode | None, operation_name: str | None) -> bool:
    """Whether Strawberry will run this as a subscription; a document that cannot be read will not be run at all."""
    if document is None:
        return False
    try:
        return get_operation_type(document, operation_name) is OperationType.SUBSCRIPTION
    except RuntimeError:
        return False


class StreamResponse(StreamingResponse):
    """One subscription as server-sent events.

    results  what the events are made of; closed with the response, however that ends.
    encode   writes JSON.
    """

    def __init__(
        self,
        content: AsyncIterator[str],
        headers: Mapping[str, str],
        *,
        streams: Streams,
        subscriber: Subscriber,
        results: AsyncGenerator[Any, None],
        encode: Callable[[object], str],
    ) -> None:
        super().__init__(content, headers=headers)
        self._events = cast("AsyncGenerator[str, None]", content)
        self._streams = streams
        self._subscriber = subscriber
        self._results = results
        self._encode = encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = has_ended = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun, has_ended
            has_begun = True
            has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            # The events first: whoever reads the results for them has to have stopped before these can be closed.
            async with self._streams.lasting(self._subscriber), aclosing(self._results), aclosing(self._events):
                await super().__call__(scope, receive, send_noted)
        except StreamEnded as ended:
            if not has_begun:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if not has_ended:
                await send({"type": "http.response.body", "body": self._last_words(ended.error).encode()})

    def _last_words(self, error: GraphQLError) -> str:
        transport = SSETransport()
        return transport.encode_next({"errors": [error.formatted]}, self._encode) + transport.encode_complete()
