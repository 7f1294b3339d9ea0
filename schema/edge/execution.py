"""graphql-core's executor, which follows plans where there are some.

    PlannedExecution.execute_fields           an object: its plan, or graphql-core's way
    PlannedExecution.complete_iterable_value  a list of objects: one plan for all rows

Whatever a plan does not expect is handed over to graphql-core with the value as it was read, so no resolver is called
twice, and errors have the same text, path and places in the document in the same order. The methods overridden here
are not part of graphql-core's public interface: `tests/schema/edge/test_plans.py` compares both executors on random
operations, and must stay with every new version.
"""

from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, ClassVar, Protocol, Self, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.edge.plans import Field, Plan, Plans, Sheet, Step, fields_of, plan_of

UNREAD = object()


class Library(Protocol):
    """Where plans are kept, with the documents they belong to."""

    def plans(self, document: DocumentNode) -> Plans | None: ...


class PlannedExecution(StrawberryGraphQLCoreExecutionContext):
    """The executor of one operation. A subclass says where the plans of its schema's documents are kept."""

    library: ClassVar[Library]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sheet: Sheet = {}
        # Found by the identity of what is kept beside them, so that it cannot be taken by something else.
        self._found: dict[int, tuple[GroupedFieldSet, Plan | None]] = {}
        # Middleware wraps every resolver, and an abort signal is asked between fields; a plan would pass both by.
        manager = self.middleware_manager
        self._follows_plans = self.abort_signal is None and not (manager is not None and manager.middlewares)

    @classmethod
    def build(
        cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any
    ) -> list[GraphQLError] | Self:
        built = cast("list[GraphQLError] | Self", super().build(schema, document, *args, **kwargs))
        if isinstance(built, list):
            return built
        if (plans := cls.library.plans(document)) is not None:
            built._sheet = plans.sheet(built.variable_values.coerced)
        return built

    def build_per_event_executor(self, payload: Any) -> Self:
        executor = cast(Self, super().build_per_event_executor(payload))
        # The copy would share this memory, and it would hold something of every event the subscription ever had.
        executor._relevant_sub_fields, executor._found = {}, {}
        return executor

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> Any:
        if path is not None and position_context is None and self._follows_plans:
            plan = self._plan(parent_type, grouped_field_set)
            if plan is not None and plan.fits(source_value):
                return self._follow(plan, source_value, path)
        return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        if position_context is None and self._follows_plans and (type(items) is list or type(items) is tuple):
            plan = self._plan_of_rows(item_type, field_details_list)
            if plan is not None and plan.fits_all(items):
                return self._follow_for_all(plan, items, item_type, field_details_list, path)
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)

    def _plan(self, kind: GraphQLObjectType, fields: GroupedFieldSet) -> Plan | None:
        known = self._found.get(id(fields))
        if known is None:
            known = self._found[id(fields)] = fields, plan_of(self, kind, fields, self._sheet)
        return known[1]

    def _plan_of_rows(self, item_type: GraphQLOutputType, details: FieldDetailsList) -> Plan | None:
        kind = item_type.of_type if isinstance(item_type, GraphQLNonNull) else item_type
        # A directive on a list might be @stream.
        if not isinstance(kind, GraphQLObjectType) or any(detail.node.directives for detail in details):
            return None
        fields = fields_of(self, kind, details)
        return None if fields is None else self._plan(kind, fields)

    def _follow_for_all(
        self,
        plan: Plan,
        rows: Iterable[Any],
        item_type: GraphQLOutputType,
        details: FieldDetailsList,
        path: Path,
    ) -> Any:
        """The rows of a list, as `complete_iterable_value` completes them."""
        completed: list[Any] = []
        waiting: list[int] = []
        try:
            for index, row in enumerate(rows):
                try:
                    answer = self._follow(plan, row, Path(path, index, None))
                except Exception as error:
                    self.handle_field_error(error, item_type, details, Path(path, index, None))
                    answer = None
                else:
                    if type(answer) is not dict:
                        answer = self._awaited(answer, item_type, details, Path(path, index, None))
                        waiting.append(index)
                completed.append(answer)
        except Exception:
            if waiting:
                self.settle_in_background([completed[index] for index in waiting])
            raise
        return _gathered(completed, waiting) if waiting else completed

    def _follow(self, plan: Plan, source: Any, path: Path) -> Any:
        """One object, as `execute_fields` answers with it."""
        answer: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for step in plan.steps:
                name, _, read, kind, show = step
                value: Any = UNREAD
                if read is not None and kind is not None:
                    try:
                        value = read(source)
                        if type(value) is kind:
                            shown = value if show is None else show(value)
                            if shown is not None and shown is not Undefined:
                                answer[name] = shown
                                continue
                    except Exception as error:
                        # An error that was returned means the same to graphql-core as one that was raised.
                        value = error if value is UNREAD else value
                completed = self._finish(step, source, value, path)
                if completed is not Undefined:
                    answer[name] = completed
                    if self.is_awaitable(completed):
                        waiting.append(name)
        except Exception:
            if waiting:
                self.settle_in_background([answer[name] for name in waiting])
            raise
        return _gathered(answer, waiting) if waiting else answer

    def _finish(self, step: Step, source: Any, value: Any, path: Path) -> Any:
        """A field that is no leaf, or not the one its plan expects; `value` is UNREAD or what was read already."""
        name, field, read, _, _ = step
        own = Path(path, name, field.parent.name)
        if read is None:
            return self.execute_field(field.parent, source, field.details, own, None)
        if value is UNREAD:
            try:
                value = read(source)
            except Exception as error:
                value = error
        if value is None and field.is_nullable:
            return None
        child = field.child
        if child is None or not child.fits(value):
            return self._complete(field, value, own)
        try:
            answer = self._follow(child, value, own)
        except Exception as error:
            self.handle_field_error(error, field.definition.type, field.details, own)
            return None
        return answer if type(answer) is dict else self._awaited(answer, field.definition.type, field.details, own)

    def _complete(self, field: Field, value: Any, path: Path) -> Any:
        """What `execute_field` does after it has called the resolver."""
        kind, details = field.definition.type, field.details
        nodes = [detail.node for detail in details]
        info = self.build_resolve_info(field.definition, nodes, field.parent, path)
        try:
            if self.is_awaitable(value):
                return self.complete_awaitable_value(kind, details, info, path, value, None)
            completed = self.complete_value(kind, details, info, path, value, None)
            return self._awaited(completed, kind, details, path) if self.is_awaitable(completed) else completed
        except Exception as error:
            self.handle_field_error(error, kind, details, path)
            return None

    async def _awaited(self, pending: Awaitable[Any], kind: Any, details: FieldDetailsList, path: Path) -> Any:
        try:
            return await pending
        except Exception as error:
            self.handle_field_error(error, kind, details, path)
            return None


async def _gathered(answer: Any, waiting: Sequence[Any]) -> Any:
    """The answer, a dict or a list, with what is waiting in it replaced by what it became."""
    if len(waiting) == 1:
        answer[waiting[0]] = await answer[waiting[0]]
        return answer
    came = await gather_with_cancel(*(answer[name] for name in waiting))
    for name, value in zip(waiting, came, strict=True):
        answer[name] = value
    return answer
