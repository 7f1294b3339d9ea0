"""Settings, suspension and corrections over the API: who may what, what a suspension binds, what watchers see."""

from typing import Any

import pytest

from models.database import Connection
from schema.pages import FEED, sequence_cursor
from tests.builders import EVERYTHING, Member, a_buyer, a_member, a_payment_method, gives
from tests.schema.clients.scene import a_scene
from tests.schema.clients.sockets import opened
from tests.schema.clients.streams import stream
from tests.simulators.world import World

WALLET = "pricePerToken taxRate paymentTermsDays validityDays status suspensionReason available totalAdjusted"
UPDATE = f"""mutation ($input: UpdateWalletSettingsInput!) {{ answer: updateWalletSettings(input: $input) {{
  __typename ... on UpdateWalletSettingsSuccess {{ changed wallet {{ {WALLET} }} }}
  ... on InvalidSetting {{ setting minimum maximum decimalPlaces }} ... on SettingNotAllowed {{ setting permission }}
  ... on Problem {{ code message }} }} }}"""
SUSPEND = f"""mutation ($input: SuspendWalletInput!) {{ answer: suspendWallet(input: $input) {{
  __typename ... on SuspendWalletSuccess {{ changed wallet {{ {WALLET} }} }} }} }}"""
REACTIVATE = f"""mutation ($input: ReactivateWalletInput!) {{ answer: reactivateWallet(input: $input) {{
  __typename ... on ReactivateWalletSuccess {{ changed wallet {{ {WALLET} }} }} }} }}"""
ADJUST = """mutation ($input: AdjustBalanceInput!) { answer: adjustBalance(input: $input) {
  __typename ... on AdjustBalanceSuccess { sequence tokens available replayed }
  ... on InsufficientTokens { needed available } ... on Problem { code message } } }"""
SPEND = """mutation ($input: SpendTokensInput!) { answer: spendTokens(input: $input) {
  __typename ... on WalletSuspended { reason } } }"""
WATCH = """subscription ($after: Cursor) { walletUpdated(after: $after) {
  cursor happened entryId sequence kind tokens available held } }"""
START = sequence_cursor(0, of=FEED)


async def answer(world: World, query: str, member: Member, **given: Any) -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(query, member, input=given))["answer"]
    return told


async def finance(world: World) -> Member:
    return await a_member(None, permissions=("tokens.view", "finance.manage", "platform.admin"))


async def test_each_setting_is_changed_by_those_it_belongs_to(world: World, db: Connection) -> None:
    # given
    buyer = await a_buyer()
    assert buyer.organization is not None
    own, org = await a_member(buyer.organization), buyer.organization.global_id
    clerk = await a_member(buyer.organization, permissions=("tokens.view", "finance.manage"))
    admin = await a_member(None, permissions=("platform.admin",))
    values = {"pricePerToken": "0.75", "taxRate": "0.2", "paymentTermsDays": 14, "validityDays": 90}

    # when
    answers = {
        (who, name): (await answer(world, UPDATE, member, organizationId=org, **{name: value}))["__typename"]
        for who, member in {"own": own, "clerk": clerk, "admin": admin}.items()
        for name, value in values.items()
    }

    # then
    refused = {what for what, told in answers.items() if told == "SettingNotAllowed"}
    assert refused == {("own", name) for name in values if name != "validityDays"}
    assert {told for what, told in answers.items() if what not in refused} == {"UpdateWalletSettingsSuccess"}
    rows = await db.fetch("SELECT actor FROM token_audit_logs WHERE action = 'wallet.settings_changed' ORDER BY id")
    assert [row["actor"] for row in rows] == [f"user/{own.id}", *[f"user/{clerk.id}"] * 3]


async def test_a_setting_that_is_not_allowed_stops_those_that_are(world: World) -> None:
    buyer = await a_buyer()

    told = await answer(world, UPDATE, buyer, validityDays=5, paymentTermsDays=365)

    assert told == {
        "__typename": "SettingNotAllowed",
        "setting": "PAYMENT_TERMS_DAYS",
        "permission": "FINANCE_MANAGE",
        "code": "SETTING_NOT_ALLOWED",
        "message": "Changing payment_terms_days takes the permission finance.manage.",
    }
    assert (await world.data("{ wallet { validityDays } }", buyer))["wallet"] == {"validityDays": None}


