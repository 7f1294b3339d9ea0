"""The product's own schema on a wallet's real data: random operations are answered alike with plans and without."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from models.database import connection
from models.ownership import TABLES
from models.spending import SpendOrder
from rules.identity import derived_id
from schema.context import Context
from schema.edge.execution import PlannedExecution
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
    gives,
    is_paid,
    spend,
)
from tests.conftest import Database
from tests.schema.clients.in_process import context_for
from tests.schema.edge.random_operations import Operation, Writer

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPERATIONS = 150
# They are asked of Temporal, which is not here.
WITHOUT = ("Purchase.workflow", "Query.backgroundJobs")

PAGE = """{ wallet { id value { formatted } entries(first: 100) { nodes { id sequence kind tokens occurredAt
  draws { lotId lotKind tokens } } edges { cursor node { availableBefore } } pageInfo { endCursor } } } }"""

PLANNED = build(clock=lambda: NOW)
ORDINARY = build(clock=lambda: NOW)
ORDINARY.execution_context_class = StrawberryGraphQLCoreExecutionContext


async def a_history() -> tuple[Organization, Member]:
    """A wallet with entries, lots, purchases (one of them open) and invoices; there is another customer."""
    aurora, boreal = await an_organization(), await an_organization()
    ada = await a_member(aurora)
    for tokens in ("2", "3.5", "10"):
        await is_paid(await an_order(aurora, tokens, at=NOW), at=NOW)
    await an_order(aurora, "7", at=NOW)
    await an_order(boreal, "7", at=NOW)
    await a_payment_method(aurora)
    await a_package(price="12.50", validity_days=30)
    await a_package(is_active=False)
    await gives(aurora, "5", at=NOW, expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    for number, spent in enumerate(("1", "6.25", "0.0001")):
        await spend(SpendOrder(aurora.id, Decimal(spent), f"spend {number}", f"user/{ada.id}"), at=NOW)
    return aurora, ada


async def values() -> dict[str, Callable[[Random], str]]:
    """What arguments are given: things that exist, whosever they are, and one that does not."""
    ids: list[str] = [global_id("Wallet", NOTHING), "nonsense"]
    async with connection() as db:
        tables = {**TABLES, "Organization": "organizations", "TokenPackage": "token_packages"}
        for kind, table in tables.items():
            ids += [global_id(kind, row["id"]) for row in await db.fetch(f"SELECT id FROM {table} ORDER BY id")]
        numbers = [row["invoice_number"] for row in await db.fetch("SELECT invoice_number FROM token_invoices")]
    return {
        "first": lambda chance: str(chance.randint(1, 6)),
        "id": lambda chance: json.dumps(chance.choice(ids)),
        "ids": lambda chance: json.dumps(chance.choices(ids, k=6)),
        "organizationId": lambda chance: json.dumps(chance.choice(ids)),
        "number": lambda chance: json.dumps(chance.choice(numbers)),
        "kinds": lambda chance: chance.choice(["[SPEND]", "[PURCHASE, GRANT]", "null"]),
        "statuses": lambda chance: chance.choice(["[COMPLETED]", "PENDING", "null"]),
        "tokens": lambda chance: json.dumps(chance.choice(["10", "0.5"])),
    }


NOTHING = derived_id("nothing")


async def seen(schema: EdgeSchema, context: Context, operation: Operation) -> dict[str, Any]:
    result = await schema.execute(operation.text, variable_values=operation.variables, context_value=context)
    errors = [error.formatted for error in result.errors or []]
    assert "INTERNAL" not in [error.get("extensions", {}).get("code") for error in errors], operation
    return {"data": result.data, "errors": errors}


async def test_random_operations_are_answered_alike(books: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    aurora, ada = await a_history()
    context, given = context_for(ada, aurora, now=NOW), await values()
    followed: Counter[str] = Counter()
    follow = PlannedExecution._follow

    def noting(self: PlannedExecution, plan: Any, source: Any, path: Any) -> Any:
        followed[type(source).__name__] += 1
        return follow(self, plan, source, path)

    monkeypatch.setattr(PlannedExecution, "_follow", noting)
    answered = 0

    # when
    random = [Writer(PLANNED._schema, Random(number), given, WITHOUT, depth=4) for number in range(OPERATIONS)]
    for operation in [Operation(PAGE, {}), *(writer.operation() for writer in random)]:
        ordinary, planned, again = [
            json.dumps(await seen(schema, context, operation)) for schema in (ORDINARY, PLANNED, PLANNED)
        ]

        # then
        assert planned == ordinary, operation
        assert again == ordinary, operation
        answered += '"errors": []' in ordinary

    # then the comparison was of something
    assert answered > OPERATIONS / 3
    assert set(followed) >= {"Wallet", "WalletEntry", "Lot", "Purchase", "Invoice", "InvoiceLine", "Draw", "Money"}
    assert set(followed) >= {
        "Connection",
        "Edge",
        "PageInfo",
        "TokenPackage",
        "PaymentMethod",
        "Viewer",
        "Organization",
    }
