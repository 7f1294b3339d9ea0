"""The harbour behind the whole edge, served by uvicorn on a socket it inherits.

    harbour_server.py <file descriptor> <folder of the built page> <seconds to receive in> <seconds to answer in>

Every log line goes to standard error, as JSON.
"""

import logging
import socket
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from strawberry.exceptions import ConnectionRejectionError

from rules.permissions import parse_permissions
from schema.edge import graphiql
from schema.edge.deadline import UVICORN_OPTIONS, DeadlineProtocol
from schema.edge.masking import ErrorCode
from schema.edge.middleware import harden
from schema.edge.view import GraphQLView, RequestRefused
from tests.schema.edge.harbour import NOON, SECRET, Context, Sailor, harbour_schema


def sailor(token: str) -> Sailor | None:
    """`tokens.view,finance.view` signs in with these; `fault`, `expired` and `broken` are what they say."""
    if token == "fault":
        raise RuntimeError(SECRET)
    if token == "expired":
        return Sailor(frozenset(), NOON - timedelta(seconds=1))
    return Sailor(parse_permissions(token.split(",")), name=token) if token else None


async def context_of(request: Request | WebSocket) -> Context:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token == "broken":
        raise RequestRefused(401, ErrorCode.UNAUTHENTICATED, "The access token is not valid.")
    return Context(sailor(token), client_address=request.client.host if request.client else None)


async def authenticate(context: Context, params: Mapping[str, object]) -> None:
    token = str(params.get("token", ""))
    if token == "broken":
        raise ConnectionRejectionError
    context.actor = sailor(token)


async def healthz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def body_length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def main() -> None:
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    view = GraphQLView(
        harbour_schema(),
        context_factory=context_of,
        authenticate_connection=authenticate,
        allowed_origins=["https://harbour.example"],
    )
    routes = [
        Route("/graphql", view),
        WebSocketRoute("/graphql", view),
        Route("/healthz", healthz),
        Route("/length", body_length, methods=["POST"]),
        graphiql.graphiql_route(Path(sys.argv[2])),
    ]
    DeadlineProtocol.receive_seconds_max, seconds_max = float(sys.argv[3]), float(sys.argv[4])
    app = harden(Starlette(routes=routes), seconds_max=seconds_max, relaxed_paths=[graphiql.PATH])
    config = uvicorn.Config(app, http=DeadlineProtocol, log_config=None, access_log=False, **UVICORN_OPTIONS)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
