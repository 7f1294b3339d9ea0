"""Lists that grow while they are read, and what they cost: a page is a fixed number of statements, however long."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.builders import Member, Organization, a_member, a_payment_method, an_organization, gives
from tests.schema.clients.in_process import counted
from tests.simulators.world import World

SPEND = "mutation ($input: SpendTokensInput!) { spendTokens(input: $input) { __typename } }"


def page_query(name: str) -> str:
    fields = f"{name}(first: $first, after: $after) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }}"
    return f"query ($first: Int!, $after: Cursor) {{ wallet {{ {fields} }} }}"


async def walk(world: World, member: Member, name: str, *, first: int) -> AsyncIterator[list[str]]:
    """The ids of a list, page by page."""
    after = None
    while True:
        told = (await world.data(page_query(name), member, first=first, after=after))["wallet"][name]
        yield [node["id"] for node in told["nodes"]]
        if not told["pageInfo"]["hasNextPage"]:
            return
        after = told["pageInfo"]["endCursor"]


async def buyer(world: World) -> tuple[Organization, Member]:
    aurora = await an_organization()
    ada = await a_member(aurora)
    await a_payment_method(aurora)
    return aurora, ada


async def buys(world: World, ada: Member, count: int, *, since: int = 0) -> None:
    for number in range(since, since + count):
        told = await world.buys(ada, tokens="2", idempotencyKey=f"order {number}")
        assert told["purchase"]["status"] == "COMPLETED"


@pytest.mark.parametrize("name", ["entries", "lots"])
async def test_a_walk_is_whole_and_without_duplicates_while_the_wallet_changes(name: str, world: World) -> None:
    # given
    aurora, ada = await buyer(world)
    for _ in range(7):
        await gives(aurora, "1")
    (known,) = [page async for page in walk(world, ada, name, first=100)]

    # when: something new at every page
    seen: list[str] = []
    async for page in walk(world, ada, name, first=2):
        seen += page
        await gives(aurora, "1")

    # then
    assert len(known) == 7
    assert seen == known
    assert len([one async for page in walk(world, ada, name, first=3) for one in page]) == 11
    assert await world.broken_rules() == []


async def test_purchases_and_invoices_are_walked_while_new_ones_come(world: World) -> None:
    # given
    _, ada = await buyer(world)
    await buys(world, ada, 3)
    known = {name: [one async for page in walk(world, ada, name, first=9) for one in page] for name in NAMES}

    # when
    seen: dict[str, list[str]] = {name: [] for name in NAMES}
    for number, name in enumerate(NAMES):
        async for page in walk(world, ada, name, first=1):
            if not seen[name]:
                await buys(world, ada, 1, since=10 + number)
            seen[name] += page

    # then
    assert {name: len(found) for name, found in known.items()} == {"purchases": 3, "invoices": 3}
    assert seen["purchases"] == known["purchases"]
    assert seen["invoices"][1:] == known["invoices"]
    assert await world.broken_rules() == []


NAMES = ("purchases", "invoices")


async def cost(world: World, member: Member, monkeypatch: pytest.MonkeyPatch, query: str, first: int) -> list[str]:
    with counted(monkeypatch, by=member) as statements:
        await world.data(query, member, first=first)
    # Allowances are taken in blocks, so only now and then.
    return [sql for sql in statements if "rate_allowances" not in sql]


NESTED = {
    "entries": "query ($first: Int!) { wallet { entries(first: $first) { nodes { id draws { lotId tokens } } } } }",
    "purchases": """query ($first: Int!) { wallet { purchases(first: $first) {
        nodes { id invoice { number lines { amount { amount } } } } } } }""",
    "invoices": "query ($first: Int!) { wallet { invoices(first: $first) { nodes { number lines { kind } } } } }",
    "root": """query ($first: Int!) { purchases(first: $first) {
        nodes { invoice { lines { description } } } } }""",
}


async def test_a_page_costs_the_same_statements_however_long_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: asyncpg.Connection
) -> None:
    # given: five purchases, whose lots are drawn on by one large spend and several small ones
    _, ada = await buyer(world)
    await buys(world, ada, 5)
    for number, tokens in enumerate(("7", "1", "0.5")):
        spent = await world.data(SPEND, ada, input={"tokens": tokens, "idempotencyKey": f"spend {number}"})
        assert spent == {"spendTokens": {"__typename": "SpendTokensSuccess"}}
    for number in range(5):
        await world.story((await purchases_of(world, ada))[number]).result()

    # when
    costs = {
        name: [len(await cost(world, ada, monkeypatch, query, first)) for first in (1, 2, 5)]
        for name, query in NESTED.items()
    }

    # then: the wallet or nothing, the page, and one statement for each nested level
    assert costs == {"entries": [3, 3, 3], "purchases": [4, 4, 4], "invoices": [3, 3, 3], "root": [3, 3, 3]}
    assert await owner.fetchval("SELECT max(n) FROM (SELECT count(*) n FROM token_draws GROUP BY entry_id) d") == 4
    assert await world.broken_rules() == []


async def purchases_of(world: World, member: Member) -> list[str]:
    return [one async for page in walk(world, member, "purchases", first=100) for one in page]
