"""The audit trail: every change has its row, and nobody alters a row unseen, not even a superuser without triggers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from embedded.postgres import PostgresCluster
from models import audit
from models.database import Connection, transaction
from models.errors import InsufficientTokens
from models.purchases import begin_payment, close_unpaid
from models.reconciliation import violations
from models.spending import SpendOrder
from rules.purchases import PurchaseStatus
from tests.builders import Organization, an_order, an_organization, gives, is_paid, spend
from tests.models.damage import Laboratory, laboratory

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
WHOLE = "the audit chain of every organization is whole"
ENDS = "the audit chain of every organization ends where its head says"
ROWS = "SELECT action, resource, actor FROM token_audit_logs WHERE organization_id = $1 ORDER BY sequence"


async def actions(db: Connection, organization: Organization) -> list[str]:
    return [row["action"] for row in await db.fetch(ROWS, organization.id)]


async def test_every_change_has_its_row_in_the_order_of_the_changes(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "5", expires_at=NOW + timedelta(days=1), at=NOW)

    # when
    bought, failed = [await an_order(aurora, "10", at=NOW) for _ in range(2)]
    async with transaction() as following:
        await begin_payment(following, failed.id)
        await close_unpaid(following, failed.id, PurchaseStatus.FAILED, code="x", reason="declined", report=None)
    await is_paid(bought, at=NOW)
    await spend(SpendOrder(aurora.id, Decimal(2), "later", "user/ada", request_id="r-1"), at=NOW + timedelta(days=1))

    # then
    assert await actions(db, aurora) == [
        "wallet.created",
        "wallet.grant",
        "payment_method.added",
        "purchase.placed",
        "payment_method.added",
        "purchase.placed",
        "purchase.processing",
        "purchase.failed",
        "wallet.purchase",
        "purchase.completed",
        "wallet.expiration",
        "wallet.spend",
    ]
    entries = await db.fetch("SELECT change_type FROM token_balance_history")
    assert len([action for action in await actions(db, aurora) if action.startswith("wallet.")]) == 1 + len(entries)
    last = await db.fetch_one("SELECT actor, request_id, details FROM token_audit_logs ORDER BY sequence DESC LIMIT 1")
    assert last is not None
    assert (last["actor"], last["request_id"]) == ("user/ada", "r-1")
    assert last["details"] == {"sequence": 4, "change": "-2", "available_after": "8.0000", "reference": None}
    assert await violations(db) == []


async def test_what_was_refused_or_rolled_back_has_no_row(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "5", at=NOW)
    before = await actions(db, aurora)

    with pytest.raises(InsufficientTokens):
        await spend(SpendOrder(aurora.id, Decimal(6), "too much", "user/ada"), at=NOW)
    with suppress(ConnectionResetError):
        async with transaction() as broken:
            await audit.record(broken, aurora.id, action="a.b", resource="a", resource_id=1, actor="scrip")
            raise ConnectionResetError

    assert await actions(db, aurora) == before == ["wallet.created", "wallet.grant"]
    assert await violations(db) == []


@pytest.mark.parametrize("organization_id", [None, UUID(int=7)], ids=["the platform", "an organization"])
async def test_rows_written_at_once_make_one_chain_from_the_first_on(
    db: Connection, organization_id: UUID | None
) -> None:
    async def write(number: int) -> None:
        async with transaction() as writing:
            await audit.record(writing, organization_id, action="a.b", resource="a", resource_id=number, actor="scrip")

    await asyncio.gather(*(write(number) for number in range(30)))

    rows = await db.fetch("SELECT sequence FROM token_audit_logs ORDER BY sequence")
    assert [row["sequence"] for row in rows] == list(range(1, 31))
    assert await violations(db) == []


async def test_the_writer_chooses_neither_place_nor_hash(db: Connection) -> None:
    await db.execute(
        "INSERT INTO token_audit_logs (organization_id, sequence, previous_hash, hash, action, resource, resource_id,"
        " actor, details) VALUES ($1, 99, 'x', 'y', 'a.b', 'a', '1', 'scrip', '{}')",
        UUID(int=7),
    )

    row = await db.fetch_one("SELECT sequence, previous_hash, length(hash) AS length FROM token_audit_logs")
    assert row is not None
    assert tuple(row.values()) == (1, b"\x00", 32)
    assert await violations(db) == []


EDITED = "UPDATE token_audit_logs SET {} WHERE organization_id = $1 AND sequence = 3"
REHASHED = """
    UPDATE token_audit_logs a SET actor = 'somebody else' WHERE organization_id = $1 AND sequence = {0};
    UPDATE token_audit_logs a SET hash = audit_row_hash(a) WHERE organization_id = $1 AND sequence = {0}
