"""The history as a file: whole, in the order of the list, safe to open, and only for those who may see the wallet."""

import asyncio
import csv
import io
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2
import pytest

from embedded.postgres import PostgresCluster
from models.wallets import wallet_id_of
from schema.exports import COLUMNS, PAGE_ROWS
from tests.builders import Member, Organization, a_member, an_organization, gives
from tests.conftest import Database
from tests.models.test_history import FILL
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.scene import a_scene
from tests.simulators.world import World

URL = """query ($kinds: [EntryKind!], $from: DateTime, $until: DateTime, $type: String, $id: String, $actor: String,
    $lot: ID, $org: ID) {
  wallet(organizationId: $org) { entriesCsvUrl(kinds: $kinds, occurredFrom: $from, occurredUntil: $until,
    referenceType: $type, referenceId: $id, actor: $actor, lotId: $lot) } }"""
SPEND = "mutation ($input: SpendTokensInput!) { spendTokens(input: $input) { __typename } }"
ROWS = 10_000


async def url_of(world: World, member: Member, **wanted: Any) -> str:
    url: str = (await world.data(URL, member, **wanted))["wallet"]["entriesCsvUrl"]
    return url


async def fetch(world: World, member: Member | None, url: str) -> httpx2.Response:
    headers = {} if member is None else {"authorization": f"Bearer {await world.token_of(member)}"}
    return await world.http.get(url, headers=headers)


def records(answer: httpx2.Response) -> list[dict[str, str]]:
    """The records by their columns; fails on anything that is no RFC 4180."""
    text = answer.content.decode("utf-8")
    assert text.endswith("\r\n")
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(head) == COLUMNS
    return [dict(zip(head, row, strict=True)) for row in rows]


async def spends(world: World, member: Member, **given: str) -> None:
    told = await world.data(SPEND, member, input={"tokens": "1", **given})
    assert told["spendTokens"]["__typename"] == "SpendTokensSuccess"


async def test_a_history_is_a_file_with_numbers_as_numbers_and_times_in_utc(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "10.5")
    await spends(world, ada, idempotencyKey="a", referenceType="report", referenceId="7", description="März, “7”")

    # when
    answer = await fetch(world, ada, await url_of(world, ada))

    # then
    spent, given = records(answer)
    assert answer.status_code == 200
    headers = ("content-type", "content-disposition", "x-content-type-options", "cache-control")
    assert [answer.headers[name] for name in headers] == [
        "text/csv; charset=utf-8; header=present",
        'attachment; filename="entries.csv"',
        "nosniff",
        "no-store",
    ]
    times = {name: datetime.fromisoformat(spent.pop(name)) for name in ("occurred_at_utc", "recorded_at_utc")}
    assert {time.utcoffset() for time in times.values()} == {timedelta(0)}
    assert spent.pop("entry_id").startswith("V2FsbGV0RW50cnk6")
    assert spent == {
        "sequence": "2",
        "kind": "SPEND",
        "tokens": "-1.0000",
        "held_tokens": "0.0000",
        "available_before_tokens": "10.5000",
        "available_after_tokens": "9.5000",
        "held_after_tokens": "0.0000",
        "reference_type": "report",
        "reference_id": "7",
        "description": "März, “7”",
        "actor": f"user/{ada.id}",
    }
    assert (given["sequence"], given["kind"], given["tokens"]) == ("1", "GRANT", "10.5000")


async def test_no_cell_is_a_formula_and_no_text_breaks_a_record(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "100")
    hostile = [
        '=HYPERLINK("https://evil.example","click")',
        "+1",
        "-1",
        "@SUM(1)",
        'say "hi", Ada',
        "two\nlines",
        "a\tb",
    ]
    for number, text in enumerate(hostile):
        await spends(world, ada, idempotencyKey=f"{number}", description=text, referenceType=text, referenceId=text)

    # when
    found = records(await fetch(world, ada, await url_of(world, ada, kinds=["SPEND"])))

    # then
    shown = [f"'{text}" for text in hostile[:4]] + hostile[4:]
    for name in ("description", "reference_type", "reference_id"):
        assert [record[name] for record in reversed(found)] == shown
    assert {record["tokens"] for record in found} == {"-1.0000"}


