"""Who may ask for a field: declared on the field, printed in the schema, enforced once per operation.

    @strawberry.field(directives=requires(Permission.TOKENS_VIEW))
    async def wallet(...) -> Wallet: ...

Before any resolver runs, the document is read from the operation down and every guard it touches is demanded at once,
so a list of a thousand rows costs no more than one. A fragment counts where it is spread; a field of an interface is
guarded by the interface and by every type that implements it; `@skip` and `@include` are ignored, so a guarded field
that would be left out is demanded all the same; `__typename` is free, the field around it is not.

It does not look at rows. That a wallet belongs to the caller's organization is for the queries, which start there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self, TypeAlias

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema_directive import Location
from strawberry.types.enum import StrawberryEnumDefinition

from rules.permissions import Permission as Permission
from schema.edge.masking import ErrorCode, public_error

DESCRIPTIONS = {
    Permission.TOKENS_VIEW: "See the organization's wallet, lots, entries, purchases and invoices.",
    Permission.TOKENS_SPEND: "Spend and hold tokens, capture and release holds.",
    Permission.TOKENS_PURCHASE: "Buy tokens and keep payment methods and subscriptions.",
    Permission.TOKENS_CONFIGURE: "Change wallet settings, automatic top-up, thresholds, webhooks, members and keys.",
    Permission.FINANCE_VIEW: "See revenue, the journal and every invoice of the platform.",
    Permission.FINANCE_MANAGE: "Refund, grant and adjust.",
    Permission.CATALOG_MANAGE: "Change packages, volume tiers, coupons and the rate card.",
    Permission.PLATFORM_ADMIN: "Act in any organization and run background jobs.",
}

Alternatives: TypeAlias = tuple[Permission, ...]


class Actor(Protocol):
    """The signed-in caller, as far as the edge needs to know it."""

    @property
    def permissions(self) -> frozenset[Permission]: ...

    @property
    def expires_at(self) -> datetime | None: ...


class OperationContext(Protocol):
    """What every resolver finds in `info.context`; `actor` is None for a caller who has not signed in."""

    connection_params: dict[str, object] | None

    @property
    def actor(self) -> Actor | None: ...

    def for_operation(self) -> Self:
        """A copy with fresh state (loaders, caches), because all operations of a WebSocket share one context."""


def _described(permissions: type[Permission]) -> type[Permission]:
    """The enum as GraphQL shows it. Its values are described here, since the rules know nothing of GraphQL."""
    shown = strawberry.enum(permissions, description="What a member or an API key may do.")
    definition = getattr(shown, "__strawberry_definition__", None)
    assert isinstance(definition, StrawberryEnumDefinition)
    for value in definition.values:
        value.description = DESCRIPTIONS[permissions(value.value)]
    return shown


GraphQLPermission = _described(Permission)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requiresPermission",
    repeatable=True,
    description="The caller must be signed in and have this permission; with several, all of them.",
)
class RequiresPermission:
    permission: Permission


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="requiresAnyPermission",
    description="The caller must be signed in and have at least one of these permissions.",
)
class RequiresAnyPermission:
    permissions: list[Permission]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="public",
    description="Anyone may ask for this field, signed in or not.",
)
class Public:
    pass


def requires(permission: Permission, *others: Permission) -> list[object]:
    """The `directives` of a field that demands these permissions, all of them."""
    return [RequiresPermission(permission=each) for each in (permission, *others)]


def requires_any(permission: Permission, *others: Permission) -> list[object]:
    """The `directives` of a field that demands one of these permissions; the first is named when none is there."""
    return [RequiresAnyPermission(permissions=[permission, *others])]


def public() -> list[object]:
    """The `directives` of a field that demands nothing, which a root field has to say."""
    return [Public()]


def undeclared_root_fields(schema: strawberry.Schema) -> list[str]:
    """The root fields, as `Type.field`, that are neither guarded nor said to be public. A test wants this empty."""
    core = schema._schema
    return [
        f"{root.name}.{name}"
        for root in (core.query_type, core.mutation_type, core.subscription_type)
        if root is not None
        for name, field in root.fields.items()
        if not any(
            isinstance(directive, RequiresPermission | RequiresAnyPermission | Public)
            for directive in directives_of(field)
        )
    ]


@dataclass(frozen=True, slots=True)
class Need:
    """A permission some field of an operation demands, or one of `instead`; `field` is written `Type.field`."""

    permission: Permission
    field: str
    instead: tuple[Permission, ...] = ()

    def is_met_by(self, actor: Actor) -> bool:
        return self.permission in actor.permissions or any(each in actor.permissions for each in self.instead)


class Guards:
    """The guards of one schema, gathered once: type and field name to the permissions demanded there."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._guards: dict[tuple[str, str], tuple[Alternatives, ...]] = {}
        for owner in schema.type_map.values():
            if isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
                self._guards |= {(owner.name, name): self._demanded(owner, name) for name in owner.fields}

    def needs(self, document: DocumentNode, operation: OperationDefinitionNode) -> tuple[Need, ...]:
        """Everything the operation demands, each once, for a document that is valid."""
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        found: dict[Need, None] = {}
        spread: set[str] = set()
        todo: list[tuple[SelectionSetNode, GraphQLNamedType | None]] = [
            (operation.selection_set, self._schema.get_root_type(operation.operation))
        ]
        while todo:
            selection_set, owner = todo.pop()
            for selection in selection_set.selections:
                if isinstance(selection, FieldNode):
                    found |= dict.fromkeys(self._at(owner, selection.name.value))
                    if selection.selection_set:
                        todo.append((selection.selection_set, self._type_of(owner, selection.name.value)))
                elif isinstance(selection, InlineFragmentNode):
                    condition = selection.type_condition
                    inner = self._schema.get_type(condition.name.value) if condition else owner
                    todo.append((selection.selection_set, inner))
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                    spread.add(selection.name.value)
                    fragment = fragments[selection.name.value]
                    todo.append((fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value)))
        return tuple(found)

    def _at(self, owner: GraphQLNamedType | None, name: str) -> Iterator[Need]:
        if owner is not None:
            for permission, *instead in self._guards.get((owner.name, name), ()):
                yield Need(permission, f"{owner.name}.{name}", tuple(instead))

    def _type_of(self, owner: GraphQLNamedType | None, name: str) -> GraphQLNamedType | None:
        field = self._schema.get_field(owner, name) if is_composite_type(owner) else None
        return get_named_type(field.type) if field is not None else None

    def _demanded(self, owner: GraphQLObjectType | GraphQLInterfaceType, name: str) -> tuple[Alternatives, ...]:
        related: list[GraphQLObjectType | GraphQLInterfaceType] = [owner, *owner.interfaces]
        if isinstance(owner, GraphQLInterfaceType):
            implementations = self._schema.get_implementations(owner)
            related += [*implementations.objects, *implementations.interfaces]
        fields = [each.fields[name] for each in related if name in each.fields]
        return tuple(dict.fromkeys(demanded for field in fields for demanded in _demands(field)))


