"""How much may be asked: of each caller, each organization and each address, whatever transport it comes by."""

from typing import Any

import asyncpg
import httpx2
import pytest

from tests.builders import Member, Organization, a_member, a_program, an_organization, gives
from tests.schema.clients.sockets import opened
from tests.schema.clients.streams import stream
from tests.simulators.world import World

WALLET = "{ wallet { available } }"
SPEND = """mutation ($key: String!) { spendTokens(input: { tokens: "1", idempotencyKey: $key }) { __typename } }"""
BATCH = """mutation ($input: SpendTokensBatchInput!) { answer: spendTokensBatch(input: $input) {
  ... on SpendTokensBatchSuccess { spent } } }"""
SIGN_IN = 'signIn(input: { email: "nobody@aurora.example", password: "?" }) { __typename }'
ROLES = "{ roles { role } }"
# So long that no test lies on the border of two windows.
WINDOW_MS = 10**12
JSON, RESPONSE = "application/json", "application/graphql-response+json"


def ones(count: int) -> list[dict[str, str]]:
    """So many spends of one token."""
    return [{"tokens": "1", "idempotencyKey": f"one of {count}: {number}"} for number in range(count)]


def limited(**settings: object) -> pytest.MarkDecorator:
    """The test's product has these limits, in one window."""
    return pytest.mark.parametrize("altered_settings", [{"rate_limit_window_ms": WINDOW_MS, **settings}])


async def asks(
    world: World, query: str, member: Member | None = None, *, accept: str = JSON, address: str = "", **variables: Any
) -> httpx2.Response:
    headers = {"accept": accept}
    if member is not None:
        headers["authorization"] = f"Bearer {await world.token_of(member)}"
    if address:
        headers["x-forwarded-for"] = address
    return await world.http.post(f"{world.url}/graphql", json={"query": query, "variables": variables}, headers=headers)


def is_limited(answer: httpx2.Response) -> bool:
    errors = answer.json().get("errors", [])
    return answer.status_code == 429 and [each["extensions"]["code"] for each in errors] == ["RATE_LIMITED"]


async def let_through(world: World, times: int, query: str, member: Member | None = None, **more: Any) -> int:
    """How many of so many requests were not refused for their number."""
    return [is_limited(await asks(world, query, member, **more)) for _ in range(times)].count(False)


