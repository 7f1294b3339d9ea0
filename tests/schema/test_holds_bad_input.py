"""What no client should send about holds, batches and budgets: a clear answer, never a fault, and nothing changes."""

from typing import Any

import asyncpg
import pytest

from models.batches import BATCH_MAX
from rules.holding import HOLD_SECONDS_MAX
from schema.edge.middleware import BODY_BYTES_MAX
from schema.ids import global_id
from schema.pages import BUDGETS, HOLDS
from tests.builders import Member
from tests.schema.clients.books import everything
from tests.schema.clients.documents import answered
from tests.schema.clients.scene import Scene, a_scene, unknown_id
from tests.schema.test_bad_input import NOT_NUMBERS, NOT_QUANTITIES, TEXTS, mutation
from tests.schema.test_bad_requests import FORGED, all_cursors, sealed
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
LENGTHS_MAX = {
    "holdTokens": {"idempotencyKey": 255, "referenceType": 200, "referenceId": 200, "description": 500},
    "captureHold": {"idempotencyKey": 255, "description": 500},
    "releaseHold": {"idempotencyKey": 255, "description": 500},
    "extendHold": {"idempotencyKey": 255},
    "spendTokensBatch": {"idempotencyKey": 255, "referenceType": 200, "referenceId": 200, "description": 500},
}
TAKE_TOKENS = ("holdTokens", "captureHold", "spendTokensBatch", "setSpendBudget")
REFUSED_QUANTITIES = ("0", "-1", "0.00001", "1000000001", 0, -1)
# A budget of nothing allows nothing, and is a budget.
REFUSED_LIMITS = ("-1", "-0.0001", "0.00001", "1000000001", -1)
TAKE_SECONDS = ("holdTokens", "extendHold")
REFUSED_SECONDS = (0, -1, HOLD_SECONDS_MAX + 1, 2**31 - 1, -(2**31))
NOT_SECONDS: tuple[object, ...] = (2**31, "60", "PT5M", 1.5, True, None, [])
ODD_IDS = ("", "%%%", "x" * 300, "TG90OjE", "a\x00", "é")


def inputs(scene: Scene) -> dict[str, dict[str, Any]]:
    """A good input of every mutation about holds and budgets, and a good spend of a batch."""
    on_hold = {"holdId": scene.hold, "idempotencyKey": "bad"}
    return {
        "holdTokens": {"tokens": "5", "idempotencyKey": "bad"},
        "captureHold": dict(on_hold),
        "releaseHold": dict(on_hold),
        "extendHold": dict(on_hold),
        "spendTokensBatch": {"tokens": "5", "idempotencyKey": "bad"},
        "setSpendBudget": {"subjectId": global_id("Member", scene.ada.id), "period": "DAY", "tokens": "5"},
        "removeSpendBudget": {"budgetId": scene.budget},
    }


def altered(scene: Scene, name: str, **changed: object) -> dict[str, Any]:
    """An input with other fields. Of a batch it is the second spend that has them, the first one is good."""
    given = {**inputs(scene)[name], **changed}
    if name == "spendTokensBatch":
        return {"spends": [{"tokens": "1", "idempotencyKey": "good"}, given]}
    return given


async def asked(world: World, member: Member, name: str, given: dict[str, Any]) -> str:
    return answered(await world.ask(mutation(name), member, input=given))


async def test_no_text_brings_controls_card_numbers_or_too_much(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)
    never_empty = ("idempotencyKey", "referenceType", "referenceId")

    # when
    answers = {}
    for name, lengths in LENGTHS_MAX.items():
        for field, length_max in lengths.items():
            odd = {**TEXTS, "too long": "x" * (length_max + 1)}
            odd |= {"empty": "", "spaces": "  \n"} if field in never_empty else {}
            for what, text in odd.items():
                given = altered(scene, name, **{field: text})
                answers[f"{name}.{field}: {what}"] = await asked(world, scene.ada, name, given)

    # then
    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}
    assert len(answers) == 13 * (len(TEXTS) + 1) + 9 * 2
    assert await everything(owner) == before


async def test_a_spend_of_a_batch_that_cannot_be_read_is_named_by_its_position(world: World) -> None:
    scene = await a_scene(world)

    told = await world.ask(
        mutation("spendTokensBatch"), scene.ada, input=altered(scene, "spendTokensBatch", referenceId="a\x00b")
    )

    (error,) = told["errors"]
    assert error["extensions"] == {"code": BAD, "field": "referenceId", "position": 1}


async def test_quantities_that_are_no_plain_decimals_are_refused_as_input(
    world: World, owner: asyncpg.Connection
) -> None:
    scene = await a_scene(world)
    before = await everything(owner)

    answers = {
        f"{name}: {given!r}": await asked(world, scene.ada, name, altered(scene, name, tokens=given))
        for name in TAKE_TOKENS
        for given in (*NOT_QUANTITIES, *NOT_NUMBERS)
    }

    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}
    assert await everything(owner) == before


