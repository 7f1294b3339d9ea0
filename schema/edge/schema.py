"""Building the schema: the root types of the product behind the edge's limits, permissions and masking.

It does not know the root types; the composition root passes them in.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exception_handlers import ExceptionHandler
from strawberry.types import ExecutionContext
from strawberry.types.scalar import ScalarDefinition

from schema.edge.costs import Toll
from schema.edge.execution import PlannedExecution
from schema.edge.limits import Limits
from schema.edge.masking import mask_faults
from schema.edge.trusted import TrustedDocuments
from schema.edge.validation import Desk, JudgeFirst

PAGE_SIZE_MAX = 100


def utc_now() -> datetime:
    return datetime.now(UTC)


class EdgeSchema(strawberry.Schema):
    """A schema whose errors all have a code, and whose faults are logged and masked."""

    desk: Desk

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        # Every error of every transport passes here once, in the list that will be sent. Masking in place leaves no
        # second way out, unlike an extension, which does not see the errors of its neighbours.
        errors[:] = mask_faults(errors)


def build_schema(
    query: type,
    mutation: type | None = None,
    subscription: type | None = None,
    *,
    types: Iterable[type] = (),
    scalar_map: Mapping[object, ScalarDefinition] | None = None,
    exception_handlers: Iterable[ExceptionHandler[Any]] = (),
    introspection: bool,
    limits: Limits | None = None,
    clock: Callable[[], datetime] = utc_now,
    toll: Toll | None = None,
    trusted: TrustedDocuments | None = None,
) -> EdgeSchema:
    """The schema the view serves. Every context it is executed with must be a `permissions.OperationContext`.

    introspection  False also silences "did you mean".
    clock          the present in UTC; decides when a session has expired.
    toll           is asked before each operation; None lets everybody ask as much as they like.
    trusted        the documents of the frontends. Raises ManifestRefused when one of them cannot be run.
    """
    desk = Desk(limits or Limits(), introspection=introspection, clock=clock, trusted=trusted or TrustedDocuments())

    class Execution(PlannedExecution):
        library = desk

        def build_per_event_executor(self, payload: Any) -> Self:
            executor = super().build_per_event_executor(payload)
            # An event is as good as an operation: what was loaded for the one before may have changed since.
            executor.context_value = executor.context_value.for_operation()
            return executor

    schema = EdgeSchema(
        query,
        mutation,
        subscription,
        types=types,
        extensions=[lambda: JudgeFirst(desk, toll)],
        exception_handlers=exception_handlers,
        execution_context_class=Execution,
        config=StrawberryConfig(
            scalar_map=dict(scalar_map or {}),
            disable_field_suggestions=not introspection,
            relay_max_results=PAGE_SIZE_MAX,
        ),
    )
    schema.desk = desk
    desk.trust(schema._schema)
    return schema
