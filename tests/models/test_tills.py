"""Requests that meet at one wallet in a process: decided together, answered each by itself, and not without bound."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from models.database import Connection, DatabaseBusy, connection
from models.errors import InsufficientTokens, Refusal, WalletBusy, WalletNotFound
from models.holding import HoldOrder, ReleaseOrder
from models.outcomes import Booked, Held
from models.reconciliation import violations
from models.spending import SpendOrder
from models.tills import Tills
from models.wallets import read_wallet
from rules.identity import derived_id
from rules.spending import Spend
from tests.builders import Organization, an_organization, gives, sets_a_budget
from tests.conftest import Database
from tests.patience import PATIENCE_SECONDS

LOCK = "SELECT 1 FROM organization_token_wallets WHERE organization_id = $1 FOR UPDATE"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def order(organization: Organization, tokens: str, key: str, actor: str = "user/test") -> SpendOrder:
    return SpendOrder(organization.id, Decimal(tokens), key, actor)


async def asked(tills: Tills, wanted: SpendOrder | HoldOrder | ReleaseOrder) -> Booked | Held | Exception:
    try:
        return await tills.ask(wanted, at=NOW)
    except Exception as refusal:
        return refusal


async def left(organization: Organization) -> Decimal:
    async with connection() as db:
        wallet = await read_wallet(db, organization.id, at=NOW)
    assert wallet is not None
    return wallet.available


async def rows(db: Connection, table: str) -> int:
    return len(await db.fetch(f"SELECT 1 FROM {table}"))


async def test_who_comes_alone_is_served_in_a_transaction_of_their_own(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW)

    answers = [await asked(tills, order(aurora, "1", f"spend {n}")) for n in range(3)]

    assert [answer.available for answer in answers if isinstance(answer, Booked)] == [9, 8, 7]
    assert (tills.transactions, tills.answered, tills.waiting) == (3, 3, 0)


async def test_two_hundred_at_once_share_a_transaction_and_exactly_fourteen_are_paid(db: Connection) -> None:
    # given
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "14.5", at=NOW)

    # when
    answers = await asyncio.gather(*(asked(tills, order(aurora, "1", f"spend {n}")) for n in range(200)))

    # then
    booked = [answer for answer in answers if isinstance(answer, Booked)]
    assert [answer.available for answer in booked] == [Decimal(n) + Decimal("0.5") for n in range(13, -1, -1)]
    assert sum(isinstance(answer, InsufficientTokens) for answer in answers) == 186
    assert (tills.transactions, tills.answered) == (1, 200)
    assert await left(aurora) == Decimal("0.5")
    assert await violations(db) == []


async def test_two_processes_with_tills_of_their_own_stay_exact(db: Connection) -> None:
    # given
    aurora, here, there = await an_organization(), Tills(), Tills()
    await gives(aurora, "100", at=NOW)

    # when every key is sent to both
    wanted = [order(aurora, "1", f"spend {n}") for n in range(120)]
    answers = await asyncio.gather(*(asked(tills, one) for one in wanted for tills in (here, there)))

    # then
    booked = [answer for answer in answers if isinstance(answer, Booked)]
    assert len({answer.entry_id for answer in booked}) == 100
    assert (len(booked), sum(answer.replayed for answer in booked)) == (200, 100)
    assert sum(isinstance(answer, InsufficientTokens) for answer in answers) == 40
    assert await left(aurora) == 0
    assert await rows(db, "token_balance_history") == 101
    assert await violations(db) == []


async def test_spends_holds_and_releases_of_many_callers_lose_nothing(db: Connection) -> None:
    # given
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "60", at=NOW)
    await sets_a_budget(aurora, "key/eve", "7", at=NOW)

    # when
    async def holds_and_gives_back(number: int) -> None:
        held = await asked(tills, hold(aurora, "1", f"hold {number}"))
        if isinstance(held, Held):
            release = ReleaseOrder(
                organization_id=aurora.id, key=f"release {number}", actor="user/test", hold_id=held.hold.id
            )
            await tills.ask(release, at=NOW)

    spends = [asked(tills, order(aurora, "0.5", f"spend {n}")) for n in range(60)]
    capped = [asked(tills, order(aurora, "1", f"eve {n}", "key/eve")) for n in range(20)]
    holding = [holds_and_gives_back(n) for n in range(40)]
    answers, eve, _ = await asyncio.gather(
        asyncio.gather(*spends), asyncio.gather(*capped), asyncio.gather(*holding)
    )  # fmt: skip

    # then
    spent = sum(isinstance(answer, Booked) for answer in answers)
    assert sum(isinstance(answer, Booked) for answer in eve) == 7
    assert await left(aurora) == 60 - Decimal("0.5") * spent - 7
    assert await violations(db) == []


def hold(organization: Organization, tokens: str, key: str) -> HoldOrder:
    return HoldOrder(organization_id=organization.id, key=key, actor="user/test", tokens=Decimal(tokens), seconds=300)


async def test_one_key_many_times_at_once_is_decided_once_and_told_to_everybody(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW)

    answers = await asyncio.gather(*(asked(tills, order(aurora, "3", "report 7")) for _ in range(50)))

    booked = [answer for answer in answers if isinstance(answer, Booked)]
    assert len(booked) == 50
    assert len({(answer.entry_id, answer.available) for answer in booked}) == 1
    assert sum(not answer.replayed for answer in booked) == 1
    assert await left(aurora) == 7


async def test_beyond_the_bound_callers_are_told_to_come_again_and_nothing_is_remembered(
    books: Database, owner: asyncpg.Connection
) -> None:
    # given a wallet that somebody else holds
    aurora, tills = await an_organization(), Tills(waiting_max=5)
    await gives(aurora, "100", at=NOW)

    # when
    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        first = asyncio.create_task(asked(tills, order(aurora, "1", "first")))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while tills.waiting != 1 or not is_being_decided(tills, aurora):
                await asyncio.sleep(0)
        queued = [asyncio.create_task(asked(tills, order(aurora, "1", f"spend {n}"))) for n in range(5)]
        await asyncio.sleep(0)
        refused = [await asked(tills, order(aurora, "1", f"too many {n}")) for n in range(3)]
    served = [await first, *[await one for one in queued]]

    # then
    assert [type(answer) for answer in refused] == [WalletBusy] * 3
    assert all(isinstance(answer, WalletBusy) and answer.retry_after_ms >= 50 for answer in refused)
    assert [type(answer) for answer in served] == [Booked] * 6
    assert await left(aurora) == 94
    again = await asked(tills, order(aurora, "1", "too many 0"))
    assert isinstance(again, Booked)
    assert not again.replayed


def is_being_decided(tills: Tills, organization: Organization) -> bool:
    """Whether the till has begun a transaction and nobody waits behind it."""
    return not tills._tills[organization.id].waiting


async def test_wallets_do_not_wait_for_each_other(books: Database, owner: asyncpg.Connection) -> None:
    aurora, boreal, tills = await an_organization(), await an_organization("Boreal Labs"), Tills()
    await gives(aurora, "10", at=NOW)
    await gives(boreal, "10", at=NOW)

    async with owner.transaction():
        await owner.execute(LOCK, aurora.id)
        waiting = asyncio.create_task(asked(tills, order(aurora, "1", "waits")))
        served = await asked(tills, order(boreal, "1", "does not"))
        assert isinstance(served, Booked)
        assert not waiting.done()

    assert isinstance(await waiting, Booked)


async def test_a_caller_who_goes_away_takes_nobody_along_and_is_told_by_their_key(db: Connection) -> None:
    # given
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW)

    # when
    leaving = asyncio.create_task(asked(tills, order(aurora, "1", "left alone")))
    staying = asyncio.create_task(asked(tills, order(aurora, "2", "stays")))
    await asyncio.sleep(0)
    leaving.cancel()
    answer = await staying

    # then
    assert isinstance(answer, Booked)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    told = await asked(tills, order(aurora, "1", "left alone"))
    assert isinstance(told, Booked)
    assert told.replayed
    assert await left(aurora) == 7


@dataclass(frozen=True, slots=True)
class BrokenOrder(SpendOrder):
    """An order that cannot be put into the words of the rules."""

    def request(self, at: datetime) -> Spend:
        raise RuntimeError("a fault of ours")


async def test_an_order_that_cannot_be_decided_does_not_fail_those_beside_it(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW)
    broken = BrokenOrder(aurora.id, Decimal(1), "broken", "user/test")

    wanted: Sequence[SpendOrder] = [order(aurora, "1", "before"), broken, order(aurora, "1", "behind")]
    before, fault, behind = await asyncio.gather(*(asked(tills, one) for one in wanted))

    assert isinstance(before, Booked)
    assert isinstance(behind, Booked)
    assert isinstance(fault, RuntimeError)
    assert await left(aurora) == 8
    assert await violations(db) == []


async def test_a_wallet_that_is_not_there_is_not_found_by_everybody(db: Connection) -> None:
    nobody, tills = Organization(derived_id("organization", "nobody"), "Nobody"), Tills()

    answers = await asyncio.gather(*(asked(tills, order(nobody, "1", f"spend {n}")) for n in range(3)))

    assert [type(answer) for answer in answers] == [WalletNotFound] * 3
    assert tills.waiting == 0


async def test_a_busy_database_fails_everybody_who_waits_and_leaves_the_till_usable(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "10", at=NOW)

    async def busy(*_: object) -> list[object]:
        raise DatabaseBusy("no connection became free")

    # when
    with monkeypatch.context() as patch:
        patch.setattr(Tills, "_write", busy)
        answers = await asyncio.gather(*(asked(tills, order(aurora, "1", f"spend {n}")) for n in range(3)))

    # then
    assert [type(answer) for answer in answers] == [DatabaseBusy] * 3
    assert isinstance(await asked(tills, order(aurora, "1", "spend 0")), Booked)
    assert await left(aurora) == 9


async def test_many_answers_come_in_the_order_of_their_orders(db: Connection) -> None:
    aurora, tills = await an_organization(), Tills()
    await gives(aurora, "2", at=NOW)

    answers = await tills.ask_all([order(aurora, "1", "a"), order(aurora, "5", "b"), order(aurora, "1", "c")], at=NOW)

    first, second, third = answers
    assert isinstance(first, Booked)
    assert isinstance(second, Refusal)
    assert isinstance(third, Booked)
    assert [first.available, third.available] == [1, 0]
