"""Allowances shared by processes: never more than there is, and seldom a round trip."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from models import allowances as module
from models.allowances import Allowances
from models.database import Connection
from rules.allowances import Allowance

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def of(subject: str, units: int) -> Allowance:
    return Allowance(subject, units, QUARTER)


async def takes(process: Allowances, times: int, *shared: Allowance, units: int = 1, at: datetime = NOON) -> int:
    """How many of so many requests, one after the other, were let through."""
    return [await process.take(units, shared, at=at) for _ in range(times)].count(None)


async def test_one_process_uses_an_allowance_to_its_last_unit(db: Connection) -> None:
    process, ada = Allowances(), of("user/ada", 1000)

    assert await takes(process, 1200, ada) == 1000
    assert await process.take(1, [ada], at=NOON) == ada
    assert process.is_used_up(ada, at=NOON)


async def takes_until_refused(process: Allowances, units: int, *shared: Allowance) -> int:
    """How many requests were let through before the first one that was not."""
    through = 0
    while await process.take(units, shared, at=NOON) is None:
        through += 1
    return through


@pytest.mark.parametrize("units", [1, 7])
async def test_many_processes_at_once_use_all_there_is_and_never_more(db: Connection, units: int) -> None:
    processes, ada = [Allowances() for _ in range(8)], of("user/ada", 1000)

    through = await asyncio.gather(
        *(takes_until_refused(process, units, ada) for process in processes for _ in range(5))
    )

    # Each process may be left with less than one request costs.
    assert 1000 - 8 * (units - 1) <= sum(through) * units <= 1000
    (row,) = await db.fetch("SELECT taken FROM rate_allowances")
    assert row["taken"] == 1000


async def test_most_requests_cost_no_round_trip(db: Connection) -> None:
    process, ada = Allowances(), of("user/ada", 1_000_000)

    assert await takes(process, 100_000, ada) == 100_000

    # 5,000 of a million to begin with, doubled with each lease up to 50,000
    assert process.leases_taken == 6


async def test_a_hundred_requests_at_once_need_one_lease(db: Connection) -> None:
    process, ada = Allowances(), of("user/ada", 1_000_000)

    await asyncio.gather(*(process.take(1, [ada], at=NOON) for _ in range(100)))

    assert process.leases_taken == 1


async def test_a_used_up_allowance_is_not_asked_for_again_until_its_window_is_over(db: Connection) -> None:
    process, ada = Allowances(), of("user/ada", 10)
    assert await takes(process, 10, ada) == 10
    assert await takes(process, 1, ada) == 0
    leased = process.leases_taken

    assert await takes(process, 100, ada) == 0
    assert process.leases_taken == leased
    assert await takes(process, 1, ada, at=NOON + QUARTER - timedelta(microseconds=1)) == 0
    assert await takes(process, 20, ada, at=NOON + QUARTER) == 10


async def test_a_refused_request_takes_nothing_of_the_others(db: Connection) -> None:
    process, ada, aurora = Allowances(), of("user/ada", 100), of("organization/aurora", 10)

    assert await takes(process, 50, ada, aurora) == 10
    assert await process.take(1, [ada, aurora], at=NOON) == aurora
    assert await takes(process, 100, ada) == 90


async def test_what_costs_more_than_all_can_be_had_once_a_window(db: Connection) -> None:
    process, ada = Allowances(), of("user/ada", 10)

    assert await takes(process, 3, ada, units=5000) == 1
    assert await takes(process, 3, ada, units=5000, at=NOON + QUARTER) == 1


async def test_a_limit_that_was_lowered_holds_at_once(db: Connection) -> None:
    await takes(Allowances(), 60, of("user/ada", 100))

    assert await takes(Allowances(), 5, of("user/ada", 50)) == 0


async def test_a_process_forgets_leases_rather_than_growing(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASES_MAX", 10)
    process = Allowances()

    for number in range(40):
        assert await takes(process, 1, of(f"address/{number}", 5)) == 1

    assert len(process._leases) == 10
    assert await takes(process, 9, of("address/0", 5)) == 4


async def test_windows_that_are_over_are_removed(db: Connection) -> None:
    process = Allowances()
    for window in range(4):
        await takes(process, 1, of("user/ada", 5), at=NOON + window * QUARTER)

    rows = await db.fetch("SELECT window_start FROM rate_allowances ORDER BY 1")
    assert [row["window_start"] for row in rows] == [NOON + window * QUARTER for window in (2, 3)]
