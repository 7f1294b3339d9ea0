"""Every page there is: how many rows it takes, which cursors, and that what is no page of it answers with nothing."""

from typing import Any

import pytest
from graphql import GraphQLObjectType

from rules.permissions import Permission
from schema.pages import (
    BUDGETS,
    COUPONS,
    ENTRIES,
    FEED,
    HOLDS,
    INVOICES,
    KEYS,
    LOTS,
    MEMBERS,
    NOTICES,
    ORGANIZATIONS,
    PURCHASES,
)
from schema.root import build
from tests.builders import Member, a_member
from tests.schema.clients.streams import stream
from tests.schema.growth import new_books
from tests.schema.test_bad_requests import FORGED, FORGED_MOMENTS, FORGED_SEQUENCES, SOME_KEY, sealed
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"

# Every field that takes `first` and `after`: what stands around it, and the list that its cursors are places of.
PAGES = {
    "Query.purchases": ("{}", PURCHASES),
    "Query.spendBudgets": ("{}", BUDGETS),
    "Query.notices": ("{}", NOTICES),
    "Query.coupons": ("{}", COUPONS),
    "Query.organizations": ("{}", ORGANIZATIONS),
    "Query.platformMembers": ("{}", MEMBERS),
    "Query.apiKeys": ("{}", KEYS),
    "Organization.members": ("organization {{ {} }}", MEMBERS),
    "BalanceExplanation.lots": ("explainBalance {{ {} }}", LOTS),
    "Wallet.entries": ("wallet {{ {} }}", ENTRIES),
    "Wallet.lots": ("wallet {{ {} }}", LOTS),
    "Wallet.holds": ("wallet {{ {} }}", HOLDS),
    "Wallet.purchases": ("wallet {{ {} }}", PURCHASES),
    "Wallet.invoices": ("wallet {{ {} }}", INVOICES),
}
# And those that have no pages but can be continued.
STREAMS = {
    "Subscription.walletUpdated": "subscription ($after: Cursor) { walletUpdated(after: $after) { sequence } }",
    "Subscription.noticeReceived": "subscription ($after: Cursor) { noticeReceived(after: $after) { cursor } }",
}
NO_SIZES: tuple[Any, ...] = (0, -1, 101, None, "5", True, [], {})
NO_TEXTS: tuple[Any, ...] = (7, True, [], {})
MOMENTS = (*FORGED_MOMENTS, f"٢٠٢٦-01-01T00:00:00+00:00|{SOME_KEY}")
FORGED_KEYS = ("1", "", str(SOME_KEY)[:-1], f"{SOME_KEY}0", "'; DROP TABLE spend_budgets", "٣")


def document(name: str) -> str:
    around, _ = PAGES[name]
    field = name.partition(".")[2]
    page = (
        f"answer: {field}(first: $first, after: $after) {{ edges {{ cursor }} pageInfo {{ endCursor hasNextPage }} }}"
    )
    return f"query ($first: Int! = 20, $after: Cursor) {{ {around.format(page)} }}"


def forged(of: str) -> list[Any]:
    """What never was a cursor of a list, though it says so."""
    own = FORGED_SEQUENCES if of in (ENTRIES, FEED) else FORGED_KEYS if of == BUDGETS else MOMENTS
    return [*FORGED.values(), *NO_TEXTS, *(sealed(f"{of}:{text}") for text in own)]


def refused(answer: dict[str, Any]) -> str | None:
    """How a request was refused; None when it was answered with anything at all."""
    has_data = any(value is not None for value in (answer.get("data") or {}).values())
    return None if has_data or "errors" not in answer else ",".join(sorted({_code(one) for one in answer["errors"]}))


def _code(error: dict[str, Any]) -> str:
    return str(error["extensions"]["code"])


async def page(world: World, member: Member, name: str, **asked: Any) -> dict[str, Any]:
    told = await world.data(document(name), member, **asked)
    found: dict[str, Any] = told["answer"] if "answer" in told else next(iter(told.values()))["answer"]
    return found