async def test_quantities_out_of_range_are_refused_by_type(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)
    of_batch = """mutation ($input: SpendTokensBatchInput!) { answer: spendTokensBatch(input: $input) {
        ... on SpendTokensBatchSuccess { items { result { __typename } } } } }"""

    # when
    answers = {
        f"{name}: {given!r}": await asked(world, scene.ada, name, altered(scene, name, tokens=given))
        for name, quantities in (
            ("holdTokens", REFUSED_QUANTITIES),
            ("captureHold", REFUSED_QUANTITIES),
            ("setSpendBudget", REFUSED_LIMITS),
        )
        for given in quantities
    }
    in_batch = []
    for given in REFUSED_QUANTITIES:
        spends = [inputs(scene)["spendTokensBatch"] | {"tokens": given}]
        told = await world.data(of_batch, scene.ada, input={"spends": spends})
        in_batch += [one["result"]["__typename"] for one in told["answer"]["items"]]

    # then
    assert {what: answer for what, answer in answers.items() if answer != "InvalidTokens"} == {}
    assert in_batch == ["InvalidTokens"] * len(REFUSED_QUANTITIES)
    assert await everything(owner) == before


async def test_a_hold_lasts_a_whole_number_of_seconds_up_to_thirty_days(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)

    # when
    refused, unread = [
        {
            (name, repr(given)): await asked(world, scene.ada, name, altered(scene, name, ttlSeconds=given))
            for name in TAKE_SECONDS
            for given in odd
        }
        for odd in (REFUSED_SECONDS, NOT_SECONDS)
    ]

    # then
    assert {what: answer for what, answer in refused.items() if answer != "InvalidHoldTime"} == {}
    assert {what: answer for what, answer in unread.items() if answer != BAD} == {}
    assert await everything(owner) == before


IDS = {
    "captureHold": ("holdId", "Hold", "HoldNotFound"),
    "releaseHold": ("holdId", "Hold", "HoldNotFound"),
    "extendHold": ("holdId", "Hold", "HoldNotFound"),
    "setSpendBudget": ("subjectId", "Member", "BudgetSubjectNotFound"),
    "removeSpendBudget": ("budgetId", "SpendBudget", "BudgetNotFound"),
}


async def test_ids_of_nothing_find_nothing(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)

    # when
    answers = {}
    for name, (field, _, refusal) in IDS.items():
        own_kind = altered(scene, name)[field]
        others = [other for other in (*scene.owned().values(), scene.package) if other != own_kind]
        for odd in (*others, *ODD_IDS, 7):
            told = await asked(world, scene.ada, name, altered(scene, name, **{field: odd}))
            answers[f"{name}: {odd!r}"] = (told, refusal)
        for odd in (scene.wallet, *ODD_IDS, "x" * 5000):
            if name != "setSpendBudget":
                told = await asked(world, scene.ada, name, altered(scene, name, organizationId=odd))
                answers[f"{name}, organization: {odd!r}"] = (told, refusal)
    for odd in (scene.wallet, *ODD_IDS):
        for name in ("holdTokens", "setSpendBudget"):
            told = await asked(world, scene.ada, name, altered(scene, name, organizationId=odd))
            answers[f"{name}, organization: {odd!r}"] = (told, "WalletNotFound")

    # then
    assert {what: told for what, (told, wanted) in answers.items() if told != wanted} == {}
    assert await everything(owner) == before


async def test_ids_of_things_that_never_were_find_nothing(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)

    # when
    answers = {
        name: await asked(world, scene.ada, name, altered(scene, name, **{field: unknown_id(kind, scene)}))
        for name, (field, kind, _) in IDS.items()
        if name != "setSpendBudget"
    }
    nobody = global_id("Member", scene.aurora.id)
    answers["setSpendBudget"] = await asked(
        world, scene.ada, "setSpendBudget", altered(scene, "setSpendBudget", subjectId=nobody)
    )

    # then: that there was no such hold was decided under the wallet's lock, and the keys remember it
    assert answers == {name: refusal for name, (_, _, refusal) in IDS.items()}
    after = await everything(owner)
    assert {table for table in after if after[table] != before[table]} == {"idempotency_keys"}
    assert await world.broken_rules() == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("captureHold", {"whenMore": "ALL"}),
        ("captureHold", {"whenMore": "reject"}),
        ("captureHold", {"whenMore": None}),
        ("captureHold", {"holdId": None}),
        ("setSpendBudget", {"period": "YEAR"}),
        ("setSpendBudget", {"period": None}),
        ("setSpendBudget", {"tokens": None}),
        ("setSpendBudget", {"subjectId": None}),
        ("holdTokens", {"tokens": None}),
        ("holdTokens", {"idempotencyKey": None}),
        ("holdTokens", {"status": "CAPTURED"}),
        ("holdTokens", {"expiresAt": "2026-11-23T09:00:00Z"}),
        ("releaseHold", {"tokens": "1"}),
        ("removeSpendBudget", {"budgetId": None}),
    ],
)
async def test_what_is_missing_unknown_or_of_no_value_is_refused_as_input(
    name: str, changed: dict[str, object], world: World, owner: asyncpg.Connection
) -> None:
    scene = await a_scene(world)
    before = await everything(owner)

    told = await asked(world, scene.ada, name, altered(scene, name, **changed))

    assert told == BAD
    assert await everything(owner) == before


