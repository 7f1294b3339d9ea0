"""More requests than a process can serve at once: who is told to come again, and that nobody else waits for them."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from models.database import Connection, DatabaseBusy
from models.deciding import CLOCKS_APART_MAX, Answer
from models.errors import InsufficientTokens, WalletBusy
from models.outcomes import Booked
from models.reconciliation import violations
from models.spending import SpendOrder
from models.tills import BATCHES_AT_ONCE, Tills
from tests.builders import Organization, an_organization, gives
from tests.conftest import POOL_SIZE, Database

LOCK = "SELECT 1 FROM organization_token_wallets WHERE organization_id = $1 FOR UPDATE"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEYS = "SELECT key FROM idempotency_keys WHERE operation = 'spendTokens' ORDER BY key"


def order(organization: Organization, key: str, tokens: str = "1") -> SpendOrder:
    return SpendOrder(organization.id, Decimal(tokens), key, "user/test")


async def asked(tills: Tills, wanted: SpendOrder) -> object:
    try:
        return await tills.ask(wanted, at=NOW)
    except Exception as refusal:
        return refusal


async def together(tills: Tills, organization: Organization, name: str) -> list[Answer]:
    return await tills.ask_together([order(organization, f"{name} {n}") for n in range(2)], at=NOW)


async def two_wallets() -> tuple[Organization, Organization]:
    aurora, boreal = await an_organization(), await an_organization("Boreal Labs")
    for one in (aurora, boreal):
        await gives(one, "100", at=NOW)
    return aurora, boreal


async def test_a_process_has_a_bound_for_all_its_wallets_and_tells_when_all_will_have_been_served(
    books: Database, owner: asyncpg.Connection
) -> None:
    # given a wallet that somebody else holds, with as many waiting as the process lets wait
    aurora, boreal = await two_wallets()
    tills = Tills(waiting_in_all_max=3)
    tills._seconds_each = 0.25
    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        waiting = [asyncio.create_task(asked(tills, order(aurora, f"spend {n}"))) for n in range(3)]
        await asyncio.sleep(0)

        # when
        refused = await asked(tills, order(boreal, "elsewhere"))

    # then
    assert isinstance(refused, WalletBusy)
    assert refused.retry_after_ms == 750
    assert [type(await one) for one in waiting] == [Booked] * 3
    assert isinstance(await asked(tills, order(boreal, "elsewhere")), Booked)
    assert tills.waiting == 0


async def test_beyond_the_bound_a_batch_is_told_to_come_again_and_nothing_is_remembered(
    db: Connection, owner: asyncpg.Connection
) -> None:
    # given
    aurora, _ = await two_wallets()
    tills = Tills(batches_waiting_max=2)
    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        waiting = [asyncio.create_task(together(tills, aurora, name)) for name in ("first", "second")]
        await asyncio.sleep(0)

        # when
        refused = await together(tills, aurora, "third")

    # then
    assert [each.retry_after_ms for each in refused if isinstance(each, WalletBusy)] == [50, 50]
    assert [[type(answer) for answer in await one] for one in waiting] == [[Booked] * 2] * 2
    assert [row["key"] for row in await db.fetch(KEYS)] == ["first 0", "first 1", "second 0", "second 1"]
    assert [type(answer) for answer in await together(tills, aurora, "third")] == [Booked] * 2
    assert tills.batches == 0
    assert await violations(db) == []


async def test_batches_that_wait_for_a_crowded_wallet_do_not_take_everybodys_connections(
    books: Database, owner: asyncpg.Connection
) -> None:
    assert BATCHES_AT_ONCE < POOL_SIZE < 20
    aurora, boreal = await two_wallets()
    tills = Tills()
    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        waiting = [asyncio.create_task(together(tills, aurora, f"batch {n}")) for n in range(20)]
        await asyncio.sleep(0)

        served = await asked(tills, order(boreal, "elsewhere"))

        assert isinstance(served, Booked)
        assert not any(one.done() for one in waiting)

    assert [[type(answer) for answer in await one] for one in waiting] == [[Booked] * 2] * 20


async def test_what_the_server_gave_up_is_not_tried_again_one_by_one(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    aurora, _ = await two_wallets()
    tills, tries = Tills(), []

    async def stalls(*_: object) -> list[Answer]:
        tries.append(1)
        raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")

    monkeypatch.setattr(Tills, "_write", stalls)
    answers = await asyncio.gather(*(asked(tills, order(aurora, f"spend {n}")) for n in range(50)))

    assert [type(answer) for answer in answers] == [asyncpg.QueryCanceledError] * 50
    assert len(tries) == 1


async def test_a_till_that_was_ended_from_outside_leaves_nobody_waiting(
    books: Database, owner: asyncpg.Connection
) -> None:
    # given
    aurora, _ = await two_wallets()
    tills = Tills()
    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        first = asyncio.create_task(asked(tills, order(aurora, "first")))
        while not tills._tills or tills._tills[aurora.id].waiting:
            await asyncio.sleep(0)
        second = asyncio.create_task(asked(tills, order(aurora, "second")))
        await asyncio.sleep(0)

        # when
        serving = tills._tills[aurora.id].serving
        assert serving is not None
        serving.cancel()

        # then
        assert [type(await one) for one in (first, second)] == [DatabaseBusy] * 2
    assert tills.waiting == 0
    assert isinstance(await asked(tills, order(aurora, "first")), Booked)


async def test_what_a_host_with_a_faster_clock_has_just_sold_can_be_spent(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    ahead = NOW + CLOCKS_APART_MAX
    await gives(aurora, "10", at=ahead)

    booked = await asked(tills, order(aurora, "at once", "4"))

    assert isinstance(booked, Booked)
    assert (booked.available, booked.occurred_at) == (Decimal(6), ahead)
    assert await violations(db) == []


async def test_what_begins_later_than_clocks_differ_is_not_there_yet(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW + CLOCKS_APART_MAX + timedelta(microseconds=1))

    refused = await asked(tills, order(aurora, "too early", "4"))

    assert isinstance(refused, InsufficientTokens)
    assert refused.available == 0
