"""What no client should send: each operation gives a clear answer, never a fault, and nothing changes."""

from collections.abc import Iterator, Mapping

import asyncpg

from schema.ids import global_id
from tests.builders import EVERYTHING, Member, a_member
from tests.schema.clients.books import everything
from tests.schema.clients.documents import answered
from tests.schema.clients.scene import Scene, a_scene, unknown_id
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
CARD = "4242424242424242"

# A text that no field takes, and where in a sentence a card number may hide.
TEXTS = {
    "a NUL": "a\x00b",
    "an escape": "a\x1b[31mb",
    "a control of the second set": "a\x9bb",
    "a turned direction": "invoice\u202egnp.exe",
    "an isolate": "a\u2066b",
    "a card number": f"paid with {CARD}",
    "a card number in groups": "4242 4242 4242 4242",
    "a card number with hyphens": "card 3782-822463-10005.",
    "a card number behind another number": "order 12 4242 4242 4242 4242",
    "a card number before another number": f"{CARD} 123",
}
FREE_TEXTS = {
    "spendTokens": ("idempotencyKey", "referenceType", "referenceId", "description"),
    "grantTokens": ("idempotencyKey", "reason"),
    "startPurchase": ("idempotencyKey",),
    "addPaymentMethod": ("gatewayToken",),
}
LENGTHS_MAX = {
    "spendTokens": {"idempotencyKey": 255, "referenceType": 200, "referenceId": 200, "description": 500},
    "grantTokens": {"idempotencyKey": 255, "reason": 500},
    "startPurchase": {"idempotencyKey": 255},
    "addPaymentMethod": {"gatewayToken": 200},
}
NEVER_EMPTY = {
    "spendTokens": ("idempotencyKey", "referenceType", "referenceId"),
    "grantTokens": ("idempotencyKey", "reason"),
    "startPurchase": ("idempotencyKey",),
    "addPaymentMethod": ("gatewayToken",),
}
NOT_QUANTITIES = ("1e30", "NaN", "Infinity", "-Infinity", "", " 5", "5,0", "0x10", "1_000", "٣", "1.1234567", "1" * 16)
NOT_NUMBERS: tuple[object, ...] = (1.5, True, [], {}, ["5"])
REFUSED_QUANTITIES = {
    "spendTokens": ("0", "-1", "0.00001", "1000000001", 0, -1),
    "grantTokens": ("0", "-1", "0.00001", "1000000001"),
    "startPurchase": ("0", "-1", "0.5", "1.00001", "1000001", 0),
}


def inputs(scene: Scene) -> dict[str, dict[str, object]]:
    """A good input of every mutation that takes texts or quantities."""
    return {
        "spendTokens": {"tokens": "5", "idempotencyKey": "bad"},
        "grantTokens": {
            "organizationId": scene.aurora.global_id,
            "tokens": "5",
            "idempotencyKey": "bad",
            "reason": "because",
        },
        "startPurchase": {"tokens": "5", "idempotencyKey": "bad"},
        "addPaymentMethod": {"gatewayToken": "pm_success"},
        "cancelPurchase": {"purchaseId": scene.purchase},
        "setDefaultPaymentMethod": {"paymentMethodId": scene.method},
        "removePaymentMethod": {"paymentMethodId": scene.method},
    }


def mutation(name: str) -> str:
    kinds = {"setDefaultPaymentMethod": "PaymentMethod", "removePaymentMethod": "PaymentMethod"}
    kind = kinds.get(name, name[0].upper() + name[1:])
    return f"mutation ($input: {kind}Input!) {{ answer: {name}(input: $input) {{ __typename }} }}"


async def ada_of(world: World, scene: Scene) -> Member:
    """A member of Aurora who may do everything, signed in."""
    member = await a_member(scene.aurora, permissions=(*EVERYTHING, "finance.manage"))
    await world.token_of(member)
    return member


def bad_texts(good: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str, dict[str, object]]]:
    for name, fields in FREE_TEXTS.items():
        for field in fields:
            for what, text in TEXTS.items():
                yield f"{name}.{field}: {what}", name, {**good[name], field: text}
    for name, lengths in LENGTHS_MAX.items():
        for field, length_max in lengths.items():
            yield f"{name}.{field}: too long", name, {**good[name], field: "x" * (length_max + 1)}
    for name, fields in NEVER_EMPTY.items():
        for field in fields:
            for text in ("", "  \n"):
                yield f"{name}.{field}: {text!r}", name, {**good[name], field: text}


async def test_no_text_brings_controls_card_numbers_or_too_much(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    ada = await ada_of(world, scene)
    before = await everything(owner)

    # when
    answers = {
        what: answered(await world.ask(mutation(name), ada, input=given))
        for what, name, given in bad_texts(inputs(scene))
    }

    # then
    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}
    assert len(answers) == 8 * len(TEXTS) + 8 + 2 * 7
    assert await everything(owner) == before


async def test_numbers_that_only_look_like_cards_are_fine(world: World) -> None:
    # given: times in milliseconds, order numbers, UUIDs and hashes, some of which pass the check digit by chance
    scene = await a_scene(world)
    keys = (
        "1732409080006",
        "order-20261124-000000000018",
        "7b2e4d1c-4242-4242-4242-424242424242",
        "4242424242424242abcdef0123456789",
        "0" * 16,
    )

    # when
    answers = [
        answered(await world.ask(mutation("spendTokens"), scene.ada, input={"tokens": "1", "idempotencyKey": key}))
        for key in keys
    ]

    # then
    assert answers == ["SpendTokensSuccess"] * 5
    assert await world.broken_rules() == []