@limited(rate_limit_caller_units=10)
async def test_a_caller_who_asked_for_too_much_is_told_when_to_come_again_and_nothing_happens(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    await gives(aurora, "100")

    # when
    answers = [await asks(world, SPEND, ada, key=str(number), accept=RESPONSE) for number in range(12)]
    plain = await asks(world, SPEND, ada, key="plain")

    # then
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    for refused, media_type in ((answers[-1], RESPONSE), (plain, JSON)):
        (error,) = refused.json()["errors"]
        seconds = error["extensions"]["retryAfter"]
        assert error["extensions"] == {"code": "RATE_LIMITED", "limit": "caller", "retryAfter": seconds}
        assert 1 <= seconds <= WINDOW_MS // 1000
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == str(seconds)
        assert refused.headers["content-type"].startswith(media_type)
        assert "data" not in refused.json()
    assert await owner.fetchval("SELECT count(*) FROM token_balance_history WHERE change_type = 'SPEND'") == 10
    assert await let_through(world, 1, WALLET, bob) == 1
    assert await world.broken_rules() == []


@limited(rate_limit_caller_units=150)
async def test_an_operation_costs_its_root_fields_and_the_items_it_may_answer_with(world: World) -> None:
    # given
    ada = await a_member(await an_organization())
    page = "query ($first: Int!) { wallet { entries(first: $first) { nodes { id } } } }"

    # when: 1 and 99 list items leave 50
    assert await let_through(world, 1, page, ada, first=99) == 1
    assert await let_through(world, 1, page, ada, first=50) == 0
    assert await let_through(world, 1, "{ a: wallet { id } b: wallet { id } c: wallet { id } }", ada) == 1

    # then: 47 are left, and what is forbidden or wrong costs one
    assert await let_through(world, 20, "{ organizations { nodes { id } } }", ada) == 20
    assert await let_through(world, 20, "{ nonsense }", ada) == 20
    assert await let_through(world, 20, WALLET, ada) == 7


@limited(rate_limit_tenant_units=10)
async def test_people_and_keys_of_an_organization_share_its_allowance(world: World) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    ada, program, bjorn = await a_member(aurora), await a_program(aurora), await a_member(boreal)

    # when
    through = [await let_through(world, 6, WALLET, ada), await let_through(world, 6, WALLET, program)]
    refused = await asks(world, WALLET, program)

    # then
    assert through == [6, 4]
    assert refused.json()["errors"][0]["extensions"]["limit"] == "organization"
    assert await let_through(world, 10, WALLET, bjorn) == 10


@limited(rate_limit_caller_units=5)
async def test_every_transport_counts(world: World) -> None:
    # given
    program = await a_program(await an_organization())
    token = program.access_token
    assert token is not None

    # when
    assert await let_through(world, 2, WALLET, program) == 2
    async with stream(world.http, world.url, WALLET, headers={"authorization": f"Bearer {token}"}) as events:
        streamed = (await anext(events)).data
    async with opened(world.url, token) as socket:
        for name in ("one", "two"):
            await socket.subscribe(WALLET, name)
            assert await socket.next() == {"wallet": {"available": "0.0000"}}
            assert (await socket.hear())["type"] == "complete"
        await socket.subscribe(WALLET, "three")
        codes = await socket.error_codes()
        await socket.subscribe("subscription { walletUpdated { available } }", "four")
        codes += await socket.error_codes()
    async with stream(world.http, world.url, WALLET, headers={"authorization": f"Bearer {token}"}) as events:
        refused = (await anext(events)).data

    # then
    assert streamed == {"data": {"wallet": {"available": "0.0000"}}}
    assert codes == ["RATE_LIMITED"] * 2
    assert refused["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


@limited(rate_limit_address_units=2500)
async def test_sign_ins_cost_much_and_are_counted_by_alias(world: World) -> None:
    assert await let_through(world, 1, f"mutation {{ a: {SIGN_IN} b: {SIGN_IN} }}") == 1  # 2002 of 2500
    assert await let_through(world, 1, f"mutation {{ {SIGN_IN} }}") == 0
    assert await let_through(world, 600, ROLES) == 498


@limited(rate_limit_address_units=10)
async def test_nobody_chooses_their_own_address(world: World) -> None:
    answers = [await asks(world, ROLES, address=f"192.0.2.{number}") for number in range(12)]

    assert [is_limited(answer) for answer in answers] == [False] * 10 + [True] * 2
    assert answers[-1].json()["errors"][0]["extensions"]["limit"] == "address"


@limited(rate_limit_address_units=10, trusted_proxies="127.0.0.1, 10.0.0.0/8")
async def test_a_trusted_proxy_tells_whose_address_it_is(world: World) -> None:
    assert await let_through(world, 12, ROLES, address="192.0.2.1") == 10
    # What a client writes there itself stands before what the proxies add.
    assert await let_through(world, 2, ROLES, address="198.51.100.9, 192.0.2.1, 10.1.2.3") == 0
    assert await let_through(world, 2, ROLES, address="192.0.2.2") == 2
    # One IPv6 customer has a whole network.
    assert await let_through(world, 6, ROLES, address="2001:db8::1") == 6
    assert await let_through(world, 6, ROLES, address="2001:db8::2") == 4


@limited(rate_limit_address_units=35)
async def test_bad_credentials_cost_their_address_and_then_nobody_looks_at_them_any_more(world: World) -> None:
    # given
    program = await a_program(await an_organization())
    forged = Member(program.id, "", None, (), access_token=f"scrip_{'0' * 32}_{'A' * 43}")

    # when: three cost 30 of 35, and the fourth the rest, or it could be tried again and again for nothing
    statuses = [(await asks(world, WALLET, forged)).status_code for _ in range(4)]
    rest = await let_through(world, 10, WALLET, program)
    turned_away = await asks(world, WALLET, forged)
    invoice = await world.http.get(
        f"{world.url}/invoices/TOK-2026-000001.pdf", headers={"authorization": f"Bearer {forged.access_token}"}
    )

    # then
    assert (statuses, rest) == ([401, 401, 401, 429], 0)
    assert is_limited(turned_away)
    assert int(turned_away.headers["retry-after"]) == turned_away.json()["errors"][0]["extensions"]["retryAfter"]
    assert invoice.status_code == 429


@limited(rate_limit_caller_units=50)
async def test_invoices_as_pdf_cost_something_too(world: World) -> None:
    program = await a_program(await an_organization())
    headers = {"authorization": f"Bearer {program.access_token}"}

    answers = [await world.http.get(f"{world.url}/invoices/TOK-2026-000001.pdf", headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert await let_through(world, 12, WALLET, program) == 10


EXPORT = "/exports/entries.csv?organizationId="


@limited(rate_limit_caller_units=50)
async def test_an_export_costs_twenty_and_twenty_more_for_each_500_entries_there_are(world: World) -> None:
    # given a history of 1,001 entries, and a short one
    aurora, boreal = await an_organization(), await an_organization()
    await gives(aurora, "1000")
    program, other = await a_program(aurora), await a_program(boreal)
    await world.data(BATCH, await a_member(aurora), input={"spends": ones(1_000)})
    await gives(boreal, "1")

    async def exports(caller: Member, owner: Organization) -> httpx2.Response:
        headers = {"authorization": f"Bearer {caller.access_token}"}
        return await world.http.get(f"{world.url}{EXPORT}{owner.global_id}", headers=headers)

    # when
    long, short = await exports(program, aurora), [await exports(other, boreal) for _ in range(3)]

    # then: 20 of 50 are gone, 40 more are not there
    assert (long.status_code, long.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(long.headers["retry-after"]) > 0
    assert await let_through(world, 40, WALLET, program) == 30
    assert [answer.status_code for answer in short] == [200, 200, 429]


@limited(rate_limit_address_units=10, trusted_proxies="127.0.0.1")
async def test_an_address_that_has_used_up_everything_is_told_so_by_an_export_too(world: World) -> None:
    program = await a_program(await an_organization())
    assert await let_through(world, 10, ROLES) == 10

    answer = await world.http.get(
        f"{world.url}/exports/entries.csv", headers={"authorization": f"Bearer {program.access_token}"}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 0


@limited(rate_limit_caller_units=1_100)
async def test_a_batch_costs_what_its_spends_would_one_by_one(world: World) -> None:
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "5000")

    first = await asks(world, BATCH, ada, input={"spends": ones(1_000)})
    second = await asks(world, BATCH, ada, input={"spends": ones(100)})

    assert first.json()["data"]["answer"]["spent"] == 1_000
    assert is_limited(second)
    assert await let_through(world, 100, WALLET, ada) == 99


@limited(rate_limit_caller_units=10)
@pytest.mark.parametrize("body", [{"query": "{ wallet {"}, {"query": ""}, {"query": "{ nothing { here } }"}, {}])
async def test_what_cannot_be_read_costs_one(world: World, body: dict[str, str]) -> None:
    program = await a_program(await an_organization())
    headers = {"authorization": f"Bearer {program.access_token}"}

    answers = [await world.http.post(f"{world.url}/graphql", json=body, headers=headers) for _ in range(4)]

    assert all("errors" in answer.json() for answer in answers)
    assert await let_through(world, 10, WALLET, program) == 6


@limited(rate_limit_caller_units=0, rate_limit_tenant_units=0, rate_limit_address_units=0)
async def test_zero_is_without_limit_and_counts_nothing(world: World, owner: asyncpg.Connection) -> None:
    ada = await a_member(await an_organization())

    assert await let_through(world, 50, WALLET, ada) == 50
    assert await owner.fetchval("SELECT count(*) FROM rate_allowances") == 0


@limited()
async def test_what_is_kept_of_callers_is_few_rows_with_round_numbers(world: World, owner: asyncpg.Connection) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)

    # when
    assert await let_through(world, 60, WALLET, ada) == 60

    # then: the first portion of each allowance, half a per cent, taken in one go and not touched since
    rows = await owner.fetch("SELECT subject, taken, granted FROM rate_allowances ORDER BY subject")
    assert {row["subject"]: (row["taken"], row["granted"]) for row in rows} == {
        "address/127.0.0.1": (5_000, 5_000),
        f"organization/{aurora.id}": (10_000, 10_000),
        f"user/{ada.id}": (5_000, 5_000),
    }
