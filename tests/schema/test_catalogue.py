"""Keeping the catalogue over HTTP: packages, tiers, coupons and rates, by those who may and nobody else."""

import pytest

from models.database import Connection, Row
from tests.builders import PLATFORM, a_buyer, a_member, an_organization, gives
from tests.schema.clients.catalogue import (
    COUPON,
    CREATE,
    DEACTIVATE,
    ESTIMATE,
    QUOTE,
    SET_RATE,
    SET_TIERS,
    UPDATE,
    a_keeper,
    done,
)
from tests.simulators.world import World


async def test_a_package_is_put_up_changed_and_withdrawn(world: World) -> None:
    # given
    keeper = await a_keeper()
    wanted = {"idempotencyKey": "starter", "name": "Starter", "tokens": "100", "description": "For a start"}

    # when
    made = await done(world, CREATE, keeper, **wanted, price={"amount": "49.90", "currencyCode": "USD"})
    again = await done(world, CREATE, keeper, **wanted, price={"amount": "49.90", "currencyCode": "USD"})
    other = await done(world, CREATE, keeper, **wanted)
    package = made["package"]["id"]
    changed = await done(world, UPDATE, keeper, packageId=package, description=None, bonusTokens="5", price=None)
    withdrawn = await done(world, DEACTIVATE, keeper, packageId=package)

    # then
    assert made["package"] == {
        "id": package,
        "name": "Starter",
        "description": "For a start",
        "isCustom": False,
        "tokens": "100.0000",
        "minTokens": "100.0000",
        "maxTokens": "100.0000",
        "bonusTokens": "0.0000",
        "validityDays": None,
        "isActive": True,
        "displayOrder": 0,
        "price": {"amount": "49.90", "currencyCode": "USD"},
        "tokenPrice": None,
    }
    assert (made["replayed"], again["replayed"], again["package"]) == (False, True, made["package"])
    assert other == {"__typename": "IdempotencyConflict", "code": "IDEMPOTENCY_CONFLICT"}
    assert changed["package"] == {
        "name": "Starter",
        "description": None,
        "tokens": "100.0000",
        "bonusTokens": "5.0000",
        "validityDays": None,
        "price": None,
    }
    assert withdrawn == {"package": {"isActive": False}}


async def test_withdrawn_packages_are_listed_for_their_keepers_alone(world: World) -> None:
    # given
    keeper, ada = await a_keeper(), await a_buyer()
    made = await done(world, CREATE, keeper, idempotencyKey="starter", name="Starter", tokens="100")
    await done(world, DEACTIVATE, keeper, packageId=made["package"]["id"])
    listed = "query ($all: Boolean!) { tokenPackages(includeWithdrawn: $all) { name isActive } }"

    # when
    seen = await world.data(listed, keeper, all=True)
    on_sale = [await world.data(listed, who, all=False) for who in (keeper, ada, None)]
    refused = [await world.ask(listed, who, all=True) for who in (ada, None)]

    # then
    assert seen == {"tokenPackages": [{"name": "Starter", "isActive": False}]}
    assert on_sale == [{"tokenPackages": []}] * 3
    assert [answer["errors"][0]["extensions"]["code"] for answer in refused] == ["FORBIDDEN", "UNAUTHENTICATED"]
    assert refused[0]["errors"][0]["extensions"]["permission"] == "CATALOG_MANAGE"


async def test_the_rate_card_prices_operations_and_says_whether_the_wallet_has_it(world: World) -> None:
    # given
    keeper, ada = await a_keeper(), await a_buyer()
    assert ada.organization is not None
    await gives(ada.organization, "25")
    for operation, each, unit in (("claim.submission", "7", "claim"), ("ocr.page", "8", "page")):
        await done(world, SET_RATE, keeper, operation=operation, tokensPerUnit=each, unit=unit)
    replaced = await done(world, SET_RATE, keeper, operation="ocr.page", tokensPerUnit="8.5", unit="page")

    # when
    items = [{"operation": "claim.submission", "units": "1"}, {"operation": "ocr.page", "units": "2"}]
    fits = (await world.data(ESTIMATE, ada, items=items))["estimateCost"]
    too_much = (await world.data(ESTIMATE, ada, items=[*items, *items]))["estimateCost"]
    card = (await world.data("{ rateCard { operation tokensPerUnit } }", ada))["rateCard"]

    # then
    assert replaced["rate"] == {"operation": "ocr.page", "version": 2, "tokensPerUnit": "8.5", "endedAt": None}
    assert fits == {
        "__typename": "CostEstimate",
        "items": [
            {"operation": "claim.submission", "units": "1", "tokens": "7.0000", "rate": {"unit": "claim"}},
            {"operation": "ocr.page", "units": "2", "tokens": "17.0000", "rate": {"unit": "page"}},
        ],
        "total": "24.0000",
        "available": "25.0000",
        "wouldOverdraw": False,
    }
    assert (too_much["total"], too_much["wouldOverdraw"]) == ("48.0000", True)
    assert [rate["operation"] for rate in card] == ["claim.submission", "ocr.page"]


