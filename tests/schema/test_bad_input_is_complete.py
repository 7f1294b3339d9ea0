"""Every field of every mutation's input is sent something bad, everything around it good: never a fault, and no trace.

The inputs are those of the documents, and `MORE` has what these leave out. A field that is new and in neither fails the
first test; that the inputs are good but for what is bad in them is what the last one says.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import asyncpg
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    parse,
    value_from_ast_untyped,
)

from models.quotes import Wish
from rules.permissions import Permission
from schema.ids import global_id
from schema.root import build
from tests.builders import PASSWORD, Member, a_member
from tests.offers import a_coupon, a_custom_package, a_quote
from tests.schema.clients.books import everything
from tests.schema.clients.documents import DOCUMENTS, Document, told, variables_of
from tests.schema.clients.scene import Scene, a_scene
from tests.simulators.operators import Operator
from tests.simulators.world import World

BAD = "BAD_USER_INPUT"
NO_INPUT = {"signOut"}
LATER = "2099-01-01T00:00:00Z"
DOLLARS = {"amount": "5", "currencyCode": "USD"}
REFERENCE = {"referenceType": "job", "referenceId": "7", "description": "a job"}
BY_OPERATION = {"tokens": None, "operation": "matrix", "units": "1"}
A_SPEND = {"organizationId": "$org", "idempotencyKey": "?"}

# What is sent besides, and instead of what the documents send: each is a good input of its own. None is left out, and
# words with a dollar are ids of the scene.
MORE: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "signIn": ({"email": "$email", "password": PASSWORD},),
    "changePassword": ({"currentPassword": PASSWORD},),
    "createOrganization": ({"address": "1 Matrix Street", "taxId": "KE-2"},),
    "updateOrganization": ({"name": "Aurora", "contactEmail": "billing@aurora.example", "taxId": "KE-2"},),
    "updateContactData": ({"contactEmail": "billing@aurora.example"},),
    "deactivateOrganization": ({"organizationId": "$boreal"},),
    "addMember": ({"password": "another correct horse"}, {"role": None, "permissions": ["TOKENS_VIEW"]}),
    "setMemberPermissions": ({}, {"role": None, "permissions": ["TOKENS_VIEW"]}),
    "removeMember": ({"revokeApiKeys": True},),
    "createApiKey": ({"expiresAt": LATER},),
    "createTokenPackage": (
        {"description": "a package", "price": DOLLARS, "bonusTokens": "1", "validityDays": 30, "displayOrder": 1},
        {"tokens": None, "isCustom": True, "minTokens": "1", "maxTokens": "10", "tokenPrice": DOLLARS},
    ),
    "updateTokenPackage": (
        {
            "description": "a package", "tokens": "10", "price": DOLLARS, "bonusTokens": "1", "validityDays": 30,
            "displayOrder": 1,
        },
        {"packageId": "$custom", "minTokens": "1", "maxTokens": "10", "tokenPrice": DOLLARS},
    ),
    "setVolumeTiers": (
        {},
        {"packageId": "$custom", "tiers": [{"upTo": "9", "discount": "0"}, {"discount": "0.1"}]},
    ),
    "createCoupon": (
        {
            "description": "a coupon", "validFrom": "2026-01-01T00:00:00Z", "validUntil": LATER, "maxRedemptions": 5,
            "maxRedemptionsPerOrganization": 5, "minTokens": "1", "packageIds": ["$package"],
        },
        {"share": None, "amount": DOLLARS, "minSubtotal": DOLLARS},
        {"share": None, "bonusTokens": "5"},
    ),
    "setTokenRate": ({"description": "a rate"},),
    "createQuote": ({"couponCode": "spring"}, {"tokens": None, "packageId": "$package"}),
    "startPurchase": (
        {"paymentMethodId": "$method", "couponCode": "spring"},
        {"packageId": None, "tokens": "10", "expectedTotal": "5.80"},
        {"packageId": None, "quoteId": "$quote"},
    ),
    "spendTokens": (REFERENCE, BY_OPERATION),
    "spendTokensBatch": (
        {"mode": "EACH", "spends": [{**A_SPEND, "tokens": "1", **REFERENCE}]},
        {"mode": "ALL_OR_NOTHING", "spends": [{**A_SPEND, "operation": "matrix", "units": "1"}]},
    ),
    "holdTokens": ({"ttlSeconds": 60, **REFERENCE}, BY_OPERATION),
    "captureHold": ({"tokens": "1", "whenMore": "CAP", "description": "done"},),
    "releaseHold": ({"description": "given up"},),
    "grantTokens": ({"kind": "BONUS", "expiresAt": LATER, "priority": 10},),
    "adjustBalance": ({"tokens": "1", "expiresAt": LATER},),
    "updateWalletSettings": ({"pricePerToken": "0.5", "paymentTermsDays": 30, "validityDays": 30},),
    "reactivateWallet": ({"reason": "paid"},),
}  # fmt: skip

SCALARS: Mapping[str, tuple[Any, ...]] = {
    "String": ("a\x00b", "x" * 5001, 7, True, {}, ["x", "y"]),
    "ID": ("$wallet", "", "%%%", "x" * 300, "a\x00b", "é", 7, True, 1.5, {}),
    "Decimal": ("NaN", "1e30", "-1", "0.00001", "1" * 16, "", 1.5, True, {}),
    "Int": (-1, -(2**31), 2**31 - 1, 2**31, "5", 1.5, True, {}),
    "Boolean": ("true", 1, {}),
    "DateTime": ("tomorrow", "2099-01-01", "2099-01-01T00:00:00", "9999-99-99T00:00:00Z", 1_800_000_000, True, {}),
}
ENUMS: tuple[Any, ...] = ("NOTHING", "tokens.view", "", 1, True, {})
OBJECTS: tuple[Any, ...] = ({}, {"amount": "5"}, "5", 5, [], True)
NO_INPUTS: tuple[Any, ...] = (None, [], "input", 7, {"input": {}})
LISTS: tuple[Any, ...] = ([], [None], {}, 7)
TOO_MANY = 1001
OF_INSIDES = ("Traceback", ".py", "Unexpected", "asyncpg", "SELECT", "0x7f")

# What is bad elsewhere and good here, and why. The last test does each of them.
SIX_PLACES = "rates, shares and prices of one token have six places"
A_SET = "permissions are a set: one that stands twice counts once"
GOOD: Mapping[tuple[str, str], str] = {
    ("addMember.permissions", "[]"): "somebody who may do nothing yet",
    ("addMember.permissions", "too many"): A_SET,
    ("setMemberPermissions.permissions", "[]"): "it takes them all",
    ("setMemberPermissions.permissions", "too many"): A_SET,
    ("createApiKey.scopes", "too many"): A_SET,
    ("createTokenPackage.tokenPrice.amount", "'0.00001'"): SIX_PLACES,
    ("updateTokenPackage.tokenPrice.amount", "'0.00001'"): SIX_PLACES,
    ("setVolumeTiers.tiers", "[]"): "no volume discount any more",
    ("setVolumeTiers.tiers.discount", "'0.00001'"): SIX_PLACES,
    ("createCoupon.share", "'0.00001'"): SIX_PLACES,
    ("createCoupon.packageIds", "[]"): "it goes with everything that is sold",
    ("setTokenRate.tokensPerUnit", "'0.00001'"): SIX_PLACES,
    ("spendTokens.units", "'0.00001'"): SIX_PLACES,
    ("spendTokensBatch.spends.units", "'0.00001'"): SIX_PLACES,
    ("holdTokens.units", "'0.00001'"): SIX_PLACES,
    ("updateWalletSettings.taxRate", "'0.00001'"): SIX_PLACES,
    ("updateWalletSettings.pricePerToken", "'0.00001'"): SIX_PLACES,
}
# What is refused only when the price is known: by the story of the purchase, whose refusals its key remembers.
DECIDED = {
    ("startPurchase.expectedTotal", "'-1'"): "PriceChanged",
    ("startPurchase.expectedTotal", "'0.00001'"): "PriceChanged",
}
# Refused even when it is good: what the scene has bought is paid, and no session is known by that name.
FOUND_OUT = {("cancelPurchase", "0"): "PurchaseNotCancellable", ("refreshSession", "0"): "SessionEnded"}


@dataclass(frozen=True, slots=True)
class Case:
    """An input with one thing in it that is `bad` at `place`, which is the path without positions."""

    place: str
    bad: Any
    input: Any

    @property
    def name(self) -> tuple[str, str]:
        is_long = isinstance(self.bad, list) and len(self.bad) == TOO_MANY
        return self.place, "too many" if is_long else repr(self.bad)[:40]


@cache
def input_types() -> Mapping[str, GraphQLInputObjectType]:
    """The type of the input of every mutation that has one."""
    root = build()._schema.mutation_type
    assert root is not None
    found = {}
    for name, field in root.fields.items():
        if name in NO_INPUT:
            assert not field.args
            continue
        assert set(field.args) == {"input"}, name
        kind = get_named_type(field.args["input"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        found[name] = kind
    return found


def fields_of(kind: GraphQLInputObjectType, place: str) -> Iterator[str]:
    for name, field in kind.fields.items():
        yield f"{place}.{name}"
        inner = get_named_type(field.type)
        if isinstance(inner, GraphQLInputObjectType):
            yield from fields_of(inner, f"{place}.{name}")


def input_of(document: Document, known: Mapping[str, Any]) -> dict[str, Any]:
    """The input in a document, its variables filled in."""
    (operation,) = parse(document.text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (root,) = operation.selection_set.selections
    assert isinstance(root, FieldNode)
    assert root.arguments
    (argument,) = root.arguments
    given: dict[str, Any] = value_from_ast_untyped(argument.value, dict(known))
    return given


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """The same with the ids of the scene in it."""
    if isinstance(value, dict):
        return {name: filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    return known.get(value[1:], value) if isinstance(value, str) and value.startswith("$") else value


def good_inputs(name: str, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each could be sent, after all the others as well: nothing in it is taken."""
    own = input_of(DOCUMENTS[f"Mutation.{name}"], known)
    found = []
    for number, more in enumerate(MORE.get(name, ({},))):
        given = {field: value for field, value in {**own, **filled(more, known)}.items() if value is not None}
        found.append(named_anew(name, deepcopy(given), f"{name}-{number}".lower()))
    return found


