"""GraphQL over HTTP, SSE and WebSocket, as the drafts of the GraphQL foundation describe them.

    POST application/json                      one operation per request; no GET, no forms, no batches
    documentId, or persistedQuery              in place of `query`, for the documents in `trusted`
    Accept: application/graphql-response+json  4xx for a request that could not be executed, without `data`
    Accept: application/json, or none          200 for every operation that could be read and paid for
    Accept: text/event-stream                  any operation, subscriptions among them, as server-sent events
    WebSocket graphql-transport-ws             likewise; the older graphql-ws is not spoken

Only JSON is read because a page on another origin cannot send it without asking first. Whatever a body holds, the
answer is JSON with an error code; 500 is kept for faults of ours.

Who the caller is, `context_factory` and `authenticate_connection` find out; how large a body may be, `middleware` says.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UnsetType

from schema.edge.costs import Toll
from schema.edge.masking import FAULT_MESSAGE, ErrorCode, record_fault
from schema.edge.schema import EdgeSchema
from schema.edge.sockets import SocketAdapter, SocketHandler
from schema.edge.streams import StreamResponse, Streams, Subscriber, is_subscription, sockets

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
CONNECTION_INIT_WAIT = timedelta(seconds=5)
SUBSCRIPTIONS_PER_CONNECTION_MAX = 10
STATUS_OF = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
}

C = TypeVar("C", bound=Subscriber)
ContextFactory = Callable[[Request | WebSocket], Awaitable[C]]
AuthenticateConnection = Callable[[C, Mapping[str, object]], Awaitable[None]]


class RequestRefused(Exception):
    """A request that cannot become an operation. A context factory may raise it, for a broken credential say."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.fields = dict(fields or {})


class _Draft(Response):
    """Carries what the request asked for to the place where the response is made.

    subscription  who has asked for one, and its results; None for any other operation.
    """

    speaks_graphql = False
    subscription: tuple[Subscriber, AsyncGenerator[Any, None]] | None = None


class GraphQLView(GraphQL[C, None]):
    """The ASGI application for one schema; mount it with a Route and a WebSocketRoute of the same path.

    context_factory          the context of a request, or of a WebSocket before it has authenticated.
    authenticate_connection  given the context and the payload of connection_init, sets the actor; raises
                             strawberry's ConnectionRejectionError to close the connection with 4403.
    allowed_origins          origins, beside our own, whose pages may open a WebSocket.
    toll                     what a subscription that finds no place pays; None lets everybody ask as much as they like.

    What stays open is counted by each view for itself, so a process has one.
    """

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = SocketHandler

    def __init__(
        self,
        schema: EdgeSchema,
        *,
        context_factory: ContextFactory[C],
        authenticate_connection: AuthenticateConnection[C],
        allowed_origins: Sequence[str] = (),
        toll: Toll | None = None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=CONNECTION_INIT_WAIT,
            max_subscriptions_per_connection=SUBSCRIPTIONS_PER_CONNECTION_MAX,
            allowed_origins=allowed_origins,
        )
        self._desk = schema.desk
        self._context_factory = context_factory
        self._authenticate_connection = authenticate_connection
        self.streams = Streams(schema.desk.clock, toll)
        self.sockets = sockets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(WebSocket(scope, receive, send))
        else:
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                message = "GraphQL is served by POST."
                raise RequestRefused(405, ErrorCode.BAD_REQUEST, message, headers={"allow": "POST"})
            return await self.run(request)
        except RequestRefused as refused:
            return _refusal(
                request, refused.status, refused.code, refused.message, headers=refused.headers, **refused.fields
            )
        except HTTPException as refused:
            return _refusal(request, refused.status_code, ErrorCode.BAD_REQUEST, refused.reason)
        except Exception as fault:
            reference = record_fault(fault)
            return _refusal(request, 500, ErrorCode.INTERNAL, FAULT_MESSAGE, reference=reference)

    async def _serve_socket(self, socket: WebSocket) -> None:
        try:
            await self.run(socket)
        except RequestRefused as refused:
            await _close(socket, 4403 if refused.status in (401, 403) else 4400, refused.message)
        except Exception as fault:
            await _close(socket, 1011, f"{FAULT_MESSAGE} Reference {record_fault(fault)}")

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> C:
        return await self._context_factory(request)

    async def on_ws_connect(self, context: C) -> UnsetType | dict[str, object] | None:
        await self._authenticate_connection(context, context.connection_params or {})
        return UnsetType()

    def decode_json(self, data: str | bytes) -> object:
        # orjson refuses bad UTF-8, lone surrogates, NaN and deep nesting with the error that is answered with 400.
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        # Text, since bytes would leave a WebSocket as a binary frame, which no client expects.
        return orjson.dumps(data).decode()

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if not _is_json(request.content_type or ""):
            raise RequestRefused(415, ErrorCode.BAD_REQUEST, f"The body must be {JSON_TYPE} in UTF-8.")
        body = self.parse_json(await request.get_body())
        if not isinstance(body, dict):
            raise RequestRefused(400, ErrorCode.BAD_REQUEST, "The body must be a JSON object.")
        for name, kind, word in (
            ("query", str, "a string"),
            ("operationName", str, "a string or null"),
            ("variables", dict, "an object or null"),
            ("extensions", dict, "an object or null"),
            ("documentId", str, "a string or null"),
        ):
            if not isinstance(body.get(name), kind | None):
                raise RequestRefused(400, ErrorCode.BAD_REQUEST, f"`{name}` must be {word}.")
        transport = self._get_stream_transport_from_headers(request.headers)
        return GraphQLRequestData(
            query=body.get("query"),
            variables=body.get("variables"),
            operation_name=body.get("operationName"),
            extensions=_with_document_id(body),
            protocol=transport.protocol if transport else "http",
        )

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: C,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        result = await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )
        assert isinstance(request_data, GraphQLRequestData)
        assert isinstance(sub_response, _Draft)
        if isinstance(result, AsyncGenerator) and self._is_subscription(request_data):
            sub_response.subscription = (context, result)
        return result

    def _is_subscription(self, request: GraphQLRequestData) -> bool:
        try:
            text = self._desk.text_of(request.query, request.extensions)
        except GraphQLError:
            return False
        return is_subscription(self._desk.document(text or ""), request.operation_name)

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        assert isinstance(sub_response, _Draft)
        headers = {**sub_response.headers, **headers}
        if sub_response.subscription is None:
            return StreamingResponse(stream(), headers=headers)
        subscriber, results = sub_response.subscription
        return StreamResponse(
            stream(),
            headers,
            streams=self.streams,
            subscriber=subscriber,
            results=results,
            encode=self.encode_json,
        )

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: C,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """Execute a query or a mutation. A subscription would run here as a query and answer 200 with null."""
        try:
            return await self.schema.execute(
                request_data.query,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types={OperationType.QUERY, OperationType.MUTATION},
                operation_extensions=request_data.extensions,
            )
        except InvalidOperationTypeError as refused:
            message = "A subscription needs `Accept: text/event-stream`, or a WebSocket."
            raise RequestRefused(406, ErrorCode.BAD_REQUEST, message) from refused
        except CannotGetOperationTypeError as refused:
            message = "The document has no operation of this `operationName`."
            raise RequestRefused(400, ErrorCode.BAD_REQUEST, message) from refused
        except MissingQueryError as refused:
            raise RequestRefused(400, ErrorCode.BAD_REQUEST, "`query` is missing.") from refused

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        draft = _Draft()
        # Its headers become those of a stream, whose length nobody knows.
        del draft.headers["content-length"]
        draft.speaks_graphql = _prefers_response_type(request.headers.get("accept", ""))
        return draft

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        answer = await super().process_result(request, result)
        if result.errors and result.data is None and all(error.path is None for error in result.errors):
            # A request that was not executed has no data, not even null: null is the answer of a failed field.
            answer.pop("data", None)
        return answer

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        speaks_graphql = isinstance(sub_response, _Draft) and sub_response.speaks_graphql
        status, retry_after = 200, None
        if isinstance(response_data, dict) and "data" not in response_data:
            errors = response_data.get("errors") or []
            retry_after = _retry_after(errors)
            # Who may not ask now is told so whatever they accept: like a bad credential, that is for the client's and
            # the proxies' HTTP, and not about the operation.
            status = _status(errors) if speaks_graphql or retry_after is not None else 200
        response = _json(orjson.dumps(response_data), status, speaks_graphql=speaks_graphql)
        if retry_after is not None:
            response.headers["retry-after"] = retry_after
        return response


