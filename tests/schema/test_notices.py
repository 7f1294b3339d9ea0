"""Notices over the API: listed, marked, watched and nobody else's."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from models.database import Connection
from schema.ids import global_id
from schema.pages import FEED, NOTICES, moment_cursor, sequence_cursor
from tests.builders import Member, Organization, a_member, a_notice, an_organization, gives
from tests.schema.clients.books import everything
from tests.schema.clients.scene import a_scene
from tests.schema.clients.sockets import opened
from tests.schema.clients.streams import stream
from tests.simulators.world import World

# So late that no job warns of it while a test looks.
EXPIRES = datetime(2099, 1, 4, 9, 0, tzinfo=UTC)
LOTS = "{ wallet { lots(first: 100) { nodes { id } } } }"
NOTICE = "id kind lotId daysAhead tokens expiresAt createdAt readAt"
LIST = f"""query ($org: ID, $first: Int!, $after: Cursor, $unread: Boolean!) {{
  notices(organizationId: $org, first: $first, after: $after, unreadOnly: $unread) {{
    nodes {{ {NOTICE} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
MARK = """mutation ($input: MarkNoticesReadInput!) { markNoticesRead(input: $input) {
  __typename ... on MarkNoticesReadSuccess { markedCount unreadCount } ... on Problem { code message } } }"""
WATCH = f"""subscription ($org: ID, $after: Cursor) {{
  noticeReceived(organizationId: $org, after: $after) {{ cursor notice {{ {NOTICE} }} }} }}"""
START = sequence_cursor(0, of=FEED)


async def aurora_with(world: World, count: int) -> tuple[Organization, Member, list[str]]:
    """Aurora has so many notices of one lot, one day further ahead each; their ids, the newest first."""
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "100", expires_at=EXPIRES)
    ((lot,),) = [[lot["id"] for lot in (await world.data(LOTS, ada))["wallet"]["lots"]["nodes"]]]
    ids = [await a_notice(aurora, lot, level=level, expires_at=EXPIRES) for level in range(1, count + 1)]
    return aurora, ada, ids[::-1]


async def listed(world: World, member: Member, *, unread: bool = False, first: int = 100, **page: Any) -> Any:
    return (await world.data(LIST, member, first=first, unread=unread, **page))["notices"]


async def marked(world: World, member: Member, *ids: str, **more: Any) -> Any:
    return (await world.data(MARK, member, input={"noticeIds": list(ids), **more}))["markNoticesRead"]


async def test_a_notice_says_what_will_probably_be_lost_and_when(world: World) -> None:
    # given
    _, ada, (notice,) = await aurora_with(world, 1)

    # when
    (told,) = (await listed(world, ada))["nodes"]

    # then
    created_at = datetime.fromisoformat(told.pop("createdAt"))
    assert created_at <= datetime.now(UTC)
    (lot,) = (await world.data(LOTS, ada))["wallet"]["lots"]["nodes"]
    assert told == {
        "id": notice,
        "kind": "TOKENS_EXPIRING",
        "lotId": lot["id"],
        "daysAhead": 1,
        "tokens": "12.0000",
        "expiresAt": "2099-01-04T09:00:00Z",
        "readAt": None,
    }
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on Notice {{ {NOTICE} }} }} }}"
    assert (await world.data(query, ada, id=notice))["node"] == (await listed(world, ada))["nodes"][0]


async def test_notices_are_walked_page_by_page_newest_first_while_new_ones_come(world: World) -> None:
    # given
    aurora, ada, known = await aurora_with(world, 5)
    lot = (await listed(world, ada))["nodes"][0]["lotId"]

    # when
    seen, after, level = [], None, 6
    while True:
        page = await listed(world, ada, first=2, after=after)
        seen += [node["id"] for node in page["nodes"]]
        await a_notice(aurora, lot, level=level, expires_at=EXPIRES)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after, level = page["pageInfo"]["endCursor"], level + 1

    # then
    assert seen == known
    assert len((await listed(world, ada))["nodes"]) == 8


async def test_what_is_marked_is_read_for_everybody_and_unread_ones_are_listed_alone(
    world: World, db: Connection
) -> None:
    # given
    aurora, ada, (third, second, first) = await aurora_with(world, 3)
    vera = await a_member(aurora, permissions=("tokens.view",))

    # when
    answers = [await marked(world, ada, first, third), await marked(world, vera, third, third)]

    # then
    assert answers == [
        {"__typename": "MarkNoticesReadSuccess", "markedCount": 2, "unreadCount": 1},
        {"__typename": "MarkNoticesReadSuccess", "markedCount": 0, "unreadCount": 1},
    ]
    assert [node["id"] for node in (await listed(world, vera, unread=True))["nodes"]] == [second]
    assert [node["readAt"] is None for node in (await listed(world, vera))["nodes"]] == [False, True, False]
    rows = await db.fetch("SELECT actor FROM token_audit_logs WHERE action = 'notice.read'")
    assert [row["actor"] for row in rows] == [f"user/{ada.id}"]
    assert await world.broken_rules() == []


async def test_one_that_is_not_ones_own_stops_the_marking_of_all(world: World, owner: asyncpg.Connection) -> None:
    # given
    _, ada, (own,) = await aurora_with(world, 1)
    _, _, (foreign,) = await aurora_with(world, 1)
    wallet = (await world.data("{ wallet { id } }", ada))["wallet"]["id"]
    before = await everything(owner)

    # when
    answers = [
        await marked(world, ada, own, other)
        for other in (foreign, wallet, "garbage", global_id("Notice", ada.id), "x" * 201)
    ]

    # then
    refused = {"__typename": "NoticeNotFound", "code": "NOTICE_NOT_FOUND", "message": "There is no such notice."}
    assert answers == [refused] * 5
    assert await everything(owner) == before


@pytest.mark.parametrize("count", [0, 101])
async def test_none_and_too_many_are_not_marked(world: World, count: int) -> None:
    _, ada, (own,) = await aurora_with(world, 1)

    told = await world.ask(MARK, ada, input={"noticeIds": [own] * count})

    assert [error["extensions"]["code"] for error in told["errors"]] == ["BAD_USER_INPUT"]


async def test_bad_pages_are_refused(world: World) -> None:
    _, ada, _ = await aurora_with(world, 1)
    of_lots = moment_cursor(EXPIRES, ada.id, of="lots")
    bad: list[dict[str, Any]] = [{"first": 0}, {"first": 101}, {"first": -1}]
    bad += [{"first": 1, "after": after} for after in ("", "x", of_lots, sequence_cursor(1), START)]

    answers = [await world.ask(LIST, ada, unread=False, **page) for page in bad]

    assert [{error["extensions"]["code"] for error in answer["errors"]} for answer in answers] == [
        {"BAD_USER_INPUT"}
    ] * len(bad)
    good = await listed(world, ada, first=1, after=moment_cursor(EXPIRES, ada.id, of=NOTICES))
    assert len(good["nodes"]) == 1


async def test_somebody_of_the_platform_names_the_organization(world: World) -> None:
    aurora, _, (notice,) = await aurora_with(world, 1)
    admin = await a_member(None, permissions=("tokens.view", "platform.admin"))

    assert await listed(world, admin) is None
    assert [node["id"] for node in (await listed(world, admin, org=aurora.global_id))["nodes"]] == [notice]
    assert (await marked(world, admin, notice))["__typename"] == "OrganizationNotFound"
    assert (await marked(world, admin, notice, organizationId=aurora.global_id))["markedCount"] == 1


async def test_notices_are_watched_and_whoever_comes_back_misses_nothing(world: World) -> None:
    # given
    aurora, ada, (first,) = await aurora_with(world, 1)
    lot = (await listed(world, ada))["nodes"][0]["lotId"]
    token = await world.token_of(ada)

    # when
    async with opened(world.url, token) as socket:
        await socket.subscribe(WATCH, after=START)
        one = (await socket.next())["noticeReceived"]
        second = await a_notice(aurora, lot, level=2, expires_at=EXPIRES)
        two = (await socket.next())["noticeReceived"]
    third = await a_notice(aurora, lot, level=3, expires_at=EXPIRES)
    await marked(world, ada, third)
    headers = {"authorization": f"Bearer {token}"}
    async with stream(world.http, world.url, WATCH, headers=headers, after=two["cursor"]) as events:
        three = (await anext(events)).data["data"]["noticeReceived"]

    # then: told as it stands now
    assert [each["notice"]["id"] for each in (one, two, three)] == [first, second, third]
    assert [each["notice"]["readAt"] is None for each in (one, two, three)] == [True, True, False]


async def test_other_changes_of_the_wallet_are_no_notices_and_those_of_others_are_not_told(world: World) -> None:
    # given
    scene = await a_scene(world)
    token = await world.token_of(scene.bjorn)
    async with opened(world.url, token) as socket:
        # when
        await socket.subscribe(WATCH, "1", org=scene.aurora.global_id)
        foreign = await socket.error_codes()
        assert (await socket.hear())["type"] == "complete"
        await socket.subscribe(WATCH, "2", after=sequence_cursor(10**9, of=FEED))
        unknown = await socket.error_codes()
        assert (await socket.hear())["type"] == "complete"
        await socket.subscribe(WATCH, "3", after=START)
        await gives(scene.boreal, "1")
        (lot,) = (await world.data(LOTS, scene.bjorn))["wallet"]["lots"]["nodes"]
        own = await a_notice(scene.boreal, lot["id"])
        heard = (await socket.next())["noticeReceived"]["notice"]["id"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.hear(), 0.3)

    # then
    assert (foreign, unknown, heard) == (["NOT_FOUND"], ["CURSOR_UNKNOWN"], own)
