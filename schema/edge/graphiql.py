"""GraphiQL at /graphiql, from files of our own: what `web/` was built into, nothing from anybody else's server.

The page may load scripts, fonts and workers from here only. Monaco, its editor, writes styles into the page and starts
workers from blobs, hence the two exceptions in the policy. Files under `assets/` carry a hash of their content in their
name and may be kept for a year; the page itself is asked for again each time.

It does not build the files; `npm run build` in `web/` does.
"""

import os
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

PATH = "/graphiql"
CONTENT_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "worker-src 'self' blob:; connect-src 'self' ws: wss:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NOT_BUILT = "GraphiQL has not been built. Run `npm ci && npm run build` in the folder web/, then reload this page.\n"
# Written out, because the guesses of Python's mimetypes depend on the machine.
MEDIA_TYPES = {
    "": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}


def graphiql_route(folder: Path) -> BaseRoute:
    """The route that serves the built page; give `PATH` to `middleware.harden` as a relaxed path."""
    return Mount(PATH, _BuiltPage(folder))


class _BuiltPage:
    """Starlette's static files, which know conditional requests and stay inside their folder, with our headers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = StaticFiles(directory=folder, html=True, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(scope)
        response.headers["content-security-policy"] = CONTENT_POLICY
        await response(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        if not (self._folder / "index.html").is_file():
            return PlainTextResponse(NOT_BUILT, 404, headers={"cache-control": "no-store"})
        path = self._files.get_path(scope)
        try:
            response = await self._files.get_response(path, scope)
        except HTTPException as refused:
            return PlainTextResponse(f"{refused.detail}\n", refused.status_code, headers={"cache-control": "no-store"})
        name = PurePosixPath(path.replace(os.sep, "/"))
        keep = name.parts[:1] == ("assets",)
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if keep else "no-cache"
        if response.status_code == 200:
            suffix = ".html" if path == "." else name.suffix
            response.headers["content-type"] = MEDIA_TYPES.get(suffix, "application/octet-stream")
        return response
