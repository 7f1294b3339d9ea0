"""Two API processes on one database are one product: whoever reads on at the other misses nothing and sees nothing
twice, also when the one it read at was killed."""

import asyncio
import signal

from embedded.ports import free_port
from tests.faults.callers import Caller, Watcher
from tests.faults.houses import Neighbourhood
from tests.faults.processes import caretaker
from tests.patience import PATIENCE_SECONDS, until

SPENDERS = 8
SPENDS_EACH = 20
SPENT_BEFORE = 40
LAST = 1 + SPENDERS * SPENDS_EACH


def has_seen_all(sequences: list[int]) -> bool:
    return sequences[-1:] == [LAST]


async def spends(caller: Caller, spender: int, spent: list[str]) -> None:
    """One token at a time; each request goes to the next process."""
    for number in range(SPENDS_EACH):
        key = f"spend {number} of {spender}"
        assert (await caller.spends(key))["__typename"] == "SpendTokensSuccess"
        spent.append(key)


async def test_watchers_that_change_processes_see_every_entry_once_in_order(neighbourhood: Neighbourhood) -> None:
    async with neighbourhood.house() as house:
        # given
        first, second = house.api(), house.api(port=free_port())
        async with caretaker(first, second) as ends, house.caller(first, second) as caller:
            await asyncio.gather(first.answers(), second.answers())
            token = caller.member.access_token or ""
            ways = [(first.url, second.url), (second.url, first.url)]
            restless = [Watcher(urls, token, leaves_after=7) for urls in ways]
            loyal = [Watcher(urls, token) for urls in ways]
            watching = asyncio.gather(*(each.watches(has_seen_all) for each in (*restless, *loyal)))
            spent: list[str] = []
            spending = asyncio.gather(*(spends(caller, number, spent) for number in range(SPENDERS)))

            # when one of the processes is killed among the spends, and is opened again
            await until(lambda: len(spent) >= SPENT_BEFORE)
            await second.kill()
            await spending
            await asyncio.wait_for(watching, PATIENCE_SECONDS)

        # then
        everything = list(range(1, LAST + 1))
        assert [each.sequences for each in (*restless, *loyal)] == [everything] * 4
        assert [each.ends.count("broken") > 0 for each in loyal] == [False, True]
        assert (ends[first], ends[second]) == ([], [-signal.SIGKILL])
        assert await house.broken_rules() == []
