"""Holds as frontends use them: tokens are reserved, then spent, given back, or free again at their instant."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest

from schema.ids import global_id
from tests.builders import Member, gives, holds
from tests.schema.clients.tokens import (
    aurora_with,
    balances,
    does,
    history,
    instant,
    listed,
    lots,
    movements,
    refusal,
)
from tests.simulators.world import World, key_of

AN_HOUR = timedelta(hours=1)
A_MINUTE = timedelta(minutes=1)


async def test_held_tokens_are_reserved_and_nobody_else_can_use_them(world: World) -> None:
    # given
    _, ada = await aurora_with("10")

    # when
    told = await does(
        world, ada, "holdTokens", tokens="6", idempotencyKey="job 7",
        referenceType="job", referenceId="7", description="Rendering",
    )  # fmt: skip
    spend = await does(world, ada, "spendTokens", tokens="5", idempotencyKey="too much")
    second = await does(world, ada, "holdTokens", tokens="4.0001", idempotencyKey="too much")

    # then
    (lot,) = await lots(world, ada)
    hold = told["hold"]
    assert told == {
        "__typename": "HoldTokensSuccess",
        "hold": {
            "id": hold["id"],
            "tokens": "6.0000",
            "status": "HELD",
            "capturedTokens": "0.0000",
            "heldAt": told["occurredAt"],
            "expiresAt": hold["expiresAt"],
            "resolvedAt": None,
            "referenceType": "job",
            "referenceId": "7",
            "description": "Rendering",
            "actor": f"user/{ada.id}",
            "parts": [{"lotId": lot, "lotKind": "PROMO", "tokens": "6.0000"}],
        },
        "available": "4.0000",
        "held": "6.0000",
        "occurredAt": told["occurredAt"],
        "replayed": False,
    }
    assert instant(hold["expiresAt"]) - instant(hold["heldAt"]) == timedelta(seconds=300)
    assert refusal(spend) == {
        "__typename": "InsufficientTokens", "needed": "5.0000", "available": "4.0000", "code": "INSUFFICIENT_TOKENS",
    }  # fmt: skip
    assert (second["__typename"], second["needed"], second["available"]) == ("InsufficientTokens", "4.0001", "4.0000")
    assert await balances(world, ada) == ("4.0000", "6.0000")
    assert await movements(world, ada) == [("GRANT", "10.0000", "0.0000"), ("HOLD", "0.0000", "6.0000")]
    assert await world.broken_rules() == []


async def test_a_part_is_captured_and_the_rest_returns_to_the_lots_it_came_from(world: World) -> None:
    # given: a hold that reserves all of the first lot, all of the second and a part of the third
    _, ada = await aurora_with("3", "4", "5")
    first, second, third = await lots(world, ada)
    held = await does(world, ada, "holdTokens", tokens="9", idempotencyKey="job")
    assert [(part["lotId"], part["tokens"]) for part in held["hold"]["parts"]] == [
        (first, "3.0000"),
        (second, "4.0000"),
        (third, "2.0000"),
    ]

    # when
    told = await does(
        world, ada, "captureHold", holdId=held["hold"]["id"], tokens="5.5", idempotencyKey="done",
        description="What it took",
    )  # fmt: skip

    # then
    assert told["hold"] == {
        **held["hold"],
        "status": "CAPTURED",
        "capturedTokens": "5.5000",
        "resolvedAt": told["occurredAt"],
    }
    assert (told["available"], told["held"]) == ("6.5000", "0.0000")
    assert await lots(world, ada) == {
        first: ("0.0000", "0.0000"),
        second: ("1.5000", "0.0000"),
        third: ("5.0000", "0.0000"),
    }
    hold_id = str(key_of(told["hold"]["id"], "Hold"))
    entries = (await history(world, ada))[3:]
    assert [
        (entry["kind"], entry["tokens"], entry["heldTokens"], entry["availableAfter"], entry["heldAfter"])
        for entry in entries
    ] == [
        ("HOLD", "0.0000", "9.0000", "3.0000", "9.0000"),
        ("CAPTURE", "-5.5000", "-5.5000", "3.0000", "3.5000"),
        ("RELEASE", "0.0000", "-3.5000", "6.5000", "0.0000"),
    ]
    assert {(entry["referenceType"], entry["referenceId"], entry["actor"]) for entry in entries} == {
        ("hold", hold_id, f"user/{ada.id}")
    }
    assert [entry["description"] for entry in entries] == ["", "What it took", "What it took"]
    assert [[(draw["lotId"], draw["tokens"]) for draw in entry["draws"]] for entry in entries] == [
        [],
        [(first, "3.0000"), (second, "2.5000")],
        [],
    ]
    assert await world.broken_rules() == []


async def test_without_a_number_all_that_is_held_is_captured(world: World) -> None:
    _, ada = await aurora_with("10")
    held = await does(world, ada, "holdTokens", tokens="2.5", idempotencyKey="job")

    told = await does(world, ada, "captureHold", holdId=held["hold"]["id"], idempotencyKey="done")

    assert (told["hold"]["capturedTokens"], told["available"], told["held"]) == ("2.5000", "7.5000", "0.0000")
    assert [kind for kind, _, _ in await movements(world, ada)] == ["GRANT", "HOLD", "CAPTURE"]
    assert await world.broken_rules() == []


# 6 of 10 tokens are held. What is captured, what to do when it is more, and what comes of it.
POLICIES = [
    ("8", "REJECT", {"code": "CAPTURE_EXCEEDS_HOLD", "asked": "8.0000", "held": "6.0000"}),
    ("8", "CAP", {"capturedTokens": "6.0000", "available": "4.0000"}),
    ("8", "TAKE_AVAILABLE", {"capturedTokens": "8.0000", "available": "2.0000"}),
    ("10", "TAKE_AVAILABLE", {"capturedTokens": "10.0000", "available": "0.0000"}),
    ("10.0001", "TAKE_AVAILABLE", {"code": "INSUFFICIENT_TOKENS", "needed": "4.0001", "available": "4.0000"}),
    ("6", "REJECT", {"capturedTokens": "6.0000", "available": "4.0000"}),
    ("4", "CAP", {"capturedTokens": "4.0000", "available": "6.0000"}),
    ("4", "TAKE_AVAILABLE", {"capturedTokens": "4.0000", "available": "6.0000"}),
]


@pytest.mark.parametrize(("tokens", "policy", "expected"), POLICIES)
async def test_whoever_captures_says_what_happens_when_it_is_more_than_is_held(
    tokens: str, policy: str, expected: dict[str, str], world: World
) -> None:
    # given
    _, ada = await aurora_with("7", "3")
    held = await does(world, ada, "holdTokens", tokens="6", idempotencyKey="job")
    hold_id = held["hold"]["id"]

    # when
    told = await does(world, ada, "captureHold", holdId=hold_id, tokens=tokens, whenMore=policy, idempotencyKey="done")

    # then
    is_refused = "code" in expected
    shown = {**told, **told.get("hold", {})}
    assert {name: shown[name] for name in expected} == expected
    assert await balances(world, ada) == (("4.0000", "6.0000") if is_refused else (expected["available"], "0.0000"))
    (status,) = [hold["status"] for hold in await listed(world, ada)]
    assert status == ("HELD" if is_refused else "CAPTURED")
    assert await world.broken_rules() == []


async def test_a_released_hold_gives_everything_back(world: World) -> None:
    # given
    _, ada = await aurora_with("3", "4")
    before = await lots(world, ada)
    held = await does(world, ada, "holdTokens", tokens="5", idempotencyKey="job")

    # when
    told = await does(
        world, ada, "releaseHold", holdId=held["hold"]["id"], idempotencyKey="given up", description="Not needed"
    )

    # then
    assert told["hold"] == {**held["hold"], "status": "RELEASED", "resolvedAt": told["occurredAt"]}
    assert (told["available"], told["held"]) == ("7.0000", "0.0000")
    assert await lots(world, ada) == before
    assert (await movements(world, ada))[2:] == [("HOLD", "0.0000", "5.0000"), ("RELEASE", "0.0000", "-5.0000")]
    assert (await history(world, ada))[3]["description"] == "Not needed"
    assert await world.broken_rules() == []


async def test_a_hold_is_extended_from_now_on_and_never_shortened(world: World, owner: asyncpg.Connection) -> None:
    # given
    _, ada = await aurora_with("10")
    held = await does(world, ada, "holdTokens", tokens="6", ttlSeconds=60, idempotencyKey="job")
    hold_id = held["hold"]["id"]
    before = await movements(world, ada)

    # when
    longer = await does(world, ada, "extendHold", holdId=hold_id, ttlSeconds=3600, idempotencyKey="still at it")
    shorter = await does(world, ada, "extendHold", holdId=hold_id, ttlSeconds=1, idempotencyKey="nearly done")

    # then
    assert instant(longer["hold"]["expiresAt"]) - instant(longer["occurredAt"]) == AN_HOUR
    assert longer["hold"] == {**held["hold"], "expiresAt": longer["hold"]["expiresAt"]}
    assert shorter["hold"] == longer["hold"]
    assert (longer["available"], longer["held"]) == ("4.0000", "6.0000")
    assert (await listed(world, ada))[0]["expiresAt"] == longer["hold"]["expiresAt"]
    assert await movements(world, ada) == before
    audited = await owner.fetch("SELECT resource_id, actor FROM token_audit_logs WHERE action = 'hold.extended'")
    assert [tuple(row.values()) for row in audited] == [(str(key_of(hold_id, "Hold")), f"user/{ada.id}")] * 2
    assert await world.broken_rules() == []


async def test_no_hold_lasts_longer_than_thirty_days_in_all(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    held = (await does(world, ada, "holdTokens", tokens="6", ttlSeconds=2_592_000, idempotencyKey="a month"))["hold"]
    assert instant(held["expiresAt"]) - instant(held["heldAt"]) == timedelta(days=30)

    # when
    told = await does(world, ada, "extendHold", holdId=held["id"], ttlSeconds=2_592_000, idempotencyKey="and another")

    # then
    assert refusal(told) == {"__typename": "HoldTooLong", "latest": held["expiresAt"], "code": "HOLD_TOO_LONG"}
    assert (await listed(world, ada))[0]["expiresAt"] == held["expiresAt"]


async def a_brief_hold(world: World, ada: Member) -> tuple[dict[str, Any], tuple[str, str]]:
    """A hold of 6 tokens that lasts three seconds, and the balances meanwhile. One that is over before they are read,
    because the machine stood still, is followed by another."""
    for number in count():
        given = {"tokens": "6", "ttlSeconds": 3, "idempotencyKey": f"job {number}"}
        hold = (await does(world, ada, "holdTokens", **given))["hold"]
        meanwhile = await balances(world, ada)
        if datetime.now(UTC) < instant(hold["expiresAt"]):
            return hold, meanwhile
    raise AssertionError("there is always another number")


async def test_a_hold_stops_counting_at_its_instant(unattended: World) -> None:
    # given
    world = unattended
    _, ada = await aurora_with("10")
    hold, meanwhile = await a_brief_hold(world, ada)
    before = await movements(world, ada)

    # when
    await asyncio.sleep((instant(hold["expiresAt"]) - datetime.now(UTC)).total_seconds() + 0.01)

    # then: nobody has booked it, and everybody sees it
    assert meanwhile == ("4.0000", "6.0000")
    assert await balances(world, ada) == ("10.0000", "0.0000")
    shown, *_ = await listed(world, ada)
    assert (shown["status"], shown["resolvedAt"]) == ("EXPIRED", hold["expiresAt"])
    assert list((await lots(world, ada)).values()) == [("10.0000", "0.0000")]
    assert await movements(world, ada) == before
    assert await world.broken_rules() == []


async def test_whoever_writes_next_books_the_end_of_an_overdue_hold_at_its_own_instant(world: World) -> None:
    # given: a hold that nobody resolved within its minute, an hour ago
    aurora, ada = await aurora_with()
    placed = datetime.now(UTC) - AN_HOUR
    await gives(aurora, "10", at=placed)
    hold_id = await holds(aurora, "6", seconds=60, at=placed)

    # when
    told = await does(world, ada, "spendTokens", tokens="8", idempotencyKey="report")

    # then
    assert (told["available"], told["held"]) == ("2.0000", "0.0000")
    entries = await history(world, ada)
    assert [(entry["kind"], entry["availableAfter"], entry["heldAfter"]) for entry in entries[1:]] == [
        ("HOLD", "4.0000", "6.0000"),
        ("RELEASE", "10.0000", "0.0000"),
        ("SPEND", "2.0000", "0.0000"),
    ]
    booked = entries[2]
    assert instant(booked["occurredAt"]) == placed + A_MINUTE
    assert (booked["referenceType"], booked["referenceId"], booked["actor"]) == ("hold", str(hold_id), "scrip")
    assert await world.broken_rules() == []


async def test_a_hold_on_a_lot_that_expires_meanwhile_is_valid_and_what_returns_expires(world: World) -> None:
    # given: a lot that expired a minute ago, with a hold on it that is still open
    aurora, ada = await aurora_with()
    start = datetime.now(UTC) - AN_HOUR
    await gives(aurora, "5", expires_at=start + AN_HOUR - A_MINUTE, at=start)
    hold_id = global_id("Hold", await holds(aurora, "5", seconds=7200, at=start))
    await gives(aurora, "2", at=start)
    assert await balances(world, ada) == ("2.0000", "5.0000")

    # when
    told = await does(world, ada, "captureHold", holdId=hold_id, tokens="3", idempotencyKey="done")

    # then
    assert (told["hold"]["status"], told["hold"]["capturedTokens"]) == ("CAPTURED", "3.0000")
    assert (told["available"], told["held"]) == ("2.0000", "0.0000")
    assert (await movements(world, ada))[3:] == [
        ("CAPTURE", "-3.0000", "-3.0000"),
        ("RELEASE", "0.0000", "-2.0000"),
        ("EXPIRATION", "-2.0000", "0.0000"),
    ]
    totals = (await world.data("{ wallet { totalSpent totalExpired } }", ada))["wallet"]
    assert totals == {"totalSpent": "3.0000", "totalExpired": "2.0000"}
    assert await world.broken_rules() == []
