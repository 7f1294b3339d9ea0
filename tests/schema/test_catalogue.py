"""The catalogue over HTTP: what its keepers put up is what buyers are quoted, buy, and read on their invoice."""

from io import BytesIO
from typing import Any

import asyncpg
import pytest
from pypdf import PdfReader

from models.database import Connection, Row
from tests.builders import PLATFORM, Member, a_buyer, a_member, an_organization, gives
from tests.schema.clients.books import everything
from tests.simulators.world import World

CREATE = """mutation ($input: CreateTokenPackageInput!) { createTokenPackage(input: $input) {
  __typename
  ... on CreateTokenPackageSuccess { replayed package { ...all } }
  ... on InvalidPackage { field reason }
  ... on Problem { code } } }
fragment all on TokenPackage { id name description isCustom tokens minTokens maxTokens bonusTokens validityDays isActive
  displayOrder price { amount currencyCode } tokenPrice { amount currencyCode } }"""
UPDATE = """mutation ($input: UpdateTokenPackageInput!) { updateTokenPackage(input: $input) {
  __typename
  ... on UpdateTokenPackageSuccess { package { name description tokens bonusTokens validityDays price { amount } } }
  ... on Problem { code } } }"""
DEACTIVATE = """mutation ($input: DeactivateTokenPackageInput!) { deactivateTokenPackage(input: $input) {
  ... on DeactivateTokenPackageSuccess { package { isActive } } ... on Problem { code } } }"""
SET_TIERS = """mutation ($input: SetVolumeTiersInput!) { setVolumeTiers(input: $input) {
  ... on SetVolumeTiersSuccess { volumeSchedule { mode packageId tiers { upTo discount } } }
  ... on Problem { code } } }"""
COUPON = """mutation ($input: CreateCouponInput!) { createCoupon(input: $input) {
  __typename
  ... on CreateCouponSuccess { replayed coupon { id code redemptions } } ... on Problem { code } } }"""
QUOTE = """mutation ($input: CreateQuoteInput!) { createQuote(input: $input) {
  __typename
  ... on CreateQuoteSuccess { quote { id usedAt price { description tokens bonusTokens unitPrice couponCode
      discount { amount } subtotal { amount } tax { amount } total { amount } validityDays } } }
  ... on Problem { code } } }"""
PRICE = """query ($tokens: Decimal, $package: ID, $coupon: String) {
  priceQuote(tokens: $tokens, packageId: $package, couponCode: $coupon) {
    __typename
    ... on PriceQuote { discount { amount } total { amount } couponCode bonusTokens }
    ... on CouponNotApplicable { reason }
    ... on InvalidTokens { minimum maximum } } }"""
BOUGHT = """query ($id: ID!) { purchase(id: $id) { quoteId couponCode discount { amount } subtotal { amount }
  total { amount } invoice { number subtotal { amount } total { amount } lines { kind amount { amount } } } } }"""
SET_RATE = """mutation ($input: SetTokenRateInput!) { setTokenRate(input: $input) {
  ... on SetTokenRateSuccess { rate { operation version tokensPerUnit endedAt } } ... on Problem { code } } }"""
ESTIMATE = """query ($items: [OperationUnitsInput!]!) { estimateCost(items: $items) {
  __typename
  ... on CostEstimate { items { operation units tokens rate { unit } } total available wouldOverdraw }
  ... on OperationNotFound { operation } } }"""


async def a_keeper() -> Member:
    return await a_member(None, permissions=("catalog.manage",))


async def done(world: World, document: str, member: Member, **input: Any) -> Any:
    """What a mutation with one input answers."""
    (told,) = (await world.data(document, member, input=input)).values()
    return told


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
    (codes,) = ({error["extensions"]["code"] for answer in refused for error in answer["errors"]},)
    assert codes == {"FORBIDDEN"}
    assert refused[0]["errors"][0]["extensions"]["permission"] == "CATALOG_MANAGE"


