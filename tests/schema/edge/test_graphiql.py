"""The built page is served with its types, its policy and its caching, and nothing outside of its folder is."""

from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from schema.edge.graphiql import graphiql_route
from tests.schema.edge.conftest import Server
from tests.schema.edge.test_middleware import exchange

FOREVER = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [
        ("/graphiql/", "text/html; charset=utf-8", "no-cache"),
        ("/graphiql/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/graphiql/LICENSE", "text/plain; charset=utf-8", "no-cache"),
        ("/graphiql/assets/index-4f2a.js", "text/javascript; charset=utf-8", FOREVER),
        ("/graphiql/assets/index-4f2a.css", "text/css; charset=utf-8", FOREVER),
        ("/graphiql/assets/codicon-4f2a.ttf", "font/ttf", FOREVER),
    ],
)
async def test_a_file_has_its_type_and_its_caching(
    client: httpx2.AsyncClient, path: str, media_type: str, caching: str
) -> None:
    response = await client.get(path)

    assert response.status_code == 200
    assert (response.headers["content-type"], response.headers["cache-control"]) == (media_type, caching)


async def test_the_page_may_load_from_here_only(client: httpx2.AsyncClient) -> None:
    response = await client.get("/graphiql/")

    assert response.headers["content-security-policy"] == (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "worker-src 'self' blob:; connect-src 'self' ws: wss:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_without_the_slash_one_is_sent_to_the_page(client: httpx2.AsyncClient, server: Server) -> None:
    response = await client.get("/graphiql")

    assert (response.status_code, response.headers["location"]) == (307, f"{server.url}/graphiql/")


async def test_an_unchanged_page_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/graphiql/")
    second = await client.get("/graphiql/", headers={"if-none-match": first.headers["etag"]})

    assert (second.status_code, second.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "../private.txt",
        "..%2fprivate.txt",
        "%2e%2e/private.txt",
        "assets/../../private.txt",
        "assets/..%5c..%5cprivate.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "index.html%00.js",
        "assets",
        "missing.js",
    ],
)
async def test_nothing_outside_of_the_folder_is_served(server: Server, path: str) -> None:
    request = f"GET /graphiql/{path} HTTP/1.1\r\nhost: harbour\r\nconnection: close\r\n\r\n".encode()

    answer = await exchange(server, request)

    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 307 "))
    assert b"not for you" not in answer
    assert b"root:" not in answer


async def test_the_page_is_only_read(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/graphiql/", content=b"x")).status_code == 405


def test_a_page_that_was_not_built_says_what_to_do(tmp_path: Path) -> None:
    app = Starlette(routes=[graphiql_route(tmp_path / "dist")])

    response = TestClient(app).get("/graphiql/")

    assert response.status_code == 404
    assert response.text == (
        "GraphiQL has not been built. Run `npm ci && npm run build` in the folder web/, then reload this page.\n"
    )
