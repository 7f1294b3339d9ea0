"""Balances at past instants: what was answered at an instant is answered about it for ever, however it is booked."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from embedded.postgres import PostgresCluster
from models.adjusting import AdjustmentOrder, adjust
from models.database import Connection
from models.errors import Refusal
from models.holding import CaptureOrder, HoldOrder, ReleaseOrder
from models.past import LotThen, Sums, entries_behind, read_balances, read_lots_then, read_sums
from models.spending import SpendOrder
from models.wallets import read_wallet, wallet_id_of
from rules.holding import CaptureExcess
from rules.identity import derived_id
from tests.builders import Organization, an_order, an_organization, defaults, gives, is_paid, settle_hold, spend
from tests.conftest import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
STEPS = 60
ZERO = Decimal(0)
PARTS = ("granted", "spent", "expired", "removed", "available")

# As if what was over had been booked under the time of whoever came next, which is how it could have been done too.
WHEN_WRITTEN = """
UPDATE token_balance_history e SET occurred_at = coalesce((
    SELECT later.occurred_at FROM token_balance_history later
    WHERE later.wallet_id = e.wallet_id AND later.sequence > e.sequence
        AND later.change_type IN ('GRANT', 'PURCHASE', 'SPEND', 'ADJUSTMENT')
    ORDER BY later.sequence LIMIT 1), e.occurred_at)
WHERE e.change_type = 'EXPIRATION'
"""


@pytest.fixture
async def superuser(cluster: PostgresCluster, books: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may change what has been booked."""
    name = books.app_dsn.rpartition("/")[2]
    connection = await asyncpg.connect(cluster.dsn(name))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


Balance: TypeAlias = tuple[Decimal, Decimal]


async def balance_at(db: Connection, organization: Organization, at: datetime) -> Balance:
    """What is answered now about an instant: available and held."""
    wallet_id = wallet_id_of(organization.id)
    kinds = (await read_balances(db, [wallet_id], at=at))[wallet_id]
    return sum((kind.available for kind in kinds), ZERO), sum((kind.held for kind in kinds), ZERO)


async def answered(db: Connection, organization: Organization, at: datetime) -> Balance:
    """What is answered at an instant."""
    wallet = await read_wallet(db, organization.id, at=at)
    assert wallet is not None
    return wallet.available, wallet.held


async def something_happens(dice: random.Random, aurora: Organization, step: int, at: datetime) -> None:
    amount = Decimal(dice.randint(1, 120_000)).scaleb(-4)
    expires_at = dice.choice([None, at + dice.randint(1, 60) * AN_HOUR, at + A_MOMENT])
    match dice.choice(["grant", "grant", "spend", "spend", "purchase", "adjust", "hold", "hold", "capture", "release"]):
        case "grant":
            await gives(aurora, str(amount), expires_at=expires_at, priority=dice.choice([0, 50, 100]), at=at)
        case "spend":
            await spend(SpendOrder(aurora.id, amount, f"spend {step}", "user/test"), at=at)
        case "purchase":
            await is_paid(await an_order(aurora, str(dice.randint(1, 9)), at=at), at=at)
        case "adjust":
            order = AdjustmentOrder(aurora.id, amount * dice.choice([1, -1]), "a test", f"adjust {step}", "user/test")
            await adjust(order, at=at)
        case "hold":
            seconds = dice.randint(1, 48) * 3600
            await settle_hold(HoldOrder(**named(aurora, step), tokens=amount, seconds=seconds), at=at)
        case "capture":
            tokens = dice.choice([None, amount])
            capture = CaptureOrder(
                **named(aurora, step), hold_id=some_hold(dice, aurora, step), tokens=tokens, excess=CaptureExcess.CAP
            )
            await settle_hold(capture, at=at)
        case "release":
            await settle_hold(ReleaseOrder(**named(aurora, step), hold_id=some_hold(dice, aurora, step)), at=at)


def named(organization: Organization, step: int) -> dict[str, Any]:
    return {"organization_id": organization.id, "key": f"step {step}", "actor": "user/test"}


def some_hold(dice: random.Random, organization: Organization, step: int) -> UUID:
    """One of the last ten steps, which may have placed a hold."""
    return derived_id("hold", organization.id, f"step {dice.randint(max(0, step - 10), step)}")


async def all_lots(db: Connection, wallet_id: UUID, at: datetime) -> list[LotThen]:
    return await read_lots_then(db, wallet_id, at=at, limit=1000, before=None)


async def explains(db: Connection, organization: Organization, at: datetime, balance: Balance) -> None:
    """The explanation adds up, lot by lot and in all, to what is available."""
    wallet_id = wallet_id_of(organization.id)
    lots, sums = await all_lots(db, wallet_id, at), await read_sums(db, wallet_id, at=at)
    for part in fields(Sums):
        assert sum((getattr(lot.sums, part.name) for lot in lots), ZERO) == getattr(sums, part.name)
    for one in (sums, *(lot.sums for lot in lots)):
        assert min(getattr(one, part.name) for part in fields(Sums)) >= 0
        assert one.available == (
            one.granted - one.spent - one.expired - one.refunded - one.removed - one.held - one.waiting
        )
    assert (sums.available, sums.held) == balance
    assert all((lot.state == "COUNTS") >= (lot.sums.available > 0) for lot in lots)


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_answered_at_an_instant_is_answered_about_it_for_ever(
    db: Connection, superuser: asyncpg.Connection, seed: int
) -> None:
    # given
    dice, now = random.Random(seed), START
    aurora = await an_organization(wallet=defaults(expires_after_days=2))
    told: dict[datetime, Balance] = {START - A_DAY: (ZERO, ZERO), START - A_MOMENT: (ZERO, ZERO)}

    # when
    for step in range(STEPS):
        with suppress(Refusal):
            await something_happens(dice, aurora, step, now)
        told[now] = await answered(db, aurora, now)
        # What nobody does anything in between is answered as well.
        between = now + AN_HOUR / 2
        told[between] = await answered(db, aurora, between)
        now += dice.choice([1, 5, 20]) * AN_HOUR

    # then, as it was booked and as it might have been booked
    assert len({*told.values()}) > STEPS / 3
    assert sum(held > 0 for _, held in told.values()) > STEPS / 6
    for booking in (None, WHEN_WRITTEN):
        if booking is not None:
            await superuser.execute(booking)
        assert {at: await balance_at(db, aurora, at) for at in told} == told
        for at, balance in told.items():
            await explains(db, aurora, at, balance)


