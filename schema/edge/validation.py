"""From the text of a document to the decision to run it: parsed once, measured and validated once, allowed each time.

Three quarters of the work of a small query is finding out that it is valid, and the answer depends on nothing but its
text. So the parsed document is kept by its text, and everything derived from it by its identity: the errors, what it
demands of the caller, which of its variables are page sizes. The rule classes are the same objects for every request.

Strawberry reads `pre_execution_errors` inside the validation step: an extension that sets them after its `yield` is
ignored, and everything is let through. Here they are set before it, always; an empty list means validated.

It does not run resolvers and does not decide which rows they may read.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

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
from strawberry.types.execution import PreExecutionError, StreamExecutionResult
from strawberry.types.graphql import OperationType

from schema.edge.costs import REFUSED_UNITS, Toll, tariff_of
from schema.edge.limits import NO_TARIFF, Limits, Measure, Tariff, measure, weigh
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import Guards, Need, OperationContext, has_expired, refusals, unauthenticated
from schema.edge.plans import Plans
from schema.edge.recent import Recent
from schema.edge.trusted import ManifestRefused, TrustedDocuments, wanted_id

# Documents are kept by the length of their text, as their number alone would leave the memory to whoever writes them: a
# parsed character takes up to 300 bytes and its plans as much again, so this is at most 160 MB, and some 300 operations
# of an ordinary length.
CHARACTERS_KEPT = 256 * 1024
VALIDATION_ERRORS_MAX = 5
# Stands in for a document that is not looked at.
NOTHING = parse("{ __typename }")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a document for good. It holds the document, so that its identity and its nodes' stay taken."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]
    measure: Measure
    needs: dict[str | None, tuple[Need, ...]]
    operations: dict[str | None, OperationDefinitionNode]
    plans: Plans | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why an operation may not run, empty when it may, and what it costs to have asked."""

    errors: list[GraphQLError]
    units: int