async def test_settings_are_for_purchases_to_come(world: World) -> None:
    # given: an order that waits for its buyer
    buyer = await a_buyer("pm_three_d_secure")
    assert buyer.organization is not None
    org = buyer.organization.global_id
    waiting = (await world.buys(buyer, tokens="100", idempotencyKey="before"))["purchase"]

    # when
    changed = await answer(
        world, UPDATE, await finance(world), organizationId=org, pricePerToken="2", taxRate="0", validityDays=10
    )
    await world.http.post(waiting["actionUrl"], data={"decision": "approve"})
    completed = await world.becomes(buyer, waiting["id"], "COMPLETED")
    quote = await world.data(
        '{ priceQuote(tokens: "100") { ... on PriceQuote { total { amount } validityDays } } }', buyer
    )

    # then
    assert changed["wallet"]["pricePerToken"] == "2.000000"
    assert completed["invoice"]["total"] == {"amount": "58.00"}
    assert quote["priceQuote"] == {"total": {"amount": "200.00"}, "validityDays": 10}
    assert await world.broken_rules() == []


async def test_left_out_is_left_alone_and_null_is_never(world: World) -> None:
    buyer, clerk = await a_buyer(), await finance(world)
    assert buyer.organization is not None
    org = buyer.organization.global_id

    first = await answer(world, UPDATE, clerk, organizationId=org, validityDays=30, taxRate="0.05")
    second = await answer(world, UPDATE, clerk, organizationId=org, validityDays=None)
    again = await answer(world, UPDATE, clerk, organizationId=org, validityDays=None, taxRate="0.050")

    assert [(told["changed"], told["wallet"]["validityDays"]) for told in (first, second, again)] == [
        (True, 30),
        (True, None),
        (False, None),
    ]
    assert {told["wallet"]["taxRate"] for told in (first, second, again)} == {"0.050000"}


async def test_a_suspension_binds_whoever_spends_or_buys_and_nobody_else(world: World) -> None:
    # given: a purchase under way, and tokens to spend
    buyer, clerk = await a_buyer("pm_three_d_secure"), await finance(world)
    organization = buyer.organization
    assert organization is not None
    org = organization.global_id
    await gives(organization, "10")
    under_way = (await world.buys(buyer, tokens="5", idempotencyKey="under way"))["purchase"]

    # when
    suspended = await answer(world, SUSPEND, clerk, organizationId=org, reason="unpaid invoices")
    again = await answer(world, SUSPEND, clerk, organizationId=org, reason="another reason")
    bound = [
        await answer(world, SPEND, buyer, tokens="1", idempotencyKey="spend"),
        await world.buys(buyer, tokens="5", idempotencyKey="order"),
    ]
    quote = '{ priceQuote(tokens: "5") { __typename } wallet { status available entries { nodes { sequence } } } }'
    free = await world.data(quote, buyer)
    adjusted = await answer(
        world, ADJUST, clerk, organizationId=org, tokens="-4", reason="counted twice", idempotencyKey="a"
    )
    await gives(organization, "1")
    await a_payment_method(organization)
    await world.http.post(under_way["actionUrl"], data={"decision": "approve"})
    await world.becomes(buyer, under_way["id"], "COMPLETED")
    reactivated = await answer(world, REACTIVATE, clerk, organizationId=org)
    after = await answer(world, REACTIVATE, clerk, organizationId=org, reason="twice")

    # then
    assert [(told["changed"], told["wallet"]["suspensionReason"]) for told in (suspended, again)] == [
        (True, "unpaid invoices"),
        (False, "unpaid invoices"),
    ]
    assert [told["__typename"] for told in bound] == ["WalletSuspended"] * 2
    assert bound[0]["reason"] == "unpaid invoices"
    assert free == {
        "priceQuote": {"__typename": "PriceQuote"},
        "wallet": {"status": "SUSPENDED", "available": "10.0000", "entries": {"nodes": [{"sequence": 1}]}},
    }
    assert (adjusted["__typename"], adjusted["available"]) == ("AdjustBalanceSuccess", "6.0000")
    assert (reactivated["changed"], after["changed"]) == (True, False)
    assert (reactivated["wallet"]["status"], reactivated["wallet"]["available"]) == ("ACTIVE", "12.0000")
    spent = await answer(world, SPEND, buyer, tokens="1", idempotencyKey="a new intention")
    assert spent["__typename"] == "SpendTokensSuccess"
    assert await world.broken_rules() == []


