"""What an object's answer is made of, worked out once for each place of a document and then followed for every row.

For each field of each row graphql-core builds a path, an info and a list of nodes, looks up the resolver and asks of
the value what it could be. In a list of a hundred rows all of this comes out the same a hundred times. A plan has it
decided: how to read the field, which class its value has, how that class is shown. It is followed while the values
are of that class; `execution` hands everything else (an error, a null that must not be, another class) to
graphql-core, from exactly there on, so an answer never depends on whether there was a plan.

A plan covers attributes and resolvers that take nothing but `self`, whose type is a scalar, an enum or another such
object. A field with arguments, an info, a list or a coroutine is a step that graphql-core takes by itself.

Plans hold the nodes of a document and are found by their identity, so they belong to what holds the document (the
verdict in `validation`) and end with it. Nothing here is generated code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from operator import attrgetter
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition, StrawberryOptional
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField

from schema.edge.recent import Recent

# Ways in which one document's `@skip` and `@include` may come out that are kept; others are planned each time.
VARIANTS_KEPT = 4
SHOWN_AS_THEY_ARE = {(GraphQLString, str), (GraphQLID, str), (GraphQLBoolean, bool)}

Read: TypeAlias = Callable[[Any], Any]
Show: TypeAlias = Callable[[Any], Any]
Place: TypeAlias = tuple[str | int, ...]
Sheet: TypeAlias = "dict[Place, Plan | None]"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a plan as graphql-core knows it, for when it has to take over. `child` plans an object's fields."""

    parent: GraphQLObjectType
    details: FieldDetailsList
    definition: GraphQLField
    is_nullable: bool
    child: "Plan | None" = None


