"""What every mutation does to a suspended wallet: refused, or it goes on; and a refusal moves nothing.

Every mutation is declared here. One that is new and not declared fails the first test: somebody has to decide.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from graphql import GraphQLUnionType, get_named_type

from models.quotes import Wish
from rules.permissions import Permission
from schema.ids import global_id
from schema.root import build
from tests.builders import Member, a_buyer, a_member, an_organization, gives
from tests.offers import a_coupon, a_quote, a_rate
from tests.schema.clients.books import everything
from tests.schema.clients.documents import DOCUMENTS, told, variables_of
from tests.schema.clients.scene import Scene, a_scene
from tests.schema.clients.tokens import balances, does, refusal
from tests.simulators.operators import Operator
from tests.simulators.world import World

REFUSED = "WalletSuspended"

# What each mutation answers to somebody who may do everything while the wallet is suspended. The organization may not
# begin to use its tokens or to order more; the platform makes amends, and whatever else there is goes on.
WHILE_SUSPENDED = {
    "startPurchase": REFUSED,
    "spendTokens": REFUSED,
    "spendTokensBatch": REFUSED,
    "holdTokens": REFUSED,
    "extendHold": REFUSED,
    "captureHold": REFUSED,
    # It only gives back.
    "releaseHold": "ReleaseHoldSuccess",
    # A price is no order.
    "createQuote": "CreateQuoteSuccess",
    # The purchase of the scene is over; one under way is given up further down.
    "cancelPurchase": "PurchaseNotCancellable",
    "setSpendBudget": "SetSpendBudgetSuccess",
    "removeSpendBudget": "RemoveSpendBudgetSuccess",
    "grantTokens": "GrantTokensSuccess",
    "adjustBalance": "AdjustBalanceSuccess",
    "updateWalletSettings": "UpdateWalletSettingsSuccess",
    "suspendWallet": "SuspendWalletSuccess",
    "reactivateWallet": "ReactivateWalletSuccess",
    # Whoever is suspended for not paying must be able to pay.
    "addPaymentMethod": "PaymentMethodSuccess",
    "setDefaultPaymentMethod": "PaymentMethodSuccess",
    "removePaymentMethod": "PaymentMethodSuccess",
    # What is on offer is nobody's wallet.
    "createTokenPackage": "CreateTokenPackageSuccess",
    "updateTokenPackage": "UpdateTokenPackageSuccess",
    "deactivateTokenPackage": "DeactivateTokenPackageSuccess",
    "setVolumeTiers": "SetVolumeTiersSuccess",
    "createCoupon": "CreateCouponSuccess",
    "deactivateCoupon": "DeactivateCouponSuccess",
    "setTokenRate": "SetTokenRateSuccess",
    "removeTokenRate": "RemoveTokenRateSuccess",
    # Nor are people, keys and sessions.
    "createOrganization": "CreateOrganizationSuccess",
    "updateOrganization": "OrganizationSuccess",
    "updateContactData": "OrganizationSuccess",
    "deactivateOrganization": "OrganizationSuccess",
    "reactivateOrganization": "OrganizationSuccess",
    "addMember": "AddMemberSuccess",
    "setMemberPermissions": "SetMemberPermissionsSuccess",
    "removeMember": "RemoveMemberSuccess",
    "createApiKey": "CreateApiKeySuccess",
    "revokeApiKey": "RevokeApiKeySuccess",
    "changePassword": "WrongPassword",
    "markNoticesRead": "MarkNoticesReadSuccess",
    "runBackgroundJob": "RunBackgroundJobSuccess",
    "signIn": "SignInRefused",
    "refreshSession": "SessionEnded",
    "signOut": "data",
}
# A refusal is decided under a lock and remembered by its key. Of an order that was refused its story keeps, besides,
# that it has decided.
REMEMBERED = {"idempotency_keys"}
DECIDED_BY_A_STORY = {"idempotency_keys", "effects"}
MODES = ("EACH", "ALL_OR_NOTHING")

ORDER = """mutation ($input: StartPurchaseInput!) { answer: startPurchase(input: $input) {
  __typename ... on StartPurchaseSuccess { replayed purchase { id } }
  ... on WalletSuspended { reason } ... on Problem { code message } } }"""
WALLET = "query ($org: ID!) { wallet(organizationId: $org) { available entries { nodes { kind } } } }"
# As the documents suspend.
SUSPENDED = {"__typename": REFUSED, "reason": "matrix", "code": "WALLET_SUSPENDED"}


def test_every_mutation_says_what_a_suspension_does_to_it() -> None:
    mutations = build()._schema.mutation_type
    assert mutations is not None
    assert sorted(WHILE_SUSPENDED) == sorted(mutations.fields)


def test_a_mutation_that_is_refused_has_the_refusal_in_its_result_and_no_other_has() -> None:
    core = build()._schema
    assert core.mutation_type is not None
    answers = {name: get_named_type(field.type) for name, field in core.mutation_type.fields.items()}
    # What becomes of a batch stands in its items.
    answers["spendTokensBatch"] = core.type_map["SpendTokensResult"]
    refusing = {
        name
        for name, answer in answers.items()
        if isinstance(answer, GraphQLUnionType) and REFUSED in {member.name for member in answer.types}
    }
    assert refusing == {name for name, answer in WHILE_SUSPENDED.items() if answer == REFUSED}


async def ask(world: World, name: str, scene: Scene, member: Member, **others: str) -> str:
    """What a mutation answers, in one word; about Aurora's things unless others are named."""
    document = DOCUMENTS[f"Mutation.{name}"]
    return told(await world.ask(document.text, member, **{**variables_of(document, scene), **others}))


