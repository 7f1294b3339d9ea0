"""Many spends in one call: each with its own key and answer, in order, or all of them or none."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models import batches
from models.database import Connection, connection
from models.locking import LockedWallet, lock_wallet
from rules.permissions import Permission
from tests.builders import Member, Organization, a_member, an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.books import everything
from tests.schema.clients.tokens import aurora_with, balances, does, kinds, movements, refusal, suspend
from tests.simulators.world import World


def a_spend(tokens: str, key: str, **more: object) -> dict[str, object]:
    return {"tokens": tokens, "idempotencyKey": key, **more}


def ones(count: int, name: str = "item") -> list[dict[str, object]]:
    """So many spends of one token each."""
    return [a_spend("1", f"{name} {number}") for number in range(count)]


async def batch(world: World, member: Member, spends: list[dict[str, object]], mode: str = "EACH") -> dict[str, Any]:
    return await does(world, member, "spendTokensBatch", spends=spends, mode=mode)


def results(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [item["result"] for item in told["items"]]


def types(told: dict[str, Any]) -> list[str]:
    return [result["__typename"] for result in results(told)]


async def two_organizations_and_an_administrator() -> tuple[Organization, Organization, Member]:
    """Aurora has 10 tokens, Boreal 5; the administrator is of neither."""
    aurora, boreal = await an_organization("Aurora Clinics"), await an_organization("Boreal Insurance")
    await gives(aurora, "10")
    await gives(boreal, "5")
    return aurora, boreal, await a_member(None, permissions=tuple(Permission))


async def available(world: World, admin: Member, *organizations: Organization) -> list[str]:
    query = "query ($org: ID!) { wallet(organizationId: $org) { available } }"
    return [(await world.data(query, admin, org=one.global_id))["wallet"]["available"] for one in organizations]


@pytest.mark.parametrize("mode", ["EACH", "ALL_OR_NOTHING"])
async def test_a_thousand_spends_in_one_call_are_answered_in_their_order_and_once(mode: str, world: World) -> None:
    # given
    _, ada = await aurora_with("600", "400.5")

    # when
    told = await batch(world, ada, ones(1000), mode)
    again = await batch(world, ada, ones(1000), mode)

    # then
    assert (told["spent"], told["refused"], told["spentTokens"]) == (1000, 0, "1000.0000")
    assert [item["idempotencyKey"] for item in told["items"]] == [f"item {number}" for number in range(1000)]
    assert [(one["sequence"], one["available"]) for one in results(told)] == [
        (number + 3, f"{999 - number}.5000") for number in range(1000)
    ]
    assert {one["replayed"] for one in results(told)} == {False}
    assert again == {
        **told,
        "items": [{**item, "result": {**item["result"], "replayed": True}} for item in told["items"]],
    }
    assert await balances(world, ada) == ("0.5000", "0.0000")
    assert await world.broken_rules() == []


async def test_each_spend_is_decided_for_itself_in_order(world: World) -> None:
    # given
    aurora, ada = await aurora_with("10")
    boreal = await an_organization("Boreal Insurance")
    await gives(boreal, "10")
    spends = [
        a_spend("4", "first", referenceType="report", referenceId="7", description="Lab"),
        a_spend("7", "too much"),
        a_spend("1", "not ours", organizationId=boreal.global_id),
        a_spend("0", "nothing"),
        a_spend("6", "the rest", organizationId=aurora.global_id),
        a_spend("0.0001", "nothing left"),
    ]

    # when
    told = await batch(world, ada, spends)

    # then
    assert (told["spent"], told["refused"], told["spentTokens"]) == (2, 4, "10.0000")
    assert types(told) == [
        "SpendTokensSuccess", "InsufficientTokens", "WalletNotFound", "InvalidTokens", "SpendTokensSuccess",
        "InsufficientTokens",
    ]  # fmt: skip
    assert refusal(results(told)[1]) == {
        "__typename": "InsufficientTokens", "needed": "7.0000", "available": "6.0000", "code": "INSUFFICIENT_TOKENS",
    }  # fmt: skip
    assert (results(told)[5]["needed"], results(told)[5]["available"]) == ("0.0001", "0.0000")
    assert (await movements(world, ada))[1:] == [("SPEND", "-4.0000", "0.0000"), ("SPEND", "-6.0000", "0.0000")]
    assert await world.broken_rules() == []


async def test_a_key_that_stands_twice_in_a_batch_spends_once(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    spends = [a_spend("2", "one"), a_spend("2.0000", "one"), a_spend("3", "one"), a_spend("99", "two"),
              a_spend("99", "two")]  # fmt: skip

    # when
    first, same, other, short, short_again = results(await batch(world, ada, spends))

    # then
    assert (first["tokens"], first["replayed"]) == ("2.0000", False)
    assert same == {**first, "replayed": True}
    assert other["__typename"] == "IdempotencyConflict"
    assert (short["__typename"], short["available"]) == ("InsufficientTokens", "8.0000")
    assert short_again == short
    assert await balances(world, ada) == ("8.0000", "0.0000")
    assert await world.broken_rules() == []


async def test_a_key_means_the_same_spend_alone_and_in_a_batch(world: World) -> None:
    _, ada = await aurora_with("10")
    alone = await does(world, ada, "spendTokens", tokens="3", idempotencyKey="report 7")

    (in_a_batch, new) = results(await batch(world, ada, [a_spend("3", "report 7"), a_spend("1", "report 8")]))
    new_alone = await does(world, ada, "spendTokens", tokens="1", idempotencyKey="report 8")

    assert in_a_batch == {**alone, "replayed": True}
    assert new_alone == {**new, "replayed": True}
    assert await balances(world, ada) == ("6.0000", "0.0000")


async def test_when_one_of_all_or_nothing_is_refused_nothing_moves_and_every_key_remembers(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora, ada = await aurora_with("10")
    spends = [a_spend("4", "before"), a_spend("7", "refused"), a_spend("1", "behind")]
    await world.token_of(ada)
    before = await everything(owner)

    # when
    told = await batch(world, ada, spends, "ALL_OR_NOTHING")

    # then
    assert (told["spent"], told["refused"], told["spentTokens"]) == (0, 3, "0.0000")
    others = {
        "__typename": "BatchRefused", "position": 1, "because": "INSUFFICIENT_TOKENS", "code": "BATCH_REFUSED",
    }  # fmt: skip
    short = {
        "__typename": "InsufficientTokens", "needed": "7.0000", "available": "6.0000", "code": "INSUFFICIENT_TOKENS",
    }  # fmt: skip
    assert [refusal(result) for result in results(told)] == [others, short, others]
    after = await everything(owner)
    assert {table for table in after if after[table] != before[table]} == {"idempotency_keys"}

    # when: there is enough meanwhile
    await gives(aurora, "100")
    again = await batch(world, ada, spends, "ALL_OR_NOTHING")
    alone = [await does(world, ada, "spendTokens", **spend) for spend in spends]

    # then
    assert again == told
    assert alone == results(told)
    assert await balances(world, ada) == ("110.0000", "0.0000")
    assert await world.broken_rules() == []


async def test_a_key_that_stands_twice_in_a_refused_batch_has_spent_nothing(world: World) -> None:
    _, ada = await aurora_with("10")
    spends = [a_spend("4", "one"), a_spend("4", "one"), a_spend("7", "too much"), a_spend("5", "one")]

    told = await batch(world, ada, spends, "ALL_OR_NOTHING")

    assert types(told) == ["BatchRefused", "BatchRefused", "InsufficientTokens", "IdempotencyConflict"]
    assert (told["spent"], told["spentTokens"]) == (0, "0.0000")
    assert await balances(world, ada) == ("10.0000", "0.0000")
    assert await world.broken_rules() == []


async def test_what_was_spent_before_a_refused_batch_stays_spent(world: World) -> None:
    # given
    _, ada = await aurora_with("10")
    done = await does(world, ada, "spendTokens", tokens="4", idempotencyKey="done")

    # when
    told = await batch(
        world, ada, [a_spend("4", "done"), a_spend("7", "too much"), a_spend("1", "new")], "ALL_OR_NOTHING"
    )

    # then
    assert types(told) == ["SpendTokensSuccess", "InsufficientTokens", "BatchRefused"]
    assert results(told)[0] == {**done, "replayed": True}
    assert (told["spent"], told["refused"], told["spentTokens"]) == (1, 2, "4.0000")
    assert await balances(world, ada) == ("6.0000", "0.0000")
    assert await world.broken_rules() == []


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        ({"tokens": "0"}, "InvalidTokens"),
        ({"tokens": "1.00001"}, "InvalidTokens"),
        ({"organizationId": "T3JnYW5pemF0aW9uOjE"}, "WalletNotFound"),
    ],
)
async def test_all_or_nothing_is_not_begun_with_a_spend_that_cannot_be_decided(
    item: dict[str, object], answer: str, world: World, owner: asyncpg.Connection
) -> None:
    # given
    _, ada = await aurora_with("10")
    await world.token_of(ada)
    before = await everything(owner)

    # when
    told = await batch(world, ada, [a_spend("1", "good"), {**a_spend("1", "bad"), **item}], "ALL_OR_NOTHING")

    # then: no key was used, so the good one is good for another try
    assert types(told) == ["BatchRefused", answer]
    assert results(told)[0]["position"] == 1
    assert await everything(owner) == before
    assert types(await batch(world, ada, [a_spend("1", "good")], "ALL_OR_NOTHING")) == ["SpendTokensSuccess"]


@pytest.mark.parametrize("mode", ["EACH", "ALL_OR_NOTHING"])
async def test_an_administrator_spends_for_several_organizations_in_one_batch(mode: str, world: World) -> None:
    # given
    aurora, boreal, admin = await two_organizations_and_an_administrator()
    spends = [
        a_spend("4", "one", organizationId=boreal.global_id),
        a_spend("4", "one", organizationId=aurora.global_id),
        a_spend("1", "two", organizationId=boreal.global_id),
    ]

    # when
    told = await batch(world, admin, spends, mode)

    # then: a key belongs to its organization
    assert [(one["__typename"], one["available"], one["replayed"]) for one in results(told)] == [
        ("SpendTokensSuccess", "1.0000", False),
        ("SpendTokensSuccess", "6.0000", False),
        ("SpendTokensSuccess", "0.0000", False),
    ]
    assert await available(world, admin, aurora, boreal) == ["6.0000", "0.0000"]
    assert await world.broken_rules() == []


async def test_a_refusal_in_one_organization_undoes_the_others(world: World, owner: asyncpg.Connection) -> None:
    # given
    aurora, boreal, admin = await two_organizations_and_an_administrator()
    spends = [
        a_spend("4", "one", organizationId=aurora.global_id),
        a_spend("6", "one", organizationId=boreal.global_id),
    ]

    # when
    told = await batch(world, admin, spends, "ALL_OR_NOTHING")

    # then
    assert types(told) == ["BatchRefused", "InsufficientTokens"]
    assert await available(world, admin, aurora, boreal) == ["10.0000", "5.0000"]
    remembered = await owner.fetch("SELECT organization_id FROM idempotency_keys WHERE operation = 'spendTokens'")
    assert {row["organization_id"] for row in remembered} == {aurora.id, boreal.id}
    assert await world.broken_rules() == []


async def test_batches_over_the_same_wallets_in_any_order_never_wait_for_each_other_for_ever(world: World) -> None:
    # given
    aurora, boreal, admin = await two_organizations_and_an_administrator()
    await world.token_of(admin)

    def over(first: Organization, second: Organization, number: int) -> list[dict[str, object]]:
        return [a_spend("1", f"batch {number}", organizationId=one.global_id) for one in (first, second)]

    # when
    answers = await asyncio.gather(
        *(batch(world, admin, over(aurora, boreal, number), "ALL_OR_NOTHING") for number in range(5)),
        *(batch(world, admin, over(boreal, aurora, number), "ALL_OR_NOTHING") for number in range(5, 10)),
    )

    # then: Boreal can pay for five of them
    assert sorted(told["spent"] for told in answers) == [0] * 5 + [2] * 5
    assert await available(world, admin, aurora, boreal) == ["5.0000", "0.0000"]
    assert await world.broken_rules() == []


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_wallets_are_locked_in_the_order_of_their_owners_ids_whatever_the_batch_says(
    is_reversed: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora, boreal, admin = await two_organizations_and_an_administrator()
    locked: list[UUID] = []

    async def noting(db: Connection, organization_id: UUID, **options: Any) -> LockedWallet:
        locked.append(organization_id)
        return await lock_wallet(db, organization_id, **options)

    monkeypatch.setattr(batches, "lock_wallet", noting)
    owners = sorted((aurora, boreal), key=lambda one: one.id, reverse=is_reversed)

    # when
    spends = [a_spend("1", "one", organizationId=one.global_id) for one in owners]
    told = await batch(world, admin, spends, "ALL_OR_NOTHING")

    # then
    assert told["spent"] == 2
    assert locked == sorted((aurora.id, boreal.id))


async def test_a_suspended_wallet_refuses_a_batch_item_by_item(world: World, owner: asyncpg.Connection) -> None:
    _, ada = await aurora_with("10")
    await suspend(owner)

    each = await batch(world, ada, ones(2, "each"))
    all_of_them = await batch(world, ada, ones(2, "all"), "ALL_OR_NOTHING")

    assert types(each) == types(all_of_them) == ["WalletSuspended"] * 2
    assert await balances(world, ada) == ("10.0000", "0.0000")
    assert await world.broken_rules() == []


@pytest.mark.parametrize("altered_settings", [{"enable_token_system": False}])
async def test_a_batch_is_refused_as_a_whole_while_spending_is_switched_off(
    world: World, owner: asyncpg.Connection
) -> None:
    _, ada = await aurora_with("10")
    await world.token_of(ada)
    before = await everything(owner)

    told = await batch(world, ada, ones(2))

    assert told["__typename"] == "TokenSystemDisabled"
    assert await everything(owner) == before


async def fills(world: World, waiting: int) -> None:
    """So many requests wait at the tills."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.product.tills.waiting < waiting:
            await asyncio.sleep(0.01)