class Step(NamedTuple):
    """One field of a plan. A tuple, because it is taken apart for every field of every row.

    name  in the answer.
    read  takes the value from its object; None leaves the whole field to graphql-core.
    kind  the class a leaf's value is expected to be of, exactly; None when it is not a leaf.
    show  makes what is answered of a value of that class; None answers with the value itself.
    """

    name: str
    field: Field
    read: Read | None = None
    kind: type | None = None
    show: Show | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How to answer with objects of one class. `may_be_cast`: one of them could say that it stands for another type."""

    origin: type
    may_be_cast: bool
    steps: tuple[Step, ...]

    def fits(self, value: object) -> bool:
        """Whether the plan may be followed for this object."""
        return type(value) is self.origin and not (self.may_be_cast and hasattr(value, TYPE_CAST_ATTRIBUTE))

    def fits_all(self, rows: Sequence[object]) -> bool:
        """As `fits`, for every row of a list that has some."""
        if set(map(type, rows)) != {self.origin}:
            return False
        return not (self.may_be_cast and any(hasattr(row, TYPE_CAST_ATTRIBUTE) for row in rows))


class Plans:
    """The plans of one document, one sheet for each way its `@skip` and `@include` come out."""

    def __init__(self, document: DocumentNode) -> None:
        self._switches = _switches(document)
        self._sheets: Recent[tuple[object, ...], Sheet] = Recent(VARIANTS_KEPT)

    def sheet(self, variables: dict[str, Any]) -> Sheet:
        """The sheet for an operation with these variables, coerced."""
        variant = tuple(variables.get(name) for name in self._switches)
        known = self._sheets.get(variant)
        return self._sheets.put(variant, {}, 1) if known is None else known


def plan_of(executor: Executor[Any], kind: GraphQLObjectType, fields: GroupedFieldSet, sheet: Sheet) -> Plan | None:
    """The plan for these fields of a type, from the sheet or worked out now; None when there is nothing to gain.

    The document's nodes are the key by their identity; the sheet lives no longer than they do.
    """
    place: Place = (kind.name, *[id(detail.node) for details in fields.values() for detail in details])
    if place not in sheet:
        sheet[place] = _planned(executor, kind, fields, sheet)
    return sheet[place]


def _planned(executor: Executor[Any], kind: GraphQLObjectType, fields: GroupedFieldSet, sheet: Sheet) -> Plan | None:
    origin = _origin(kind)
    # Fields that come later (@defer) or depend on the fragment's own arguments are beyond a plan.
    special = any(detail[1:] != (None, None) for details in fields.values() for detail in details)
    if origin is None or special:
        return None
    steps = tuple(_step(executor, kind, name, details, sheet) for name, details in fields.items())
    if None in steps or all(step is not None and step.read is None for step in steps):
        return None
    return Plan(origin, bool(kind.interfaces), tuple(step for step in steps if step is not None))


def _origin(kind: GraphQLObjectType) -> type | None:
    """The class whose objects can be known for this type by nothing but being of the class."""
    definition = (kind.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of is not None:
        return None
    # Of a generic type Strawberry makes a class for each use, but the objects are of the one that was written.
    origin = definition.concrete_of.origin if definition.concrete_of else definition.origin
    return origin if _is_plain(origin) else None


def _is_plain(kind: type) -> bool:
    """Whether a value of the class is only itself: an exception would be raised, an awaitable awaited."""
    return not issubclass(kind, BaseException) and not hasattr(kind, "__await__") and not hasattr(kind, "__getattr__")


def _step(
    executor: Executor[Any], parent: GraphQLObjectType, name: str, details: FieldDetailsList, sheet: Sheet
) -> Step | None:
    node = details[0].node
    definition = executor.schema.get_field(parent, node.name.value)
    if definition is None:
        return None
    is_nullable = not isinstance(definition.type, GraphQLNonNull)
    field = Field(parent, details, definition, is_nullable)
    if node.name.value == "__typename":
        return Step(name, field, lambda _: parent.name, str)
    source = (definition.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(source, StrawberryField) or definition.args or node.arguments:
        return Step(name, field)
    read = _reader(source)
    if read is None:
        return Step(name, field)
    inner = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
    if isinstance(inner, GraphQLObjectType):
        child = _child(executor, inner, details, sheet)
        return Step(name, replace(field, child=child), read) if child is not None else Step(name, field)
    shown = _shown(inner, source)
    return Step(name, field, read, *shown) if shown is not None else Step(name, field)


def _child(executor: Executor[Any], kind: GraphQLObjectType, details: FieldDetailsList, sheet: Sheet) -> Plan | None:
    fields = fields_of(executor, kind, details)
    return None if fields is None else plan_of(executor, kind, fields, sheet)


def fields_of(executor: Executor[Any], kind: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet | None:
    """The fields asked of an object, or None when they cannot be said or do not all come at once."""
    try:
        collected = executor.collect_subfields(kind, details)
    except (GraphQLError, RecursionError):
        # A null for the variable of a `@skip`, say. Every object reports it anew, each at its own path.
        return None
    return None if collected.new_defer_usages else collected.grouped_field_set


def _reader(source: StrawberryField) -> Read | None:
    """How to take a field's value from its object; None when that needs more than the object."""
    if source.is_basic_field:
        return attrgetter(source.python_name) if source.default_resolver is getattr else None
    resolver = source.base_resolver
    if resolver is None or source.extensions or source.arguments or source.is_subscription:
        return None
    function = resolver.wrapped_func
    asks_more = resolver.info_parameter or resolver.parent_parameter or resolver.root_parameter
    if asks_more or resolver.self_parameter is None or not isinstance(function, FunctionType):
        return None
    return None if iscoroutinefunction(function) or source.is_async else function


def _shown(kind: GraphQLOutputType, source: StrawberryField) -> tuple[type, Show | None] | None:
    """The class of a leaf's values and how they are shown; None when the class cannot be told from the type."""
    if isinstance(kind, CustomGraphQLEnumType):
        members: Iterable[Any] = kind.wrapped_cls
        return kind.wrapped_cls, {member: kind.coerce_output_value(member) for member in members}.__getitem__
    if not isinstance(kind, GraphQLScalarType):
        return None
    values = source.type.of_type if isinstance(source.type, StrawberryOptional) else source.type
    while (wrapped := getattr(values, "__supertype__", None)) is not None:
        values = wrapped
    if not isinstance(values, type) or values is object or not _is_plain(values):
        return None
    return values, None if (kind, values) in SHOWN_AS_THEY_ARE else kind.coerce_output_value


class _Switches(Visitor):
    """Gathers the variables that decide whether something is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        decides = node.name.value in ("skip", "include")
        for argument in (node.arguments or ()) if decides else ():
            if isinstance(argument.value, VariableNode):
                self.names[argument.value.name.value] = None


def _switches(document: DocumentNode) -> tuple[str, ...]:
    found = _Switches()
    if document.loc is None or "@" in document.loc.source.body:
        visit(document, found)
    return tuple(found.names)