async def test_a_custom_package_with_tiers_a_coupon_and_a_quote_ends_in_one_invoice(world: World) -> None:
    # given 1,000 at 0.40 and 30 % off is 280.00; 10 % off that is 252.00; with 16 % tax 292.32
    keeper, ada = await a_keeper(), await a_buyer()
    made = await done(
        world, CREATE, keeper, idempotencyKey="bulk", name="Bulk", isCustom=True, minTokens="10", bonusTokens="5",
        validityDays=30, tokenPrice={"amount": "0.40", "currencyCode": "USD"},
    )  # fmt: skip
    package = made["package"]["id"]
    tiers = [{"upTo": "999", "discount": "0.1"}, {"discount": "0.3"}]
    shown = await done(world, SET_TIERS, keeper, packageId=package, mode="VOLUME", tiers=tiers)
    await done(world, COUPON, keeper, idempotencyKey="spring", code="Spring-26", share="0.1", packageIds=[package])

    # when
    told = await done(world, QUOTE, ada, packageId=package, tokens="1000", couponCode=" spring-26 ")
    quote = told["quote"]
    await done(world, SET_TIERS, keeper, packageId=package, mode="VOLUME", tiers=[])
    first = await world.buys(ada, quoteId=quote["id"], expectedTotal="292.32", idempotencyKey="order")
    again = await world.buys(ada, quoteId=quote["id"], expectedTotal="292.32", idempotencyKey="order")
    other = await world.buys(ada, quoteId=quote["id"], idempotencyKey="another order")

    # then
    assert shown["volumeSchedule"] == {
        "mode": "VOLUME",
        "packageId": package,
        "tiers": [{"upTo": "999.0000", "discount": "0.100000"}, {"upTo": None, "discount": "0.300000"}],
    }
    assert quote["price"] == {
        "description": "Bulk",
        "tokens": "1000.0000",
        "bonusTokens": "5.0000",
        "unitPrice": "0.252000",
        "couponCode": "SPRING-26",
        "discount": {"amount": "28.00"},
        "subtotal": {"amount": "252.00"},
        "tax": {"amount": "40.32"},
        "total": {"amount": "292.32"},
        "validityDays": 30,
    }
    assert (first["purchase"]["status"], first["replayed"], again["replayed"]) == ("COMPLETED", False, True)
    assert again["purchase"]["id"] == first["purchase"]["id"]
    assert other["__typename"] == "QuoteUsed"
    bought = (await world.data(BOUGHT, ada, id=first["purchase"]["id"]))["purchase"]
    assert (bought["quoteId"], bought["couponCode"], bought["discount"]) == (
        quote["id"],
        "SPRING-26",
        {"amount": "28.00"},
    )
    assert [(line["kind"], line["amount"]["amount"]) for line in bought["invoice"]["lines"]] == [
        ("tokens", "280.00"),
        ("bonus", "0.00"),
        ("discount", "-28.00"),
        ("tax", "40.32"),
    ]
    assert (bought["invoice"]["subtotal"], bought["invoice"]["total"]) == ({"amount": "252.00"}, {"amount": "292.32"})
    assert (await world.data("{ wallet { available } }", ada))["wallet"] == {"available": "1005.0000"}
    assert await world.broken_rules() == []


async def test_the_paper_shows_the_discount(world: World) -> None:
    # given
    keeper, ada = await a_keeper(), await a_buyer()
    await done(world, COUPON, keeper, idempotencyKey="spring", code="SPRING", share="0.1")

    # when
    told = await world.buys(ada, tokens="100", couponCode="spring", idempotencyKey="order")
    await world.story(told["purchase"]["id"]).result()
    headers = {"authorization": f"Bearer {await world.token_of(ada)}"}
    number = told["purchase"]["invoice"]["number"]
    answer = await world.http.get(f"{world.url}/invoices/{number}.pdf", headers=headers)

    # then
    said = "".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    words = " ".join(said.split())
    assert "Discount: coupon SPRING 1 -$5.00 -$5.00" in words
    assert "Subtotal $45.00 Tax (16%) $7.20 Total $52.20" in words


async def test_a_look_at_a_price_shows_the_coupon_and_keeps_nothing(world: World, owner: asyncpg.Connection) -> None:
    # given
    keeper, ada = await a_keeper(), await a_buyer()
    await done(world, COUPON, keeper, idempotencyKey="more", code="MORE", bonusTokens="20", minTokens="50")
    await world.token_of(ada)
    before = await everything(owner)

    # when
    told = (await world.data(PRICE, ada, tokens="100", coupon="more"))["priceQuote"]
    too_few = (await world.data(PRICE, ada, tokens="49", coupon="more"))["priceQuote"]

    # then
    assert told == {
        "__typename": "PriceQuote",
        "discount": {"amount": "0.00"},
        "total": {"amount": "58.00"},
        "couponCode": "MORE",
        "bonusTokens": "20.0000",
    }
    assert too_few == {"__typename": "CouponNotApplicable", "reason": "TOO_FEW_TOKENS"}
    assert await everything(owner) == before


