"""What changes that answer with lists cost: the same number of statements however long the lists are."""

from typing import Any

import pytest

from models.database import Connection
from models.tills import TOGETHER_MAX
from schema.ids import global_id
from schema.root import build
from tests.builders import Member, Organization, a_member, a_program, an_organization, gives
from tests.conftest import Database
from tests.offers import a_rate
from tests.schema.clients.in_process import context_for, counted, data_of
from tests.schema.growth import NOW
from tests.schema.statements import KEY, SIZES

SCHEMA = build(clock=lambda: NOW)
BATCH = """
mutation ($input: SpendTokensBatchInput!) { spendTokensBatch(input: $input) {
  ... on SpendTokensBatchSuccess { items { idempotencyKey result { __typename ... on Problem { code } } } } } }
"""
REMOVE = f"""
mutation ($input: RemoveMemberInput!) {{ removeMember(input: $input) {{
  ... on RemoveMemberSuccess {{ member {{ isActive }} workingApiKeys {{ {KEY} }} }} }} }}
"""
TOKENS = {"tokens": "1"}
RATED = {"operation": "report", "units": "1"}
UNPRICED = {"operation": "unknown", "units": "1"}


async def change(by: Member, aurora: Organization, mutation: str, **asked: object) -> dict[str, Any]:
    return await data_of(SCHEMA, context_for(by, aurora, now=NOW), mutation, input=asked)


@pytest.mark.parametrize(
    ("spend", "mode", "told", "statements"),
    [
        # The wallet's lock, its lots with what the keys were answered before, and everything that follows.
        (TOKENS, "EACH", "SpendTokensSuccess", 3),
        # All wallets are locked before the first is decided.
        (TOKENS, "ALL_OR_NOTHING", "SpendTokensSuccess", 5),
        # The rates before that.
        (RATED, "EACH", "SpendTokensSuccess", 4),
        (RATED, "ALL_OR_NOTHING", "SpendTokensSuccess", 6),
        # The rates, and what the keys were answered before.
        (UNPRICED, "EACH", "OperationNotFound", 2),
        (UNPRICED, "ALL_OR_NOTHING", "OperationNotFound", 2),
    ],
)
async def test_a_batch_costs_the_same_statements_however_many_spends_it_has(
    books: Database,
    monkeypatch: pytest.MonkeyPatch,
    spend: dict[str, str],
    mode: str,
    told: str,
    statements: int,
) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await gives(aurora, "20000", at=NOW)
    await a_rate("report", "1", at=NOW)

    # when
    costs, results = [], []
    for size in (*SIZES, TOGETHER_MAX):
        spends = [{**spend, "idempotencyKey": f"{size}/{number}"} for number in range(size)]
        with counted(monkeypatch) as seen:
            answer = await change(ada, aurora, BATCH, spends=spends, mode=mode)
        costs.append(len(seen))
        results.append([item["result"]["__typename"] for item in answer["spendTokensBatch"]["items"]])

    # then
    assert costs == [statements] * len(costs)
    assert results == [[told] * size for size in (*SIZES, TOGETHER_MAX)]


@pytest.mark.parametrize("taken_along", [False, True])
async def test_removing_a_member_costs_the_same_statements_however_many_keys_they_made(
    db: Connection, monkeypatch: pytest.MonkeyPatch, taken_along: bool
) -> None:
    # given
    makers = []
    for size in SIZES:
        aurora = await an_organization()
        ada, bob = await a_member(aurora), await a_member(aurora)
        for _ in range(size):
            await a_program(aurora, maker=bob)
        makers.append((aurora, ada, bob))

    # when
    costs, working = [], []
    for aurora, ada, bob in makers:
        asked = {"memberId": global_id("Member", bob.id), "revokeApiKeys": taken_along}
        with counted(monkeypatch) as seen:
            answer = await change(ada, aurora, REMOVE, **asked)
        costs.append(len(seen))
        working.append(len(answer["removeMember"]["workingApiKeys"]))

    # then: the organization's lock, both people as they are now, whether somebody is left who may let people in, what
    # becomes of the member, and their keys, which have makers while there are any, or are revoked first
    told = await db.fetch("SELECT resource_id, actor FROM token_audit_logs WHERE action = 'api_key.revoked'")
    revoked = await db.fetch("SELECT id::text, revoked_by FROM api_keys WHERE revoked_at = $1", NOW)
    assert costs == [11 if taken_along else 10] * len(SIZES)
    assert working == ([0, 0, 0] if taken_along else list(SIZES))
    assert len(revoked) == (sum(SIZES) if taken_along else 0)
    assert sorted(tuple(row.values()) for row in told) == sorted(tuple(row.values()) for row in revoked)