def _with_document_id(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The extensions of a request, which also carry the id of its document to where it is looked up."""
    extensions: dict[str, Any] | None = body.get("extensions")
    document_id = body.get("documentId")
    return extensions if document_id is None else {**(extensions or {}), "documentId": document_id}


def _status(errors: Sequence[Any]) -> int:
    """The status of a request that was not executed, by the first of its errors."""
    code = errors[0].get("extensions", {}).get("code") if errors else None
    return next((status for known, status in STATUS_OF.items() if known == code), 400)


def _retry_after(errors: Sequence[Any]) -> str | None:
    """The seconds to wait, when that is what the first of the errors is about."""
    extensions = errors[0].get("extensions", {}) if errors else {}
    return str(extensions["retryAfter"]) if extensions.get("code") == ErrorCode.RATE_LIMITED else None


def _refusal(
    request: Request,
    status: int,
    code: ErrorCode,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> Response:
    error = GraphQLError(message, extensions={"code": str(code), **fields})
    speaks_graphql = _prefers_response_type(request.headers.get("accept", ""))
    response = _json(orjson.dumps({"errors": [error.formatted]}), status, speaks_graphql=speaks_graphql)
    response.headers.update(headers or {})
    return response


def _json(content: bytes, status: int, *, speaks_graphql: bool) -> Response:
    media_type = RESPONSE_TYPE if speaks_graphql else JSON_TYPE
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(content, status, headers=headers, media_type=f"{media_type}; charset=utf-8")


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is not WebSocketState.DISCONNECTED:
        await socket.close(code, reason)


def _is_json(content_type: str) -> bool:
    media_type, *parameters = (piece.strip() for piece in content_type.lower().split(";"))
    charsets = [
        value.strip('"') for name, _, value in (each.partition("=") for each in parameters) if name == "charset"
    ]
    return media_type == JSON_TYPE and all(charset in ("utf-8", "utf8") for charset in charsets)


def _prefers_response_type(accept: str) -> bool:
    """Whether application/graphql-response+json is asked for, and not less than application/json.

    No Accept, or a wildcard, means application/json: that is what clients older than the other type expect.
    """
    quality: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if media_type in (RESPONSE_TYPE, JSON_TYPE):
            quality.setdefault(media_type, _quality(parameters))
    wanted, other = quality.get(RESPONSE_TYPE, 0.0), quality.get(JSON_TYPE, 0.0)
    if wanted == other:
        return wanted > 0 and next(iter(quality)) == RESPONSE_TYPE
    return wanted > other


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
