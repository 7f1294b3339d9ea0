"""What an operation costs, in units: one for each field at its root, one for each list item its answer may hold, and
what fields with a price of their own add.

    @strawberry.mutation(directives=[*public(), *costs(1000)])
    async def sign_in(...) -> SignInResult: ...

`limits` adds it up while it measures a document; who pays, and what happens when they cannot, is for the toll that the
composition root passes in.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import strawberry
from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location

from schema.edge.permissions import directives_of

# What a document costs that is refused before it runs: it was read and judged all the same.
REFUSED_UNITS = 1

Surcharges: TypeAlias = Mapping[tuple[str, str], int]
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


def surcharges(schema: GraphQLSchema) -> Surcharges:
    """Type and field name to the units that a field adds, for the fields that do."""
    return {
        (owner.name, name): directive.units
        for owner in schema.type_map.values()
        if isinstance(owner, GraphQLObjectType)
        for name, field in owner.fields.items()
        for directive in directives_of(field)
        if isinstance(directive, Costs)
    }
