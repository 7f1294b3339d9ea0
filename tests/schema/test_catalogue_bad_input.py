"""What no client should send to the catalogue: each operation gives a clear answer, never a fault; nothing changes."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from tests.builders import Member, a_buyer, a_member, a_package
from tests.schema.clients.books import everything
from tests.schema.clients.documents import answered
from tests.schema.clients.scene import Scene, a_scene, unknown_id
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
CARD = "4242 4242 4242 4242"
NOT_DECIMALS: tuple[object, ...] = ("1e30", "NaN", "Infinity", "", "5,0", "٣", "1.1234567", "1" * 16, 1.5, True, [], {})
KEEPING = ("catalog.manage", "tokens.view", "tokens.purchase", "platform.admin")

PACKAGE = {"idempotencyKey": "bad", "name": "Bad", "tokens": "100"}
CUSTOM = {"idempotencyKey": "bad", "name": "Bad", "isCustom": True}
COUPON = {"idempotencyKey": "bad", "code": "BAD", "share": "0.1"}
NO_CODES = ("ab", "a b c", "frühling", "-ab", "ſpring")
RATE = {"operation": "bad", "tokensPerUnit": "1", "unit": "each"}
DOLLARS = {"amount": "5", "currencyCode": "USD"}


def mutation(name: str) -> str:
    kind = name[0].upper() + name[1:]
    return f"mutation ($input: {kind}Input!) {{ answer: {name}(input: $input) {{ __typename }} }}"


async def a_keeper_of(world: World, scene: Scene) -> Member:
    """A member of Aurora who keeps the catalogue too, signed in."""
    member = await a_member(scene.aurora, permissions=KEEPING)
    await world.token_of(member)
    return member


def wrong_packages(scene: Scene) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    create, update = "createTokenPackage", "updateTokenPackage"
    mine = {"packageId": scene.package}
    wrong: dict[str, tuple[str, str, Mapping[str, Any]]] = {
        **{f"{create} tokens {n}": (create, "InvalidPackage", {**PACKAGE, "tokens": n})
           for n in ("0", "-1", "0.00001", "1000001", None)},
        **{f"{create} tokens {n!r}": (create, BAD, {**PACKAGE, "tokens": n}) for n in NOT_DECIMALS},
        **{f"{create} bonus {n!r}": (create, BAD, {**PACKAGE, "bonusTokens": n}) for n in NOT_DECIMALS},
        "a bonus below zero": (create, "InvalidPackage", {**PACKAGE, "bonusTokens": "-1"}),
        "for nothing": (create, "InvalidPackage", {**PACKAGE, "price": {**DOLLARS, "amount": "0"}}),
        "finer than a cent": (create, "InvalidPackage", {**PACKAGE, "price": {**DOLLARS, "amount": "0.001"}}),
        "no such currency": (create, BAD, {**PACKAGE, "price": {**DOLLARS, "currencyCode": "XYZ"}}),
        "a small currency": (create, BAD, {**PACKAGE, "price": {**DOLLARS, "currencyCode": "usd"}}),
        "no day": (create, "InvalidPackage", {**PACKAGE, "validityDays": 0}),
        "no integer": (create, BAD, {**PACKAGE, "validityDays": 2**31}),
        "no place": (create, "InvalidPackage", {**PACKAGE, "displayOrder": -1}),
        "two prices": (create, "InvalidPackage", {**PACKAGE, "price": DOLLARS, "tokenPrice": DOLLARS}),
        "custom with a number": (create, "InvalidPackage", {**CUSTOM, "tokens": "5"}),
        "custom with a price": (create, "InvalidPackage", {**CUSTOM, "price": DOLLARS}),
        "custom the wrong way round": (create, "InvalidPackage", {**CUSTOM, "minTokens": "5", "maxTokens": "4"}),
        "custom below one": (create, "InvalidPackage", {**CUSTOM, "minTokens": "0.5"}),
        "fixed with an end": (create, "InvalidPackage", {**PACKAGE, "minTokens": "5"}),
        "no name": (create, BAD, {**PACKAGE, "name": "  "}),
        "a long name": (create, BAD, {**PACKAGE, "name": "x" * 101}),
        "a card for a name": (create, BAD, {**PACKAGE, "name": CARD}),
        "a long description": (create, BAD, {**PACKAGE, "description": "x" * 501}),
        "a turned description": (create, BAD, {**PACKAGE, "description": "a\u202eb"}),
        "no key": (create, BAD, {**PACKAGE, "idempotencyKey": ""}),
        "a long key": (create, BAD, {**PACKAGE, "idempotencyKey": "x" * 256}),
        "what is not theirs": (create, BAD, {**PACKAGE, "isActive": True}),
        "update to nothing": (update, "InvalidPackage", {**mine, "tokens": "0"}),
        "update to custom": (update, BAD, {**mine, "isCustom": True}),
        "update with an end": (update, "InvalidPackage", {**mine, "maxTokens": "5"}),
        "a null name": (update, BAD, {**mine, "name": None}),
        "a null number": (update, "InvalidPackage", {**mine, "tokens": None}),
        "a null order": (update, BAD, {**mine, "displayOrder": None}),
        "a null bonus": (update, BAD, {**mine, "bonusTokens": None}),
        "an empty name": (update, BAD, {**mine, "name": ""}),
    }  # fmt: skip
    for name in (update, "deactivateTokenPackage"):
        for odd in (unknown_id("TokenPackage", scene), scene.wallet, "", "%%%", "x" * 300, "a\x00"):
            wrong[f"{name} {odd!r}"] = (name, "PackageNotFound", {"packageId": odd})
    return wrong


def wrong_tiers(scene: Scene) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    name, mode = "setVolumeTiers", {"mode": "VOLUME"}
    last = {"discount": "0.5"}
    schedules: Mapping[str, list[Mapping[str, Any]]] = {
        "no end": [{"upTo": "9", "discount": "0"}],
        "two ends": [last, last],
        "falling limits": [{"upTo": "9", "discount": "0"}, {"upTo": "8", "discount": "0"}, last],
        "falling discounts": [{"upTo": "9", "discount": "0.6"}, last],
        "everything off": [{"discount": "1"}],
        "a surcharge": [{"discount": "-0.1"}],
        "no limit at all": [{"upTo": "0", "discount": "0"}, last],
        "too many": [*({"upTo": str(n), "discount": "0"} for n in range(1, 21)), last],
    }
    return {
        **{what: (name, "InvalidTiers", {**mode, "tiers": tiers}) for what, tiers in schedules.items()},
        **{f"discount {n!r}": (name, BAD, {**mode, "tiers": [{"discount": n}]}) for n in NOT_DECIMALS},
        "no mode": (name, BAD, {"tiers": [last]}),
        "another mode": (name, BAD, {"mode": "CHEAP", "tiers": [last]}),
        "of a fixed package": (name, "InvalidPackage", {**mode, "packageId": scene.package, "tiers": [last]}),
        "of no package": (name, "PackageNotFound", {**mode, "packageId": scene.lot, "tiers": [last]}),
        "of an unknown one": (
            name, "PackageNotFound", {**mode, "packageId": unknown_id("TokenPackage", scene), "tiers": [last]}
        ),
    }  # fmt: skip


def wrong_coupons(scene: Scene) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    name = "createCoupon"
    bare = {"idempotencyKey": "bad", "code": "BAD"}
    return {
        **{f"share {n}": (name, "InvalidCoupon", {**COUPON, "share": n}) for n in ("0", "1", "-0.1", "100")},
        **{f"share {n!r}": (name, BAD, {**COUPON, "share": n}) for n in NOT_DECIMALS},
        **{f"code {n!r}": (name, "InvalidCoupon", {**COUPON, "code": n}) for n in NO_CODES},
        **{f"code {n!r}": (name, BAD, {**COUPON, "code": n}) for n in ("", " ", "x" * 41, "a\x00b", CARD)},
        "nothing": (name, BAD, bare),
        "two things": (name, BAD, {**COUPON, "bonusTokens": "5"}),
        "no amount": (name, "InvalidCoupon", {**bare, "amount": {**DOLLARS, "amount": "0"}}),
        "no such currency": (name, BAD, {**bare, "amount": {**DOLLARS, "currencyCode": "DOLLAR"}}),
        "two currencies": (
            name, "InvalidCoupon", {**bare, "amount": DOLLARS, "minSubtotal": {**DOLLARS, "currencyCode": "EUR"}}
        ),
        "no bonus": (name, "InvalidCoupon", {**bare, "bonusTokens": "0"}),
        "never": (name, "InvalidCoupon", {**COUPON, "maxRedemptions": 0}),
        "never by anybody": (name, "InvalidCoupon", {**COUPON, "maxRedemptionsPerOrganization": -1}),
        "no integer": (name, BAD, {**COUPON, "maxRedemptions": 2**40}),
        "ended before it begins": (
            name, "InvalidCoupon", {**COUPON, "validFrom": "2026-03-02T00:00:00Z", "validUntil": "2026-03-01T00:00:00Z"}
        ),
        "no zone": (name, BAD, {**COUPON, "validFrom": "2026-03-02T00:00:00"}),
        "no package": (name, "PackageNotFound", {**COUPON, "packageIds": [scene.lot]}),
        "an unknown package": (name, "PackageNotFound", {**COUPON, "packageIds": [unknown_id("TokenPackage", scene)]}),
        "one package too many": (name, "InvalidCoupon", {**COUPON, "packageIds": [scene.package] * 51}),
        "an unknown code": ("deactivateCoupon", "CouponNotFound", {"code": "AUTUMN"}),
        "what is no code": ("deactivateCoupon", "CouponNotFound", {"code": "%%%"}),
        "a long code": ("deactivateCoupon", BAD, {"code": "x" * 41}),
    }  # fmt: skip


def wrong_rates(scene: Scene) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    name = "setTokenRate"
    names = ("", "Claim", "a b", "a..b", "é", "x" * 101, "a\x00", "a/b")
    return {
        **{f"rate {n}": (name, "InvalidRate", {**RATE, "tokensPerUnit": n}) for n in ("0", "-1", "1000001")},
        **{f"rate {n!r}": (name, BAD, {**RATE, "tokensPerUnit": n}) for n in NOT_DECIMALS},
        **{f"name {n!r}": (name, BAD, {**RATE, "operation": n}) for n in names},
        **{f"remove {n!r}": ("removeTokenRate", BAD, {"operation": n}) for n in names},
        "no unit": (name, BAD, {**RATE, "unit": " "}),
        "a long unit": (name, BAD, {**RATE, "unit": "x" * 51}),
        "a long description": (name, BAD, {**RATE, "description": "x" * 501}),
        "remove an unknown one": ("removeTokenRate", "OperationNotFound", {"operation": "unknown"}),
    }


def wrong_quotes(scene: Scene) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    name = "createQuote"
    plain = {"tokens": "5"}
    return {
        **{f"quote {n}": (name, "InvalidTokens", {"tokens": n}) for n in ("0", "-1", "0.00001", "1000001")},
        **{f"quote {n!r}": (name, BAD, {"tokens": n}) for n in NOT_DECIMALS},
        "neither": (name, BAD, {}),
        "another number than the package's": (name, "InvalidTokens", {**plain, "packageId": scene.package}),
        "no package": (name, "PackageNotFound", {"packageId": scene.lot}),
        "an unknown package": (name, "PackageNotFound", {"packageId": unknown_id("TokenPackage", scene)}),
        "an unknown coupon": (name, "CouponNotFound", {**plain, "couponCode": "AUTUMN"}),
        "what is no code": (name, "CouponNotFound", {**plain, "couponCode": "' OR 1=1 --"}),
        "an empty code": (name, BAD, {**plain, "couponCode": ""}),
        "a long code": (name, BAD, {**plain, "couponCode": "x" * 41}),
        "nobody": (name, "WalletNotFound", {**plain, "organizationId": scene.lot}),
        "an unknown organization": (
            name, "WalletNotFound", {**plain, "organizationId": unknown_id("Organization", scene)}
        ),
    }  # fmt: skip


async def test_nothing_wrong_gets_into_the_catalogue(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    keeper = await a_keeper_of(world, scene)
    wrong = {
        f"{what} ({name})": (name, answer, given)
        for kind in (wrong_packages, wrong_tiers, wrong_coupons, wrong_rates, wrong_quotes)
        for what, (name, answer, given) in kind(scene).items()
    }
    before = await everything(owner)

    # when
    answers = {
        what: (answered(await world.ask(mutation(name), keeper, input=given)), answer)
        for what, (name, answer, given) in wrong.items()
    }

    # then
    assert {what: told for what, told in answers.items() if told[0] != told[1]} == {}
    assert len(answers) > 150
    assert await everything(owner) == before


def odd_orders(scene: Scene, quote: str) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    key = {"idempotencyKey": "odd"}
    return {
        "a quote and tokens": (BAD, {**key, "quoteId": quote, "tokens": "5"}),
        "a quote and a package": (BAD, {**key, "quoteId": quote, "packageId": scene.package}),
        "a quote and a coupon": (BAD, {**key, "quoteId": quote, "couponCode": "SPRING"}),
        "a quote of another type": ("QuoteNotFound", {**key, "quoteId": scene.lot}),
        "a quote of nonsense": ("QuoteNotFound", {**key, "quoteId": "%%%"}),
        "what is no code": ("CouponNotFound", {**key, "tokens": "5", "couponCode": "!"}),
        "a long code": (BAD, {**key, "tokens": "5", "couponCode": "x" * 41}),
        "an empty code": (BAD, {**key, "tokens": "5", "couponCode": " "}),
    }


async def test_odd_orders_at_quotes_and_coupons_are_told_so_and_remembered_of_none(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    quote = 'mutation { createQuote(input: { tokens: "5" }) { ... on CreateQuoteSuccess { quote { id } } } }'
    held = (await world.data(quote, scene.ada))["createQuote"]["quote"]["id"]
    odd = odd_orders(scene, held)
    before = await everything(owner)

    # when
    answers = {
        what: answered(await world.ask(mutation("startPurchase"), scene.ada, input=given))
        for what, (_, given) in odd.items()
    }

    # then
    assert answers == {what: answer for what, (answer, _) in odd.items()}
    assert await everything(owner) == before


REMEMBERED = {
    "an unknown quote": "QuoteNotFound",
    "an unknown coupon": "CouponNotFound",
}


async def test_what_placing_refuses_is_remembered_under_its_key(world: World) -> None:
    # given
    scene = await a_scene(world)
    orders: Mapping[str, Mapping[str, Any]] = {
        "an unknown quote": {"idempotencyKey": "q", "quoteId": unknown_id("HeldPriceQuote", scene)},
        "an unknown coupon": {"idempotencyKey": "c", "tokens": "5", "couponCode": "AUTUMN"},
    }

    # when
    first = {what: (await world.buys(scene.ada, **order))["__typename"] for what, order in orders.items()}
    keeper = await a_keeper_of(world, scene)
    await world.data(mutation("createCoupon"), keeper, input={**COUPON, "code": "AUTUMN"})
    again = {what: (await world.buys(scene.ada, **order))["__typename"] for what, order in orders.items()}

    # then
    assert first == again == REMEMBERED
    assert await world.broken_rules() == []


async def test_bad_looks_at_prices_are_told_so(world: World, owner: asyncpg.Connection) -> None:
    # given
    ada = await a_buyer()
    package = await a_package("100")
    query = """query ($tokens: Decimal, $package: ID, $coupon: String) {
        answer: priceQuote(tokens: $tokens, packageId: $package, couponCode: $coupon) { __typename } }"""
    estimate = "query ($items: [OperationUnitsInput!]!) { answer: estimateCost(items: $items) { __typename } }"
    await world.token_of(ada)
    before = await everything(owner)
    looks: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
        "neither": (query, {}, BAD),
        "another number": (query, {"tokens": "5", "package": package}, "InvalidTokens"),
        "its own number": (query, {"tokens": "100", "package": package}, "PriceQuote"),
        "an unknown coupon": (query, {"tokens": "5", "coupon": "AUTUMN"}, "CouponNotFound"),
        "a long code": (query, {"tokens": "5", "coupon": "x" * 5000}, BAD),
        "no items": (estimate, {"items": []}, BAD),
        "too many items": (estimate, {"items": [{"operation": "a", "units": "1"}] * 101}, BAD),
        "an unknown operation": (estimate, {"items": [{"operation": "a", "units": "1"}]}, "OperationNotFound"),
        "a nameless operation": (estimate, {"items": [{"operation": "", "units": "1"}]}, BAD),
        **{f"units {n!r}": (estimate, {"items": [{"operation": "a", "units": n}]}, BAD) for n in NOT_DECIMALS},
    }

    # when
    answers = {what: answered(await world.ask(text, ada, **given)) for what, (text, given, _) in looks.items()}

    # then
    assert answers == {what: answer for what, (_, _, answer) in looks.items()}
    assert await everything(owner) == before
