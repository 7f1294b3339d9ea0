"""A client of server-sent events in the distinct connections mode: one request is one subscription."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True, slots=True)
class Told:
    """One server-sent event: `next` with a result, or `complete`."""

    event: str
    data: Any


@asynccontextmanager
async def stream(
    http: httpx2.AsyncClient, url: str, query: str, *, headers: Mapping[str, str] | None = None, **variables: Any
) -> AsyncIterator[AsyncIterator[Told]]:
    """The events of one operation; a refused request is one `next` event made of its body."""
    body = {"query": query, "variables": variables}
    wanted = {"accept": "text/event-stream", **(headers or {})}
    async with http.stream("POST", f"{url}/graphql", json=body, headers=wanted) as answer:
        if answer.headers["content-type"].startswith("text/event-stream"):
            yield _events(answer)
        else:
            yield _only(json.loads(await answer.aread()))


async def _only(body: Any) -> AsyncIterator[Told]:
    yield Told("next", body)


async def _events(answer: httpx2.Response) -> AsyncIterator[Told]:
    name, data = "", ""
    async for line in answer.aiter_lines():
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value.strip()
        elif line == "" and name:
            yield Told(name, json.loads(data) if data else None)
            name, data = "", ""
