"""Operations nobody would write: every way the language has to ask for the same fields, at random.

Aliases, fields asked for twice, named and inline fragments on types and interfaces, `@skip` and `@include` by value
and by variable. What comes out is valid unless two fields of one name want different things; then both executors
refuse it alike.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
Values = Mapping[str, Callable[[Random], str]]

# `$n` may be given as null although a directive wants a value: an error that comes up while fields are collected.
VARIABLES = {"a": "Boolean!", "b": "Boolean!", "n": "Boolean = true"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A document of one operation, and what is sent with it."""

    text: str
    variables: dict[str, bool | None]


@dataclass(slots=True)
class Writer:
    """Writes one operation.

    values   what arguments are given, by their names; a field that requires another one is never asked for.
    without  fields that are never asked for, as `Type.field`.
    """

    schema: GraphQLSchema
    chance: Random
    values: Values = field(default_factory=dict)
    without: Collection[str] = ()
    depth: int = 5
    fragments: list[str] = field(default_factory=list)

    def operation(self) -> Operation:
        root = self.schema.query_type
        assert root is not None
        asked = self.selections(root, self.depth)
        text = " ".join([asked, *self.fragments])
        used = [name for name in VARIABLES if re.search(rf"\${name}\b", text)]
        declared = ", ".join(f"${name}: {VARIABLES[name]}" for name in used)
        variables = {name: self.chance.choice([True, False]) for name in used if name != "n" or self.happens(0.5)}
        given: dict[str, bool | None] = {**variables}
        if "n" in variables and self.happens(0.2):
            given["n"] = None
        return Operation(f"query Q{f'({declared})' if declared else ''} {text}", given)

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    def selections(self, kind: Composite, depth: int) -> str:
        """A selection set of one to five selections, some of them fragments."""
        found = [self.selection(kind, depth) for _ in range(self.chance.randint(1, 5))]
        return "{ " + " ".join(found) + " }"

    def selection(self, kind: Composite, depth: int) -> str:
        if depth > 0 and self.happens(0.2):
            return self.fragment(kind, depth)
        fields = [] if isinstance(kind, GraphQLUnionType) else self.askable(kind, depth)
        if not fields or self.happens(0.1):
            return f"__typename{self.directive()}"
        name, asked = self.chance.choice(fields)
        # One alias is always of one field, so that the same name never stands for two things.
        alias = f"{name}{self.chance.randint(1, 2)}: " if self.happens(0.3) else ""
        inner = get_named_type(asked.type)
        below = f" {self.selections(inner, depth - 1)}" if is_composite_type(inner) else ""
        return f"{alias}{name}{self.arguments(asked)}{self.directive()}{below}"

    def askable(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> list[tuple[str, GraphQLField]]:
        return [
            (name, one)
            for name, one in kind.fields.items()
            if f"{kind.name}.{name}" not in self.without
            and (depth > 0 or not is_composite_type(get_named_type(one.type)))
            and all(given in self.values for given, of in one.args.items() if is_required_argument(of))
        ]

    def fragment(self, kind: Composite, depth: int) -> str:
        narrowed = self.chance.choice(self.narrower(kind))
        asked = self.selections(narrowed, depth - 1)
        if self.happens(0.4):
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {narrowed.name} {asked}")
            spread = f"...{name}{self.directive()}"
            return f"{spread} {spread}" if self.happens(0.2) else spread
        condition = f" on {narrowed.name}" if narrowed is not kind or self.happens(0.5) else ""
        return f"...{condition}{self.directive()} {asked}"

    def narrower(self, kind: Composite) -> list[Composite]:
        """Types that a fragment at this place may be on."""
        if isinstance(kind, GraphQLObjectType):
            return [kind, *kind.interfaces]
        return [kind, *self.schema.get_possible_types(kind)]

    def arguments(self, asked: GraphQLField) -> str:
        given = [
            f"{name}: {self.values[name](self.chance)}"
            for name, argument in asked.args.items()
            if name in self.values and (is_required_argument(argument) or self.happens(0.5))
        ]
        return f"({', '.join(given)})" if given else ""

    def directive(self) -> str:
        if not self.happens(0.15):
            return ""
        condition = self.chance.choice(["true", "false", "$a", "$b", "$n"])
        return f" @{self.chance.choice(['skip', 'include'])}(if: {condition})"