@pytest.fixture
def world(unattended: World) -> World:
    """Nobody is at work, who would book what has expired since the day of these books while their pages are turned."""
    return unattended


@pytest.fixture
async def reader(world: World) -> Member:
    """Somebody of Aurora's who may read everything; every list has at least two rows for them."""
    grown = await new_books()
    await grown.grow(2)
    reader = await a_member(grown.aurora, permissions=tuple(Permission))
    await world.token_of(reader)
    return reader


def fields_taking(argument: str) -> set[str]:
    return {
        f"{kind.name}.{name}"
        for kind in build()._schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if argument in field.args
    }


def test_every_page_and_everything_that_can_be_continued_is_stated() -> None:
    assert fields_taking("first") == set(PAGES)
    assert fields_taking("after") == set(PAGES) | set(STREAMS)


async def test_a_page_has_1_to_100_rows_and_its_cursor_goes_on_behind_it(world: World, reader: Member) -> None:
    for name in PAGES:
        whole = await page(world, reader, name, first=100)
        start = await page(world, reader, name, first=1)
        end = await page(world, reader, name, first=100, after=start["pageInfo"]["endCursor"])
        behind = await page(world, reader, name, first=1, after=whole["pageInfo"]["endCursor"])

        assert len(start["edges"]) == 1, name
        assert len(end["edges"]) >= 1, name
        assert start["edges"] + end["edges"] == whole["edges"], name
        assert [one["pageInfo"]["hasNextPage"] for one in (start, end, behind)] == [True, False, False], name
        assert behind["edges"] == [], name


async def test_a_page_of_another_size_is_refused_with_nothing_in_it(world: World, reader: Member) -> None:
    answers = {
        (name, repr(first)): refused(await world.ask(document(name), reader, first=first))
        for name in PAGES
        for first in NO_SIZES
    }

    assert answers == dict.fromkeys(answers, BAD)
    assert len(answers) == len(PAGES) * len(NO_SIZES)


async def cursors(world: World, member: Member) -> dict[str, str]:
    """A real cursor of each kind there is."""
    found = {PAGES[name][1]: (await page(world, member, name))["pageInfo"]["endCursor"] for name in PAGES}
    return {**found, FEED: sealed(f"{FEED}:1")}


async def test_no_list_takes_the_cursor_of_another(world: World, reader: Member) -> None:
    # given
    real = await cursors(world, reader)

    # when
    answers = {
        (name, of): refused(await world.ask(document(name), reader, after=cursor))
        for name in PAGES
        for of, cursor in real.items()
    }

    # then
    assert {what for what, answer in answers.items() if answer is None} == {
        (name, of) for name, (_, of) in PAGES.items()
    }
    assert {answer for answer in answers.values() if answer is not None} == {BAD}


async def test_no_list_takes_a_cursor_that_never_was_one(world: World, reader: Member) -> None:
    answers = {
        (name, repr(cursor)[:60]): refused(await world.ask(document(name), reader, after=cursor))
        for name, (_, of) in PAGES.items()
        for cursor in forged(of)
    }

    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}


async def test_what_can_be_continued_takes_only_places_of_the_feed(world: World, reader: Member) -> None:
    # given
    headers = {"authorization": f"Bearer {await world.token_of(reader)}"}
    real = await cursors(world, reader)
    asked = {**real, **{repr(cursor)[:60]: cursor for cursor in forged(FEED)}}

    # when
    answers = {}
    for name, text in STREAMS.items():
        for what, cursor in asked.items():
            async with stream(world.http, world.url, text, headers=headers, after=cursor) as events:
                answers[name, what] = refused((await anext(events)).data)

    # then
    assert answers == {**dict.fromkeys(answers, BAD), **{(name, FEED): None for name in STREAMS}}
