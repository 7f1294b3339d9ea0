"""Who may ask for what: every root field of the schema against every kind of caller, with what exactly is answered.

A refused mutation must leave no trace: every table is compared row by row, the audit log included.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from temporalio.service import RPCError, RPCStatusCode

from models import keys
from models.purchases import purchase_id_of
from rules.permissions import Permission
from schema.edge.permissions import undeclared_root_fields
from schema.root import build
from tests.builders import EVERYTHING, PLATFORM, Member, a_member, a_program
from tests.schema.clients.books import everything
from tests.schema.clients.documents import DOCUMENTS, Document, told, variables_of
from tests.schema.clients.scene import Scene, a_scene, gateway_has_told, tokens_of
from tests.schema.clients.streams import stream
from tests.simulators.operators import Operator
from tests.simulators.world import World
from workflows.purchase import purchase_workflow_id

CALLERS = ("nobody", "expired", "forged", "without", "foreign", "member", "platform", "administrator", "key")
ANON, NO, GONE = "UNAUTHENTICATED", "FORBIDDEN", "WalletNotFound"

# `without` is a member of Aurora who has every permission of its kind but the one the field demands; `foreign` has
# all of them, in Boreal; `platform` is the platform's administrator, who views; `administrator` may do everything.
GRANTED, PAID = "GrantTokensSuccess", "StartPurchaseSuccess"
SPENT, KEPT, LATE = "SpendTokensSuccess", "PaymentMethodSuccess", "PurchaseNotCancellable"
NO_ORG, NO_BUY = "OrganizationNotFound", "PurchaseNotFound"
READ, RAN = "MarkNoticesReadSuccess", "RunBackgroundJobSuccess"
HELD, TAKEN, FREED, LONGER = "HoldTokensSuccess", "CaptureHoldSuccess", "ReleaseHoldSuccess", "ExtendHoldSuccess"
CAPPED, LIFTED = "SetSpendBudgetSuccess", "RemoveSpendBudgetSuccess"
NO_HOLD, NO_CAP = "HoldNotFound", "BudgetNotFound"
ADJUSTED, CHANGED = "AdjustBalanceSuccess", "UpdateWalletSettingsSuccess"
SUSPENDED, REVIVED = "SuspendWalletSuccess", "ReactivateWalletSuccess"
QUOTED, NO_RATE = "CreateQuoteSuccess", "OperationNotFound"
PACKED, NEW_ONE, NO_MORE = "CreateTokenPackageSuccess", "UpdateTokenPackageSuccess", "DeactivateTokenPackageSuccess"
TIERED, COUPON, ENDED = "SetVolumeTiersSuccess", "CreateCouponSuccess", "DeactivateCouponSuccess"
RATED, UNRATED = "SetTokenRateSuccess", "RemoveTokenRateSuccess"
NO_ONE, NO_KEY = "MemberNotFound", "ApiKeyNotFound"
QUOTE, ORDER, WRONG, OVER, TYPO = "PriceQuote", "Purchase", "SignInRefused", "SessionEnded", "WrongPassword"
BORN, TOLD = "CreateOrganizationSuccess", "OrganizationSuccess"
IN, SET, OUT = "AddMemberSuccess", "SetMemberPermissionsSuccess", "RemoveMemberSuccess"
KEYED, UNKEYED = "CreateApiKeySuccess", "RevokeApiKeySuccess"
#                                     nobody   expired forged without foreign     member   platform administrator
MATRIX: Mapping[str, tuple[str, ...]] = {
    "Query.viewer":                     ("null", ANON, ANON, "data", "data",      "data",  "data",  "data"),
    "Query.organization":               (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.wallet":                     (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.explainBalance":             (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.tokenPackages":              ("data", ANON, ANON, "data", "data",      "data",  "data",  "data"),
    "Query.tokenPackage":               ("data", ANON, ANON, "data", "data",      "data",  "data",  "data"),
    "Query.priceQuote":                 (ANON,   ANON, ANON, NO,     GONE,        QUOTE,   QUOTE,   QUOTE),
    "Query.purchase":                   (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.purchases":                  (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.invoice":                    (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.node":                       (ANON,   ANON, ANON, NO,     "null",      ORDER,   ORDER,   ORDER),
    "Query.nodes":                      (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Mutation.startPurchase":           (ANON,   ANON, ANON, NO,     GONE,        PAID,    NO,      PAID),
    "Mutation.cancelPurchase":          (ANON,   ANON, ANON, NO,     NO_BUY,      LATE,    NO,      LATE),
    "Mutation.spendTokens":             (ANON,   ANON, ANON, NO,     GONE,        SPENT,   NO,      SPENT),
    "Mutation.spendTokensBatch":        (ANON,   ANON, ANON, NO,     GONE,        SPENT,   NO,      SPENT),
    "Mutation.holdTokens":              (ANON,   ANON, ANON, NO,     GONE,        HELD,    NO,      HELD),
    "Mutation.extendHold":              (ANON,   ANON, ANON, NO,     NO_HOLD,     LONGER,  NO,      LONGER),
    "Mutation.captureHold":             (ANON,   ANON, ANON, NO,     NO_HOLD,     TAKEN,   NO,      TAKEN),
    "Mutation.releaseHold":             (ANON,   ANON, ANON, NO,     NO_HOLD,     FREED,   NO,      FREED),
    "Query.spendBudgets":               (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Mutation.setSpendBudget":          (ANON,   ANON, ANON, NO,     GONE,        CAPPED,  NO,      CAPPED),
    "Mutation.removeSpendBudget":       (ANON,   ANON, ANON, NO,     NO_CAP,      LIFTED,  NO,      LIFTED),
    "Mutation.grantTokens":             (ANON,   ANON, ANON, NO,     GONE,        GRANTED, GRANTED, GRANTED),
    "Mutation.adjustBalance":           (ANON,   ANON, ANON, NO,     GONE,        ADJUSTED, ADJUSTED, ADJUSTED),
    "Mutation.updateWalletSettings":    (ANON,   ANON, ANON, NO,     GONE,        CHANGED,     CHANGED,     CHANGED),
    "Mutation.suspendWallet":           (ANON,   ANON, ANON, NO,     GONE,        SUSPENDED, SUSPENDED, SUSPENDED),
    "Mutation.reactivateWallet":        (ANON,   ANON, ANON, NO,     GONE,        REVIVED, REVIVED, REVIVED),
    "Mutation.addPaymentMethod":        (ANON,   ANON, ANON, NO,     NO_ORG,      KEPT,    NO,      KEPT),
    "Mutation.setDefaultPaymentMethod": (ANON,   ANON, ANON, NO,     NO_ORG,      KEPT,    NO,      KEPT),
    "Mutation.removePaymentMethod":     (ANON,   ANON, ANON, NO,     NO_ORG,      KEPT,    NO,      KEPT),
    "Subscription.walletUpdated":       (ANON,   ANON, ANON, NO,     "NOT_FOUND", "data",  "data",  "data"),
    "Subscription.purchaseProgress":    (ANON,   ANON, ANON, NO,     "NOT_FOUND", "data",  "data",  "data"),
    "Query.notices":                    (ANON,   ANON, ANON, NO,     "null",      "data",  "data",  "data"),
    "Query.backgroundJobs":             (ANON,   ANON, ANON, NO,     NO,          NO,      "data",  "data"),
    "Mutation.markNoticesRead":         (ANON,   ANON, ANON, NO,     NO_ORG,      READ,    READ,    READ),
    "Mutation.runBackgroundJob":        (ANON,   ANON, ANON, NO,     NO,          NO,      RAN,     RAN),
    "Subscription.noticeReceived":      (ANON,   ANON, ANON, NO,     "NOT_FOUND", "data",  "data",  "data"),
    "Query.volumeSchedule":             ("null", ANON, ANON, "null", "null",      "null",  "null",  "null"),
    "Query.coupons":                    (ANON,   ANON, ANON, NO,     NO,          NO,      "data",  "data"),
    "Query.rateCard":                   (ANON,   ANON, ANON, NO,     "data",      "data",  "data",  "data"),
    "Query.estimateCost":               (ANON,   ANON, ANON, NO,     GONE,        NO_RATE, NO_RATE, NO_RATE),
    "Mutation.createQuote":             (ANON,   ANON, ANON, NO,     GONE,        QUOTED,  NO,      QUOTED),
    "Mutation.createTokenPackage":      (ANON,   ANON, ANON, NO,     NO,          NO,      PACKED,  PACKED),
    "Mutation.updateTokenPackage":      (ANON,   ANON, ANON, NO,     NO,          NO,      NEW_ONE, NEW_ONE),
    "Mutation.deactivateTokenPackage":  (ANON,   ANON, ANON, NO,     NO,          NO,      NO_MORE, NO_MORE),
    "Mutation.setVolumeTiers":          (ANON,   ANON, ANON, NO,     NO,          NO,      TIERED,  TIERED),
    "Mutation.createCoupon":            (ANON,   ANON, ANON, NO,     NO,          NO,      COUPON,  COUPON),
    "Mutation.deactivateCoupon":        (ANON,   ANON, ANON, NO,     NO,          NO,      ENDED,   ENDED),
    "Mutation.setTokenRate":            (ANON,   ANON, ANON, NO,     NO,          NO,      RATED,   RATED),
    "Mutation.removeTokenRate":         (ANON,   ANON, ANON, NO,     NO,          NO,      UNRATED, UNRATED),
    "Query.organizations":              (ANON,   ANON, ANON, NO,     NO,          NO,      "data",  "data"),
    "Query.roles":                      ("data", ANON, ANON, "data", "data",      "data",  "data",  "data"),
    "Query.platformMembers":            (ANON,   ANON, ANON, NO,     NO,          NO,      "data",  "data"),
    "Query.viewerKey":                  ("null", ANON, ANON, "null", "null",      "null",  "null",  "null"),
    "Query.apiKeys":                    (ANON,   ANON, ANON, NO,     "null",      "data",  NO,      "data"),
    "Mutation.createOrganization":      (ANON,   ANON, ANON, NO,     NO,          NO,      BORN,    BORN),
    "Mutation.updateOrganization":      (ANON,   ANON, ANON, NO,     NO,          NO,      TOLD,    TOLD),
    "Mutation.updateContactData":       (ANON,   ANON, ANON, NO,     NO_ORG,      TOLD,    NO,      TOLD),
    "Mutation.deactivateOrganization":  (ANON,   ANON, ANON, NO,     NO,          NO,      NO_ORG,  NO_ORG),
    "Mutation.reactivateOrganization":  (ANON,   ANON, ANON, NO,     NO,          NO,      TOLD,    TOLD),
    "Mutation.addMember":               (ANON,   ANON, ANON, NO,     NO_ORG,      IN,      NO,      IN),
    "Mutation.setMemberPermissions":    (ANON,   ANON, ANON, NO,     NO_ONE,      SET,     NO,      SET),
    "Mutation.removeMember":            (ANON,   ANON, ANON, NO,     NO_ONE,      OUT,     NO,      OUT),
    "Mutation.createApiKey":            (ANON,   ANON, ANON, NO,     NO_ORG,      KEYED,   NO,      KEYED),
    "Mutation.revokeApiKey":            (ANON,   ANON, ANON, NO,     NO_KEY,      UNKEYED, NO,      UNKEYED),
    "Mutation.changePassword":          (ANON,   ANON, ANON, TYPO,   TYPO,        TYPO,    TYPO,    TYPO),
    "Mutation.signIn":                  (WRONG,  ANON, ANON, WRONG,  WRONG,       WRONG,   WRONG,   WRONG),
    "Mutation.refreshSession":          (OVER,   ANON, ANON, OVER,   OVER,        OVER,    OVER,    OVER),
    "Mutation.signOut":                 ("data", ANON, ANON, "data", "data",      "data",  "data",  "data"),
}  # fmt: skip

# `key` is an API key of Aurora with every scope a key may have: it is answered like `member`, but for these.
TO_A_KEY: Mapping[str, str] = {
    "Query.viewer": "null",
    "Query.viewerKey": "data",
    "Mutation.grantTokens": NO,
    "Mutation.adjustBalance": NO,
    "Mutation.updateWalletSettings": "SettingNotAllowed",
    "Mutation.suspendWallet": NO,
    "Mutation.reactivateWallet": NO,
    "Mutation.updateContactData": NO,
    "Mutation.addMember": NO,
    "Mutation.setMemberPermissions": NO,
    "Mutation.removeMember": NO,
    "Mutation.createApiKey": NO,
    "Mutation.revokeApiKey": NO,
    "Mutation.changePassword": NO,
    "Mutation.signOut": NO,
}

# What these answers mean is that something has happened.
DONE = {
    PAID, SPENT, GRANTED, KEPT, READ, RAN, HELD, TAKEN, FREED, LONGER, CAPPED, LIFTED, ADJUSTED, CHANGED, SUSPENDED,
    REVIVED, QUOTED, PACKED, NEW_ONE, NO_MORE, TIERED, COUPON, ENDED, RATED, UNRATED, BORN, TOLD, IN, SET, OUT, KEYED,
    UNKEYED,
}  # fmt: skip
# Of several in one line any one is enough.
DEMANDED = {
    "startPurchase": "tokens.purchase",
    "cancelPurchase": "tokens.purchase",
    "spendTokens": "tokens.spend",
    "spendTokensBatch": "tokens.spend",
    "holdTokens": "tokens.spend",
    "extendHold": "tokens.spend",
    "captureHold": "tokens.spend",
    "releaseHold": "tokens.spend",
    "setSpendBudget": "tokens.configure",
    "removeSpendBudget": "tokens.configure",
    "grantTokens": "finance.manage",
    "adjustBalance": "finance.manage",
    "updateWalletSettings": "tokens.configure finance.manage",
    "suspendWallet": "finance.manage",
    "reactivateWallet": "finance.manage",
    "addPaymentMethod": "tokens.purchase",
    "setDefaultPaymentMethod": "tokens.purchase",
    "removePaymentMethod": "tokens.purchase",
    "backgroundJobs": "platform.admin",
    "runBackgroundJob": "platform.admin",
    "createQuote": "tokens.purchase",
    "apiKeys": "tokens.configure",
    "updateContactData": "tokens.configure",
    "addMember": "tokens.configure",
    "setMemberPermissions": "tokens.configure",
    "removeMember": "tokens.configure",
    "createApiKey": "tokens.configure",
    "revokeApiKey": "tokens.configure",
}
AT_HOME = (*EVERYTHING, "finance.manage")


def root_fields() -> list[str]:
    core = build()._schema
    roots = (core.query_type, core.mutation_type, core.subscription_type)
    return [f"{root.name}.{name}" for root in roots if root is not None for name in root.fields]


def test_every_root_field_has_its_row_and_its_document() -> None:
    assert sorted(MATRIX) == sorted(root_fields()) == sorted(DOCUMENTS)
    assert {len(row) for row in MATRIX.values()} == {len(CALLERS) - 1}
    assert set(TO_A_KEY) <= set(MATRIX)


def test_every_root_field_says_who_may_ask_for_it() -> None:
    assert undeclared_root_fields(build()) == []


async def headers_of(world: World, scene: Scene, caller: str, members: Mapping[str, Member]) -> dict[str, str]:
    """The request headers of a caller; members are signed in before anything is compared."""
    if caller == "nobody":
        return {}
    if caller == "expired":
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        token, _ = tokens_of(world).access_token(scene.ada.id, uuid4(), at=hour_ago)
    elif caller == "forged":
        good = await world.token_of(scene.ada)
        head, claims, _ = good.split(".")
        token = f"{head}.{claims}.{'A' * 43}"
    else:
        token = await world.token_of(members[caller])
    return {"authorization": f"Bearer {token}"}


async def ask(world: World, name: str, document: Document, scene: Scene, headers: Mapping[str, str]) -> Any:
    variables = variables_of(document, scene)
    if name.startswith("Subscription."):
        async with stream(world.http, world.url, document.text, headers=headers, **variables) as events:
            return (await anext(events)).data
    body = {"query": document.text, "variables": variables}
    return (await world.http.post(f"{world.url}/graphql", json=body, headers=headers)).json()


def lacking(name: str) -> tuple[str, ...]:
    """Everything one may do at home but what this field demands; for public fields nothing at all."""
    field = name.partition(".")[2]
    if MATRIX[name][0] != ANON:
        return ()
    return tuple(each for each in AT_HOME if each not in DEMANDED.get(field, "tokens.view").split())


async def members_for(world: World, caller: str, scene: Scene) -> dict[str, Member]:
    if caller == "foreign":
        return {caller: await a_member(scene.boreal, permissions=AT_HOME)}
    if caller == "member":
        return {caller: await a_member(scene.aurora, permissions=AT_HOME)}
    if caller == "platform":
        return {caller: await a_member(None, permissions=PLATFORM)}
    if caller == "key":
        program = await a_program(scene.aurora)
        # Its first use is noted now, and not again.
        assert await world.data("{ viewerKey { name } }", program) != {"viewerKey": None}
        return {caller: program}
    if caller == "administrator":
        return {caller: await a_member(None, permissions=tuple(Permission))}
    lacks = {lacking(name) for name in MATRIX} if caller == "without" else set()
    return {",".join(each): await a_member(scene.aurora, permissions=each) for each in sorted(lacks)}


def wanted(caller: str) -> dict[str, str]:
    """How every root field answers a caller."""
    if caller == "key":
        return {name: TO_A_KEY.get(name, row[CALLERS.index("member")]) for name, row in MATRIX.items()}
    return {name: row[CALLERS.index(caller)] for name, row in MATRIX.items()}


def story_of(scene: Scene) -> str:
    """The workflow of the purchase that the matrix asks for."""
    return purchase_workflow_id(purchase_id_of(scene.aurora.id, "matrix"))


async def purchase_is_over(world: World, scene: Scene) -> None:
    """The purchase that the matrix makes writes nothing any more."""
    await world.client.get_workflow_handle(story_of(scene)).result()
    await gateway_has_told(purchases=2)


async def no_story_has_begun(world: World, scene: Scene) -> bool:
    story = world.client.get_workflow_handle(story_of(scene))
    try:
        await story.describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_caller_is_answered_by_the_matrix_and_refusals_leave_no_trace(
    caller: str, world: World, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(keys, "USE_NOTED_EVERY", timedelta(days=1))
    scene = await a_scene(world)
    members = await members_for(world, caller, scene)
    await (await Operator.of(world)).sees_scheduled("expire-tokens")
    names = {name: ",".join(lacking(name)) if caller == "without" else caller for name in MATRIX}
    headers = {name: await headers_of(world, scene, names[name], members) for name in MATRIX}
    answers, traces = {}, []

    # when
    before = await everything(owner)
    for name, document in DOCUMENTS.items():
        answer = told(await ask(world, name, document, scene, headers[name]))
        if answer == PAID:
            await purchase_is_over(world, scene)
        after = await everything(owner)
        answers[name] = answer
        ends_a_session = name == "Mutation.signOut" and answer == "data" and headers[name]
        if after != before and answer not in DONE and not ends_a_session:
            traces.append(name)
        before = after

    # then
    assert answers == wanted(caller)
    assert traces == []
    bought = "Mutation.startPurchase" in answers and answers["Mutation.startPurchase"] in DONE
    if bought:
        world.started.append(story_of(scene))
    assert await no_story_has_begun(world, scene) is not bought
    assert await world.broken_rules() == []
