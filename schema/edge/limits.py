"""How much one document may ask for, decided before anything expensive looks at it.

The standard rules compare every two fields that could be merged, and a document of 900 bytes can name millions of
them by letting fragments spread each other twice. So this check comes first, and it is linear by construction: it
expands each operation one selection at a time and stops at the 501st. What it walks over is counted: depth, aliases,
directives, root fields, fields asked for repeatedly, and the list items the answer may hold. Fragments that no
operation uses are expanded as well, since the standard rules would compare their fields too. What an operation costs
its caller (see `costs`) is added up on the same walk.

Introspection has no depth here, since graphql-core bounds it by itself, but only for a document in which nothing is
asked for twice: so it may have no aliases, and it has a price. Whether a document is valid, and who may run it, are
questions for `validation` and `permissions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from schema.edge.masking import ErrorCode, public_error

PAGE_ARGUMENTS = ("first", "last")
SATURATED = 1_000_000_000
INTROSPECTION = ("__schema", "__type")
INTROSPECTION_UNITS = 500
MEASURED = ("selections", "depth", "root_fields", "aliases", "introspection_aliases", "directives", "repeats")
# By name what was sent, or the default as it is written.
Variables = Mapping[str, object]
# A type and one of its fields.
FieldName: TypeAlias = tuple[str, str]
_Root = OperationDefinitionNode | FragmentDefinitionNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The greatest allowed value of each measure; one more is refused.

    selections     fields and fragment spreads of one operation, fragments expanded.
    repeats        fields whose response name was already asked for at the same place (merging them is quadratic).
    cost           list items the answer may hold: for each list, the product of the page sizes above and at it.
    page_unstated  the page size assumed where a list takes `first` or `last`, has no default, and is given neither.
    """

    tokens: int = 1000
    operations: int = 5
    fragments: int = 25
    depth: int = 8
    root_fields: int = 20
    aliases: int = 15
    introspection_aliases: int = 0
    directives: int = 50
    selections: int = 500
    repeats: int = 100
    cost: int = 5000
    page_unstated: int = 20


