"""Posting is all or nothing: books that do not meet their rows, or a step that breaks later, leave no trace."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from models import ledger
from models.completion import complete_purchase
from models.database import Connection, transaction
from models.deciding import decide_orders
from models.granting import Incoming, put
from models.locking import LockedWallet, lock_wallet
from models.purchases import require_purchase
from models.reconciliation import violations
from models.spending import SpendOrder
from rules.entries import EntryKind
from rules.lots import Draw, LotKind
from rules.sheet import Movement
from tests.builders import SELLER, Organization, an_order, an_organization, captured, gives, spend

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
TRACES = """
SELECT (SELECT count(*) FROM token_lots) AS lots, (SELECT count(*) FROM token_balance_history) AS entries,
       (SELECT count(*) FROM token_draws) AS draws, (SELECT count(*) FROM token_audit_logs) AS audit,
       (SELECT count(*) FROM outbox) AS events, (SELECT count(*) FROM idempotency_keys) AS answers,
       (SELECT count(*) FROM token_invoices) AS invoices, (SELECT count(*) FROM token_invoice_counters) AS counters,
       (SELECT max(entry_sequence) FROM organization_token_wallets) AS sequence,
       (SELECT max(current_balance) FROM organization_token_wallets) AS available,
       (SELECT sum(remaining_tokens) FROM token_lots) AS remaining
"""

Step = Callable[[Connection, Organization], Awaitable[None]]


async def traces(db: Connection) -> list[object]:
    row = await db.fetch_one(TRACES)
    assert row is not None
    return list(row.values())


def a_posting(wallet: LockedWallet, lot_id: UUID, *, sequence: int, available: str = "10") -> ledger.Posting:
    """The spend of one token from a lot."""
    before = Decimal(available)
    draws = (Draw(lot_id, Decimal(1)),)
    movement = Movement(
        EntryKind.SPEND, Decimal(-1), Decimal(0), sequence, before, before - 1, Decimal(0), draws, (), NOW
    )  # fmt: skip
    return ledger.Posting(movement, "user/ada")


async def posts(wallet_of: Organization, **posting: object) -> None:
    async with transaction() as db:
        wallet = await lock_wallet(db, wallet_of.id, at=NOW)
        lot_id = posting.pop("lot_id", wallet.state.lots[0].id)
        await ledger.post(db, wallet, ledger.Books((a_posting(wallet, lot_id, **posting),)))  # type: ignore[arg-type]


BROKEN_BOOKS: dict[str, tuple[dict[str, object], type[Exception]]] = {
    "a lot that is not there": ({"sequence": 2, "lot_id": UUID(int=7)}, asyncpg.ForeignKeyViolationError),
    "a sequence that was given before": ({"sequence": 1}, asyncpg.UniqueViolationError),
    "a balance that is not the wallet's": ({"sequence": 2, "available": "11"}, asyncpg.CheckViolationError),
    "a balance below zero": ({"sequence": 2, "available": "0"}, asyncpg.CheckViolationError),
}


@pytest.mark.parametrize(("posting", "error"), BROKEN_BOOKS.values(), ids=BROKEN_BOOKS.keys())
async def test_books_that_do_not_meet_their_rows_are_refused(
    db: Connection, posting: dict[str, object], error: type[Exception]
) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    before = await traces(db)

    with pytest.raises(error):
        await posts(aurora, **posting)

    assert await traces(db) == before
    assert await violations(db) == []


async def test_a_lot_of_another_wallet_is_never_drawn_from(db: Connection) -> None:
    aurora, boreal = await an_organization(), await an_organization("Boreal Labs")
    await gives(aurora, "10", at=NOW)
    await gives(boreal, "10", at=NOW)
    (foreign,) = await db.fetch("SELECT id FROM token_lots WHERE organization_id = $1", boreal.id)
    before = await traces(db)

    with pytest.raises(ledger.LedgerBroken):
        await posts(aurora, sequence=2, lot_id=foreign["id"])

    assert await traces(db) == before
    assert await violations(db) == []


async def test_a_lot_never_gives_more_than_it_has(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "0.5", at=NOW)
    await gives(aurora, "9.5", at=NOW)
    (small,) = await db.fetch("SELECT id FROM token_lots WHERE granted_tokens = 0.5")
    before = await traces(db)

    with pytest.raises(asyncpg.CheckViolationError):
        await posts(aurora, sequence=3, lot_id=small["id"])

    assert await traces(db) == before


async def test_nothing_to_post_writes_nothing(db: Connection) -> None:
    aurora = await an_organization()
    before = await traces(db)

    async with transaction() as posting:
        await ledger.post(posting, await lock_wallet(posting, aurora.id, at=NOW), ledger.Books(()))

    assert await traces(db) == before


async def spends(db: Connection, aurora: Organization) -> None:
    await decide_orders(db, aurora.id, [SpendOrder(aurora.id, Decimal(4), "spend", "user/ada")], at=NOW)


async def puts_a_lot(db: Connection, aurora: Organization) -> None:
    wallet = await lock_wallet(db, aurora.id, at=NOW)
    lot = ledger.NewLot(UUID(int=9), LotKind.PROMO, Decimal(3), Decimal(0), Decimal(0), NOW, None)
    await put(db, wallet, (Incoming(lot, EntryKind.GRANT, "grant", "9", ""),), actor="scrip", at=NOW)


async def completes_a_purchase(db: Connection, aurora: Organization) -> None:
    (row,) = await db.fetch("SELECT id FROM token_purchases")
    purchase = await require_purchase(db, row["id"])
    await complete_purchase(db, row["id"], captured(purchase), seller=SELLER, at=NOW)


@pytest.mark.parametrize("step", [spends, puts_a_lot, completes_a_purchase])
async def test_a_transaction_that_breaks_after_posting_leaves_no_trace_and_no_gap(db: Connection, step: Step) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await an_order(aurora, "5", at=NOW)
    before = await traces(db)

    # when
    with pytest.raises(ConnectionResetError):
        await breaking_after(step, aurora)

    # then
    assert await traces(db) == before
    booked = await spend(SpendOrder(aurora.id, Decimal(1), "next", "user/ada"), at=NOW)
    assert [booked.sequence, booked.available] == [2, 9]
    assert await violations(db) == []


async def breaking_after(step: Step, aurora: Organization) -> None:
    async with transaction() as db:
        await step(db, aurora)
        raise ConnectionResetError