class Desk:
    """Where the documents of one schema are judged. `clock` gives the present in UTC, to tell expired sessions."""

    def __init__(
        self, limits: Limits, *, introspection: bool, clock: Callable[[], datetime], trusted: TrustedDocuments
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.trusted = trusted
        rules: list[type[ASTValidationRule]] = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        self._rules = tuple(rules if introspection else [*rules, NoSchemaIntrospectionCustomRule])
        # Suggestions tell the schema to those who may not introspect it, and take time to think up.
        self._hide_suggestions = not introspection
        self._documents: Recent[str, DocumentNode] = Recent(CHARACTERS_KEPT)
        self._verdicts: Recent[int, Verdict] = Recent(CHARACTERS_KEPT)
        # Of the manifest: judged when the door opens, and never forgotten.
        self._trusted_documents: dict[str, DocumentNode] = {}
        self._trusted_verdicts: dict[int, Verdict] = {}
        self._guards: Guards | None = None
        self._tariff: Tariff | None = None

    def trust(self, schema: GraphQLSchema) -> None:
        """Every document of the manifest is judged. Raises ManifestRefused with a line for each that does not pass."""
        defects = []
        for name, text in self.trusted.documents():
            try:
                document = parse(text, max_tokens=self.limits.tokens)
            except GraphQLError as error:
                defects.append(f"{name}: {error.message}")
                continue
            verdict = self._judge(schema, document)
            self._trusted_documents[text] = document
            self._trusted_verdicts[id(document)] = verdict
            defects += [f"{_title(document)} ({name}): {error.message}" for error in verdict.errors]
        if defects:
            raise ManifestRefused("These trusted documents cannot be run:\n" + "\n".join(f"  {one}" for one in defects))

    def admit(self, operation: ExecutionContext) -> GraphQLError | None:
        """The operation has the text of the document it asks for; or why it may not run, whatever it is."""
        try:
            operation.query = self.text_of(operation.query, operation.operation_extensions)
        except GraphQLError as refused:
            return refused
        return None

    def text_of(self, query: str | None, extensions: Mapping[str, object] | None) -> str | None:
        """The text of the document a request over HTTP asks for. Raises GraphQLError when it may not be run."""
        told = extensions or {}
        # The view has laid a documentId among them, for Strawberry hands on nothing else that stands beside the query.
        return self.trusted.admitted(query, wanted_id({"documentId": told.get("documentId"), "extensions": told}))

    def document(self, text: str) -> DocumentNode | None:
        """The parsed text, or None when it cannot be parsed."""
        known = self._trusted_documents.get(text) or self._documents.get(text)
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
            tariff=self._tariff or NO_TARIFF,
        )
        return Judgement([], weight.units) if weight.excess is None else _refused(weight.excess)

    def plans(self, document: DocumentNode) -> Plans | None:
        """The plans of a document that was judged; None when it has been forgotten in the meantime."""
        verdict = self._known(document)
        return verdict.plans if verdict is not None else None

    def _known(self, document: DocumentNode) -> Verdict | None:
        return self._trusted_verdicts.get(id(document)) or self._verdicts.get(id(document))

    def _verdict(self, schema: GraphQLSchema, document: DocumentNode) -> Verdict:
        known = self._known(document)
        if known is not None:
            return known
        weight = len(document.loc.source.body) if document.loc else CHARACTERS_KEPT
        return self._verdicts.put(id(document), self._judge(schema, document), weight)

    def _judge(self, schema: GraphQLSchema, document: DocumentNode) -> Verdict:
        self._tariff = self._tariff or tariff_of(schema)
        measured = measure(document, schema, self.limits, self._tariff)
        if measured.excess is not None:
            return Verdict(document, (measured.excess,), measured, {}, {}, None)
        errors = validate(
            schema, document, self._rules, max_errors=VALIDATION_ERRORS_MAX, hide_suggestions=self._hide_suggestions
        )
        for error in errors:
            error.extensions = {"code": str(ErrorCode.VALIDATION_FAILED), **(error.extensions or {})}
        if errors:
            return Verdict(document, tuple(errors), measured, {}, {}, None)
        self._guards = self._guards or Guards(schema)
        operations = {
            node.name.value if node.name else None: node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        needs = {name: self._guards.needs(document, node) for name, node in operations.items()}
        return Verdict(document, (), measured, needs, operations, Plans(document))


def _title(document: DocumentNode) -> str:
    """The names of a document's operations, for people."""
    names = [
        node.name.value for node in document.definitions if isinstance(node, OperationDefinitionNode) and node.name
    ]
    return ", ".join(names) or "a document without a name"


def _refused(*errors: GraphQLError) -> Judgement:
    return Judgement(list(errors), REFUSED_UNITS)


class JudgeFirst(SchemaExtension):
    """Takes every operation to the desk and to the toll before it runs, and gives it a context of its own."""

    def __init__(self, desk: Desk, toll: Toll | None) -> None:
        self._desk = desk
        self._toll = toll
        self._untrusted: GraphQLError | None = None
        self._is_judged = False

    async def on_operation(self) -> AsyncIterator[None]:
        operation = self.execution_context
        operation.parse_options["max_tokens"] = self._desk.limits.tokens
        operation.context = operation.context.for_operation()
        self._untrusted = self._desk.admit(operation)
        if self._untrusted is not None:
            # What is said from here goes to the caller on every transport, but only while there is a document.
            operation.graphql_document, operation._provided_operation_name = NOTHING, None
        try:
            yield
        finally:
            # What cannot be parsed never comes to be judged, but it was read.
            if not self._is_judged:
                await self._charge(REFUSED_UNITS)

    def on_parse(self) -> Iterator[None]:
        # What cannot be parsed is left to Strawberry, which fails over it again in the place where it is caught.
        context = self.execution_context
        if context.graphql_document is None and context.query:
            context.graphql_document = self._desk.document(context.query)
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        self._is_judged = True
        if self._untrusted is not None:
            judgement = _refused(self._untrusted)
        else:
            judgement = self._desk.judge(self.execution_context)
        unpaid = await self._charge(judgement.units)
        self.execution_context.pre_execution_errors = judgement.errors if unpaid is None else [unpaid]
        yield

    async def _charge(self, units: int) -> GraphQLError | None:
        return None if self._toll is None else await self._toll(self.execution_context.context, units)

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        # A subscription outlives the decision to run it, so an event for an expired session is withheld. What is
        # raised here takes its place and ends the stream: Strawberry closes the source, and comes by with the error.
        actor = self.execution_context.context.actor
        if actor is not None and has_expired(actor, self._desk.clock()) and self._is_subscription():
            farewell = unauthenticated(None)
            is_over = isinstance(result, PreExecutionError) or result.errors == [farewell]  # type: ignore[union-attr]
            if not is_over:
                raise farewell
            result.data, result.errors = None, [farewell]  # type: ignore[union-attr]
        yield

    def _is_subscription(self) -> bool:
        document = self.execution_context.graphql_document
        return document is not None and self.execution_context.operation_type is OperationType.SUBSCRIPTION
