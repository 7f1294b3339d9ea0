"""Things with a global id."""

from uuid import UUID

import strawberry

from schema.ids import global_id


@strawberry.interface(description="Anything that has a global id and can be asked for with `node`.")
class Node:
    key: strawberry.Private[UUID]

    @strawberry.field(description="Global and opaque; the same thing always has the same one.")
    def id(self) -> strawberry.ID:
        return global_id(type(self).__name__, self.key)
