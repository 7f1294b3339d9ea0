"""SIGTERM: whoever is asked to stop finishes what it has begun, and nothing is done a second time.

The gateway is frozen by SIGSTOP, so that a charge is under way for exactly as long as a test wants.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

from temporalio.client import WorkflowHandle

from tests.faults.callers import FROM_THE_FIRST, Caller, wallet_events, wallet_updates
from tests.faults.houses import Bookkeeping, Neighbourhood
from tests.faults.processes import caretaker
from tests.patience import PATIENCE, PATIENCE_SECONDS

KEY = "order 1"
BY_SIGTERM = -signal.SIGTERM
# Less than the worker's grace of twelve, and than the API's of twenty: nobody is waited for in vain.
WORKER_STOP_SECONDS_MAX = 10
API_STOP_SECONDS_MAX = 18
# Less than the eight that a gateway is given to answer.
CHARGE_SECONDS_MAX = 7


async def attempts_at_the_charge(story: WorkflowHandle[Any, Any]) -> list[int]:
    """The attempt of each activity of the story that was started on the gateway's queue."""
    events = [event async for event in story.fetch_history_events()]
    charges = {
        event.event_id
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "create_payment"
    }
    starts = [event.activity_task_started_event_attributes for event in events]
    return [start.attempt for start in starts if start.scheduled_event_id in charges]


async def the_rest_of(updates: AsyncIterator[dict[str, Any]]) -> list[int]:
    return [update["sequence"] async for update in updates]


async def test_a_worker_asked_to_stop_finishes_the_charge_it_is_making(
    neighbourhood: Neighbourhood, bought_once: Bookkeeping
) -> None:
    async with neighbourhood.house() as house, caretaker(house.api()), house.caller() as caller:
        for key in ("order 1", "order 2", "order 3"):
            # given a worker that is there, and a charge under way
            worker = house.worker()
            await worker.open()
            await caller.buys(tokens="1", idempotencyKey=f"before {key}")
            began = time.monotonic()
            await house.gateway.freeze()
            buying = asyncio.create_task(caller.buys(tokens="100", idempotencyKey=key))
            story = await house.charge_under_way(key)

            # when
            asked = time.monotonic()
            worker.send(signal.SIGTERM)

            # then it stays until the gateway has answered, and leaves in peace
            leaving = asyncio.create_task(worker.ended())
            await asyncio.wait([leaving], timeout=1)
            assert not leaving.done(), worker.log.read_text()
            await house.gateway.wake()
            charged = time.monotonic()
            assert await asyncio.wait_for(leaving, PATIENCE_SECONDS) == 0
            left = time.monotonic()

            # and the next worker goes on behind the charge
            async with caretaker(house.worker()):
                await buying
                await asyncio.wait_for(story.result(), PATIENCE_SECONDS)
            assert [status for status, _ in house.charges(key)] == ["CAPTURED"]
            assert await house.bookkeeping(key) == bought_once
            # When the machine stood still meanwhile it says nothing about the worker, and another charge does.
            if charged - began < CHARGE_SECONDS_MAX and left - asked < WORKER_STOP_SECONDS_MAX:
                break
        assert left - asked < WORKER_STOP_SECONDS_MAX
        assert await attempts_at_the_charge(story) == [1]


async def test_an_api_asked_to_stop_ends_its_streams_and_answers_what_it_was_asked(
    neighbourhood: Neighbourhood, bought_once: Bookkeeping
) -> None:
    # However long the machine stands still, the purchase is what is answered, not that it is queued.
    async with neighbourhood.house(purchase_answer_timeout=PATIENCE / 2) as house, caretaker(house.worker()):
        # given an API with a subscriber over each transport, and a purchase it has been asked for
        api = house.api()
        await api.open()
        async with house.caller() as caller:
            streams = [stream(api.url, token_of(caller), FROM_THE_FIRST) for stream in (wallet_updates, wallet_events)]
            assert [(await anext(stream))["sequence"] for stream in streams] == [1, 1]
            watching = [asyncio.create_task(the_rest_of(stream)) for stream in streams]
            await house.gateway.freeze()
            asked_before = caller.repeats
            buying = asyncio.create_task(caller.buys(tokens="100", idempotencyKey=KEY))
            story = await house.charge_under_way(KEY)

            # when
            api.send(signal.SIGTERM)

            # then both streams are completed, not cut
            async with asyncio.timeout(API_STOP_SECONDS_MAX):
                assert await asyncio.gather(*watching) == [[], []]
            # and the purchase is answered when the gateway has answered, at the first asking
            await house.gateway.wake()
            told = await buying
            assert (told["purchase"]["status"], caller.repeats) == ("COMPLETED", asked_before)
            # and then it is gone
            assert await asyncio.wait_for(api.ended(), API_STOP_SECONDS_MAX) == BY_SIGTERM
        await asyncio.wait_for(story.result(), PATIENCE_SECONDS)
        assert await house.bookkeeping(KEY) == bought_once


def token_of(caller: Caller) -> str:
    assert caller.member.access_token is not None
    return caller.member.access_token