async def test_a_declined_purchase_gives_its_coupon_back_to_the_next_one(world: World) -> None:
    # given
    keeper = await a_keeper()
    ada, bjorn = await a_buyer("pm_declined_insufficient_funds"), await a_buyer()
    await done(world, COUPON, keeper, idempotencyKey="one", code="ONE", share="0.1", maxRedemptions=1)
    used = "{ coupons { nodes { code redemptions maxRedemptions } } }"

    # when
    declined = await world.buys(ada, tokens="100", couponCode="ONE", idempotencyKey="order")
    between = await world.data(used, keeper)
    paid = await world.buys(bjorn, tokens="100", couponCode="ONE", idempotencyKey="order")
    exhausted = await world.buys(bjorn, tokens="100", couponCode="ONE", idempotencyKey="another order")

    # then
    assert declined["purchase"]["status"] == "FAILED"
    assert between["coupons"]["nodes"] == [{"code": "ONE", "redemptions": 0, "maxRedemptions": 1}]
    assert (paid["purchase"]["status"], paid["purchase"]["total"]["amount"]) == ("COMPLETED", "52.20")
    assert exhausted["code"] == "COUPON_EXHAUSTED"
    assert await world.broken_rules() == []


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


async def test_what_belongs_to_another_organization_can_be_neither_quoted_bought_nor_seen(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    ada, bjorn = await a_buyer(), await a_buyer()
    assert ada.organization is not None
    quote = (await done(world, QUOTE, ada, tokens="100"))["quote"]["id"]
    await world.token_of(bjorn)
    before = await everything(owner)

    # when
    quoted = await done(world, QUOTE, bjorn, tokens="100", organizationId=ada.organization.global_id)
    seen = await world.data("query ($id: ID!) { node(id: $id) { id } }", bjorn, id=quote)
    estimate = await world.data(
        """query ($org: ID!) { estimateCost(organizationId: $org, items: [{ operation: "a", units: "1" }]) {
            __typename } }""",
        bjorn,
        org=ada.organization.global_id,
    )

    # then
    assert quoted == {"__typename": "WalletNotFound", "code": "WALLET_NOT_FOUND"}
    assert seen == {"node": None}
    assert estimate == {"estimateCost": {"__typename": "WalletNotFound"}}
    assert await everything(owner) == before
    bought = await world.buys(bjorn, quoteId=quote, idempotencyKey="theirs")
    assert bought["__typename"] == "QuoteNotFound"
    mine = await world.data("query ($id: ID!) { node(id: $id) { ... on HeldPriceQuote { usedAt } } }", ada, id=quote)
    assert mine == {"node": {"usedAt": None}}


@pytest.mark.parametrize("altered_settings", [{"enable_token_system": False}])
async def test_no_price_is_held_while_buying_is_switched_off(world: World, owner: asyncpg.Connection) -> None:
    ada = await a_buyer()
    await world.token_of(ada)
    before = await everything(owner)

    told = await done(world, QUOTE, ada, tokens="100")
    looked = (await world.data(PRICE, ada, tokens="100"))["priceQuote"]

    assert told == {"__typename": "TokenSystemDisabled", "code": "TOKEN_SYSTEM_DISABLED"}
    assert looked["total"] == {"amount": "58.00"}
    assert await everything(owner) == before


async def test_a_key_that_bought_something_else_is_not_good_for_a_quote(world: World) -> None:
    ada = await a_buyer()
    quote = (await done(world, QUOTE, ada, tokens="100"))["quote"]["id"]
    await world.buys(ada, tokens="100", idempotencyKey="order")

    told = await world.buys(ada, quoteId=quote, idempotencyKey="order")
    with_coupon = await world.buys(ada, tokens="100", couponCode="SPRING", idempotencyKey="order")

    assert (told["__typename"], with_coupon["__typename"]) == ("IdempotencyConflict", "IdempotencyConflict")


async def test_whoever_keeps_the_catalogue_sees_no_wallet_for_that(world: World) -> None:
    keeper = await a_keeper()
    aurora = await an_organization()

    told = await world.ask("query ($org: ID!) { wallet(organizationId: $org) { id } }", keeper, org=aurora.global_id)

    assert told["errors"][0]["extensions"]["code"] == "FORBIDDEN"
