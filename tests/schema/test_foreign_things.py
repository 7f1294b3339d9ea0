"""Not yours is not found: what belongs to another organization cannot be reached by any id, nested or not."""

from typing import Any

import asyncpg
import pytest

from schema.ids import global_id
from tests.builders import EVERYTHING, a_member
from tests.schema.clients.books import everything
from tests.schema.clients.scene import Scene, a_scene, unknown_id
from tests.simulators.world import World

OWNED = (
    "Organization", "Wallet", "WalletEntry", "Lot", "Purchase", "Invoice", "PaymentMethod", "Notice", "Hold",
    "SpendBudget",
)  # fmt: skip

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
ALL_OF_IT = """
query ($org: ID) {
  organization(id: $org) { id }
  wallet(organizationId: $org) {
    id
    organizationId
    entries { nodes { id draws { lotId } } }
    lots { nodes { id purchaseId } }
    holds { nodes { id parts { lotId } } }
    balance { available }
    purchases { nodes { id organizationId invoice { id purchaseId lines { description } } workflow { id } } }
    invoices { nodes { id purchaseId } }
    paymentMethods { id }
  }
  notices(organizationId: $org) { nodes { id lotId } }
  explainBalance(organizationId: $org) { lots { nodes { lotId entries { entryId } } } }
  purchases(organizationId: $org) { nodes { id } }
  spendBudgets(organizationId: $org) { nodes { id subjectId } }
}
"""
REFUSED_WITH_FOREIGN_IDS = {
    "cancelPurchase(input: { purchaseId: $purchase })": "PurchaseNotFound",
    "setDefaultPaymentMethod(input: { paymentMethodId: $method })": "PaymentMethodNotFound",
    "removePaymentMethod(input: { paymentMethodId: $method })": "PaymentMethodNotFound",
    "markNoticesRead(input: { noticeIds: [$notice] })": "NoticeNotFound",
    "markNoticesRead(input: { noticeIds: [$notice], organizationId: $org })": "OrganizationNotFound",
    "setDefaultPaymentMethod(input: { paymentMethodId: $method, organizationId: $org })": "OrganizationNotFound",
    "removePaymentMethod(input: { paymentMethodId: $method, organizationId: $org })": "OrganizationNotFound",
    'addPaymentMethod(input: { gatewayToken: "pm_success", organizationId: $org })': "OrganizationNotFound",
    'startPurchase(input: { tokens: "5", idempotencyKey: "k", organizationId: $org })': "WalletNotFound",
    'spendTokens(input: { tokens: "5", idempotencyKey: "k", organizationId: $org })': "WalletNotFound",
    'grantTokens(input: { tokens: "5", idempotencyKey: "k", reason: "r", organizationId: $org })': "WalletNotFound",
    'holdTokens(input: { tokens: "5", idempotencyKey: "k", organizationId: $org })': "WalletNotFound",
    'captureHold(input: { holdId: $hold, idempotencyKey: "k", organizationId: $org })': "HoldNotFound",
    'releaseHold(input: { holdId: $hold, idempotencyKey: "k", organizationId: $org })': "HoldNotFound",
    'extendHold(input: { holdId: $hold, idempotencyKey: "k", organizationId: $org })': "HoldNotFound",
    'setSpendBudget(input: { subjectId: $ada, period: DAY, tokens: "5" })': "BudgetSubjectNotFound",
    'setSpendBudget(input: { subjectId: $ada, period: DAY, tokens: "5", organizationId: $org })': "WalletNotFound",
    "removeSpendBudget(input: { budgetId: $budget })": "BudgetNotFound",
    "removeSpendBudget(input: { budgetId: $budget, organizationId: $org })": "BudgetNotFound",
    'adjustBalance(input: { tokens: "5", idempotencyKey: "k", reason: "r", organizationId: $org })': "WalletNotFound",
    'updateWalletSettings(input: { taxRate: "0", organizationId: $org })': "WalletNotFound",
    'suspendWallet(input: { reason: "r", organizationId: $org })': "WalletNotFound",
    "reactivateWallet(input: { organizationId: $org })": "WalletNotFound",
}