@dataclass(frozen=True, slots=True)
class Measure:
    """Whether a document is too much, and which variables its cost depends on (the names given as page sizes).

    units  what each operation costs, by its name, while those variables have their defaults.
    """

    excess: GraphQLError | None
    page_variables: frozenset[str]
    units: Mapping[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weight:
    """What an operation costs with the variables it was sent with, and the refusal when that is too much."""

    units: int
    excess: GraphQLError | None


@dataclass(frozen=True, slots=True)
class Tariff:
    """What fields cost beside the pages they ask for.

    surcharges  units that a field adds.
    sizes       where a field's list stands whose length is its size: the argument, and the way into it.
    """

    surcharges: Mapping[FieldName, int] = field(default_factory=dict)
    sizes: Mapping[FieldName, tuple[str, ...]] = field(default_factory=dict)


NO_TARIFF = Tariff()


def measure(
    document: DocumentNode,
    schema: GraphQLSchema,
    limits: Limits,
    tariff: Tariff = NO_TARIFF,
) -> Measure:
    """Measure all operations of a document, before it is known to be valid. Takes at most 30 × 500 steps.

    The cost of an operation whose page sizes are variables is left to `weigh`, which knows their values.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    for name, count in (("operations", len(operations)), ("fragments", len(fragments))):
        if count > getattr(limits, name):
            return Measure(_excess(name, limits), frozenset())
    page_variables: set[str] = set()
    expanded: set[str] = set()
    units: dict[str | None, int] = {}
    roots: list[_Root] = [*operations, *fragments.values()]
    for root in roots:
        if isinstance(root, FragmentDefinitionNode) and root.name.value in expanded:
            continue
        expansion = _Expansion(
            schema=schema, limits=limits, fragments=fragments, variables=_defaults(root), tariff=tariff
        )
        excess = expansion.run(root)
        expanded |= expansion.expanded
        page_variables |= expansion.page_variables
        if excess is None and not expansion.page_variables and expansion.cost > limits.cost:
            excess = "cost"
        if excess is not None:
            return Measure(_excess(excess, limits), frozenset())
        if isinstance(root, OperationDefinitionNode):
            units[root.name.value if root.name else None] = expansion.units
    return Measure(None, frozenset(page_variables), units)


def weigh(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    *,
    schema: GraphQLSchema,
    limits: Limits,
    variables: Variables,
    tariff: Tariff = NO_TARIFF,
) -> Weight:
    """What an operation costs whose page sizes are variables, with those it was sent with."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    values = {**_defaults(operation), **variables}
    expansion = _Expansion(schema=schema, limits=limits, fragments=fragments, variables=values, tariff=tariff)
    expansion.run(operation)
    return Weight(expansion.units, _excess("cost", limits) if expansion.cost > limits.cost else None)


@dataclass(slots=True)
class _Place:
    """One place of the response; fields of the same response name share theirs, whichever fragment they come from."""

    children: dict[str, "_Place"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Step:
    """A selection set still to be expanded, with all that is above it."""

    selections: SelectionSetNode
    parent: GraphQLNamedType | None
    place: _Place
    depth: int
    page: int
    open_fragments: frozenset[str]
    introspects: bool


@dataclass(slots=True, kw_only=True)
class _Expansion:
    """One operation, or one unused fragment, expanded selection by selection until a limit is passed."""

    schema: GraphQLSchema
    limits: Limits
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Variables
    tariff: Tariff
    depth: int = 0
    root_fields: int = 0
    aliases: int = 0
    introspection_aliases: int = 0
    directives: int = 0
    selections: int = 0
    repeats: int = 0
    cost: int = 0
    surcharge: int = 0
    expanded: set[str] = field(default_factory=set)
    page_variables: set[str] = field(default_factory=set)
    _todo: list[_Step] = field(default_factory=list)

    @property
    def units(self) -> int:
        return self.root_fields + self.cost + self.surcharge

    def run(self, root: _Root) -> str | None:
        """The name of the first limit that is passed, or None when all was expanded within the limits."""
        self.directives += len(root.directives or ())
        self._todo.append(_Step(root.selection_set, self._root_type(root), _Place(), 0, 1, frozenset(), False))
        while self._todo:
            step = self._todo.pop()
            for selection in step.selections.selections:
                self.selections += 1
                self.directives += len(selection.directives or ())
                if isinstance(selection, FieldNode):
                    self._enter_field(selection, step)
                elif isinstance(selection, InlineFragmentNode):
                    self._enter_fragment(selection, step, step.open_fragments)
                elif isinstance(selection, FragmentSpreadNode):
                    self._enter_spread(selection.name.value, step)
                if (name := self._passed()) is not None:
                    return name
        return None

    def _passed(self) -> str | None:
        for name in MEASURED:
            if getattr(self, name) > getattr(self.limits, name):
                return name
        return None

    def _enter_field(self, node: FieldNode, step: _Step) -> None:
        response_name = (node.alias or node.name).value
        self.aliases += node.alias is not None
        self.root_fields += step.depth == 0
        self.repeats += response_name in step.place.children
        place = step.place.children.setdefault(response_name, _Place())
        introspects = step.introspects or node.name.value in INTROSPECTION
        self.introspection_aliases += introspects and node.alias is not None
        depth = step.depth + (not step.introspects)
        self.depth = max(self.depth, depth)
        name = (step.parent.name if step.parent else "", node.name.value)
        self.surcharge += self.tariff.surcharges.get(name, INTROSPECTION_UNITS if name[1] in INTROSPECTION else 0)
        definition = self.schema.get_field(step.parent, node.name.value) if is_composite_type(step.parent) else None
        page = step.page
        if not introspects and (size := self._size(node, name, definition)) is not None:
            page = min(SATURATED, page * size)
            self.cost = min(SATURATED, self.cost + page)
        if node.selection_set:
            inner = get_named_type(definition.type) if definition else None
            self._todo.append(_Step(node.selection_set, inner, place, depth, page, step.open_fragments, introspects))

    def _enter_spread(self, name: str, step: _Step) -> None:
        fragment = self.fragments.get(name)
        # An unknown fragment and one that spreads itself are for the standard rules to report.
        if fragment is None or name in step.open_fragments:
            return
        self.expanded.add(name)
        self.directives += len(fragment.directives or ())
        self._enter_fragment(fragment, step, step.open_fragments | {name})

    def _enter_fragment(
        self, node: InlineFragmentNode | FragmentDefinitionNode, step: _Step, open_fragments: frozenset[str]
    ) -> None:
        condition = node.type_condition
        parent = self.schema.get_type(condition.name.value) if condition else step.parent
        self._todo.append(
            _Step(node.selection_set, parent, step.place, step.depth, step.page, open_fragments, step.introspects)
        )

    def _root_type(self, root: _Root) -> GraphQLNamedType | None:
        if isinstance(root, FragmentDefinitionNode):
            return self.schema.get_type(root.type_condition.name.value)
        return self.schema.get_root_type(root.operation)

    def _size(self, node: FieldNode, name: FieldName, definition: GraphQLField | None) -> int | None:
        """The items this field may hold, or None when it is no list that is measured."""
        way = self.tariff.sizes.get(name)
        if way is None:
            return self._page_size(node, definition.args if definition else {})
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        return self._length(given.get(way[0]), way[1:])

    def _length(self, value: object, way: tuple[str, ...]) -> int:
        """How long the list is that stands there, by what is written and what was sent; anything else is one item."""
        if isinstance(value, VariableNode):
            self.page_variables.add(value.name.value)
            return self._length(self.variables.get(value.name.value), way)
        if not way:
            items = value.values if isinstance(value, ListValueNode) else value
            return len(items) if isinstance(items, list | tuple) else 1
        if isinstance(value, ObjectValueNode):
            value = {part.name.value: part.value for part in value.fields}
        return self._length(value.get(way[0]), way[1:]) if isinstance(value, dict) else 1

    def _page_size(self, node: FieldNode, arguments: Mapping[str, GraphQLArgument]) -> int | None:
        """The items one page of this field may hold, or None when it takes no page size."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        names = [name for name in PAGE_ARGUMENTS if name in given or name in arguments]
        if not names:
            return None
        stated = [size for name in names if (size := self._stated(given.get(name), arguments.get(name))) is not None]
        return min(SATURATED, max(1, *stated)) if stated else self.limits.page_unstated

    def _stated(self, node: ValueNode | None, argument: GraphQLArgument | None) -> int | None:
        if isinstance(node, VariableNode):
            self.page_variables.add(node.name.value)
            if node.name.value in self.variables:
                sent = self.variables[node.name.value]
                return _literal(sent) if isinstance(sent, ValueNode) else _whole(sent)
        elif node is not None:
            return _literal(node)
        return _whole(argument.default_value) if argument is not None else None


def _defaults(root: _Root) -> dict[str, object]:
    return {
        definition.variable.name.value: definition.default_value
        for definition in root.variable_definitions or ()
        if definition.default_value is not None
    }


def _literal(node: ValueNode) -> int | None:
    if not isinstance(node, IntValueNode):
        return None
    return int(node.value) if len(node.value) < 10 else SATURATED


def _whole(value: object) -> int | None:
    """A page size as GraphQL reads it: 100.0 is a hundred."""
    return int(value) if isinstance(value, int | float) and value == value // 1 else None


def _excess(name: str, limits: Limits) -> GraphQLError:
    allowed = getattr(limits, name)
    words = name.replace("_", " ")
    return public_error(
        f"The operation asks for too much: its {words} may be at most {allowed}.",
        ErrorCode.QUERY_TOO_COMPLEX,
        limit=name,
        allowed=allowed,
    )