async def test_coupons_are_paged_newest_first(world: World) -> None:
    keeper = await a_keeper()
    for code in ("ONE", "TWO", "THREE"):
        await done(world, COUPON, keeper, idempotencyKey=code, code=code, share="0.1")
    page = """query ($after: Cursor) { coupons(first: 2, after: $after) {
        nodes { code } pageInfo { hasNextPage endCursor } } }"""

    first = (await world.data(page, keeper))["coupons"]
    rest = (await world.data(page, keeper, after=first["pageInfo"]["endCursor"]))["coupons"]

    assert [node["code"] for node in (*first["nodes"], *rest["nodes"])] == ["THREE", "TWO", "ONE"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


async def test_many_packages_read_their_tiers_in_one_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    keeper = await a_keeper()
    for number in range(12):
        made = await done(world, CREATE, keeper, idempotencyKey=f"{number}", name="Bulk", isCustom=True)
        tiers = [{"discount": f"0.{number:02d}"}]
        await done(world, SET_TIERS, keeper, packageId=made["package"]["id"], mode="GRADUATED", tiers=tiers)
    statements: list[str] = []
    fetch = Connection.fetch

    async def counted(self: Connection, sql: str, *args: object) -> list[Row]:
        statements.append(sql)
        return await fetch(self, sql, *args)

    monkeypatch.setattr(Connection, "fetch", counted)

    # when
    told = (await world.data("{ tokenPackages { volumeSchedule { tiers { discount } } } }"))["tokenPackages"]

    # then
    shares = {package["volumeSchedule"]["tiers"][0]["discount"] for package in told}
    assert shares == {f"0.{number:02d}0000" for number in range(12)}
    assert len([sql for sql in statements if "volume_tiers" in sql]) == 1
    assert len([sql for sql in statements if "token_packages" in sql]) == 1


async def test_everything_on_offer_is_found_by_its_id_and_a_coupon_by_its_keepers(world: World) -> None:
    # given
    keeper = await a_member(None, permissions=(*PLATFORM,))
    ada = await a_buyer()
    package = (await done(world, CREATE, keeper, idempotencyKey="b", name="Bulk", isCustom=True))["package"]["id"]
    await done(world, SET_TIERS, keeper, packageId=package, mode="GRADUATED", tiers=[{"discount": "0.1"}])
    schedule = await world.data("query ($id: ID!) { volumeSchedule(packageId: $id) { id packageId } }", ada, id=package)
    await done(world, SET_RATE, keeper, operation="report", tokensPerUnit="50", unit="report")
    rate = (await world.data("{ rateCard { id } }", ada))["rateCard"][0]["id"]
    coupon = (await done(world, COUPON, keeper, idempotencyKey="c", code="ONE", share="0.1"))["coupon"]["id"]
    quote = (await done(world, QUOTE, ada, tokens="100"))["quote"]["id"]
    ids = [package, schedule["volumeSchedule"]["id"], rate, coupon, quote]
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

    # when
    seen = {
        who: [
            None if node is None else node["__typename"] for node in (await world.data(nodes, member, ids=ids))["nodes"]
        ]
        for who, member in (("ada", ada), ("keeper", keeper))
    }

    # then
    everywhere = ["TokenPackage", "VolumeSchedule", "TokenRate"]
    assert seen == {
        "ada": [*everywhere, None, "HeldPriceQuote"],
        "keeper": [*everywhere, "Coupon", "HeldPriceQuote"],
    }


async def test_whoever_keeps_the_catalogue_sees_no_wallet_for_that(world: World) -> None:
    keeper = await a_keeper()
    aurora = await an_organization()

    told = await world.ask("query ($org: ID!) { wallet(organizationId: $org) { id } }", keeper, org=aurora.global_id)

    assert told["errors"][0]["extensions"]["code"] == "FORBIDDEN"
