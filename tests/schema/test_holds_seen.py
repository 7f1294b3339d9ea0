"""Where holds show: in the wallet's list, in its stream, by their ids; and what a suspended wallet still allows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from schema.ids import global_id
from schema.pages import FEED, sequence_cursor
from tests.builders import Member, gives, holds
from tests.schema.clients.books import everything
from tests.schema.clients.streams import stream
from tests.schema.clients.tokens import LIST, aurora_with, balances, does, listed, movements, refusal, suspend
from tests.schema.test_lists import cost
from tests.simulators.world import World

AN_HOUR = timedelta(hours=1)
WATCH = """subscription ($after: Cursor) {
  walletUpdated(after: $after) { sequence kind tokens available held occurredAt } }"""
PARTS = "query ($first: Int!) { wallet { holds(first: $first) { nodes { id parts { lotId lotKind tokens } } } } }"


async def a_wallet_with_a_hold_of_each_kind(world: World) -> tuple[Member, dict[str, str]]:
    """Holds by what became of them, the oldest first: expired (which nobody has booked), captured, released, held."""
    aurora, ada = await aurora_with()
    start = datetime.now(UTC) - 2 * AN_HOUR
    await gives(aurora, "20", at=start)
    found = {"EXPIRED": str(global_id("Hold", await holds(aurora, "1", seconds=3600, at=start)))}
    for place, status in enumerate(("CAPTURED", "RELEASED", "HELD")):
        at = start + timedelta(minutes=place + 1)
        found[status] = str(global_id("Hold", await holds(aurora, "2", seconds=86_400, at=at)))
    await does(world, ada, "captureHold", holdId=found["CAPTURED"], tokens="1.5", idempotencyKey="done")
    await does(world, ada, "releaseHold", holdId=found["RELEASED"], idempotencyKey="given up")
    return ada, found


async def test_holds_are_listed_newest_first_and_chosen_by_what_became_of_them(world: World) -> None:
    # given
    ada, found = await a_wallet_with_a_hold_of_each_kind(world)
    by_id = {key: status for status, key in found.items()}

    # when
    chosen = {
        statuses: [hold["id"] for hold in await listed(world, ada, statuses=list(statuses))]
        for statuses in (("HELD",), ("EXPIRED",), ("CAPTURED", "RELEASED"), ("CAPTURED", "EXPIRED", "HELD", "RELEASED"))
    }
    everyone = await listed(world, ada)

    # then
    assert [(by_id[hold["id"]], hold["status"]) for hold in everyone] == [
        ("HELD", "HELD"),
        ("RELEASED", "RELEASED"),
        ("CAPTURED", "CAPTURED"),
        ("EXPIRED", "EXPIRED"),
    ]
    assert [(hold["tokens"], hold["capturedTokens"]) for hold in everyone] == [
        ("2.0000", "0.0000"),
        ("2.0000", "0.0000"),
        ("2.0000", "1.5000"),
        ("1.0000", "0.0000"),
    ]
    assert chosen == {
        ("HELD",): [found["HELD"]],
        ("EXPIRED",): [found["EXPIRED"]],
        ("CAPTURED", "RELEASED"): [found["RELEASED"], found["CAPTURED"]],
        ("CAPTURED", "EXPIRED", "HELD", "RELEASED"): [hold["id"] for hold in everyone],
    }


async def test_holds_are_found_by_what_they_are_for(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    for number, (kind, key) in enumerate((("job", "7"), ("job", "8"), ("report", "7"), (None, None))):
        named = {"referenceType": kind, "referenceId": key, "description": f"{kind} {key}"}
        await does(world, ada, "holdTokens", tokens="1", idempotencyKey=f"hold {number}", **named)

    # when
    found = [
        [hold["description"] for hold in await listed(world, ada, **chosen)]
        for chosen in (
            {"type": "job"},
            {"type": "report", "id": "7"},
            {"type": "job", "id": "7"},
            {"type": "jo"},
            {"type": " job "},
        )
    ]

    # then
    assert found == [["job 8", "job 7"], ["report 7"], ["job 7"], [], ["job 8", "job 7"]]


async def test_a_walk_over_holds_is_whole_and_without_duplicates_while_new_ones_come(world: World) -> None:
    # given: several at the very same instant
    aurora, ada = await aurora_with()
    start = datetime.now(UTC) - AN_HOUR
    await gives(aurora, "100", at=start)
    known = [str(global_id("Hold", await holds(aurora, "1", seconds=7200, at=start))) for _ in range(5)]
    known.append(str(global_id("Hold", await holds(aurora, "1", seconds=7200, at=start + timedelta(seconds=1)))))

    # when
    seen: list[str] = []
    after = None
    while True:
        page: dict[str, Any] = (await world.data(LIST, ada, first=2, after=after))["wallet"]["holds"]
        seen += [hold["id"] for hold in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        await holds(aurora, "1", seconds=7200, at=start + timedelta(minutes=1))

    # then
    assert seen[0] == known[-1]
    assert sorted(seen) == sorted(known)
    assert len(await listed(world, ada)) == 8


async def test_a_hold_is_found_by_its_id_as_it_counts_now(world: World) -> None:
    ada, found = await a_wallet_with_a_hold_of_each_kind(world)
    query = """query ($ids: [ID!]!) { nodes(ids: $ids) {
        __typename ... on Hold { id status capturedTokens parts { tokens } } } }"""

    told = (await world.data(query, ada, ids=list(found.values())))["nodes"]

    assert [(hold["__typename"], hold["id"], hold["status"]) for hold in told] == [
        ("Hold", key, status) for status, key in found.items()
    ]
    assert [(hold["capturedTokens"], hold["parts"]) for hold in told] == [
        ("0.0000", [{"tokens": "1.0000"}]),
        ("1.5000", [{"tokens": "2.0000"}]),
        ("0.0000", [{"tokens": "2.0000"}]),
        ("0.0000", [{"tokens": "2.0000"}]),
    ]


async def test_a_watcher_sees_everything_that_a_hold_does_to_the_wallet(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    headers = {"authorization": f"Bearer {await world.token_of(ada)}"}
    first = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="one"))["hold"]["id"]
    await does(world, ada, "extendHold", holdId=first, ttlSeconds=600, idempotencyKey="one")
    await does(world, ada, "captureHold", holdId=first, tokens="8", whenMore="TAKE_AVAILABLE", idempotencyKey="one")
    second = (await does(world, ada, "holdTokens", tokens="1.5", idempotencyKey="two"))["hold"]["id"]
    await does(world, ada, "captureHold", holdId=second, tokens="1", idempotencyKey="two")
    third = (await does(world, ada, "holdTokens", tokens="1", idempotencyKey="three"))["hold"]["id"]
    await does(world, ada, "releaseHold", holdId=third, idempotencyKey="three")

    # when
    start = sequence_cursor(0, of=FEED)
    async with stream(world.http, world.url, WATCH, headers=headers, after=start) as events:
        told = [(await anext(events)).data["data"]["walletUpdated"] for _ in range(8)]

    # then: an extension changes no balance
    assert [tuple(one.values())[:-1] for one in told] == [
        (1, "GRANT", "10.0000", "10.0000", "0.0000"),
        (2, "HOLD", "0.0000", "4.0000", "6.0000"),
        (3, "CAPTURE", "-8.0000", "2.0000", "0.0000"),
        (4, "HOLD", "0.0000", "0.5000", "1.5000"),
        (5, "CAPTURE", "-1.0000", "0.5000", "0.5000"),
        (6, "RELEASE", "0.0000", "1.0000", "0.0000"),
        (7, "HOLD", "0.0000", "0.0000", "1.0000"),
        (8, "RELEASE", "0.0000", "1.0000", "0.0000"),
    ]
    assert await world.broken_rules() == []


async def test_what_a_hold_reserves_is_read_for_a_whole_page_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: five holds, each on two lots
    _, ada = await aurora_with(*("0.5",) * 10)
    for number in range(5):
        await does(world, ada, "holdTokens", tokens="1", idempotencyKey=f"hold {number}")

    # when
    costs = [len(await cost(world, ada, monkeypatch, PARTS, first)) for first in (1, 2, 5)]

    # then: the wallet, the page, and the parts
    assert costs == [3, 3, 3]
    told = (await world.data(PARTS, ada, first=5))["wallet"]["holds"]["nodes"]
    assert [len(hold["parts"]) for hold in told] == [2] * 5


REFUSED_WHEN_SUSPENDED = ("holdTokens", "captureHold", "extendHold")


def inputs_on(hold_id: str) -> dict[str, dict[str, Any]]:
    return {
        "holdTokens": {"tokens": "1", "idempotencyKey": "asked"},
        "captureHold": {"holdId": hold_id, "idempotencyKey": "asked"},
        "extendHold": {"holdId": hold_id, "idempotencyKey": "asked"},
        "releaseHold": {"holdId": hold_id, "idempotencyKey": "asked"},
    }


async def test_a_suspended_wallet_gives_back_what_is_held_and_nothing_else(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    _, ada = await aurora_with("10")
    hold_id = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="job"))["hold"]["id"]
    await suspend(owner)
    asked = inputs_on(hold_id)

    # when
    refused = [await does(world, ada, name, **asked[name]) for name in REFUSED_WHEN_SUSPENDED]
    untouched = await balances(world, ada)
    released = await does(world, ada, "releaseHold", **asked["releaseHold"])

    # then
    assert [refusal(told) for told in refused] == [
        {"__typename": "WalletSuspended", "reason": "unpaid", "code": "WALLET_SUSPENDED"}
    ] * 3
    assert untouched == ("4.0000", "6.0000")
    assert (released["hold"]["status"], released["available"], released["held"]) == ("RELEASED", "10.0000", "0.0000")
    assert [kind for kind, _, _ in await movements(world, ada)] == ["GRANT", "HOLD", "RELEASE"]
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [{"enable_token_system": False}])
async def test_while_spending_is_switched_off_holds_can_only_be_given_up(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora, ada = await aurora_with("10")
    hold_id = str(global_id("Hold", await holds(aurora, "6", at=datetime.now(UTC))))
    asked = inputs_on(hold_id)
    await world.token_of(ada)
    before = await everything(owner)

    # when
    refused = [(await does(world, ada, name, **asked[name]))["__typename"] for name in REFUSED_WHEN_SUSPENDED]
    untouched = await everything(owner)
    released = await does(world, ada, "releaseHold", **asked["releaseHold"])

    # then
    assert refused == ["TokenSystemDisabled"] * 3
    assert untouched == before
    assert (released["hold"]["status"], released["available"]) == ("RELEASED", "10.0000")
    assert await world.broken_rules() == []
