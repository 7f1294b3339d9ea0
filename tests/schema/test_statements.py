"""What lists cost: for one row, ten or a hundred the same number of statements, stated here for every list there is.

A list that is added to the schema, and a kind that is added to the things with an id, belong into these tables with
the number of their statements.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLList, GraphQLObjectType, get_named_type, get_nullable_type

from models.database import connection
from models.ownership import TABLES
from models.spending import SpendOrder, spend
from schema.edge.schema import EdgeSchema
from schema.ids import global_id
from schema.root import build
from tests.builders import (
    Member,
    Organization,
    a_member,
    a_package,
    a_payment_method,
    an_order,
    an_organization,
    is_paid,
)
from tests.conftest import Database
from tests.schema.clients.in_process import context_for, counted, data_of
from tests.schema.clients.sockets import opened
from tests.simulators.world import World

SIZES = (1, 10, 100)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Budget:
    """A document that asks for a list and all below it, where its rows are in the answer, and what it costs.

    The document may use `$n`, the number of rows, and `$ids`, that many ids of one kind.
    """

    document: str
    rows: tuple[str, ...]
    statements: int


INVOICE = "id number pdfUrl total { formatted } lines { kind amount { amount } }"
PURCHASE = f"id status total {{ amount }} invoice {{ {INVOICE} }}"
ENTRY = "id kind tokens occurredAt draws { lotId tokens }"
LOT = "id lotKind: kind remainingTokens cost { amount currencyCode }"
METHOD = "id brand isDefault"
WALLET = "id available value { amount } walletStatus: status"


def of_the_wallet(name: str, asked: str) -> str:
    return f"query ($n: Int!) {{ wallet {{ {name}(first: $n) {{ nodes {{ {asked} }} edges {{ cursor }} }} }} }}"


def by_id(kind: str, asked: str) -> str:
    return f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ id ... on {kind} {{ {asked} }} }} }}"


# The wallet or nothing, then the page, then one for each level below it.
LISTS: Mapping[str, Budget] = {
    "Query.tokenPackages": Budget("{ tokenPackages { id name price { amount } } }", ("tokenPackages",), 1),
    "Query.purchases": Budget(
        f"query ($n: Int!) {{ purchases(first: $n) {{ nodes {{ {PURCHASE} }} }} }}", ("purchases", "nodes"), 3
    ),
    "Wallet.entries": Budget(of_the_wallet("entries", ENTRY), ("wallet", "entries", "nodes"), 3),
    "Wallet.lots": Budget(of_the_wallet("lots", LOT), ("wallet", "lots", "nodes"), 2),
    "Wallet.purchases": Budget(of_the_wallet("purchases", PURCHASE), ("wallet", "purchases", "nodes"), 4),
    "Wallet.invoices": Budget(of_the_wallet("invoices", INVOICE), ("wallet", "invoices", "nodes"), 3),
    "Wallet.paymentMethods": Budget(
        f"{{ wallet {{ paymentMethods {{ {METHOD} }} }} }}", ("wallet", "paymentMethods"), 2
    ),
    "WalletEntry.draws": Budget(
        "{ wallet { entries(first: 1, kinds: SPEND) { nodes { draws { lotId lotKind tokens } } } } }",
        ("wallet", "entries", "nodes", "0", "draws"),
        3,
    ),
    "Invoice.lines": Budget(
        "query ($n: Int!) { wallet { invoices(first: $n) { nodes { lines { kind } } } } }",
        ("wallet", "invoices", "nodes"),
        3,
    ),
}
# Whose they are, what they are, and the levels below.
KINDS: Mapping[str, Budget] = {
    "TokenPackage": Budget(by_id("TokenPackage", "name"), ("nodes",), 1),
    "Organization": Budget(by_id("Organization", "name"), ("nodes",), 1),
    "Wallet": Budget(by_id("Wallet", WALLET), ("nodes",), 2),
    "WalletEntry": Budget(by_id("WalletEntry", ENTRY), ("nodes",), 3),
    "Lot": Budget(by_id("Lot", LOT), ("nodes",), 2),
    "Purchase": Budget(by_id("Purchase", PURCHASE), ("nodes",), 4),
    "Invoice": Budget(by_id("Invoice", INVOICE), ("nodes",), 3),
    "PaymentMethod": Budget(by_id("PaymentMethod", METHOD), ("nodes",), 2),
}
# Lists whose items are in the same row as their owner.
IN_THE_ROW = {"Viewer.permissions"}
# Found by `nodes` itself, whose cost is stated for every kind.
BY_KIND = {"Query.nodes"}
# The caller: there is one, and it is asked for by `viewer` alone.
NO_LOOKUP = {"Viewer"}

SCHEMA = build(clock=lambda: NOW)


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


def test_the_cost_of_every_list_is_stated() -> None:
    assert lists_of(SCHEMA) == set(LISTS) | IN_THE_ROW | BY_KIND


def test_the_cost_of_every_kind_of_thing_is_stated() -> None:
    node = SCHEMA._schema.get_type("Node")
    assert isinstance(node, GraphQLInterfaceType)
    assert {kind.name for kind in SCHEMA._schema.get_possible_types(node)} == set(KINDS) | NO_LOOKUP


async def grow(aurora: Organization, ada: Member, before: int, count: int) -> None:
    """There are so many organisations, methods and packages, so many more purchases, and a spend of all their lots."""
    for _ in range(before, count):
        await an_organization()
        await a_payment_method(aurora)
        await a_package()
    for _ in range(count):
        await is_paid(await an_order(aurora, "2", at=NOW), at=NOW)
    everything = SpendOrder(aurora.id, Decimal(2 * count), f"all of {count}", f"user/{ada.id}")
    await spend(everything, at=NOW)


async def ids_of(kind: str, count: int) -> list[str]:
    table = {"TokenPackage": "token_packages", "Organization": "organizations", **TABLES}[kind]
    async with connection() as db:
        rows = await db.fetch(f"SELECT id FROM {table} ORDER BY id LIMIT $1", count)
    return [global_id(kind, row["id"]) for row in rows]


def rows_in(answer: Any, path: tuple[str, ...]) -> int:
    for step in path:
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    assert None not in answer
    return len(answer)


async def test_a_list_costs_the_same_statements_however_many_rows_it_has(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a method of payment comes with the first order
    aurora = await an_organization()
    ada = await a_member(aurora)
    context = context_for(ada, aurora, now=NOW)
    asked = {**LISTS, **{f"Query.nodes of {kind}": budget for kind, budget in KINDS.items()}}
    costs: dict[str, list[int]] = {name: [] for name in asked}
    rows: dict[str, list[int]] = {name: [] for name in asked}

    # when
    for before, size in zip((0, *SIZES), SIZES, strict=False):
        await grow(aurora, ada, before, size)
        for name, budget in asked.items():
            ids = await ids_of(name.rpartition(" ")[2], size) if budget.rows == ("nodes",) else []
            given = {"n": size} if "$n" in budget.document else {"ids": ids} if ids else {}
            with counted(monkeypatch) as statements:
                answer = await data_of(SCHEMA, context, budget.document, **given)
            costs[name].append(len(statements))
            rows[name].append(rows_in(answer, budget.rows))

    # then
    assert costs == {name: [budget.statements] * len(SIZES) for name, budget in asked.items()}
    assert rows == {name: list(SIZES) for name in asked} | {"Wallet.paymentMethods": [2, 11, 100]}


async def test_things_of_all_kinds_together_cost_what_their_kinds_cost(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await grow(aurora, ada, 0, 10)
    fragments = " ".join(
        re.sub(r".*nodes\(ids: \$ids\) \{ id (.*) \} \}$", r"\1", one.document) for one in KINDS.values()
    )
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename {fragments} }} }}"

    # when
    told = []
    for count in (1, 10):
        ids = [each for kind in KINDS for each in await ids_of(kind, count)]
        with counted(monkeypatch) as statements:
            found = await data_of(SCHEMA, context_for(ada, aurora, now=NOW), query, ids=ids)
        told.append((len(statements), len(found["nodes"])))

    # then: an invoice that is among the purchases too may already have its lines
    allowed = sum(budget.statements for budget in KINDS.values())
    assert [count for _, count in told] == [len(KINDS), 10 * len(KINDS)]
    assert all(allowed - 1 <= statements <= allowed for statements, _ in told)


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