# Decided in the caller's own wallet, which has no such hold; so the caller's own key remembers it, and nothing else.
REMEMBERED_AT_HOME = ("captureHold", "releaseHold", "extendHold")


def declared(field: str) -> str:
    """The mutation with those variables declared that it uses."""
    names = ("org", "purchase", "method", "hold", "budget", "ada", "notice")
    wanted = ", ".join(f"${name}: ID!" for name in names if f"${name}" in field)
    return f"mutation ({wanted}) {{ {field} {{ __typename }} }}"


def used_by(field: str, scene: Scene, org: str) -> dict[str, str]:
    """The ids that a mutation uses, all of them Aurora's but for the organization it names."""
    ids = {
        "org": org,
        "purchase": scene.purchase,
        "method": scene.method,
        "hold": scene.hold,
        "budget": scene.budget,
        "ada": global_id("Member", scene.ada.id),
        "notice": scene.notice,
    }
    return {name: value for name, value in ids.items() if f"${name}" in field}


def ids_in(value: Any) -> set[str]:
    """Every id anywhere in an answer."""
    if isinstance(value, dict):
        here = {text for name, text in value.items() if name.lower().endswith("id") and isinstance(text, str)}
        return here.union(*map(ids_in, value.values()))
    return set().union(*map(ids_in, value)) if isinstance(value, list) else set()


async def test_node_and_nodes_find_what_is_ones_own_and_nothing_else(world: World) -> None:
    # given
    scene = await a_scene(world)
    owned = scene.owned()

    # when
    own = (await world.data(NODES, scene.ada, ids=[*owned.values(), scene.package]))["nodes"]
    foreign = (await world.data(NODES, scene.bjorn, ids=[*owned.values(), scene.package]))["nodes"]
    one_by_one = [
        (await world.data("query ($id: ID!) { node(id: $id) { id } }", scene.bjorn, id=one))["node"]
        for one in owned.values()
    ]

    # then
    assert tuple(owned) == OWNED
    expected = [{"__typename": kind, "id": key} for kind, key in owned.items()]
    package = {"__typename": "TokenPackage", "id": scene.package}
    assert own == [*expected, package]
    assert foreign == [None] * len(OWNED) + [package]
    assert one_by_one == [None] * len(OWNED)


async def test_a_wallet_read_to_its_depth_holds_no_id_of_another_organization(world: World) -> None:
    # given
    scene = await a_scene(world)
    aurora = set(scene.owned().values())

    # when
    seen_at_home = ids_in(await world.data(ALL_OF_IT, scene.ada))
    seen_next_door = ids_in(await world.data(ALL_OF_IT, scene.bjorn))
    asked_for = await world.data(ALL_OF_IT, scene.bjorn, org=scene.aurora.global_id)

    # then
    assert aurora <= seen_at_home
    assert aurora & seen_next_door == set()
    assert asked_for == {
        "organization": None, "wallet": None, "explainBalance": None, "purchases": None, "notices": None,
        "spendBudgets": None,
    }  # fmt: skip


async def test_invoices_and_purchases_of_others_look_like_those_that_never_were(world: World) -> None:
    # given
    scene = await a_scene(world)
    query = """query ($number: String!, $id: ID!) {
        invoice(number: $number) { id total { amount } } purchase(id: $id) { id total { amount } } }"""

    # when
    foreign = await world.ask(query, scene.bjorn, number=scene.invoice_number, id=scene.purchase)
    unknown = await world.ask(query, scene.bjorn, number="TOK-2026-999999", id=unknown_id("Purchase", scene))

    # then
    assert foreign == unknown == {"data": {"invoice": None, "purchase": None}}


