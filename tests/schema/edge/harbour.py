# Strawberry declares the decorators it makes from arguments as Any.
# mypy: disable-error-code="untyped-decorator"
"""A schema as small as the edge can be tried on: a harbour, its vessels, and every way to be guarded or to break.

It counts what its resolvers do, so that a refusal can be shown to have done nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NewType

import strawberry
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionResult

from rules.permissions import Permission
from schema.edge.masking import public_error
from schema.edge.permissions import public, requires, requires_any
from schema.edge.schema import EdgeSchema, build_schema
from schema.edge.trusted import TrustedDocuments

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET = "password=hunter2"

done: list[str] = []
contexts: list["Context"] = []


@dataclass(frozen=True, slots=True)
class Sailor:
    permissions: frozenset[Permission] = frozenset()
    expires_at: datetime | None = None
    name: str = "sailor"


@dataclass(slots=True)
class Context:
    actor: Sailor | None = None
    connection_params: dict[str, object] | None = None
    loaded: int = 0
    client_address: str | None = None

    def for_operation(self) -> "Context":
        fresh = replace(self, loaded=0)
        contexts.append(fresh)
        return fresh


Info = strawberry.Info[Context, None]
Knots = NewType("Knots", int)


def _parse_knots(value: object) -> Knots:
    if not isinstance(value, str) or not value.removesuffix("kn").isdecimal():
        raise ValueError('knots are written "12kn"')
    return Knots(int(value.removesuffix("kn")))


@strawberry.interface
class Vessel:
    name: str

    @strawberry.field
    def cargo(self) -> str:
        done.append("cargo")
        return "nothing"

    @strawberry.field
    def harbour(self) -> "Harbour":
        return Harbour(name="Porto")


@strawberry.type
class Ferry(Vessel):
    seats: int = 200


@strawberry.type
class Freighter(Vessel):
    @strawberry.field(directives=requires(Permission.FINANCE_VIEW))
    def cargo(self) -> str:
        done.append("cargo")
        return "gold"


@strawberry.type
class Harbour:
    name: str

    @strawberry.field
    def vessels(self, first: int = 10) -> list[Vessel]:
        return [Ferry(name="Aldo"), Freighter(name="Bruno")][:first]

    @strawberry.field
    def moored(self, first: int | None = None) -> list[Vessel]:
        return []


@strawberry.type
class Ledger:
    total: int = 7

    @strawberry.field(directives=requires(Permission.FINANCE_VIEW, Permission.FINANCE_MANAGE))
    def keeper(self) -> str:
        return "Clara"

    @strawberry.field(directives=requires_any(Permission.CATALOG_MANAGE, Permission.PLATFORM_ADMIN))
    def key(self) -> str:
        done.append("key")
        return "under the mat"


Berth = Annotated[Ferry | Freighter, strawberry.union("Berth")]


@strawberry.type
class Query:
    @strawberry.field(directives=public())
    def hello(self, info: Info) -> str:
        info.context.loaded += 1
        done.append("hello")
        return "ahoy"

    @strawberry.field(directives=public())
    def harbour(self) -> Harbour:
        done.append("harbour")
        return Harbour(name="Porto")

    @strawberry.field(directives=public())
    def vessels(self, first: int = 10) -> list[Vessel]:
        done.append("vessels")
        return [Ferry(name="Aldo"), Freighter(name="Bruno")][:first]

    @strawberry.field(directives=public())
    def berths(self) -> list[Berth]:
        done.append("berths")
        return [Ferry(name="Aldo"), Freighter(name="Bruno")]

    @strawberry.field(directives=requires(Permission.TOKENS_VIEW))
    def ledger(self) -> Ledger:
        done.append("ledger")
        return Ledger()

    @strawberry.field(directives=public())
    def sinks(self) -> int | None:
        raise RuntimeError(SECRET)

    @strawberry.field(directives=public())
    def sinks_with_all_hands(self) -> int:
        raise RuntimeError(SECRET)

    @strawberry.field(directives=public())
    def aground(self) -> int | None:
        raise public_error("No water under the keel.", "AGROUND", metres=2)

    @strawberry.field(directives=public())
    def speed(self, knots: Knots) -> int:
        return knots

    @strawberry.field(directives=public())
    def echo(self, text: str, times: int = 1) -> str:
        return text * times

    @strawberry.field(directives=public())
    async def waits(self) -> str:
        await asyncio.Event().wait()
        return "never"

    @strawberry.field(directives=public())
    def streams_closed(self) -> int:
        return done.count("stream closed")


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=requires(Permission.TOKENS_CONFIGURE))
    def rename(self, name: str) -> str:
        done.append("rename")
        return name


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=public())
    async def tides(self, count: int = 3) -> AsyncGenerator[int, None]:
        try:
            for tide in range(count):
                yield tide
        finally:
            done.append("stream closed")

    @strawberry.subscription(directives=requires(Permission.FINANCE_VIEW))
    async def takings(self) -> AsyncGenerator[int, None]:
        done.append("takings")
        yield 1

    @strawberry.subscription(directives=public())
    async def watch(self) -> AsyncGenerator[str, None]:
        try:
            yield "all's well"
            await asyncio.Event().wait()
        finally:
            done.append("stream closed")

    @strawberry.subscription(directives=public())
    async def leak(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError(SECRET)


KNOTS = strawberry.scalar(name="Knots", serialize=str, parse_value=_parse_knots)


def harbour_schema(
    *, introspection: bool = True, now: datetime = NOON, trusted: TrustedDocuments | None = None
) -> EdgeSchema:
    """A new schema with caches of its own, at a time that stands still."""
    return build_schema(
        Query,
        Mutation,
        Subscription,
        scalar_map={Knots: KNOTS},
        introspection=introspection,
        clock=lambda: now,
        trusted=trusted,
    )


def a_sailor(*permissions: Permission, hours_left: int | None = None) -> Sailor:
    expires_at = None if hours_left is None else NOON + timedelta(hours=hours_left)
    return Sailor(frozenset(permissions), expires_at)


def problems(result: ExecutionResult) -> list[dict[str, Any]]:
    """The extensions of a result's errors; every error has some."""
    return [error.extensions or {} for error in result.errors or []]


def messages(result: ExecutionResult) -> list[str]:
    return [error.message for error in result.errors or []]


async def next_of(stream: StreamResult) -> ExecutionResult:
    result = await anext(stream)
    assert isinstance(result, ExecutionResult)
    return result


async def all_of(stream: StreamResult) -> list[ExecutionResult]:
    return [result async for result in stream if isinstance(result, ExecutionResult)]
