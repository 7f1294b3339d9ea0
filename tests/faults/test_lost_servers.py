"""The servers the product stands on are killed and started again: PostgreSQL, the gateway, Temporal.

Nobody tells the product. Its callers repeat what was not answered, and what was answered has happened.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from embedded.postgres import PostgresCluster
from tests.faults.callers import Caller
from tests.faults.houses import Bookkeeping, House, Neighbourhood, furnish, migrated
from tests.faults.processes import Door, caretaker
from tests.patience import PATIENCE_SECONDS, until
from tests.simulators.mailbox import Mailbox

SPENDERS = 4
SPENDS = 200
ACKNOWLEDGED_BEFORE = 60
UNANSWERED_BEFORE_RESTART = 8

BOOKED = """
SELECT idempotency_key AS key, id::text AS entry, sequence, change_amount::text AS tokens
FROM token_balance_history WHERE change_type = 'SPEND'
"""


@dataclass(frozen=True, slots=True)
class OpenHouse:
    """A house whose API and worker are open, its caller, and how its processes have ended."""

    house: House
    caller: Caller
    ends: dict[Door, list[int]]


@pytest.fixture(scope="module")
async def open_house(neighbourhood: Neighbourhood) -> AsyncIterator[OpenHouse]:
    async with (
        neighbourhood.house(keeps_temporal=True) as house,
        caretaker(house.api(), house.worker()) as ends,
        house.caller() as caller,
    ):
        yield OpenHouse(house, caller, dict(ends))


@pytest.fixture
async def durable(tmp_path: Path, mailbox: Mailbox) -> AsyncIterator[Neighbourhood]:
    """A neighbourhood on a PostgreSQL of its own that waits for the disk, as in production."""
    with PostgresCluster(tmp_path / "postgres") as cluster:
        furniture = await furnish(cluster, await migrated(cluster))
        yield Neighbourhood(furniture, mailbox, tmp_path)


def restart(cluster: PostgresCluster) -> None:
    """The next start recovers by itself. Blocks, because the server ends with the thread that started it."""
    cluster.stop()
    cluster.start()


async def test_what_was_acknowledged_before_postgresql_was_killed_has_happened_once(durable: Neighbourhood) -> None:
    cluster = durable.furniture.cluster
    async with durable.house() as house, caretaker(house.api()) as ends, house.caller() as caller:
        # given spends under way
        answers: dict[str, dict[str, object]] = {}

        async def spend(spender: int) -> None:
            for number in range(spender, SPENDS, SPENDERS):
                key = f"spend {number}"
                answers[key] = await caller.spends(key)

        spending = asyncio.gather(*(spend(spender) for spender in range(SPENDERS)))
        await until(lambda: len(answers) >= ACKNOWLEDGED_BEFORE)

        # when
        assert cluster._process is not None
        cluster._process.kill()
        await until(lambda: caller.repeats >= UNANSWERED_BEFORE_RESTART)
        acknowledged = dict(answers)
        restart(cluster)
        await spending

        # then every key has one entry, the one its caller was told of, and the same answer when it is asked again
        async with house.books() as books:
            booked = {row["key"]: (row["entry"], row["sequence"], row["tokens"]) for row in await books.fetch(BOOKED)}
        assert len(booked) == SPENDS
        assert {key: told["sequence"] for key, told in answers.items()} == {key: row[1] for key, row in booked.items()}
        assert {row[2] for row in booked.values()} == {"-1.0000"}
        for key, first in acknowledged.items():
            assert await caller.spends(key) == {**first, "replayed": True}
        assert await house.broken_rules() == []
        assert list(ends.values()) == [[]]


async def test_a_gateway_killed_before_it_answers_charges_once(open_house: OpenHouse, bought_once: Bookkeeping) -> None:
    # given a charge that the gateway has not looked at yet
    house, key = open_house.house, "killed before answering"
    await house.gateway.freeze()
    buying = asyncio.create_task(open_house.caller.buys(tokens="100", idempotencyKey=key))
    story = await house.charge_under_way(key)

    # when
    await house.gateway.kill()
    await house.gateway.start()

    # then
    await buying
    await asyncio.wait_for(story.result(), PATIENCE_SECONDS)
    assert [status for status, _ in house.charges(key)] == ["CAPTURED"]
    assert await house.bookkeeping(key) == bought_once


async def test_a_gateway_killed_before_it_tells_still_tells(open_house: OpenHouse, bought_once: Bookkeeping) -> None:
    # given a payment that the gateway has taken and not yet decided
    house, key = open_house.house, "killed before telling"
    late = house.furniture.methods["pm_late"]
    buying = asyncio.create_task(open_house.caller.buys(tokens="100", idempotencyKey=key, paymentMethodId=late))
    await until(lambda: house.charges(key) != [])

    # when
    await house.gateway.kill()
    await house.gateway.start()

    # then
    await buying
    await asyncio.wait_for((await house.story(key)).result(), PATIENCE_SECONDS)
    assert [status for status, _ in house.charges(key)] == ["CAPTURED"]
    assert await house.bookkeeping(key) == bought_once


async def test_stories_go_on_when_temporal_has_been_killed_and_restarted(
    open_house: OpenHouse, bought_once: Bookkeeping
) -> None:
    # given a purchase that waits for its buyer
    house, waiting, new = open_house.house, "waits for its buyer", "made meanwhile"
    three_d_secure = house.furniture.methods["pm_three_d_secure"]
    told = await open_house.caller.buys(tokens="100", idempotencyKey=waiting, paymentMethodId=three_d_secure)
    assert told["purchase"]["status"] == "REQUIRES_ACTION"
    known = set(await house.stored_events())

    # when Temporal is gone while the buyer approves, and while another purchase is made
    await house.kill_temporal()
    async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as buyer:
        await buyer.post(told["purchase"]["actionUrl"], data={"decision": "approve"})
    unanswered = open_house.caller.repeats
    buying = asyncio.create_task(open_house.caller.buys(tokens="100", idempotencyKey=new))
    await until(lambda: open_house.caller.repeats > unanswered)
    while set(await house.stored_events()) == known:
        await asyncio.sleep(0.05)
    await house.temporal.start()

    # then both are completed, once
    await buying
    for key in (waiting, new):
        await asyncio.wait_for((await house.story(key)).result(), PATIENCE_SECONDS)
        assert [status for status, _ in house.charges(key)] == ["CAPTURED"]
        assert await house.bookkeeping(key) == bought_once
    assert list(open_house.ends.values()) == [[], []]