async def test_whoever_comes_to_a_crowded_wallet_is_told_so_and_may_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a wallet that somebody keeps locked; 20 spends are being decided, and 20 may wait behind them
    aurora, ada = await aurora_with("100")
    await world.token_of(ada)
    monkeypatch.setattr(world.product.tills, "_waiting_max", 20)
    async with connection() as db:
        await db.execute("BEGIN")
        await db.fetch("SELECT 1 FROM organization_token_wallets WHERE organization_id = $1 FOR UPDATE", aurora.id)
        served = asyncio.create_task(batch(world, ada, ones(20, "served")))
        await fills(world, 20)
        crowd = asyncio.create_task(batch(world, ada, ones(30, "crowd")))
        await fills(world, 40)

        # when
        told = await does(world, ada, "spendTokens", tokens="1", idempotencyKey="late")
        held = await does(world, ada, "holdTokens", tokens="1", idempotencyKey="late")
        await db.execute("ROLLBACK")

    # then
    busy = {"__typename": "WalletBusy", "retryAfterMs": 50, "code": "WALLET_BUSY"}
    assert [refusal(told), refusal(held)] == [busy, busy]
    assert kinds(results(await served)) == {"SpendTokensSuccess": 20}
    assert types(await crowd) == ["SpendTokensSuccess"] * 20 + ["WalletBusy"] * 10

    # when: those who were turned away come again with the same keys
    again = await batch(world, ada, ones(30, "crowd")[10:])
    late = await does(world, ada, "spendTokens", tokens="1", idempotencyKey="late")

    # then
    assert [result["replayed"] for result in results(again)] == [True] * 10 + [False] * 10
    assert (late["__typename"], late["available"], late["replayed"]) == ("SpendTokensSuccess", "49.0000", False)
    assert await world.broken_rules() == []
