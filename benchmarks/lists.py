"""Lists of a hundred rows and eight fields: our edge against Strawberry as it comes, with the same types and data.

    in process   one schema after the other in this process, each answering the same query again and again
    over HTTP    our API and its authentication against Strawberry's own ASGI application, `benchmarks.stock`

Strawberry as it comes parses and validates every time; with its two cache extensions it does so once, as the edge does.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from benchmarks.api import ConstantWallet
from benchmarks.ground import Ground
from benchmarks.measuring import Ratio, Size, compare
from benchmarks.over_http import PAGE, called, serving
from schema.edge.permissions import public
from schema.edge.schema import build_schema
from schema.scalars import SCALARS

AT_LEAST = 3.0
FIELDS = "id sequence kind tokens availableBefore availableAfter description occurredAt"
QUERY = f"query ($first: Int!) {{ constantWallet {{ entries(first: $first) {{ nodes {{ {FIELDS} }} }} }} }}"
CACHES = [lambda: ParserCache(maxsize=64), lambda: ValidationCache(maxsize=64)]


@dataclass(frozen=True, slots=True)
class Nobody:
    """A caller who asks for nothing but what is public."""

    actor: None = None
    connection_params: dict[str, object] | None = None

    def for_operation(self) -> Self:
        return self


@strawberry.type
class ListQuery:
    @strawberry.field(description="A wallet from memory.", directives=public())  # type: ignore[untyped-decorator]
    async def constant_wallet(self) -> ConstantWallet:
        return ConstantWallet()


def stock_schema(extensions: list[Any] | None = None) -> strawberry.Schema:
    """Strawberry as it comes, but for the scalars."""
    return strawberry.Schema(ListQuery, extensions=extensions or [], config=StrawberryConfig(scalar_map=dict(SCALARS)))


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """Our edge against two stock schemas in process, and our API against a stock one over HTTP."""
    ours = partial(answering, build_schema(ListQuery, scalar_map=SCALARS, introspection=False), Nobody(), size)
    what = f"list of {PAGE} × 8 fields in process"
    stock, cached = (partial(answering, stock_schema(extensions), None, size) for extensions in ([], CACHES))
    return [
        await compare(what, ours, "stock Strawberry", stock, size=size, at_least=AT_LEAST),
        await compare(what, ours, "stock Strawberry with its caches", cached, size=size, at_least=AT_LEAST),
        await over_http(ground, size),
    ]


async def over_http(ground: Ground, size: Size) -> Ratio:
    tokens = [ground.customers[0].access_token] * size.connections
    async with serving(ground) as port, serving(ground, "benchmarks.stock") as stock:
        ours, theirs = (
            partial(called, door, tokens, size, QUERY, {"first": PAGE}, "occurredAt") for door in (port, stock)
        )
        return await compare(
            f"list of {PAGE} × 8 fields over HTTP, signed in",
            ours,
            "stock Strawberry over HTTP, which knows nobody",
            theirs,
            size=size,
        )


async def answering(schema: strawberry.Schema, context: object, size: Size) -> float:
    """Answers per second. Raises RuntimeError when one has an error."""
    began, answers = time.perf_counter(), 0
    while time.perf_counter() - began < size.seconds:
        result = await schema.execute(QUERY, variable_values={"first": PAGE}, context_value=context)
        if result.errors:
            raise RuntimeError(str(result.errors[0]))
        answers += 1
    return answers / (time.perf_counter() - began)
