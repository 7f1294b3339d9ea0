"""History, past balances and explanations over the API: filters, instants and sums that add up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from models.database import Connection
from schema.ids import global_id
from tests.builders import Member, Organization, a_member, an_organization, gives
from tests.schema.clients.documents import answered
from tests.schema.clients.in_process import counted
from tests.schema.clients.scene import a_scene, unknown_id
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)

ENTRIES = """query ($after: Cursor, $first: Int! = 20, $kinds: [EntryKind!], $from: DateTime, $until: DateTime,
    $type: String, $id: String, $actor: String, $lot: ID) {
  wallet { answer: entries(first: $first, after: $after, kinds: $kinds, occurredFrom: $from, occurredUntil: $until,
      referenceType: $type, referenceId: $id, actor: $actor, lotId: $lot) {
    __typename nodes { sequence kind } pageInfo { endCursor hasNextPage } } } }"""
LOTS = """query ($kinds: [LotKind!], $with: Boolean, $before: DateTime) {
  wallet { lots(kinds: $kinds, withTokens: $with, expiresBefore: $before) {
    nodes { id kind grantedTokens remainingTokens } } } }"""
BALANCE = """query ($asOf: DateTime) {
  wallet { available answer: balance(asOf: $asOf) {
    __typename asOf available held byKind { kind available held } } } }"""
EXPLAIN = """query ($asOf: DateTime, $first: Int! = 20, $with: Boolean) {
  answer: explainBalance(asOf: $asOf) {
    __typename asOf granted spent expired refunded removed held waiting available
    lots(first: $first, withTokens: $with) { nodes {
      lotId kind state granted spent expired removed available expiresAt
      entries { entryId sequence kind tokens } } pageInfo { hasNextPage endCursor } } } }"""
SPEND = "mutation ($input: SpendTokensInput!) { spendTokens(input: $input) { __typename } }"
ADJUST = "mutation ($input: AdjustBalanceInput!) { adjustBalance(input: $input) { __typename } }"


async def a_history(world: World) -> tuple[Organization, Member]:
    """Five entries: 10 tokens given an hour ago and 2 that expired since; 3 spent on a report, 1 more, 2 corrected."""
    aurora = await an_organization()
    ada = await a_member(aurora, permissions=("tokens.view", "tokens.spend", "finance.manage"))
    now = datetime.now(UTC)
    await gives(aurora, "10", at=now - 2 * AN_HOUR)
    await gives(aurora, "2", expires_at=now - AN_HOUR, at=now - 2 * AN_HOUR)
    report = {"tokens": "3", "idempotencyKey": "a", "referenceType": "report", "referenceId": "7"}
    await world.data(SPEND, ada, input=report)
    await world.data(SPEND, ada, input={"tokens": "1", "idempotencyKey": "b"})
    correction = {"organizationId": aurora.global_id, "tokens": "-2", "idempotencyKey": "c", "reason": "counted twice"}
    await world.data(ADJUST, ada, input=correction)
    return aurora, ada


async def sequences(world: World, member: Member, **wanted: Any) -> list[int]:
    told = await world.data(ENTRIES, member, **wanted)
    return [node["sequence"] for node in told["wallet"]["answer"]["nodes"]]


async def test_entries_are_found_by_each_filter_and_by_several(world: World) -> None:
    # given: grant 1, grant 2, the expiry 3, the spends 4 and 5, the correction 6
    _, ada = await a_history(world)
    lots = (await world.data(LOTS, ada))["wallet"]["lots"]["nodes"]
    lot = {one["grantedTokens"]: one["id"] for one in lots}
    hour_ago = (datetime.now(UTC) - AN_HOUR - timedelta(minutes=5)).isoformat()
    actor = f"user/{ada.id}"

    # then
    assert await sequences(world, ada) == [6, 5, 4, 3, 2, 1]
    assert await sequences(world, ada, kinds=["SPEND", "ADJUSTMENT"]) == [6, 5, 4]
    assert await sequences(world, ada, kinds=[]) == [6, 5, 4, 3, 2, 1]
    assert await sequences(world, ada, type="report") == [4]
    assert await sequences(world, ada, type="report", id="7", kinds=["SPEND"]) == [4]
    assert await sequences(world, ada, type="report", id="8") == []
    assert await sequences(world, ada, actor=actor) == [6, 5, 4]
    assert await sequences(world, ada, actor="scrip", kinds=["EXPIRATION"]) == [3]
    assert await sequences(world, ada, lot=lot["2.0000"]) == [3, 2]
    assert await sequences(world, ada, lot=lot["10.0000"], kinds=["SPEND"]) == [5, 4]
    assert await sequences(world, ada, until=hour_ago) == [2, 1]
    assert set(await sequences(world, ada, **{"from": hour_ago})) == {6, 5, 4, 3}
    assert await sequences(world, ada, **{"from": hour_ago, "actor": actor, "lot": lot["10.0000"]}) == [6, 5, 4]


async def test_a_page_of_one_filter_is_continued_with_another(world: World) -> None:
    _, ada = await a_history(world)

    page = (await world.data(ENTRIES, ada, first=2, kinds=["SPEND", "ADJUSTMENT"]))["wallet"]["answer"]
    after = page["pageInfo"]["endCursor"]

    assert [node["sequence"] for node in page["nodes"]] == [6, 5]
    assert page["pageInfo"]["hasNextPage"]
    assert await sequences(world, ada, after=after) == [4, 3, 2, 1]
    assert await sequences(world, ada, after=after, kinds=["GRANT"]) == [2, 1]
    assert await sequences(world, ada, after=after, until=datetime.now(UTC).isoformat()) == [4, 3, 2, 1]


async def test_filters_that_make_no_sense_are_told_so_and_ids_of_nothing_find_nothing(world: World) -> None:
    # given
    scene = await a_scene(world)
    now = datetime.now(UTC)
    odd: dict[str, dict[str, Any]] = {
        "an interval of nothing": {"from": now.isoformat(), "until": now.isoformat()},
        "an interval backwards": {"from": now.isoformat(), "until": (now - A_DAY).isoformat()},
        "a time without an offset": {"from": "2026-01-01T00:00:00"},
        "no time at all": {"until": "yesterday"},
        "an id without its type": {"id": "7"},
        "an empty type": {"type": ""},
        "an empty id": {"type": "report", "id": " "},
        "a long type": {"type": "x" * 201},
        "a long id": {"type": "report", "id": "x" * 201},
        "a long actor": {"actor": "x" * 201},
        "an empty actor": {"actor": ""},
        "a control": {"actor": "a\x00b"},
        "a direction": {"type": "a\u202eb"},
        "a kind nobody knows": {"kinds": ["GIFT"]},
    }
    empty: dict[str, dict[str, Any]] = {
        "a lot of nobody": {"lot": unknown_id("Lot", scene)},
        "a lot of another type": {"lot": scene.wallet},
        "a lot of nonsense": {"lot": "%%%"},
        "a very long lot": {"lot": "x" * 5000},
        "the beginning of time": {"until": "0001-01-01T00:00:00Z"},
        "the end of time": {"from": "9999-12-31T23:59:59Z"},
        "an actor of SQL": {"actor": "' OR true --"},
    }

    # when
    refused = {what: answered(await world.ask(ENTRIES, scene.ada, **wanted)) for what, wanted in odd.items()}
    found = {what: await sequences(world, scene.ada, **wanted) for what, wanted in empty.items()}

    # then
    assert refused == dict.fromkeys(odd, BAD)
    assert found == {what: [] for what in empty}


async def test_the_lot_of_another_organization_finds_nothing(world: World) -> None:
    scene = await a_scene(world)
    await gives(scene.boreal, "1")

    assert await sequences(world, scene.ada, lot=scene.lot) == [1]
    assert await sequences(world, scene.bjorn, lot=scene.lot) == []


async def test_lots_are_found_by_what_is_left_of_them_now(world: World) -> None:
    # given: a lot that has expired and whose expiry nobody has booked
    aurora = await an_organization()
    ada = await a_member(aurora)
    now = datetime.now(UTC)
    await gives(aurora, "5", at=now - 2 * AN_HOUR)
    await gives(aurora, "2", expires_at=now + A_DAY, at=now - 2 * AN_HOUR)
    await gives(aurora, "3", expires_at=now - AN_HOUR, at=now - 2 * AN_HOUR)

    async def found(**wanted: Any) -> list[tuple[str, str]]:
        nodes = (await world.data(LOTS, ada, **wanted))["wallet"]["lots"]["nodes"]
        return [(node["grantedTokens"], node["remainingTokens"]) for node in nodes]

    # then
    five, two, three = ("5.0000", "5.0000"), ("2.0000", "2.0000"), ("3.0000", "0.0000")
    assert await found() == [three, two, five]
    assert await found(**{"with": True}) == [two, five]
    assert await found(**{"with": False}) == [three]
    assert await found(before=now.isoformat()) == [three]
    assert await found(kinds=["PROMO"], before=(now + 2 * A_DAY).isoformat()) == [three, two]
    assert await found(kinds=["PAID", "BONUS"]) == []


async def test_a_balance_is_told_as_it_counted_at_its_instant(world: World) -> None:
    # given
    _, ada = await a_history(world)
    now = datetime.now(UTC)

    async def balance(at: datetime | None) -> tuple[str, list[tuple[str, str]]]:
        told = (await world.data(BALANCE, ada, asOf=at.isoformat() if at else None))["wallet"]["answer"]
        return told["available"], [(one["kind"], one["available"]) for one in told["byKind"]]

    # then
    present = await world.data(BALANCE, ada)
    assert present["wallet"]["answer"]["available"] == present["wallet"]["available"] == "4.0000"
    assert await balance(None) == ("4.0000", [("PROMO", "4.0000")])
    assert await balance(now - A_DAY) == ("0.0000", [])
    assert await balance(now - AN_HOUR - timedelta(minutes=5)) == ("12.0000", [("PROMO", "12.0000")])
    assert await balance(now - timedelta(minutes=55)) == ("10.0000", [("PROMO", "10.0000")])


async def test_nobody_is_told_about_the_future(world: World) -> None:
    _, ada = await a_history(world)
    later = (datetime.now(UTC) + A_DAY).isoformat()

    for query in (BALANCE, EXPLAIN):
        for instant in (later, "9999-12-31T23:59:59Z", "tomorrow", "2026-01-01T00:00:00"):
            told = await world.ask(query, ada, asOf=instant)
            assert answered(told) == BAD
        assert answered(await world.ask(query, ada, asOf="0001-01-01T00:00:00Z")) != BAD


async def test_a_balance_is_explained_and_the_explanation_adds_up(world: World) -> None:
    # given
    _, ada = await a_history(world)

    # when
    told = (await world.data(EXPLAIN, ada))["answer"]
    some = (await world.data(EXPLAIN, ada, **{"with": True, "first": 1}))["answer"]["lots"]

    # then
    assert {name: told[name] for name in ("granted", "spent", "expired", "removed", "available")} == {
        "granted": "12.0000",
        "spent": "4.0000",
        "expired": "2.0000",
        "removed": "2.0000",
        "available": "4.0000",
    }
    short, long = told["lots"]["nodes"]
    assert [
        (lot["state"], lot["spent"], lot["expired"], lot["removed"], lot["available"]) for lot in (short, long)
    ] == [
        ("EXPIRED", "0.0000", "2.0000", "0.0000", "0.0000"),
        ("COUNTS", "4.0000", "0.0000", "2.0000", "4.0000"),
    ]
    assert [(entry["sequence"], entry["kind"], entry["tokens"]) for entry in long["entries"]] == [
        (6, "ADJUSTMENT", "-2.0000"),
        (5, "SPEND", "-1.0000"),
        (4, "SPEND", "-3.0000"),
        (1, "GRANT", "10.0000"),
    ]
    assert [node["lotId"] for node in some["nodes"]] == [long["lotId"]]
    assert not some["pageInfo"]["hasNextPage"]
    earlier = (datetime.now(UTC) - timedelta(minutes=55)).isoformat()
    then = (await world.data(EXPLAIN, ada, asOf=earlier))["answer"]
    assert (then["granted"], then["spent"], then["expired"], then["available"]) == (
        "12.0000",
        "0.0000",
        "2.0000",
        "10.0000",
    )
    assert await world.broken_rules() == []


async def test_an_explanation_takes_the_same_statements_however_many_lots_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await world.token_of(ada)
    costs = []

    # when
    for lots in (1, 6, 12):
        for _ in range(lots):
            await gives(aurora, "1")
        with counted(monkeypatch, by=ada) as statements:
            told = (await world.data(EXPLAIN, ada))["answer"]
        # Allowances are taken in blocks, so only now and then.
        costs.append(len([sql for sql in statements if "rate_allowances" not in sql]))
        nodes = told["lots"]["nodes"]
        assert sum(Decimal(lot["available"]) for lot in nodes) == Decimal(told["available"]) == len(nodes)

    # then: the wallet, the sums, the lots, the entries behind them
    assert costs == [4, 4, 4]


async def test_an_organization_without_a_wallet_has_an_explanation_of_nothing(
    world: World, owner: asyncpg.Connection
) -> None:
    aurora = await an_organization()
    ada = await a_member(aurora)
    await owner.execute("DELETE FROM organization_token_wallets")

    told = (await world.data(EXPLAIN, ada))["answer"]

    assert (told["granted"], told["available"], told["lots"]["nodes"]) == ("0.0000", "0.0000", [])


async def test_an_explained_lot_leads_to_all_of_its_entries(world: World, db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "10")
    for number in range(7):
        await world.data(SPEND, ada, input={"tokens": "1", "idempotencyKey": f"spend {number}"})

    # when
    (lot,) = (await world.data(EXPLAIN, ada))["answer"]["lots"]["nodes"]

    # then
    assert [entry["sequence"] for entry in lot["entries"]] == [8, 7, 6, 5, 4]
    assert await sequences(world, ada, lot=lot["lotId"]) == [8, 7, 6, 5, 4, 3, 2, 1]
    (row,) = await db.fetch("SELECT id FROM token_lots")
    assert lot["lotId"] == global_id("Lot", row["id"])
