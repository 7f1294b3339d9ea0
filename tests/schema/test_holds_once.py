"""A hold is resolved once and a key decides once, whoever asks how often, and however many ask at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.builders import Member, Organization, gives, holds
from tests.schema.clients.books import everything
from tests.schema.clients.tokens import DOCUMENTS, aurora_with, balances, does, kinds, listed, movements, refusal
from tests.simulators.world import World

AN_HOUR = timedelta(hours=1)
JOB: dict[str, Any] = {"tokens": "6", "idempotencyKey": "job", "description": "Rendering"}


async def ends(world: World, ada: Member, aurora: Organization, how: str) -> dict[str, Any]:
    """A hold of 6 tokens that has ended, as it is listed."""
    if how == "EXPIRED":
        await holds(aurora, "6", seconds=60, at=datetime.now(UTC) - AN_HOUR)
    else:
        hold = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="job"))["hold"]
        mutation, more = ("captureHold", {"tokens": "2"}) if how == "CAPTURED" else ("releaseHold", {})
        await does(world, ada, mutation, holdId=hold["id"], idempotencyKey="first", **more)
    (ended,) = await listed(world, ada)
    return ended


@pytest.mark.parametrize("mutation", ["captureHold", "releaseHold", "extendHold"])
@pytest.mark.parametrize("how", ["CAPTURED", "RELEASED", "EXPIRED"])
async def test_a_hold_is_resolved_once_and_then_tells_how_it_ended(how: str, mutation: str, world: World) -> None:
    # given
    aurora, ada = await aurora_with()
    await gives(aurora, "10", at=datetime.now(UTC) - 2 * AN_HOUR)
    ended = await ends(world, ada, aurora, how)
    before = await balances(world, ada)

    # when
    told = await does(world, ada, mutation, holdId=ended["id"], idempotencyKey="second")

    # then
    assert refusal(told) == {
        "__typename": "HoldResolved",
        "status": how,
        "capturedTokens": "2.0000" if how == "CAPTURED" else "0.0000",
        "resolvedAt": ended["resolvedAt"],
        "code": "HOLD_RESOLVED",
    }
    assert await balances(world, ada) == before
    assert (await listed(world, ada)) == [ended]
    assert await world.broken_rules() == []


async def test_the_first_answer_is_told_again_even_after_the_hold_has_ended(
    world: World, owner: asyncpg.Connection
) -> None:
    # given: everything that can be asked of a hold, refusals included
    _, ada = await aurora_with("10")
    hold_id = (await does(world, ada, "holdTokens", **JOB))["hold"]["id"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("holdTokens", {"tokens": "100", "idempotencyKey": "two"}),
        ("extendHold", {"holdId": hold_id, "idempotencyKey": "one", "ttlSeconds": 600}),
        ("captureHold", {"holdId": hold_id, "idempotencyKey": "one", "tokens": "7"}),
        ("captureHold", {"holdId": hold_id, "idempotencyKey": "two", "tokens": "2"}),
        ("releaseHold", {"holdId": hold_id, "idempotencyKey": "one"}),
    ]
    first = [await does(world, ada, name, **given) for name, given in asked]
    before = await everything(owner)

    # when
    again = [await does(world, ada, name, **given) for name, given in asked]
    placed = await does(world, ada, "holdTokens", **JOB)

    # then
    assert [told["__typename"] for told in first] == [
        "InsufficientTokens", "ExtendHoldSuccess", "CaptureExceedsHold", "CaptureHoldSuccess", "HoldResolved",
    ]  # fmt: skip
    assert again == [{**told, "replayed": True} if "replayed" in told else told for told in first]
    assert (placed["hold"]["id"], placed["hold"]["status"], placed["replayed"]) == (hold_id, "HELD", True)
    assert (placed["available"], placed["held"]) == ("4.0000", "6.0000")
    assert await everything(owner) == before


async def test_a_repeated_request_gets_the_very_bytes_of_the_first_answer(world: World) -> None:
    # given
    _, ada = await aurora_with("3", "7")
    headers = {"authorization": f"Bearer {await world.token_of(ada)}"}
    body = {"query": DOCUMENTS["holdTokens"], "variables": {"input": JOB}}
    first = (await world.http.post(f"{world.url}/graphql", json=body, headers=headers)).content
    hold_id = (await listed(world, ada))[0]["id"]
    await does(world, ada, "captureHold", holdId=hold_id, tokens="1", idempotencyKey="done")

    # when
    again = (await world.http.post(f"{world.url}/graphql", json=body, headers=headers)).content

    # then
    assert again == first.replace(b'"replayed":false', b'"replayed":true')
    assert b'"replayed":true' in again


# What a key stands for, field by field: the input it was first used with, and another value of each field.
GOOD: dict[str, dict[str, Any]] = {
    "holdTokens": {
        "tokens": "5", "ttlSeconds": 600, "referenceType": "job", "referenceId": "7", "description": "x",
    },
    "extendHold": {"ttlSeconds": 900},
    "captureHold": {"tokens": "2", "whenMore": "CAP", "description": "x"},
    "releaseHold": {"description": "x"},
}  # fmt: skip
OTHER: dict[str, Any] = {
    "tokens": "3", "ttlSeconds": 601, "referenceType": None, "referenceId": "8", "description": "y",
    "whenMore": "REJECT",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOOD))
async def test_a_key_with_other_input_is_refused(name: str, world: World, owner: asyncpg.Connection) -> None:
    # given
    _, ada = await aurora_with("20")
    one, two = [(await does(world, ada, "holdTokens", **{**JOB, "idempotencyKey": key}))["hold"]["id"] for key in "ab"]
    about = {} if name == "holdTokens" else {"holdId": one}
    given = {**GOOD[name], **about, "idempotencyKey": "key"}
    first = await does(world, ada, name, **given)
    before = await everything(owner)

    # when
    others = [{field: OTHER[field]} for field in GOOD[name]] + [{"holdId": two} for _ in about]
    answers = [(await does(world, ada, name, **{**given, **other}))["__typename"] for other in others]
    the_same = await does(world, ada, name, **{**given, **({"tokens": "5.0000"} if name == "holdTokens" else {})})

    # then
    assert answers == ["IdempotencyConflict"] * len(others)
    assert the_same == {**first, "replayed": True}
    assert await everything(owner) == before


async def test_twenty_holds_at_once_reserve_what_there_is_and_no_more(world: World) -> None:
    _, ada = await aurora_with("4", "6.5")
    await world.token_of(ada)

    answers = await asyncio.gather(
        *(does(world, ada, "holdTokens", tokens="1", idempotencyKey=f"job {number}") for number in range(20))
    )

    assert kinds(answers) == {"HoldTokensSuccess": 10, "InsufficientTokens": 10}
    assert await balances(world, ada) == ("0.5000", "10.0000")
    assert await world.broken_rules() == []


async def test_of_many_who_resolve_one_hold_at_once_one_does(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    hold_id = (await does(world, ada, "holdTokens", tokens="6", idempotencyKey="job"))["hold"]["id"]

    # when
    answers = await asyncio.gather(
        *(
            does(world, ada, mutation, holdId=hold_id, idempotencyKey=f"try {number}")
            for number in range(10)
            for mutation in ("captureHold", "releaseHold")
        )
    )

    # then
    (done,) = [told for told in answers if told["__typename"].endswith("Success")]
    others = [told for told in answers if told is not done]
    assert {(told["__typename"], told["status"], told["resolvedAt"]) for told in others} == {
        ("HoldResolved", done["hold"]["status"], done["hold"]["resolvedAt"])
    }
    assert len(await movements(world, ada)) == 3
    assert await world.broken_rules() == []