def spends(count: int) -> list[dict[str, str]]:
    return [{"tokens": "0.001", "idempotencyKey": f"item {number}"} for number in range(count)]


async def test_a_batch_holds_between_1_and_1000_spends(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    document = """mutation ($input: SpendTokensBatchInput!) { answer: spendTokensBatch(input: $input) {
        __typename ... on InvalidBatch { minimum maximum } } }"""
    before = await everything(owner)

    # when
    refused = [
        (await world.data(document, scene.ada, input={"spends": spends(count), "mode": mode}))["answer"]
        for count in (0, BATCH_MAX + 1)
        for mode in ("EACH", "ALL_OR_NOTHING")
    ]
    odd: tuple[dict[str, object], ...] = (
        {},
        {"spends": None},
        {"spends": [None]},
        {"spends": [[]]},
        {"spends": "all"},
        {"spends": spends(1), "mode": "SOME"},
        {"spends": [*spends(1), {"tokens": "1"}]},
    )
    unread = [answered(await world.ask(document, scene.ada, input=given)) for given in odd]

    # then
    assert refused == [{"__typename": "InvalidBatch", "minimum": 1, "maximum": 1000}] * 4
    assert unread == [BAD] * 7
    assert await everything(owner) == before


async def test_a_batch_that_is_no_larger_than_a_body_may_be_is_read(world: World, owner: asyncpg.Connection) -> None:
    # given: bodies of exactly as many bytes as are allowed, and of one more
    scene = await a_scene(world)
    headers = {"authorization": f"Bearer {await world.token_of(scene.ada)}", "content-type": "application/json"}
    variables = '{"input": {"spends": [{"tokens": "1", "idempotencyKey": "large"}]}}'
    body = f'{{"query": "{mutation("spendTokensBatch")}", "variables": {variables}}}'.encode()
    largest = body + b" " * (BODY_BYTES_MAX - len(body))

    # when
    refused = await world.http.post(f"{world.url}/graphql", content=largest + b" ", headers=headers)
    keys = await owner.fetchval("SELECT count(*) FROM idempotency_keys WHERE key = 'large'")
    taken = await world.http.post(f"{world.url}/graphql", content=largest, headers=headers)

    # then
    assert BODY_BYTES_MAX == 262_144
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (413, "REQUEST_TOO_LARGE")
    assert keys == 0
    assert taken.json() == {"data": {"answer": {"__typename": "SpendTokensBatchSuccess"}}}


FILTERS = """query ($type: String, $id: String, $statuses: [HoldStatus!]) {
  wallet { answer: holds(referenceType: $type, referenceId: $id, statuses: $statuses) { __typename } } }"""


async def test_what_holds_are_chosen_by_is_read_like_what_is_written(world: World) -> None:
    # given
    scene = await a_scene(world)
    odd = {**TEXTS, "too long": "x" * 201, "empty": "", "spaces": " "}

    # when
    texts = {
        (field, what): answered(await world.ask(FILTERS, scene.ada, **{"type": "job", field: text}))
        for field in ("type", "id")
        for what, text in odd.items()
    }
    things = [
        answered(await world.ask(FILTERS, scene.ada, **asked))
        for asked in ({"type": "job"}, {"type": "job", "id": "7"}, {"id": "7"})
    ]
    statuses = [
        answered(await world.ask(FILTERS, scene.ada, statuses=given))
        for given in ([], None, ["HELD", "HELD"], ["held"], ["LOST"], [None], [1])
    ]

    # then
    assert {what: answer for what, answer in texts.items() if answer != BAD} == {}
    assert things == ["HoldConnection", "HoldConnection", BAD]
    assert statuses == ["HoldConnection"] * 3 + [BAD] * 4


LIST = "query ($first: Int! = 20, $after: Cursor) { answer: spendBudgets(first: $first, after: $after) { __typename } }"
FORGED_KEYS = ("1", "", "00000000-0000-0000-0000", "'; DROP TABLE spend_budgets", "٣")


async def test_budgets_are_paged_by_their_own_cursors_and_1_to_100_at_once(world: World) -> None:
    # given
    scene = await a_scene(world)
    own = sealed(f"{BUDGETS}:{scene.ada.id}")
    foreign = await all_cursors(world, scene.ada)
    assert HOLDS in foreign

    # when
    pages = [answered(await world.ask(LIST, scene.ada, first=first)) for first in (1, 100, 0, -1, 101, None, "5")]
    cursors = {
        after: answered(await world.ask(LIST, scene.ada, after=after))
        for after in (*foreign.values(), *FORGED.values(), *(sealed(f"{BUDGETS}:{text}") for text in FORGED_KEYS))
    }

    # then
    assert pages == ["SpendBudgetConnection"] * 2 + [BAD] * 5
    assert {after: answer for after, answer in cursors.items() if answer != BAD} == {}
    assert answered(await world.ask(LIST, scene.ada, after=own)) == "SpendBudgetConnection"
