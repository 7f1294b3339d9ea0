"""A process is killed at every named step of a purchase, and everything happens once all the same.

Each point has a house of its own, and the houses wait out their recoveries together: a killed worker is noticed when
the step it held runs out of time (10 s for the books and the gateway, 30 s for the paper, 40 s for a letter).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from models.failpoints import KILLED, NAMES
from tests.faults.houses import Bookkeeping, House, Neighbourhood
from tests.faults.processes import Charge, caretaker
from tests.patience import until

# Whoever asks first waits for many houses.
pytestmark = pytest.mark.timeout(600)

KEY = "order 1"
HOUSES_AT_ONCE = 6
STORY_SECONDS = 120
# These points are passed only while a payment is undecided.
WAITS_FOR_THE_GATEWAY = {
    "payment.before_follow",
    "payment.after_follow",
    "api.before_store_event",
    "api.after_store_event",
}
# The longest recoveries begin first.
SLOWEST_FIRST = sorted(NAMES, key=lambda name: not name.startswith(("receipt.", "invoice.")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything a purchase left behind after a process died at one point of it."""

    struck: bool
    worker_ends: list[int]
    api_ends: list[int]
    status: str
    charges: list[Charge]
    bookkeeping: Bookkeeping
    receipts: set[str]
    events_told: set[str]
    events_stored: list[str]


async def bought_with_a_death_at(name: str, house: House) -> Outcome:
    """A purchase in a house where one process dies at `name` and is started again."""
    is_api = name.startswith("api.")
    api = house.api(failpoints=[name] if is_api else ())
    worker = house.worker(failpoints=() if is_api else [name])
    method = house.furniture.methods["pm_late" if name in WAITS_FOR_THE_GATEWAY else "pm_success"]
    async with caretaker(api, worker) as ends:
        async with house.caller() as caller:
            await caller.buys(tokens="100", idempotencyKey=KEY, paymentMethodId=method)
        story = await house.story(KEY)
        async with asyncio.timeout(STORY_SECONDS):
            decision = await story.result()
        await until(lambda: house.gateway.undelivered() == 0)
        return Outcome(
            struck=(house.folder / name).exists(),
            worker_ends=list(ends[worker]),
            api_ends=list(ends[api]),
            status=decision["status"],
            charges=house.gateway.charges(),
            bookkeeping=await house.bookkeeping(KEY),
            receipts={letter["message_id"] for letter in await house.mailbox.letters(story.id)},
            events_told=house.gateway.events(),
            events_stored=await house.stored_events(),
        )


@pytest.fixture(scope="module")
async def purchases(
    request: pytest.FixtureRequest, neighbourhood: Neighbourhood
) -> AsyncIterator[dict[str, "asyncio.Task[Outcome]"]]:
    """The purchases of all points that are asked about, under way at the same time."""
    places = asyncio.Semaphore(HOUSES_AT_ONCE)
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}

    async def buy(name: str) -> Outcome:
        async with places, neighbourhood.house() as house:
            return await bought_with_a_death_at(name, house)

    tasks = {name: asyncio.create_task(buy(name)) for name in SLOWEST_FIRST if name in asked}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", NAMES)
async def test_a_process_killed_at_this_point_costs_time_and_nothing_else(
    name: str, purchases: dict[str, "asyncio.Task[Outcome]"], bought_once: Bookkeeping
) -> None:
    # when
    outcome = await purchases[name]

    # then the process really died there, once, and no other did
    died, lived = (outcome.worker_ends, outcome.api_ends)[:: -1 if name.startswith("api.") else 1]
    assert (outcome.struck, died, lived) == (True, [KILLED], [])
    # and everything happened once
    assert outcome.status == "completed"
    assert [(charge.status, charge.amount) for charge in outcome.charges] == [("CAPTURED", Decimal("58.00"))]
    assert outcome.bookkeeping == bought_once
    assert len(outcome.receipts) == 1
    assert sorted(outcome.events_stored) == sorted(outcome.events_told)