async def test_quantities_that_are_no_plain_decimals_are_refused_as_input(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    ada = await ada_of(world, scene)
    before = await everything(owner)
    good = inputs(scene)

    # when
    answers = {
        f"{name}: {given!r}": answered(await world.ask(mutation(name), ada, input={**good[name], "tokens": given}))
        for name in REFUSED_QUANTITIES
        for given in (*NOT_QUANTITIES, *NOT_NUMBERS)
    }
    quote = "query ($tokens: Decimal) { answer: priceQuote(tokens: $tokens) { __typename } }"
    answers |= {f"quote: {given!r}": answered(await world.ask(quote, ada, tokens=given)) for given in NOT_QUANTITIES}

    # then
    assert {what: answer for what, answer in answers.items() if answer != BAD} == {}
    assert await everything(owner) == before


async def test_quantities_out_of_range_are_refused_by_type(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    ada = await ada_of(world, scene)
    before = await everything(owner)
    good = inputs(scene)

    # when
    answers = {
        f"{name}: {given!r}": answered(await world.ask(mutation(name), ada, input={**good[name], "tokens": given}))
        for name, quantities in REFUSED_QUANTITIES.items()
        for given in quantities
    }
    quote = "query ($tokens: Decimal) { answer: priceQuote(tokens: $tokens) { __typename } }"
    answers |= {
        f"quote: {given!r}": answered(await world.ask(quote, ada, tokens=given))
        for given in REFUSED_QUANTITIES["startPurchase"]
    }

    # then
    assert {what: answer for what, answer in answers.items() if answer != "InvalidTokens"} == {}
    assert await everything(owner) == before


def odd_orders(scene: Scene) -> dict[str, tuple[str, dict[str, object]]]:
    """Orders that contradict themselves or name things that are not there, and what each is told."""
    key: dict[str, object] = {"idempotencyKey": "odd"}
    unknown = unknown_id("TokenPackage", scene)
    return {
        "another number than the package's": ("InvalidTokens", {**key, "packageId": scene.package, "tokens": "5"}),
        "neither": (BAD, key),
        "unknown package": ("PackageNotFound", {**key, "idempotencyKey": "odd 1", "packageId": unknown}),
        "a package of another type": ("PackageNotFound", {**key, "packageId": scene.wallet}),
        "a package of nonsense": ("PackageNotFound", {**key, "packageId": "%%%"}),
        "a very long package": ("PackageNotFound", {**key, "packageId": "x" * 5000}),
        "a method of another type": ("PaymentMethodNotFound", {**key, "tokens": "5", "paymentMethodId": scene.lot}),
        "an organization of another type": ("WalletNotFound", {**key, "tokens": "5", "organizationId": scene.lot}),
        "an expected total of nonsense": (BAD, {**key, "tokens": "5", "expectedTotal": "free"}),
        "an unknown field": (BAD, {**key, "tokens": "5", "discount": "5"}),
        "no key": (BAD, {"tokens": "5"}),
        "a null key": (BAD, {"tokens": "5", "idempotencyKey": None}),
    }


async def test_orders_that_make_no_sense_are_told_so(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    orders = odd_orders(scene)
    remembered = {"unknown package"}
    before = await everything(owner)

    # when
    answers, traces = {}, set()
    for what, (_, given) in orders.items():
        answers[what] = answered(await world.ask(mutation("startPurchase"), scene.ada, input=given))
        after = await everything(owner)
        if after != before:
            traces.add(what)
        before = after

    # then: only a refusal that a purchase's own story decided is remembered under its key
    assert answers == {what: answer for what, (answer, _) in orders.items()}
    assert traces == remembered
    assert await world.broken_rules() == []


IDS = {
    "cancelPurchase": ("purchaseId", "PurchaseNotFound", "Purchase"),
    "setDefaultPaymentMethod": ("paymentMethodId", "PaymentMethodNotFound", "PaymentMethod"),
    "removePaymentMethod": ("paymentMethodId", "PaymentMethodNotFound", "PaymentMethod"),
}


async def test_ids_of_nothing_find_nothing(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    before = await everything(owner)

    # when
    answers = {}
    for name, (field, refusal, kind) in IDS.items():
        for odd in (unknown_id(kind, scene), scene.wallet, "", "%%%", "x" * 300, "TG90OjE", 7, "\U0001f4a9", "a\x00"):
            told = await world.ask(mutation(name), scene.ada, input={field: odd})
            answers[f"{name}: {odd!r}"] = (answered(told), refusal)
    queries = ("organization(id: $id)", "purchase(id: $id)", "node(id: $id)", "tokenPackage(id: $id)")
    odd_ids = (scene.lot, unknown_id("Viewer", scene), "", "%%%", "a\x00", "é", global_id("", scene.ada.id))
    for query in queries:
        for odd in odd_ids[1:] if query.startswith("node") else odd_ids:
            told = await world.ask(f"query ($id: ID!) {{ answer: {query} {{ __typename }} }}", scene.ada, id=odd)
            answers[f"{query}: {odd!r}"] = (answered(told), "null")
    for odd in ("", "x" * 1000, "TOK-2026-000001\x00", "TOK-２０２６", "' OR 1=1 --"):
        told = await world.ask("query ($n: String!) { answer: invoice(number: $n) { __typename } }", scene.ada, n=odd)
        answers[f"invoice: {odd!r}"] = (answered(told), "null")

    # then
    assert {what: told for what, (told, wanted) in answers.items() if told != wanted} == {}
    assert await everything(owner) == before