async def test_a_purchase_that_was_refused_by_a_suspension_moved_no_money(world: World, db: Connection) -> None:
    buyer, clerk = await a_buyer(), await finance(world)
    assert buyer.organization is not None
    await answer(world, SUSPEND, clerk, organizationId=buyer.organization.global_id, reason="unpaid invoices")

    told = await world.buys(buyer, tokens="5", idempotencyKey="order")

    assert (told["__typename"], told["code"]) == ("WalletSuspended", "WALLET_SUSPENDED")
    (row,) = await db.fetch("SELECT (SELECT count(*) FROM payments) + (SELECT count(*) FROM token_purchases) AS orders")
    assert row["orders"] == 0
    assert await world.broken_rules() == []


async def test_a_correction_is_answered_once_by_its_key(world: World) -> None:
    # given
    scene = await a_scene(world)
    clerk = await finance(world)
    order = {"organizationId": scene.aurora.global_id, "reason": "counted twice", "idempotencyKey": "a"}

    # when
    answers = [await answer(world, ADJUST, clerk, **order, tokens="-30.5") for _ in range(2)]
    other = await answer(world, ADJUST, clerk, **order, tokens="30.5")
    short = await answer(world, ADJUST, clerk, **{**order, "idempotencyKey": "b"}, tokens="-70")

    # then
    expected = {"__typename": "AdjustBalanceSuccess", "sequence": 3, "tokens": "30.5000", "available": "59.5000"}
    assert answers == [{**expected, "replayed": False}, {**expected, "replayed": True}]
    assert other["code"] == "IDEMPOTENCY_CONFLICT"
    assert (short["needed"], short["available"]) == ("70.0000", "59.5000")
    wallet = (await world.data("{ wallet { available totalAdjusted totalSpent } }", scene.ada))["wallet"]
    assert wallet == {"available": "59.5000", "totalAdjusted": "-30.5000", "totalSpent": "0.0000"}
    assert await world.broken_rules() == []


@pytest.mark.parametrize("transport", ["socket", "stream"])
async def test_watchers_see_decisions_between_entries_and_resume_behind_them(world: World, transport: str) -> None:
    # given
    buyer, clerk = await a_buyer(), await finance(world)
    organization = buyer.organization
    assert organization is not None
    await gives(organization, "3")
    await answer(world, SUSPEND, clerk, organizationId=organization.global_id, reason="unpaid invoices")
    await answer(world, REACTIVATE, clerk, organizationId=organization.global_id)
    await answer(world, UPDATE, clerk, organizationId=organization.global_id, taxRate="0")
    await gives(organization, "4")

    async def watched(count: int, after: str) -> list[dict[str, Any]]:
        token = await world.token_of(buyer)
        if transport == "stream":
            headers = {"authorization": f"Bearer {token}"}
            async with stream(world.http, world.url, WATCH, headers=headers, after=after) as events:
                return [(await anext(events)).data["data"]["walletUpdated"] for _ in range(count)]
        async with opened(world.url, token) as socket:
            await socket.subscribe(WATCH, after=after)
            return [(await socket.next())["walletUpdated"] for _ in range(count)]

    # when
    seen = await watched(5, START)
    resumed = await watched(3, seen[1]["cursor"])

    # then
    assert resumed == seen[2:]
    assert [(one["happened"], one["sequence"], one["kind"], one["tokens"], one["available"]) for one in seen] == [
        ("ENTRY", 1, "GRANT", "3.0000", "3.0000"),
        ("SUSPENDED", 1, None, "0.0000", "3.0000"),
        ("REACTIVATED", 1, None, "0.0000", "3.0000"),
        ("SETTINGS_CHANGED", 1, None, "0.0000", "3.0000"),
        ("ENTRY", 2, "GRANT", "4.0000", "7.0000"),
    ]
    assert [one["entryId"] is None for one in seen] == [False, True, True, True, False]


async def test_an_organizations_own_people_neither_suspend_nor_correct(world: World) -> None:
    buyer = await a_buyer()
    assert buyer.organization is not None
    assert buyer.permissions == EVERYTHING
    org = buyer.organization.global_id

    codes = []
    for query, given in (
        (SUSPEND, {"reason": "r"}),
        (REACTIVATE, {}),
        (ADJUST, {"tokens": "5", "reason": "r", "idempotencyKey": "k"}),
    ):
        told = await world.ask(query, buyer, input={"organizationId": org, **given})
        codes += [error["extensions"]["code"] for error in told["errors"]]

    assert codes == ["FORBIDDEN"] * 3