async def suspends(world: World, clerk: Member, organization_id: str) -> None:
    answer = await world.data(DOCUMENTS["Mutation.suspendWallet"].text, clerk, org=organization_id)
    assert answer == {"suspendWallet": {"__typename": "SuspendWalletSuccess"}}


async def reactivates(world: World, clerk: Member, organization_id: str) -> None:
    answer = await world.data(DOCUMENTS["Mutation.reactivateWallet"].text, clerk, org=organization_id)
    assert answer == {"reactivateWallet": {"__typename": "ReactivateWalletSuccess"}}


async def changed(owner: asyncpg.Connection, before: Mapping[str, str]) -> set[str]:
    after = await everything(owner)
    return {table for table in after if after[table] != before[table]}


def kept_by(name: str) -> set[str]:
    return DECIDED_BY_A_STORY if name == "startPurchase" else REMEMBERED


async def test_a_suspension_refuses_what_begins_to_use_or_order_tokens_and_moves_nothing(
    world: World, owner: asyncpg.Connection
) -> None:
    # given: the hold to be released is there, and the organization to be sent away is one that is suspended too
    scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))
    others = {"releaseHold": {"placed": scene.hold}, "deactivateOrganization": {"purchase": scene.boreal.global_id}}
    await suspends(world, admin, scene.boreal.global_id)
    await Operator(world, admin).sees_scheduled("expire-tokens")

    # when
    answers, traces = {}, {}
    for name in [root.partition(".")[2] for root in DOCUMENTS if root.startswith("Mutation.")]:
        await suspends(world, admin, scene.aurora.global_id)
        before = await everything(owner)
        answers[name] = await ask(world, name, scene, admin, **others.get(name, {}))
        if answers[name] == REFUSED:
            traces[name] = await changed(owner, before)

    # then
    assert answers == WHILE_SUSPENDED
    assert traces == {name: kept_by(name) for name, answer in WHILE_SUSPENDED.items() if answer == REFUSED}
    assert await world.broken_rules() == []


