"""A schema whose author forgot to say who may ask for what."""

import strawberry

from schema.edge.permissions import public
from schema.edge.schema import build_schema


@strawberry.type
class Query:
    declared: int = strawberry.field(default=1, directives=public())
    forgotten: int = 2


@strawberry.type
class Mutation:
    @strawberry.mutation
    def forgotten(self) -> int:
        return 3


UNDECLARED = build_schema(Query, Mutation, introspection=True)
