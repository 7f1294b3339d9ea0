"""What is refused before anything is charged, remembered under the buyer's key; and the price that is frozen."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from models.database import Connection, transaction
from schema.ids import global_id
from tests.builders import Member, a_buyer, a_member, a_package, a_payment_method, an_organization
from tests.simulators.provider import Provider
from tests.simulators.traces import paid, traces
from tests.simulators.world import World, key_of

Order = dict[str, Any]
Cure = Callable[[], Awaitable[None]]
UNKNOWN = UUID("5d1c3f0e-0000-4000-8000-000000000001")


async def does(statement: str, *values: object) -> None:
    async with transaction() as db:
        await db.execute(statement, *values)


async def a_changed_price(ada: Member) -> tuple[Order, Cure]:
    package = await a_package("100", price="50")
    key = key_of(package, "TokenPackage")

    async def cure() -> None:
        await does("UPDATE token_packages SET price = 40 WHERE id = $1", key)

    return {"packageId": package, "expectedTotal": "46.40"}, cure


async def a_withdrawn_package(ada: Member) -> tuple[Order, Cure]:
    package = await a_package("100", is_active=False)
    key = key_of(package, "TokenPackage")

    async def cure() -> None:
        await does("UPDATE token_packages SET is_active = true WHERE id = $1", key)

    return {"packageId": package}, cure


async def an_unknown_package(ada: Member) -> tuple[Order, Cure]:
    async def cure() -> None:
        await does(
            "INSERT INTO token_packages (id, name, token_quantity, bonus_tokens) VALUES ($1, 'New', 10, 0)", UNKNOWN
        )

    return {"packageId": global_id("TokenPackage", UNKNOWN)}, cure


async def a_foreign_payment_method(ada: Member) -> tuple[Order, Cure]:
    method = await a_payment_method(await an_organization("Borealis"))
    assert ada.organization is not None
    owner = ada.organization.id

    async def cure() -> None:
        await does(
            "UPDATE payment_methods SET organization_id = $1, is_default = false WHERE id = $2",
            owner,
            key_of(method, "PaymentMethod"),
        )

    return {"tokens": "40", "paymentMethodId": method}, cure


async def a_suspended_wallet(ada: Member) -> tuple[Order, Cure]:
    assert ada.organization is not None
    owner = ada.organization.id
    await does(
        "UPDATE organization_token_wallets SET is_active = false, suspended_at = now(),"
        " suspension_reason = 'unpaid bills' WHERE organization_id = $1",
        owner,
    )

    async def cure() -> None:
        await does(
            "UPDATE organization_token_wallets SET is_active = true, suspended_at = NULL,"
            " suspension_reason = NULL WHERE organization_id = $1",
            owner,
        )

    return {"tokens": "40"}, cure


CAUSES = {
    "PriceChanged": a_changed_price,
    "PackageWithdrawn": a_withdrawn_package,
    "PackageNotFound": an_unknown_package,
    "PaymentMethodNotFound": a_foreign_payment_method,
    "WalletSuspended": a_suspended_wallet,
}


@pytest.mark.parametrize("kind", CAUSES)
async def test_a_refusal_is_remembered_and_nothing_is_charged(world: World, db: Connection, kind: str) -> None:
    # given
    ada = await a_buyer()
    order, cure = await CAUSES[kind](ada)

    # when
    refused = await world.buys(ada, **order, idempotencyKey="order")
    await cure()
    again = await world.buys(ada, **order, idempotencyKey="order")
    cured = await world.buys(ada, **order, idempotencyKey="another order")

    # then
    assert refused["__typename"] == kind
    assert again == refused
    assert cured["purchase"]["status"] == "COMPLETED"
    rows = await db.fetch("SELECT id FROM token_purchases")
    assert [global_id("Purchase", row["id"]) for row in rows] == [cured["purchase"]["id"]]
    assert await Provider.of(world).payments(await refused_id(db, cured["purchase"]["id"])) == []
    assert await world.broken_rules() == []


async def test_a_price_that_changes_after_the_order_does_not_matter(world: World, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_three_d_secure")
    package = await a_package("100", price="50", bonus="0")
    told = await world.buys(ada, packageId=package, idempotencyKey="order", expectedTotal="58")

    # when
    await does(
        "UPDATE token_packages SET price = 90, token_quantity = 7, is_active = false WHERE id = $1",
        key_of(package, "TokenPackage"),
    )
    await does("UPDATE organization_token_wallets SET tax_rate = 0.20")
    await Provider.of(world).clicks(told["purchase"]["actionUrl"], "approve")

    # then
    purchase = await world.becomes(ada, told["purchase"]["id"], "COMPLETED")
    assert purchase["total"] == purchase["invoice"]["total"] == {"amount": "58.00"}
    assert await traces(db, purchase["id"]) == paid("100")
    assert await world.broken_rules() == []


async def test_who_may_not_purchase_begins_nothing(world: World, db: Connection) -> None:
    aurora = await an_organization()
    await a_payment_method(aurora)
    eve = await a_member(aurora, permissions=("tokens.view", "tokens.spend"))

    query = """mutation ($input: StartPurchaseInput!) { startPurchase(input: $input) { __typename } }"""
    told = await world.ask(query, eve, input={"tokens": "40", "idempotencyKey": "order"})

    assert [error["extensions"]["code"] for error in told["errors"]] == ["FORBIDDEN"]
    assert await db.fetch("SELECT id FROM token_purchases") == []
    assert await db.fetch("SELECT id FROM idempotency_keys") == []


async def refused_id(db: Connection, other: str) -> str:
    """The id that the refused purchase would have had."""
    rows = await db.fetch("SELECT key FROM effects WHERE key LIKE 'purchase/%:place'")
    ids = [row["key"].removeprefix("purchase/").removesuffix(":place") for row in rows]
    (found,) = [global_id("Purchase", each) for each in ids if global_id("Purchase", each) != other]
    return found