async def test_the_file_holds_what_the_list_with_the_same_filter_holds(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    now = datetime.now(UTC)
    await gives(aurora, "100", at=now - timedelta(days=1))
    for number in range(4):
        reference = {"referenceType": "report", "referenceId": f"{number % 2}"}
        await spends(world, ada, idempotencyKey=f"{number}", **reference)
    lot = (await world.data("{ wallet { lots { nodes { id } } } }", ada))["wallet"]["lots"]["nodes"][0]["id"]

    async def sequences(**wanted: Any) -> list[int]:
        answer = await fetch(world, ada, await url_of(world, ada, **wanted))
        return [int(record["sequence"]) for record in records(answer)]

    # then
    hour_ago = (now - timedelta(hours=1)).isoformat()
    assert await sequences() == [5, 4, 3, 2, 1]
    assert await sequences(kinds=["GRANT", "SPEND"]) == [5, 4, 3, 2, 1]
    assert await sequences(kinds=["GRANT"]) == [1]
    assert await sequences(type="report", id="1") == [5, 3]
    assert await sequences(actor="scrip") == [1]
    assert await sequences(until=hour_ago) == [1]
    assert await sequences(**{"from": hour_ago}) == [5, 4, 3, 2]
    assert await sequences(lot=lot, kinds=["SPEND"]) == [5, 4, 3, 2]
    assert await sequences(lot=ada.organization.global_id if ada.organization else "") == []


async def test_an_address_says_all_that_was_asked_for_and_only_that(world: World) -> None:
    scene = await a_scene(world)
    moment = "2026-03-01T12:00:00+03:00"

    url = await url_of(world, scene.ada, kinds=["SPEND", "GRANT"], until=moment, type="a&b=c", id="é #", lot=scene.lot)

    assert url.startswith(f"{world.settings.public_url}/exports/entries.csv?")
    assert parse_qs(urlsplit(url).query) == {
        "organizationId": [scene.aurora.global_id],
        "kinds": ["SPEND", "GRANT"],
        "occurredUntil": ["2026-03-01T09:00:00Z"],
        "referenceType": ["a&b=c"],
        "referenceId": ["é #"],
        "lotId": [scene.lot],
    }
    told = await world.ask(URL, scene.ada, **{"from": moment, "until": moment})
    assert [error["extensions"]["code"] for error in told["errors"]] == ["BAD_USER_INPUT"]


async def test_only_those_who_may_see_the_wallet_get_the_file(world: World) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(None, permissions=("tokens.view", "platform.admin"))
    blind = await a_member(scene.aurora, permissions=("tokens.spend", "tokens.purchase", "finance.manage"))
    url = await url_of(world, scene.ada)
    plain = f"{world.url}/exports/entries.csv"

    # when
    own, by_default = await fetch(world, scene.ada, url), await fetch(world, scene.ada, plain)
    by_admin, homeless = await fetch(world, admin, url), await fetch(world, admin, plain)
    refused = [
        await fetch(world, scene.bjorn, url),
        await fetch(world, blind, url),
        await fetch(world, scene.ada, f"{plain}?organizationId={scene.wallet}"),
        await fetch(world, scene.ada, f"{plain}?organizationId=%00"),
        homeless,
    ]
    nobody = await fetch(world, None, url)
    forged = await world.http.get(url, headers={"authorization": "Bearer forged"})

    # then
    assert own.content == by_default.content == by_admin.content
    assert [entry["kind"] for entry in records(own)] == ["HOLD", "PURCHASE"]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} == {(404, "NOT_FOUND")}
    assert [(one.status_code, one.json()["error"]["code"]) for one in (nobody, forged)] == [
        (401, "UNAUTHENTICATED")
    ] * 2


