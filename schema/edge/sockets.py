"""graphql-transport-ws on one WebSocket: Strawberry's handler, proof against messages that are not what they should be.

Strawberry closes politely for most broken messages and falls over the rest: a number, a list, a null payload. Here
every message is looked at before it is handled, and a close reason always fits into the frame it is sent in.

A connection lives for hours, so who its caller is and what they may do is found out again for every operation, as over
HTTP. A subscription that is running already runs on until its credential expires.

How many connections and subscriptions a caller and an address may have in all is for `streams`.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from schema.edge.masking import FAULT_MESSAGE, ErrorCode, public_error, record_fault
from schema.edge.permissions import unauthenticated
from schema.edge.schema import EdgeSchema
from schema.edge.streams import ADDRESS, CALLER, NoPlaceLeft, StreamEnded, address_of, caller_of, is_subscription
from schema.edge.trusted import wanted_id

if TYPE_CHECKING:
    from schema.edge.view import GraphQLView

# "Try again later", after which clients come back by themselves, later each time.
TRY_AGAIN_LATER = 1013
CLOSE_REASON_BYTES_MAX = 123
ID_LENGTH_MAX = 128


class SocketAdapter(ASGIWebSocketAdapter):
    """Closes with a reason cut to the 123 bytes a close frame holds."""

    async def close(self, code: int, reason: str) -> None:
        cut = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
        await super().close(code, cut)


class SocketHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """One connection: init within the time, then at most so many operations at once."""

    schema: EdgeSchema
    view: "GraphQLView[Any]"
    _places: ExitStack

    async def handle(self) -> None:
        with ExitStack() as self._places:
            try:
                self._places.enter_context(self.view.sockets.taken(ADDRESS, address_of(self.context)))
            except NoPlaceLeft as full:
                await self.websocket.close(TRY_AGAIN_LATER, str(full))
                return
            await super().handle()

    async def handle_message(self, message: Message) -> None:
        if (defect := _defect(message)) is not None:
            await self.handle_invalid_message(defect)
            return
        if message["type"] == "connection_init" and message.get("payload") is None:
            message = ConnectionInitMessage(type="connection_init", payload={})
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        try:
            await super().handle_connection_init(message)
        except NoPlaceLeft as full:
            await self.websocket.close(TRY_AGAIN_LATER, str(full))
        except Exception as fault:
            await self.websocket.close(1011, f"{FAULT_MESSAGE} Reference {record_fault(fault)}")

    async def send_message(self, message: Message) -> None:
        if message["type"] == "connection_ack":
            # The one place between finding out who it is and letting them in.
            self._places.enter_context(self.view.sockets.taken(CALLER, caller_of(self.context)))
        await super().send_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        most = self.max_subscriptions_per_connection
        if self.connection_acknowledged and most is not None and len(self.operations) >= most:
            text = f"A connection may run {most} operations at once."
            error = public_error(text, ErrorCode.TOO_MANY_SUBSCRIPTIONS)
            await self._refuse(message, error)
            return
        if self.connection_acknowledged and message["id"] not in self.operations:
            payload = message["payload"]
            try:
                found = self.schema.desk.trusted.admitted(payload.get("query"), wanted_id(payload))
            except GraphQLError as refused:
                await self._refuse(message, refused)
                return
            # Strawberry hands on nothing but a text.
            message = {**message, "payload": {**payload, "query": found or ""}}
        await super().handle_subscribe(message)

    async def _refuse(self, message: SubscribeMessage, error: GraphQLError) -> None:
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        try:
            await self.view.on_ws_connect(self.context)
        except ConnectionRejectionError:
            await operation.send_initial_errors([unauthenticated(None)])
            return
        except Exception as fault:
            reference = record_fault(fault)
            error = public_error(FAULT_MESSAGE, ErrorCode.INTERNAL, reference=reference)
            await operation.send_initial_errors([error])
            return
        if is_subscription(self.schema.desk.document(operation.query), operation.operation_name):
            await self._run_subscription(operation)
        else:
            await super().run_operation(operation)

    async def _run_subscription(self, operation: Operation[Any, None]) -> None:
        try:
            async with self.view.streams.lasting(self.context):
                await super().run_operation(operation)
        except StreamEnded as ended:
            await operation.send_initial_errors([ended.error])

    async def handle_task_exception(self, error: Exception) -> None:
        record_fault(error)


def _defect(message: object) -> str | None:
    """What is wrong with the shape of a message, or None when it can be handled."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type"
    kind = message["type"]
    if kind in ("subscribe", "complete"):
        name = message.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= ID_LENGTH_MAX:
            return f"{kind} needs an id of 1 to {ID_LENGTH_MAX} characters"
    return _payload_defect(message.get("payload")) if kind == "subscribe" else None


def _payload_defect(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return "The payload of subscribe must be an object"
    fields = cast("Mapping[str, object]", payload)
    if not isinstance(fields.get("query"), str) and (fields.get("query") is not None or wanted_id(fields) is None):
        return "query must be a string"
    if not isinstance(fields.get("variables"), dict | None):
        return "variables must be an object or null"
    if not isinstance(fields.get("operationName"), str | None):
        return "operationName must be a string or null"
    return None
