"""What the product's own fields cost: what works through a list, or answers with a whole one, has a price."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    get_named_type,
    get_nullable_type,
    parse,
)

from schema.edge.costs import tariff_of
from schema.edge.limits import Limits, measure
from schema.root import build

CORE = build()._schema
TARIFF = tariff_of(CORE)


def lists_sent() -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Every list in the arguments of a root field, as the field and the way to the list; of enums there are few."""
    for root in (CORE.query_type, CORE.mutation_type, CORE.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            for argument, definition in field.args.items():
                for way in _lists_in(definition.type, (argument,)):
                    yield (root.name, name), way


def _lists_in(kind: Any, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    bare = get_nullable_type(kind)
    if isinstance(bare, GraphQLList):
        if not isinstance(get_named_type(bare), GraphQLEnumType):
            yield way
    elif isinstance(bare, GraphQLInputObjectType):
        for name, field in bare.fields.items():
            yield from _lists_in(field.type, (*way, name))


def test_whatever_works_through_a_list_it_is_sent_costs_its_length() -> None:
    assert dict(lists_sent()) == dict(TARIFF.sizes)


@pytest.mark.parametrize(
    ("document", "units"),
    [
        ("{ wallet { available } }", 1),
        ("{ wallet { entries(first: 100) { nodes { id } } } }", 1 + 100),
        ("{ wallet { balance { available } } }", 1 + 20),
        ("{ explainBalance { available } }", 1 + 20),
        ("{ tokenPackages { id } }", 1 + 100),
        ("{ rateCard { id } }", 1 + 100),
        ('{ nodes(ids: ["a", "b"]) { ... on Wallet { entries(first: 50) { nodes { id } } } } }', 1 + 2 + 2 * 50),
        ('mutation { signIn(input: { email: "a", password: "b" }) { __typename } }', 1 + 1000),
    ],
)
def test_what_operations_cost(document: str, units: int) -> None:
    assert measure(parse(document), CORE, Limits(), TARIFF).units == {None: units}


def test_a_hundred_wallets_with_a_hundred_entries_each_are_too_much() -> None:
    ids = ", ".join(f'"{number}"' for number in range(100))
    document = f"{{ nodes(ids: [{ids}]) {{ ... on Wallet {{ entries(first: 100) {{ nodes {{ id }} }} }} }} }}"

    excess = measure(parse(document), CORE, Limits(), TARIFF).excess

    assert excess is not None
    assert (excess.extensions or {})["limit"] == "cost"