def refusals(needs: Iterable[Need], actor: Actor | None, now: datetime) -> list[GraphQLError]:
    """Why this caller may not run an operation with these needs; empty when it may.

    An actor whose credential has run out is refused whatever it asks: it believes to be signed in, and is not.
    """
    needs = tuple(needs)
    if actor is None:
        return [unauthenticated(needs[0].field)] if needs else []
    if has_expired(actor, now):
        return [unauthenticated(None)]
    return [forbidden(need) for need in needs if not need.is_met_by(actor)]


def has_expired(actor: Actor, now: datetime) -> bool:
    """Whether the actor's credential has run out; at its last instant it has."""
    return actor.expires_at is not None and actor.expires_at <= now


def unauthenticated(field: str | None) -> GraphQLError:
    """The error for a caller who has to sign in, again when `field` is None."""
    if field is None:
        return public_error("The session has expired.", ErrorCode.UNAUTHENTICATED)
    return public_error(f"{field} is for signed-in callers.", ErrorCode.UNAUTHENTICATED, field=field)


def forbidden(need: Need) -> GraphQLError:
    """The error for a caller who is signed in and lacks a permission."""
    name = need.permission.name
    names = " or ".join(each.name for each in (need.permission, *need.instead))
    message = f"{need.field} requires the permission {names}."
    return public_error(message, ErrorCode.FORBIDDEN, permission=name, field=need.field)


def directives_of(field: GraphQLField) -> list[object]:
    """What was declared on a field."""
    definition = (field.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return list(getattr(definition, "directives", None) or ())


def _demands(field: GraphQLField) -> list[Alternatives]:
    """What a field demands: all of these, each by any one of its alternatives."""
    demands: list[Alternatives] = []
    for each in directives_of(field):
        if isinstance(each, RequiresPermission):
            demands.append((each.permission,))
        if isinstance(each, RequiresAnyPermission):
            demands.append(tuple(each.permissions))
    return demands
