"""`python -m benchmarks.stock`: Strawberry's own ASGI application with the constant list, on uvicorn and uvloop."""

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL

from benchmarks.lists import stock_schema
from settings import load_settings


def main() -> None:
    view: GraphQL[None, None] = GraphQL(stock_schema(), graphql_ide=None)
    app = Starlette(routes=[Route("/graphql", view)])
    uvicorn.run(app, port=load_settings().port, loop="uvloop", http="httptools", log_config=None, access_log=False)


if __name__ == "__main__":
    main()