"""
CUT = "DELETE FROM token_audit_logs WHERE organization_id = $1 AND sequence >= 4"

# What a superuser does to a chain of five rows, and which of the two rules finds it.
TAMPERING = {
    "another action": (EDITED.format("action = 'a.c'"), [WHOLE]),
    "another resource": (EDITED.format("resource_id = '0'"), [WHOLE]),
    "another actor": (EDITED.format("actor = 'user/eve'"), [WHOLE]),
    "another request": (EDITED.format("request_id = 'r-2'"), [WHOLE]),
    "other details": (EDITED.format('details = \'{"tokens": "1"}\''), [WHOLE]),
    "a microsecond later": (EDITED.format("timestamp = timestamp + interval '1 microsecond'"), [WHOLE]),
    "edited in the middle, its hash made good": (REHASHED.format(3), [WHOLE]),
    "edited at the end, its hash made good": (REHASHED.format(5), [ENDS]),
    "the first row deleted": ("DELETE FROM token_audit_logs WHERE organization_id = $1 AND sequence = 1", [WHOLE]),
    "one in the middle deleted": ("DELETE FROM token_audit_logs WHERE organization_id = $1 AND sequence = 3", [WHOLE]),
    "one deleted and the rest moved up": (
        "DELETE FROM token_audit_logs WHERE organization_id = $1 AND sequence = 3;"
        " UPDATE token_audit_logs SET sequence = sequence - 1 WHERE organization_id = $1 AND sequence > 3",
        [WHOLE, ENDS],
    ),
    "two swapped": (
        "UPDATE token_audit_logs SET sequence = -sequence WHERE organization_id = $1 AND sequence IN (2, 3);"
        " UPDATE token_audit_logs SET sequence = 5 + sequence WHERE organization_id = $1 AND sequence < 0",
        [WHOLE],
    ),
    "the end cut off": (CUT, [ENDS]),
    "everything deleted": ("DELETE FROM token_audit_logs WHERE organization_id = $1", [ENDS]),
    "everything deleted with its head": (
        "DELETE FROM token_audit_logs WHERE organization_id = $1 AND sequence > 3;"
        " DELETE FROM audit_heads WHERE organization_id = $1",
        [ENDS],
    ),
    "the head set back without a cut": (
        "UPDATE audit_heads SET sequence = 4, hash = (SELECT hash FROM token_audit_logs WHERE organization_id = $1"
        " AND sequence = 4) WHERE organization_id = $1",
        [ENDS],
    ),
    "a row slipped in without a place": (
        "INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, details)"
        " VALUES ($1, 'a.b', 'a', '1', 'user/eve', '{}')",
        [WHOLE, ENDS],
    ),
}


async def two_chains() -> Organization:
    """Two organizations with five audit rows each; returns the one to be tampered with."""
    aurora, boreal = await an_organization(), await an_organization("Boreal Labs")
    for organization in (aurora, boreal):
        for _ in range(4):
            await gives(organization, "5", at=NOW)
    return aurora


@pytest.fixture(scope="module")
async def chains(cluster: PostgresCluster, template: str) -> AsyncIterator[Laboratory[Organization]]:
    async with laboratory(cluster, template, two_chains) as ready:
        yield ready


async def test_chains_in_order_break_no_rule(chains: Laboratory[Organization]) -> None:
    assert await chains.broken_rules() == []


@pytest.mark.parametrize(("tampering", "found_by"), TAMPERING.values(), ids=TAMPERING.keys())
async def test_tampering_is_found(chains: Laboratory[Organization], tampering: str, found_by: list[str]) -> None:
    statements = tampering.replace("$1", f"'{chains.contents.id}'").split(";")

    assert await chains.broken_rules(*statements) == found_by
