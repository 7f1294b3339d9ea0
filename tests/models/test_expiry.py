"""Expired tokens stop counting at their instant; whoever writes next books what has expired, once, lot by lot."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models.database import Connection
from models.errors import InsufficientTokens, WalletSuspended
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import read_wallet
from tests.builders import Organization, an_order, an_organization, gives, is_paid, spend

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)

Number = Decimal | int
Entries = list[tuple[str, Number, Number]]


async def a_wallet_of_three_lots() -> Organization:
    """3 tokens until the second day, 2 until the first, 5 for ever."""
    aurora = await an_organization()
    await gives(aurora, "3", expires_at=NOW + 2 * A_DAY, at=NOW)
    await gives(aurora, "2", expires_at=NOW + A_DAY, at=NOW)
    await gives(aurora, "5", at=NOW)
    return aurora


def a_spend(organization: Organization, tokens: str, key: str = "spend") -> SpendOrder:
    return SpendOrder(organization.id, Decimal(tokens), key, "user/ada")


async def later_entries(db: Connection) -> Entries:
    """Kind, change and balance after, of what followed the three grants."""
    rows = await db.fetch(
        "SELECT change_type, change_amount, balance_after FROM token_balance_history"
        " WHERE sequence > 3 ORDER BY sequence"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("after", "available", "expired"),
    [
        (timedelta(0), 10, 0),
        (A_DAY - A_MOMENT, 10, 0),
        (A_DAY, 8, 2),
        (2 * A_DAY - A_MOMENT, 8, 2),
        (2 * A_DAY, 5, 5),
        (1000 * A_DAY, 5, 5),
    ],
)
async def test_reading_counts_what_has_not_expired_and_writes_nothing(
    db: Connection, after: timedelta, available: Number, expired: Number
) -> None:
    aurora = await a_wallet_of_three_lots()

    wallet = await read_wallet(db, aurora.id, at=NOW + after)

    assert wallet is not None
    assert (wallet.available, wallet.total_expired) == (available, expired)
    assert await later_entries(db) == []


async def test_a_spend_books_each_expired_lot_first_the_oldest_expiry_in_front(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()

    booked = await spend(a_spend(aurora, "1"), at=NOW + 2 * A_DAY)

    assert (booked.sequence, booked.available) == (6, Decimal(4))
    assert await later_entries(db) == [("EXPIRATION", -2, 8), ("EXPIRATION", -3, 5), ("SPEND", -1, 4)]
    rows = await db.fetch(
        "SELECT e.reference_type, e.reference_id = d.lot_id::text AS named, e.actor FROM token_balance_history e"
        " JOIN token_draws d ON d.entry_id = e.id WHERE change_type = 'EXPIRATION'"
    )
    assert [tuple(row.values()) for row in rows] == [("lot", True, "scrip")] * 2
    assert await violations(db) == []


async def test_a_refused_spend_books_what_has_expired_all_the_same(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()

    with pytest.raises(InsufficientTokens) as refusal:
        await spend(a_spend(aurora, "8.0001"), at=NOW + A_DAY)

    assert (refusal.value.needed, refusal.value.available) == (Decimal("8.0001"), Decimal(8))
    assert await later_entries(db) == [("EXPIRATION", -2, 8)]
    assert await violations(db) == []


async def test_a_suspended_wallet_books_nothing(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()
    await db.execute("UPDATE organization_token_wallets SET is_active = false, suspended_at = now()")

    with pytest.raises(WalletSuspended):
        await spend(a_spend(aurora, "1"), at=NOW + A_DAY)

    assert await later_entries(db) == []
    assert await violations(db) == []


async def test_a_grant_and_a_purchase_book_what_has_expired_before_they_add(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()

    await gives(aurora, "1", at=NOW + A_DAY)
    await is_paid(await an_order(aurora, "4", at=NOW), at=NOW + 2 * A_DAY)

    assert await later_entries(db) == [
        ("EXPIRATION", -2, 8),
        ("GRANT", 1, 9),
        ("EXPIRATION", -3, 6),
        ("PURCHASE", 4, 10),
    ]
    assert await violations(db) == []


async def test_only_what_is_left_of_a_lot_expires(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()
    await spend(a_spend(aurora, "2.5", "before"), at=NOW)

    await spend(a_spend(aurora, "5", "after"), at=NOW + 2 * A_DAY)

    assert await later_entries(db) == [
        ("SPEND", Decimal("-2.5"), Decimal("7.5")),
        ("EXPIRATION", Decimal("-2.5"), 5),
        ("SPEND", -5, 0),
    ]
    assert await violations(db) == []


async def test_many_writers_at_the_instant_book_an_expiry_once(db: Connection) -> None:
    aurora = await a_wallet_of_three_lots()

    await asyncio.gather(*(spend(a_spend(aurora, "0.5", f"spend {n}"), at=NOW + 2 * A_DAY) for n in range(10)))

    kinds = [kind for kind, _, _ in await later_entries(db)]
    assert kinds == ["EXPIRATION"] * 2 + ["SPEND"] * 10
    assert await violations(db) == []