async def test_a_mutation_with_foreign_ids_is_refused_and_leaves_no_trace(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    eve = await a_member(scene.boreal, permissions=(*EVERYTHING, "finance.manage"))
    await world.token_of(eve)
    before = await everything(owner)

    # when
    answers = {}
    for field in REFUSED_WITH_FOREIGN_IDS:
        told = await world.data(declared(field), eve, **used_by(field, scene, scene.aurora.global_id))
        answers[field] = next(iter(told.values()))["__typename"]

    # then
    assert answers == REFUSED_WITH_FOREIGN_IDS
    assert await everything(owner) == before
    assert await world.broken_rules() == []


async def test_a_hold_of_another_organization_is_not_in_ones_own_wallet(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    await world.token_of(scene.bjorn)
    before = await everything(owner)

    # when
    answers = []
    for name in REMEMBERED_AT_HOME:
        field = f'{name}(input: {{ holdId: $hold, idempotencyKey: "theirs" }})'
        told = await world.data(declared(field), scene.bjorn, hold=scene.hold)
        answers.append(told[name]["__typename"])

    # then
    assert answers == ["HoldNotFound"] * 3
    after = await everything(owner)
    assert {table for table in after if after[table] != before[table]} == {"idempotency_keys"}
    keys = await owner.fetch("SELECT organization_id FROM idempotency_keys WHERE key = 'theirs'")
    assert [key["organization_id"] for key in keys] == [scene.boreal.id] * 3
    assert await world.broken_rules() == []


async def test_nobody_pays_with_the_card_of_another_organization(world: World) -> None:
    # given
    scene = await a_scene(world)

    # when
    told = await world.buys(scene.bjorn, tokens="5", paymentMethodId=scene.method, idempotencyKey="theirs")

    # then
    assert told == {
        "__typename": "PaymentMethodNotFound",
        "code": "PAYMENT_METHOD_NOT_FOUND",
        "message": told["message"],
    }
    wallet = (await world.data("{ wallet { available purchases { nodes { id } } } }", scene.bjorn))["wallet"]
    assert wallet == {"available": "0.0000", "purchases": {"nodes": []}}
    assert await world.broken_rules() == []


QUERIES_ABOUT_NOBODY = (
    "query ($org: ID!) { wallet(organizationId: $org) { id } }",
    "query ($org: ID!) { explainBalance(organizationId: $org) { available } }",
    "query ($org: ID!) { organization(id: $org) { id } }",
    "query ($org: ID!) { purchases(organizationId: $org) { nodes { id } } }",
    "query ($org: ID!) { spendBudgets(organizationId: $org) { nodes { id } } }",
)
ADMINISTRATION_OF_NOBODY = {
    'query ($org: ID!) { priceQuote(tokens: "5", organizationId: $org) { __typename } }': "WalletNotFound",
    **{declared(field): answer for field, answer in REFUSED_WITH_FOREIGN_IDS.items() if "$org" in field},
}


@pytest.mark.parametrize("organization", ["unknown", "another kind of thing", "garbage"])
async def test_an_administrator_who_names_no_organization_is_told_so(
    organization: str, world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(None, permissions=(*EVERYTHING, "finance.manage", "platform.admin"))
    named = {
        "unknown": unknown_id("Organization", scene),
        "another kind of thing": scene.wallet,
        "garbage": "Organization:1",
    }[organization]
    await world.token_of(admin)
    before = await everything(owner)

    # when
    answers = {}
    for query in (*QUERIES_ABOUT_NOBODY, *ADMINISTRATION_OF_NOBODY):
        answers[query] = next(iter((await world.data(query, admin, **used_by(query, scene, named))).values()))

    # then
    typed = {query: answers[query]["__typename"] for query in ADMINISTRATION_OF_NOBODY}
    by_id = {"$method": "PaymentMethodNotFound", "$notice": "NoticeNotFound"} if organization == "unknown" else {}
    changed = {query: answer for query in typed for name, answer in by_id.items() if name in query}
    assert typed == {**ADMINISTRATION_OF_NOBODY, **changed}
    empty: object = {"nodes": []} if organization == "unknown" else None
    assert [answers[query] for query in QUERIES_ABOUT_NOBODY] == [None, None, None, empty, empty]
    assert await everything(owner) == before
