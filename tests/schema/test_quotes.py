"""Prices, quotes and coupons over HTTP: what buyers are told is what they pay and read on their invoice."""

from io import BytesIO

import asyncpg
import pytest
from pypdf import PdfReader

from models.database import Connection
from models.held_quotes import HOLDS
from schema.scalars import show_time
from tests.builders import a_buyer
from tests.schema.clients.books import everything
from tests.schema.clients.catalogue import BOUGHT, COUPON, CREATE, PRICE, QUOTE, SET_TIERS, a_keeper, done
from tests.simulators.world import World


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


async def test_a_quote_whose_time_is_over_buys_nothing_and_says_until_when_it_held(
    world: World, db: Connection
) -> None:
    # given
    ada = await a_buyer()
    quote = (await done(world, QUOTE, ada, tokens="100"))["quote"]["id"]
    await db.execute(
        "UPDATE price_quotes SET quoted_at = quoted_at - $1::interval, expires_at = expires_at - $1::interval", HOLDS
    )
    held = await db.fetch_one("SELECT expires_at FROM price_quotes")
    assert held is not None
    order = """mutation ($input: StartPurchaseInput!) { startPurchase(input: $input) {
        __typename ... on QuoteExpired { expiredAt } } }"""

    # when
    told = await done(world, order, ada, quoteId=quote, idempotencyKey="order")
    again = await done(world, order, ada, quoteId=quote, idempotencyKey="order")

    # then
    assert told == again == {"__typename": "QuoteExpired", "expiredAt": show_time(held["expires_at"])}
    assert await db.fetch("SELECT 1 FROM token_purchases") == []
    assert await db.fetch("SELECT 1 FROM payments") == []
    assert await world.broken_rules() == []
