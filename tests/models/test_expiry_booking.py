"""Booking what has expired without anybody else changing the wallet: at the instant, once, beside everything else."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from models import expiring, ledger
from models.database import Connection, retrying, transaction
from models.errors import InsufficientTokens, WalletNotFound
from models.expiring import AT_ONCE, book_expiry, due_lots
from models.granting import Incoming, put
from models.locking import LockedWallet, lock_wallet
from models.outcomes import Booked
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import read_wallet
from rules.entries import EntryKind
from rules.identity import derived_id
from rules.lots import LotKind
from tests.builders import Organization, a_package, an_order, an_organization, defaults, gives, holds, is_paid, spend
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
Number = Decimal | int


async def many_lots(organization: Organization, count: int, *, expires_at: datetime) -> None:
    """So many lots of two tokens, which expire one moment after the other until an instant."""
    async with transaction() as db:
        wallet = await lock_wallet(db, organization.id, at=NOW)
        lots = [
            ledger.NewLot(
                derived_id("lot", "test", organization.id, number),
                LotKind.PROMO,
                Decimal(2),
                Decimal(0),
                Decimal(0),
                NOW - A_DAY,
                expires_at - number * A_MOMENT,
            )
            for number in range(count)
        ]
        incoming = [Incoming(lot, EntryKind.GRANT, "grant", str(lot.id), "for a test") for lot in lots]
        await put(db, wallet, incoming, actor="scrip", at=NOW)


async def expirations(db: Connection) -> list[tuple[Number, Number]]:
    """Change and balance after, of every expiry that was booked."""
    rows = await db.fetch(
        "SELECT change_amount, balance_after FROM token_balance_history WHERE change_type = 'EXPIRATION'"
        " ORDER BY wallet_id, sequence"
    )
    return [tuple(row.values()) for row in rows]


async def remaining(db: Connection) -> list[Number]:
    rows = await db.fetch("SELECT remaining_tokens FROM token_lots ORDER BY expires_at NULLS LAST")
    return [row["remaining_tokens"] for row in rows]


@pytest.mark.parametrize(
    ("after", "booked"), [(A_DAY - A_MOMENT, []), (A_DAY, [(-3, 5)]), (A_DAY + A_MOMENT, [(-3, 5)])]
)
async def test_a_lot_is_booked_away_from_its_instant_on_and_not_a_moment_before(
    db: Connection, after: timedelta, booked: list[tuple[Number, Number]]
) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "3", expires_at=NOW + A_DAY, at=NOW)
    await gives(aurora, "5", at=NOW)

    # when
    lots = await book_expiry(aurora.id, at=NOW + after)

    # then
    assert lots == len(booked)
    assert await expirations(db) == booked
    wallet = await read_wallet(db, aurora.id, at=NOW + after)
    assert wallet is not None
    assert (wallet.available, wallet.total_expired) == (
        (Decimal(5), Decimal(3)) if booked else (Decimal(8), Decimal(0))
    )
    assert await violations(db) == []


async def test_only_what_is_left_of_a_lot_is_booked_away_and_an_empty_one_books_nothing(db: Connection) -> None:
    # given: the first lot is spent, the second in part
    aurora = await an_organization()
    await gives(aurora, "2", expires_at=NOW + A_DAY, at=NOW)
    await gives(aurora, "3", expires_at=NOW + 2 * A_DAY, at=NOW)
    await spend(SpendOrder(aurora.id, Decimal("3.25"), "report", "user/ada"), at=NOW)

    # when
    lots = await book_expiry(aurora.id, at=NOW + 2 * A_DAY)

    # then
    assert lots == 1
    assert await expirations(db) == [(Decimal("-1.75"), 0)]
    assert await remaining(db) == [0, 0]
    assert await violations(db) == []


async def test_booking_again_books_nothing(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "3", expires_at=NOW + A_DAY, at=NOW)

    assert [await book_expiry(aurora.id, at=NOW + A_DAY) for _ in range(3)] == [1, 0, 0]
    assert await expirations(db) == [(-3, 0)]
    assert await violations(db) == []


async def test_a_suspended_wallet_loses_its_tokens_like_any_other(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "3", expires_at=NOW + A_DAY, at=NOW)
    await db.execute("UPDATE organization_token_wallets SET is_active = false, suspended_at = now()")

    assert await book_expiry(aurora.id, at=NOW + A_DAY) == 1
    assert await violations(db) == []


async def test_an_organization_without_a_wallet_has_nothing_to_book(db: Connection) -> None:
    with pytest.raises(WalletNotFound):
        await book_expiry(derived_id("organization", "nobody"), at=NOW)


async def test_the_validity_of_the_package_wins_over_that_of_the_wallet(db: Connection) -> None:
    # given: a wallet whose tokens are good for 10 days, a package whose are for 3, one that does not say, and a bonus
    aurora = await an_organization(wallet=defaults(expires_after_days=10))
    short = await a_package("100", name="Short", validity_days=3, bonus="7")
    plain = await a_package("50", name="Plain")
    for package in (short, plain):
        await is_paid(await an_order(aurora, package=package, at=NOW), at=NOW)

    # when
    booked = [await book_expiry(aurora.id, at=NOW + days * A_DAY - A_MOMENT) for days in (3, 10)]
    booked += [await book_expiry(aurora.id, at=NOW + 10 * A_DAY)]

    # then: a bonus shares the fate of its paid lot
    assert booked == [0, 2, 1]
    assert sorted(change for change, _ in await expirations(db)) == [-100, -50, -7]
    assert await violations(db) == []


async def test_a_package_that_is_good_for_longer_than_its_wallet_keeps_its_word(db: Connection) -> None:
    aurora = await an_organization(wallet=defaults(expires_after_days=10))
    long = await a_package("100", name="Long", validity_days=30)
    await is_paid(await an_order(aurora, package=long, at=NOW), at=NOW)

    assert await book_expiry(aurora.id, at=NOW + 30 * A_DAY - A_MOMENT) == 0
    assert await book_expiry(aurora.id, at=NOW + 30 * A_DAY) == 1


async def test_a_wallet_of_more_than_a_thousand_lots_is_booked_in_several_transactions(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await many_lots(aurora, 2 * AT_ONCE + 1, expires_at=NOW + A_DAY)
    await gives(aurora, "5", at=NOW)

    # when
    lots = await book_expiry(aurora.id, at=NOW + A_DAY)

    # then
    assert lots == 2 * AT_ONCE + 1 == 1001
    rows = await db.fetch(
        "SELECT xmin::text AS transaction, count(*) AS entries FROM token_balance_history"
        " WHERE change_type = 'EXPIRATION' GROUP BY 1 ORDER BY 2"
    )
    assert [row["entries"] for row in rows] == [1, AT_ONCE, AT_ONCE]
    wallet = await read_wallet(db, aurora.id, at=NOW + A_DAY)
    assert wallet is not None
    assert (wallet.available, wallet.total_expired) == (Decimal(5), Decimal(2002))
    assert await violations(db) == []


async def test_lots_that_are_held_beyond_their_expiry_are_booked_when_the_hold_ends_and_then_it_is_done(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: more lots than one pass books, all of them held until the day after they expired
    monkeypatch.setattr(expiring, "AT_ONCE", 3)
    aurora = await an_organization()
    await many_lots(aurora, 5, expires_at=NOW + A_DAY)
    await holds(aurora, "10", seconds=2 * 24 * 3600, at=NOW)

    # when
    booked = [
        await asyncio.wait_for(book_expiry(aurora.id, at=NOW + days * A_DAY), PATIENCE_SECONDS) for days in (1, 2, 2)
    ]

    # then
    assert booked == [0, 1, 0]
    assert await expirations(db) == [(-2, 8 - 2 * number) for number in range(5)]
    assert await remaining(db) == [0] * 5
    assert await violations(db) == []


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_holds_and_lots_are_booked_in_their_order_however_many_at_once(
    db: Connection, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    # given: of a lot that expires in two hours, holds that end before, with and after it; of the last there are three
    monkeypatch.setattr(expiring, "AT_ONCE", at_once)
    aurora = await an_organization()
    await gives(aurora, "6", expires_at=NOW + timedelta(hours=2), at=NOW)
    for hours in (1, 2, 3, 3, 3):
        await holds(aurora, "1", seconds=hours * 3600, at=NOW)

    # when
    booked = await asyncio.wait_for(book_expiry(aurora.id, at=NOW + A_DAY), PATIENCE_SECONDS)

    # then: what came back before is lost at the lot's instant, what comes back later as it comes
    assert booked == 5
    rows = await db.fetch(
        "SELECT change_type, occurred_at, change_amount FROM token_balance_history WHERE sequence > 6 ORDER BY sequence"
    )
    assert [(kind, (occurred_at - NOW) / timedelta(hours=1), change) for kind, occurred_at, change in rows] == [
        ("RELEASE", 1, 0),
        ("RELEASE", 2, 0),
        ("EXPIRATION", 2, -3),
        *[("RELEASE", 3, 0), ("EXPIRATION", 3, -1)] * 3,
    ]
    assert await violations(db) == []


async def test_a_pass_reads_no_more_overdue_holds_than_it_ends(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: seven holds, each a minute longer than the one before
    monkeypatch.setattr(expiring, "AT_ONCE", 3)
    aurora = await an_organization()
    await gives(aurora, "7", at=NOW)
    for minutes in range(1, 8):
        await holds(aurora, "1", seconds=60 * minutes, at=NOW)
    read: list[int] = []

    async def lock_and_count(*args: Any, **kwargs: Any) -> LockedWallet:
        wallet = await lock_wallet(*args, **kwargs)
        read.append(len(wallet.state.holds))
        return wallet

    monkeypatch.setattr(expiring, "lock_wallet", lock_and_count)

    # when
    booked = await book_expiry(aurora.id, at=NOW + A_DAY)

    # then
    assert booked == 7
    assert read == [3, 3, 1]
    assert await violations(db) == []


async def test_two_who_book_at_once_book_each_lot_once(db: Connection) -> None:
    aurora = await an_organization()
    await many_lots(aurora, 60, expires_at=NOW + A_DAY)

    booked = await asyncio.gather(*(book_expiry(aurora.id, at=NOW + A_DAY) for _ in range(6)))

    assert sorted(booked) == [0, 0, 0, 0, 0, 60]
    assert len(await expirations(db)) == 60
    assert await violations(db) == []


async def test_booking_beside_spends_loses_no_token_and_makes_none(db: Connection) -> None:
    # given: 40 tokens that expire at the instant, and 25 that do not
    aurora = await an_organization()
    await many_lots(aurora, 20, expires_at=NOW + A_DAY)
    await gives(aurora, "25", at=NOW)

    async def spends(number: int) -> Booked | InsufficientTokens:
        order = SpendOrder(aurora.id, Decimal(1), f"spend {number}", "user/ada")
        try:
            return await retrying(lambda: spend(order, at=NOW + A_DAY))
        except InsufficientTokens as refusal:
            return refusal

    # when
    answers, booked = await asyncio.gather(
        asyncio.gather(*(spends(number) for number in range(30))),
        asyncio.gather(*(book_expiry(aurora.id, at=NOW + A_DAY) for _ in range(2))),
    )

    # then: whoever came first booked all twenty
    assert sum(isinstance(answer, Booked) for answer in answers) == 25
    assert sorted(booked) in ([0, 0], [0, 20])
    assert len(await expirations(db)) == 20
    wallet = await read_wallet(db, aurora.id, at=NOW + A_DAY)
    assert wallet is not None
    assert (wallet.available, wallet.total_expired, wallet.total_consumed) == (Decimal(0), Decimal(40), Decimal(25))
    assert await violations(db) == []


async def test_due_lots_are_listed_by_their_expiry_page_after_page(db: Connection) -> None:
    # given: lots of two wallets, one spent, one of the future, one without expiry
    aurora, boreal = await an_organization(), await an_organization()
    for organization, hours in ((aurora, 3), (boreal, 1), (aurora, 2), (boreal, 4)):
        await gives(organization, "1", expires_at=NOW + timedelta(hours=hours), at=NOW)
    await spend(SpendOrder(boreal.id, Decimal(1), "report", "user/ada"), at=NOW)
    await gives(aurora, "1", expires_at=NOW + 9 * A_DAY, at=NOW)
    await gives(aurora, "1", at=NOW)

    # when
    first = await due_lots(db, at=NOW + A_DAY, limit=2)
    place = (first[-1].expires_at, first[-1].id)
    second = await due_lots(db, at=NOW + A_DAY, limit=2, after=place)

    # then
    assert [(lot.organization_id, lot.expires_at - NOW) for lot in (*first, *second)] == [
        (aurora.id, timedelta(hours=2)),
        (aurora.id, timedelta(hours=3)),
        (boreal.id, timedelta(hours=4)),
    ]


async def test_due_lots_are_found_by_their_index(db: Connection) -> None:
    await gives(await an_organization(), "1", expires_at=NOW + A_DAY, at=NOW)
    async with transaction() as own:
        await own.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = await own.fetch(
            "EXPLAIN SELECT id FROM token_lots WHERE NOT is_exhausted AND expires_at <= now()"
            " AND (expires_at, id) > ('-infinity', $1) ORDER BY expires_at, id LIMIT 200",
            UUID(int=0),
        )

    text = "\n".join(row[0] for row in plan)
    assert "lots_expiring" in text
    assert "Sort" not in text
