"""What an operation costs, in units: one for each field at its root, one for each list item its answer may hold, and
what fields with a price of their own add.

    @strawberry.mutation(directives=[*public(), *costs(1000)])
    async def sign_in(...) -> SignInResult: ...

    @strawberry.field(directives=[*requires(...), *sized("ids")])
    async def nodes(self, ids: list[strawberry.ID]) -> list[Node | None]: ...

`limits` adds it up while it measures a document; who pays, and what happens when they cannot, is for the toll that the
composition root passes in.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import strawberry
from graphql import GraphQLError, GraphQLField, GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location

from schema.edge.limits import FieldName, Tariff
from schema.edge.permissions import directives_of

# What a document costs that is refused before it runs: it was read and judged all the same.
REFUSED_UNITS = 1

# Takes an operation's context and its units; answers with the refusal when the caller has too few left.
Toll: TypeAlias = Callable[[Any, int], Awaitable[GraphQLError | None]]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="costs",
    description="So many cost units more than other fields, each time the field is asked for.",
)
class Costs:
    units: int


def costs(units: int) -> list[object]:
    """The `directives` of a field whose work is worth so many units."""
    return [Costs(units=units)]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="sized",
    description="The answer may hold as many items as the list at this argument, such as `input.spends`: they are "
    "counted like the rows of a page.",
)
class Sized:
    by: str


def sized(by: str) -> list[object]:
    """The `directives` of a field that works through a list it is given."""
    return [Sized(by=by)]


def tariff_of(schema: GraphQLSchema) -> Tariff:
    """What the fields of a schema add, and which of them are sized by a list they are given."""
    return Tariff(
        surcharges={
            name: directive.units
            for name, field in _fields(schema)
            for directive in directives_of(field)
            if isinstance(directive, Costs)
        },
        sizes={
            name: tuple(directive.by.split("."))
            for name, field in _fields(schema)
            for directive in directives_of(field)
            if isinstance(directive, Sized)
        },
    )


def _fields(schema: GraphQLSchema) -> Iterator[tuple[FieldName, GraphQLField]]:
    for owner in schema.type_map.values():
        if isinstance(owner, GraphQLObjectType):
            for name, field in owner.fields.items():
                yield (owner.name, name), field
