"""From the text of a document to the decision to run it: parsed once, measured and validated once, allowed each time.

Three quarters of the work of a small query is finding out that it is valid, and the answer depends on nothing but its
text. So the parsed document is kept by its text, and everything derived from it by its identity: the errors, what it
demands of the caller, which of its variables are page sizes. The rule classes are the same objects for every request.

Strawberry reads `pre_execution_errors` inside the validation step: an extension that sets them after its `yield` is
ignored, and everything is let through. Here they are set before it, always; an empty list means validated.

It does not run resolvers and does not decide which rows they may read.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionContext
from strawberry.types.execution import StreamExecutionResult
from strawberry.types.graphql import OperationType

from schema.edge.costs import REFUSED_UNITS, Surcharges, Toll, surcharges
from schema.edge.limits import Limits, Measure, measure, weigh
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import Guards, Need, OperationContext, has_expired, refusals, unauthenticated

# Documents are kept by the length of their text, as their number alone would leave the memory to whoever writes them: a
# parsed character takes up to 300 bytes, so this is at most 80 MB, and some 300 operations of an ordinary length.
CHARACTERS_KEPT = 256 * 1024
VALIDATION_ERRORS_MAX = 5

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values asked for most recently, of at most this total weight."""

    def __init__(self, weight_max: int) -> None:
        self._weight_max = weight_max
        self._weight = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Key, value: Value, weight: int) -> Value:
        self._kept[key] = value, weight
        self._weight += weight
        while self._weight > self._weight_max:
            _, (_, lost) = self._kept.popitem(last=False)
            self._weight -= lost
        return value


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a document for good. It holds the document, so that its identity stays taken."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    measure: Measure
    needs: dict[str | None, tuple[Need, ...]]
    operations: dict[str | None, OperationDefinitionNode]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why an operation may not run, empty when it may, and what it costs to have asked."""

    errors: list[GraphQLError]
    units: int


class Desk:
    """Where the documents of one schema are judged. `clock` gives the present in UTC, to tell expired sessions."""

    def __init__(self, limits: Limits, *, introspection: bool, clock: Callable[[], datetime]) -> None:
        self.limits = limits
        self.clock = clock
        rules: list[type[ASTValidationRule]] = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        self._rules = tuple(rules if introspection else [*rules, NoSchemaIntrospectionCustomRule])
        # Suggestions tell the schema to those who may not introspect it, and take time to think up.
        self._hide_suggestions = not introspection
        self._documents: Recent[str, DocumentNode] = Recent(CHARACTERS_KEPT)
        self._verdicts: Recent[int, Verdict] = Recent(CHARACTERS_KEPT)
        self._guards: Guards | None = None
        self._surcharges: Surcharges = {}

    def document(self, text: str) -> DocumentNode | None:
        """The parsed text, or None when it cannot be parsed."""
        known = self._documents.get(text)
        if known is not None:
            return known
        try:
            return self._documents.put(text, parse(text, max_tokens=self.limits.tokens), len(text))
        except GraphQLError:
            return None

    def judge(self, operation: ExecutionContext) -> Judgement:
        """Whether this operation may run now, for this caller with these variables."""
        document = operation.graphql_document
        assert document is not None
        schema = operation.schema._schema
        verdict = self._verdict(schema, document)
        if verdict.errors:
            return _refused(*verdict.errors)
        if operation._provided_operation_name is None and len(verdict.operations) > 1:
            # Left alone, Strawberry would run the first one.
            return _refused(
                public_error("operationName says which operation of several to run.", ErrorCode.BAD_REQUEST)
            )
        name = operation.operation_name
        context: OperationContext = operation.context
        if refused := refusals(verdict.needs[name], context.actor, self.clock()):
            return _refused(*refused)
        if not verdict.measure.page_variables:
            return Judgement([], verdict.measure.units[name])
        weight = weigh(
            document,
            verdict.operations[name],
            schema=schema,
            limits=self.limits,
            variables=operation.variables or {},
            surcharges=self._surcharges,
        )
        return Judgement([], weight.units) if weight.excess is None else _refused(weight.excess)

    def _verdict(self, schema: GraphQLSchema, document: DocumentNode) -> Verdict:
        known = self._verdicts.get(id(document))
        if known is not None:
            return known
        weight = len(document.loc.source.body) if document.loc else CHARACTERS_KEPT
        return self._verdicts.put(id(document), self._judge(schema, document), weight)

    def _judge(self, schema: GraphQLSchema, document: DocumentNode) -> Verdict:
        self._surcharges = self._surcharges or surcharges(schema)
        measured = measure(document, schema, self.limits, self._surcharges)
        if measured.excess is not None:
            return Verdict(document, (measured.excess,), measured, {}, {})
        errors = validate(
            schema, document, self._rules, max_errors=VALIDATION_ERRORS_MAX, hide_suggestions=self._hide_suggestions
        )
        for error in errors:
            error.extensions = {"code": str(ErrorCode.VALIDATION_FAILED), **(error.extensions or {})}
        if errors:
            return Verdict(document, tuple(errors), measured, {}, {})
        self._guards = self._guards or Guards(schema)
        operations = {
            node.name.value if node.name else None: node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        needs = {name: self._guards.needs(document, node) for name, node in operations.items()}
        return Verdict(document, (), measured, needs, operations)


def _refused(*errors: GraphQLError) -> Judgement:
    return Judgement(list(errors), REFUSED_UNITS)


class JudgeFirst(SchemaExtension):
    """Takes every operation to the desk and to the toll before it runs, and gives it a context of its own."""

    def __init__(self, desk: Desk, toll: Toll | None) -> None:
        self._desk = desk
        self._toll = toll

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = self._desk.limits.tokens
        self.execution_context.context = self.execution_context.context.for_operation()
        yield

    def on_parse(self) -> Iterator[None]:
        # What cannot be parsed is left to Strawberry, which fails over it again in the place where it is caught.
        context = self.execution_context
        if context.graphql_document is None and context.query:
            context.graphql_document = self._desk.document(context.query)
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        judgement = self._desk.judge(self.execution_context)
        unpaid = None if self._toll is None else await self._toll(self.execution_context.context, judgement.units)
        self.execution_context.pre_execution_errors = judgement.errors if unpaid is None else [unpaid]
        yield

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        # A subscription outlives the decision to run it, so an event for an expired session is withheld.
        actor = self.execution_context.context.actor
        if actor is not None and has_expired(actor, self._desk.clock()) and self._is_subscription():
            result.data, result.errors = None, [unauthenticated(None)]  # type: ignore[union-attr]
        yield

    def _is_subscription(self) -> bool:
        document = self.execution_context.graphql_document
        return document is not None and self.execution_context.operation_type is OperationType.SUBSCRIPTION