def named_anew(name: str, given: dict[str, Any], own: str) -> dict[str, Any]:
    """The same input with names that nobody has used."""
    for each in (given, *given.get("spends", ())):
        if "idempotencyKey" in each:
            each["idempotencyKey"] = own
    taken = {
        "createOrganization": ("slug", own),
        "createCoupon": ("code", own),
        "addMember": ("email", f"{own}@a.example"),
    }
    if name in taken:
        field, value = taken[name]
        given[field] = value
    return given


Step = str | int


def steps(
    kind: GraphQLInputObjectType, given: Mapping[str, Any]
) -> Iterator[tuple[tuple[Step, ...], GraphQLInputType]]:
    """The way to every field of an input, and the field's type."""
    for name, value in given.items():
        yield (name,), kind.fields[name].type
        inner = get_named_type(kind.fields[name].type)
        if not isinstance(inner, GraphQLInputObjectType):
            continue
        for number, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            here: tuple[Step, ...] = (name,) if number is None else (name, number)
            yield from ((here + way, type_) for way, type_ in steps(inner, each))


def bad_values(kind: GraphQLInputType, good: Any) -> Iterator[Any]:
    if isinstance(kind, GraphQLNonNull):
        yield None
    nullable, named = get_nullable_type(kind), get_named_type(kind)
    if isinstance(nullable, GraphQLList):
        yield from LISTS
        yield [*good[:1]] * TOO_MANY
        yield from ([bad] for bad in bad_values(nullable.of_type, good[:1]) if bad is not None)
    elif isinstance(named, GraphQLInputObjectType):
        yield from OBJECTS
    elif isinstance(named, GraphQLEnumType):
        yield from ENUMS
    else:
        yield from SCALARS[named.name]