BAD_ADDRESSES: Mapping[str, str] = {
    "kinds=GIFT": "kinds",
    "kinds=SPEND,GRANT": "kinds",
    "kinds=": "kinds",
    "occurredFrom=yesterday": "occurredFrom",
    "occurredFrom=2026-01-01T00:00:00": "occurredFrom",
    "occurredUntil=NaN": "occurredUntil",
    "occurredFrom=2026-01-02T00:00:00Z&occurredUntil=2026-01-01T00:00:00Z": "occurredUntil",
    "referenceId=7": "referenceId",
    "referenceType=": "referenceType",
    "referenceType=a%00b": "referenceType",
    f"actor={'x' * 201}": "actor",
    "actor=a&actor=b": "actor",
    "organizationId=a&organizationId=b": "organizationId",
    "limit=5": "limit",
    "first=5": "first",
}


async def test_an_address_that_makes_no_sense_is_told_so(world: World) -> None:
    aurora = await an_organization()
    ada = await a_member(aurora)

    answers = {query: await fetch(world, ada, f"{world.url}/exports/entries.csv?{query}") for query in BAD_ADDRESSES}

    assert {answer.status_code for answer in answers.values()} == {400}
    told = {query: answer.json()["error"] for query, answer in answers.items()}
    assert {error["code"] for error in told.values()} == {"BAD_USER_INPUT"}
    assert {query: error["field"] for query, error in told.items()} == BAD_ADDRESSES
    assert all(error["message"] for error in told.values())


@pytest.fixture
async def ten_thousand(cluster: PostgresCluster, books: Database) -> Organization:
    """An organization with ten thousand entries."""
    aurora = await an_organization()
    superuser = await asyncpg.connect(cluster.dsn(books.app_dsn.rpartition("/")[2]))
    try:
        await superuser.execute("SET session_replication_role = replica")
        wallet_id, start = wallet_id_of(aurora.id), datetime(2026, 1, 1, tzinfo=UTC)
        await superuser.execute(FILL, aurora.id, wallet_id, start, ROWS, [wallet_id] * 10)
        await superuser.execute("UPDATE organization_token_wallets SET entry_sequence = $1", ROWS)
    finally:
        await superuser.close()
    return aurora


async def test_ten_thousand_entries_are_sent_page_by_page_while_new_ones_come(
    ten_thousand: Organization, world: World
) -> None:
    # given
    ada = await a_member(ten_thousand)
    url, token = await url_of(world, ada), await world.token_of(ada)
    seen: list[bytes] = []

    # when: the wallet changes after the file was begun
    async with world.http.stream("GET", url, headers={"authorization": f"Bearer {token}"}) as answer:
        tracemalloc.start()
        try:
            async for chunk in answer.aiter_raw():
                if not seen:
                    await gives(ten_thousand, "1")
                seen.append(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    # then: every entry there was, once, and never much of them at a time
    content = b"".join(seen)
    found = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    assert [int(row["sequence"]) for row in found] == list(range(ROWS, 0, -1))
    assert len(seen) > ROWS / PAGE_ROWS / 2
    assert peak < 3 * len(content)


async def test_a_file_that_nobody_reads_to_its_end_keeps_no_connection(
    ten_thousand: Organization, world: World, owner: asyncpg.Connection
) -> None:
    ada = await a_member(ten_thousand)
    url, token = await url_of(world, ada), await world.token_of(ada)

    for _ in range(12):
        async with world.http.stream("GET", url, headers={"authorization": f"Bearer {token}"}) as answer:
            assert answer.status_code == 200

    in_transaction = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    async with asyncio.timeout(PATIENCE_SECONDS):
        # A page that is being read when its reader leaves is read to its end.
        while await owner.fetchval(in_transaction) != 0:
            await asyncio.sleep(0.01)
    assert (await world.data("{ wallet { entries(first: 1) { nodes { sequence } } } }", ada))["wallet"] == {
        "entries": {"nodes": [{"sequence": ROWS}]}
    }