async def test_each_lot_says_what_became_of_its_tokens(db: Connection) -> None:
    # given: 10 of which 4 expire in part, 5 that are used up, 3 that are corrected away in part, and more to come
    aurora = await an_organization()
    wallet_id = wallet_id_of(aurora.id)
    await gives(aurora, "10", expires_at=START + 2 * A_DAY, priority=60, at=START)
    await gives(aurora, "5", priority=1, at=START + AN_HOUR)
    await spend(SpendOrder(aurora.id, Decimal(11), "report", "user/test"), at=START + A_DAY)
    await gives(aurora, "3", at=START + 3 * A_DAY)
    await adjust(AdjustmentOrder(aurora.id, Decimal(-2), "mistake", "a", "user/f"), at=START + 4 * A_DAY)

    async def states(at: datetime) -> list[tuple[str, list[int]]]:
        """State, and granted, spent, expired, removed and available, of each lot, the oldest first."""
        found = await all_lots(db, wallet_id, at)
        return [(lot.state, [int(getattr(lot.sums, part)) for part in PARTS]) for lot in reversed(found)]

    # then
    assert await states(START - A_MOMENT) == []
    assert await states(START) == [("COUNTS", [10, 0, 0, 0, 10])]
    assert await states(START + A_DAY - A_MOMENT) == [("COUNTS", [10, 0, 0, 0, 10]), ("COUNTS", [5, 0, 0, 0, 5])]
    assert await states(START + A_DAY) == [("COUNTS", [10, 6, 0, 0, 4]), ("EXHAUSTED", [5, 5, 0, 0, 0])]
    assert await states(START + 2 * A_DAY - A_MOMENT) == [("COUNTS", [10, 6, 0, 0, 4]), ("EXHAUSTED", [5, 5, 0, 0, 0])]
    over = [("EXPIRED", [10, 6, 4, 0, 0]), ("EXHAUSTED", [5, 5, 0, 0, 0])]
    assert await states(START + 2 * A_DAY) == over
    assert await states(START + 3 * A_DAY) == [*over, ("COUNTS", [3, 0, 0, 0, 3])]
    assert await states(START + 9 * A_DAY) == [*over, ("COUNTS", [3, 0, 0, 2, 1])]


async def test_a_lot_whose_time_has_not_come_waits(db: Connection, superuser: asyncpg.Connection) -> None:
    aurora = await an_organization()
    wallet_id = wallet_id_of(aurora.id)
    await gives(aurora, "10", at=START)
    await superuser.execute("UPDATE token_lots SET effective_at = $1", START + A_DAY)

    (before,), (after,) = [await all_lots(db, wallet_id, START + days * A_DAY) for days in (0, 1)]

    assert (before.state, after.state) == ("NOT_YET_EFFECTIVE", "COUNTS")
    assert [before.sums.waiting, before.sums.available] == [10, 0]
    assert [after.sums.waiting, after.sums.available] == [0, 10]
    assert [(await balance_at(db, aurora, START + days * A_DAY))[0] for days in (0, 1)] == [0, 10]


async def test_the_entries_behind_a_lot_are_the_newest_up_to_the_instant(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "10", at=START)
    for number in range(7):
        await spend(SpendOrder(aurora.id, Decimal(1), f"spend {number}", "user/t"), at=START + number * AN_HOUR)
    (lot,) = await all_lots(db, wallet_id_of(aurora.id), START)

    # when
    now = await entries_behind(db, [lot.id, UUID(int=7)], at=START + A_DAY, limit=3)
    earlier = await entries_behind(db, [lot.id], at=START + AN_HOUR, limit=9)

    # then
    assert now[UUID(int=7)] == []
    assert [[entry.sequence, entry.kind, entry.tokens] for entry in now[lot.id]] == [
        [8, "SPEND", -1],
        [7, "SPEND", -1],
        [6, "SPEND", -1],
    ]
    assert [[entry.sequence, entry.tokens] for entry in earlier[lot.id]] == [[3, -1], [2, -1], [1, 10]]


async def test_a_balance_is_told_by_kind_and_another_wallet_is_not_in_it(db: Connection) -> None:
    aurora, boreal = await an_organization(), await an_organization()
    await gives(aurora, "1.5", at=START)
    await is_paid(await an_order(aurora, "4", at=START), at=START)
    await gives(boreal, "7", at=START)

    wallet_id = wallet_id_of(aurora.id)
    found = (await read_balances(db, [wallet_id], at=START + A_DAY))[wallet_id]

    assert [[one.kind, one.available, one.held] for one in found] == [["PAID", 4, 0], ["PROMO", Decimal("1.5"), 0]]