def at(given: Any, way: tuple[Step, ...]) -> Any:
    for step in way:
        given = given[step]
    return given


def cases(name: str, known: Mapping[str, Any]) -> Iterator[Case]:
    """Everything bad that a mutation can be sent, once: no input, an unknown field, and whatever is bad in a field."""
    yield from {case.name: case for case in _cases(name, known)}.values()


def _cases(name: str, known: Mapping[str, Any]) -> Iterator[Case]:
    kind = input_types()[name]
    yield from (Case(name, bad, bad) for bad in NO_INPUTS)
    for good in good_inputs(name, known):
        yield Case(name, "nonsense", {**good, "nonsense": 1})
        for way, type_ in steps(kind, good):
            place = ".".join([name, *(step for step in way if isinstance(step, str))])
            for bad in bad_values(type_, at(good, way)):
                given = deepcopy(good)
                at(given, way[:-1])[way[-1]] = filled(bad, known)
                yield Case(place, bad, given)


def mutation(name: str) -> str:
    items = "... on SpendTokensBatchSuccess { items { result { __typename } } }" if name == "spendTokensBatch" else ""
    return (
        f"mutation ($input: {input_types()[name].name}!) {{ answer: {name}(input: $input) {{ __typename {items} }} }}"
    )


async def what_inputs_name(world: World, scene: Scene, admin: Member) -> dict[str, Any]:
    """Ids of the scene, of what the documents make for others to use, and of a package, a quote and a coupon."""
    every = Document("", tuple({name: None for document in DOCUMENTS.values() for name in document.variables}))
    for name in ("holdTokens", "createApiKey", "createCoupon", "setTokenRate"):
        document = DOCUMENTS[f"Mutation.{name}"]
        made = told(await world.ask(document.text, admin, **variables_of(document, scene)))
        assert made == f"{name[0].upper()}{name[1:]}Success"
    quote = await a_quote(scene.aurora, Wish(None, Decimal(10)), at=datetime.now(UTC))
    await a_coupon("SPRING")
    package, newcomer = await a_custom_package(), await a_member(None)
    return {
        **variables_of(every, scene),
        "boreal": scene.boreal.global_id,
        "email": newcomer.email,
        "quote": global_id("HeldPriceQuote", quote.id),
        "custom": global_id("TokenPackage", package.id),
    }


