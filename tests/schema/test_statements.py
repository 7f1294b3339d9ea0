"""What lists cost: for one row, ten or a hundred the same number of statements, stated for every list there is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    parse,
    visit,
)

from schema.edge.schema import EdgeSchema
from schema.ids import global_id
from schema.root import build
from tests.builders import a_member, an_order, an_organization, is_paid
from tests.conftest import Database
from tests.schema.clients.in_process import context_for, counted, data_of
from tests.schema.clients.sockets import opened
from tests.schema.growth import NOW, ids_of, new_books
from tests.schema.statements import (
    BY_CHANGES,
    BY_KIND,
    IN_THE_ROW,
    KINDS,
    KNOWN_ALREADY,
    LISTS,
    NO_LOOKUP,
    OF_REFUSALS,
    OF_TEMPORAL,
    SIZES,
)
from tests.simulators.world import World

SCHEMA = build(clock=lambda: NOW)
ASKED = {**LISTS, **{f"Query.nodes of {kind}": budget for kind, budget in KINDS.items()}}


def lists_of(schema: EdgeSchema) -> set[str]:
    """Every field that answers with a list or a page of one, as `Type.field`; what is inside a page left out."""
    found = set()
    for kind in schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__") and not is_page(kind.name):
            found |= {
                f"{kind.name}.{name}"
                for name, field in kind.fields.items()
                if isinstance(get_nullable_type(field.type), GraphQLList) or is_page(get_named_type(field.type).name)
            }
    return found


def is_page(name: str) -> bool:
    return name.endswith("Connection")


def fields_of(document: str) -> set[str]:
    """Every field that a document asks for, as `Type.field`."""
    info, found = TypeInfo(SCHEMA._schema), set()

    class Fields(Visitor):
        def enter_field(self, node: Any, *_: Any) -> None:
            found.add(f"{info.get_parent_type()}.{node.name.value}")

    visit(parse(document), TypeInfoVisitor(info, Fields()))
    return found


def test_the_cost_of_every_list_is_stated() -> None:
    elsewhere = IN_THE_ROW | KNOWN_ALREADY | BY_CHANGES | OF_REFUSALS | OF_TEMPORAL | BY_KIND
    assert lists_of(SCHEMA) == set(LISTS) | elsewhere


def test_every_list_whose_cost_is_stated_is_asked_for_with_its_owner() -> None:
    assert {name for name, budget in LISTS.items() if name not in fields_of(budget.document)} == set()
    asked = {field for budget in ASKED.values() for field in fields_of(budget.document)}
    assert IN_THE_ROW - asked == set()


def test_the_cost_of_every_kind_of_thing_is_stated() -> None:
    node = SCHEMA._schema.get_type("Node")
    assert isinstance(node, GraphQLInterfaceType)
    assert {kind.name for kind in SCHEMA._schema.get_possible_types(node)} == set(KINDS) | NO_LOOKUP


def rows_in(answer: Any, path: tuple[str, ...]) -> int:
    for step in path:
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    assert None not in answer
    return len(answer)


async def test_a_list_costs_the_same_statements_however_many_rows_it_has(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    grown = await new_books()
    context = context_for(grown.ada, grown.aurora, now=NOW)
    costs: dict[str, list[int]] = {name: [] for name in ASKED}
    rows: dict[str, list[int]] = {name: [] for name in ASKED}

    # when
    for size in SIZES:
        await grown.grow(size)
        for name, budget in ASKED.items():
            given = await grown.variables(budget.document, name.rpartition(" ")[2])
            with counted(monkeypatch) as statements:
                answer = await data_of(SCHEMA, context.for_operation(), budget.document, **given)
            costs[name].append(len(statements))
            rows[name].append(rows_in(answer, budget.rows))

    # then
    assert costs == {name: [budget.statements] * len(SIZES) for name, budget in ASKED.items()}
    assert rows == {name: list(budget.counts) for name, budget in ASKED.items()}


def fragments() -> Iterator[str]:
    """What the documents of the kinds ask of each kind."""
    for budget in KINDS.values():
        yield re.sub(r".*nodes\(ids: \$ids\) \{ id (.*) \} \}$", r"\1", budget.document)


async def test_things_of_all_kinds_together_cost_what_their_kinds_cost(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    grown = await new_books()
    await grown.grow(10)
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename {' '.join(fragments())} }} }}"

    # when
    told = []
    for count in (1, 5):
        ids = [each for kind in KINDS for each in await ids_of(kind, count)]
        with counted(monkeypatch) as statements:
            found = await data_of(SCHEMA, context_for(grown.ada, grown.aurora, now=NOW), query, ids=ids)
        told.append((len(statements), len([one for one in found["nodes"] if one is not None])))

    # then: what several kinds ask for at the same moment, such as lines of invoices, is even one statement for all
    allowed = sum(budget.statements for budget in KINDS.values())
    assert [count for _, count in told] == [len(KINDS), 5 * len(KINDS)]
    assert all(len(KINDS) < statements <= allowed for statements, _ in told)


async def test_what_was_loaded_is_forgotten_with_its_operation_on_one_websocket(world: World) -> None:
    # given a purchase that is not paid
    aurora = await an_organization()
    ada = await a_member(aurora)
    purchase = await an_order(aurora, "2", at=datetime.now(UTC))
    query = "query ($id: ID!) { purchase(id: $id) { invoice { number } } }"
    purchase_id = global_id("Purchase", purchase.id)

    async with opened(world.url, await world.token_of(ada)) as socket:
        await socket.subscribe(query, "before", id=purchase_id)
        before = await socket.next()
        assert (await socket.hear())["type"] == "complete"

        # when
        number = await is_paid(purchase, at=datetime.now(UTC))
        await socket.subscribe(query, "after", id=purchase_id)
        after = await socket.next()

    # then
    assert before == {"purchase": {"invoice": None}}
    assert after == {"purchase": {"invoice": {"number": number}}}


async def test_what_was_loaded_for_one_event_of_a_subscription_is_forgotten_before_the_next(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    purchase = await an_order(aurora, "2", at=datetime.now(UTC))
    query = "subscription ($id: ID!) { purchaseProgress(purchaseId: $id) { status purchase { invoice { number } } } }"

    async with opened(world.url, await world.token_of(ada)) as socket:
        await socket.subscribe(query, id=global_id("Purchase", purchase.id))
        now = (await socket.next())["purchaseProgress"]

        # when
        number = await is_paid(purchase, at=datetime.now(UTC))
        told = now
        while told["status"] != "COMPLETED":
            told = (await socket.next())["purchaseProgress"]

    # then
    assert now == {"status": "PENDING", "purchase": {"invoice": None}}
    assert told == {"status": "COMPLETED", "purchase": {"invoice": {"number": number}}}