def results(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What became of each spend of a batch, but for its sentence."""
    return [refusal(item["result"]) for item in told["items"]]


async def orders(world: World, member: Member, name: str, given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The answer to an order or a use of tokens but for its sentence."""
    if name == "startPurchase":
        answer = (await world.data(ORDER, member, input={**given, "idempotencyKey": key}))["answer"]
    else:
        answer = await does(world, member, name, **given, idempotencyKey=key)
    return refusal(answer)


async def ways_to_use_or_order(scene: Scene) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each of them could be done, were the wallet not suspended."""
    at = datetime.now(UTC)
    quote = await a_quote(scene.aurora, Wish(None, Decimal(40)), at=at)
    await a_rate("report", "2", at=at)
    await a_coupon("SPRING")
    a_report = {"operation": "report", "units": "1"}
    return {
        "tokens": ("startPurchase", {"tokens": "5", "expectedTotal": "2.90"}),
        "tokens with a coupon": ("startPurchase", {"tokens": "5", "couponCode": "spring"}),
        "tokens by a method": ("startPurchase", {"tokens": "5", "paymentMethodId": scene.method}),
        "a quote": ("startPurchase", {"quoteId": global_id("HeldPriceQuote", quote.id)}),
        "a spend by operation": ("spendTokens", a_report),
        "a spend of all there is": ("spendTokens", {"tokens": "90"}),
        "a spend of more": ("spendTokens", {"tokens": "91"}),
        "a hold by operation": ("holdTokens", a_report),
        "an extension by nothing": ("extendHold", {"holdId": scene.hold, "ttlSeconds": 1}),
        "a capture of a part": ("captureHold", {"holdId": scene.hold, "tokens": "1"}),
        "a capture of more": ("captureHold", {"holdId": scene.hold, "tokens": "11", "whenMore": "TAKE_AVAILABLE"}),
        "a capture": ("captureHold", {"holdId": scene.hold}),
    }


async def test_every_way_to_use_or_order_tokens_is_refused_and_the_refusal_is_the_keys_answer_for_good(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))
    ways = await ways_to_use_or_order(scene)
    await suspends(world, admin, scene.aurora.global_id)

    # when
    refused, traces = {}, {}
    for what, (name, given) in ways.items():
        before = await everything(owner)
        refused[what] = await orders(world, admin, name, given, what)
        traces[what] = await changed(owner, before)
    before = await everything(owner)
    again = {what: await orders(world, admin, name, given, what) for what, (name, given) in ways.items()}
    traces_of_repeating = await changed(owner, before)
    await reactivates(world, admin, scene.aurora.global_id)
    later = {what: await orders(world, admin, name, given, what) for what, (name, given) in ways.items()}

    # then
    assert refused == dict.fromkeys(ways, SUSPENDED)
    assert traces == {what: kept_by(name) for what, (name, _) in ways.items()}
    assert (again, traces_of_repeating, later) == (refused, set(), refused)
    assert await balances(world, scene.ada) == ("90.0000", "10.0000")

    # and the quote was not used up, nor was the hold
    bought = await world.buys(admin, **ways["a quote"][1], idempotencyKey="a new intention")
    taken = await orders(world, admin, *ways["a capture"], "a new intention")
    assert (bought["purchase"]["status"], taken["hold"]["status"]) == ("COMPLETED", "CAPTURED")
    assert await world.broken_rules() == []


async def test_a_key_that_was_answered_before_gets_its_first_answer_which_moves_nothing(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))
    done: dict[str, dict[str, Any]] = {
        "spendTokens": {"tokens": "1"},
        "holdTokens": {"tokens": "2"},
        "extendHold": {"holdId": scene.hold, "ttlSeconds": 172_800},
        "captureHold": {"holdId": scene.hold, "tokens": "3"},
    }
    first = {name: await orders(world, admin, name, given, "before") for name, given in done.items()}
    await suspends(world, admin, scene.aurora.global_id)
    before = await everything(owner)

    # when
    again = {name: await orders(world, admin, name, given, "before") for name, given in done.items()}
    bought = await orders(world, admin, "startPurchase", {"packageId": scene.package}, "the scene")
    in_batches = [
        await does(world, admin, "spendTokensBatch", mode=mode, spends=[{"tokens": "1", "idempotencyKey": "before"}])
        for mode in MODES
    ]

    # then
    assert again == {name: {**answer, "replayed": True} for name, answer in first.items()}
    assert bought == {
        "__typename": "StartPurchaseSuccess", "replayed": True, "purchase": {"id": scene.purchase},
    }  # fmt: skip
    assert [results(told) for told in in_batches] == [[again["spendTokens"]]] * 2
    assert await changed(owner, before) == set()


async def test_in_a_batch_only_what_is_of_the_suspended_wallet_is_refused_unless_all_or_nothing_was_asked_for(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    aurora, boreal = await an_organization("Aurora Clinics"), await an_organization("Boreal Insurance")
    for organization in (aurora, boreal):
        await gives(organization, "10")
    admin = await a_member(None, permissions=tuple(Permission))
    await a_rate("report", "2")
    await suspends(world, admin, aurora.global_id)
    mine, others = {"organizationId": aurora.global_id}, {"organizationId": boreal.global_id}
    spends = [
        {**mine, "tokens": "1", "idempotencyKey": "one"},
        {**others, "tokens": "3", "idempotencyKey": "one"},
        {**mine, "operation": "report", "units": "1", "idempotencyKey": "two"},
    ]

    # when
    answers, traces = {}, {}
    for mode in reversed(MODES):
        before = await everything(owner)
        named = [{**spend, "idempotencyKey": f"{mode} {spend['idempotencyKey']}"} for spend in spends]
        told = await does(world, admin, "spendTokensBatch", spends=named, mode=mode)
        answers[mode] = (told["spent"], told["refused"], told["spentTokens"], results(told))
        traces[mode] = await changed(owner, before)

    # then
    undone = {"__typename": "BatchRefused", "position": 0, "because": "WALLET_SUSPENDED", "code": "BATCH_REFUSED"}
    assert answers["ALL_OR_NOTHING"] == (0, 3, "0.0000", [SUSPENDED, undone, SUSPENDED])
    assert traces["ALL_OR_NOTHING"] == REMEMBERED
    spent, refused, tokens, (first, second, third) = answers["EACH"]
    assert (spent, refused, tokens, first, third) == (1, 2, "3.0000", SUSPENDED, SUSPENDED)
    assert (second["__typename"], second["available"]) == ("SpendTokensSuccess", "7.0000")
    wallet = (await world.data(WALLET, admin, org=aurora.global_id))["wallet"]
    assert wallet == {"available": "10.0000", "entries": {"nodes": [{"kind": "GRANT"}]}}
    assert await world.broken_rules() == []


async def test_a_purchase_that_was_placed_before_can_be_given_up(world: World) -> None:
    buyer = await a_buyer("pm_three_d_secure")
    assert buyer.organization is not None
    clerk = await a_member(None, permissions=tuple(Permission))
    placed = await world.places(buyer, tokens="5", idempotencyKey="under way")
    await suspends(world, clerk, buyer.organization.global_id)

    given_up = await world.data(DOCUMENTS["Mutation.cancelPurchase"].text, buyer, purchase=placed)

    assert given_up == {"cancelPurchase": {"__typename": "CancelPurchaseSuccess"}}
    assert (await world.purchase(buyer, placed))["status"] == "CANCELLED"
    assert await world.broken_rules() == []