@cache
def problems() -> set[str]:
    core = build()._schema
    problem = core.type_map["Problem"]
    assert isinstance(problem, GraphQLInterfaceType)
    return {kind.name for kind in core.get_possible_types(problem)}


def test_every_field_of_every_input_is_sent_something_bad() -> None:
    wanted = {place for name, kind in input_types().items() for place in fields_of(kind, name)}
    sent = {case.place for name in input_types() for case in cases(name, {})} - set(input_types())

    assert sent == wanted
    assert set(MORE) <= set(input_types())


async def test_nothing_bad_makes_a_fault_tells_of_our_insides_or_leaves_a_trace(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))
    known, fine = await what_inputs_name(world, scene, admin), {BAD, *problems()}
    wrong, telling, traces = {}, set(), set()

    # when
    for name in input_types():
        before = await everything(owner)
        for case in cases(name, known):
            if case.name in GOOD or case.name in DECIDED:
                continue
            answer = await world.ask(mutation(name), admin, input=case.input)
            if told(answer) not in fine:
                wrong[case.name] = told(answer)
            if any(word in json.dumps(answer) for word in OF_INSIDES):
                telling.add(case.name)
        if await everything(owner) != before:
            traces.add(name)

    # then
    assert wrong == {}
    assert (telling, traces) == (set(), set())
    assert await world.broken_rules() == []


async def done(world: World, admin: Member, name: str, given: dict[str, Any]) -> str:
    """What is answered to a good input, in one word."""
    if name == "startPurchase":
        return str((await world.buys(admin, **given))["__typename"])
    return told(await world.ask(mutation(name), admin, input=given))


async def test_but_for_what_is_bad_in_them_the_inputs_are_good(world: World) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))
    known = await what_inputs_name(world, scene, admin)
    await Operator(world, admin).sees_scheduled("expire-tokens")
    names = [name.partition(".")[2] for name in DOCUMENTS if name.startswith("Mutation.")]
    answers: dict[tuple[str, str], str] = {}

    # when: in an order in which nothing is gone that is still needed
    for name in [name for name in names if name not in NO_INPUT]:
        odd = {case.name: case.input for case in cases(name, known) if case.name in GOOD or case.name in DECIDED}
        for number, (what, given) in enumerate(odd.items()):
            answers[what] = await done(world, admin, name, named_anew(name, given, f"{name}-odd-{number}".lower()))
        for number, given in enumerate(good_inputs(name, known)):
            answers[name, str(number)] = await done(world, admin, name, given)

    # then
    refused = {what: answer for what, answer in answers.items() if not answer.endswith("Success")}
    assert refused == {**DECIDED, **FOUND_OUT}
    assert set(GOOD) <= set(answers)
    assert await world.broken_rules() == []
