"""ENABLE_TOKEN_SYSTEM=false: what is refused, what goes on, and that whatever was under way is brought to its end.

Every root field is declared here. One that is new and not declared fails the first test: somebody has to decide.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLUnionType, get_named_type
from temporalio.service import RPCError, RPCStatusCode

from activities.jobs import JOBS
from models.database import Connection
from models.purchases import purchase_id_of
from rules.permissions import Permission
from schema.root import build
from tests.builders import Member, a_buyer, a_member, an_organization, gives
from tests.conftest import Opening
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.books import everything
from tests.schema.clients.documents import DOCUMENTS, told, variables_of
from tests.schema.clients.scene import Scene, a_scene
from tests.schema.clients.streams import stream
from tests.simulators.operators import Operator
from tests.simulators.provider import Provider
from tests.simulators.traces import paid, traces, unpaid
from tests.simulators.world import World, key_of
from workflows.late_payment import late_payment_workflow_id
from workflows.purchase import purchase_workflow_id

OFF = {"enable_token_system": False}
REFUSED = "TokenSystemDisabled"

# What each root field answers to somebody who may do everything while the switch is thrown. Tokens and money may not
# begin to move by a customer's hand; everything else goes on.
WHILE_OFF = {
    "Query.viewer": "data",
    "Query.organization": "data",
    "Query.wallet": "data",
    "Query.tokenPackages": "data",
    "Query.tokenPackage": "data",
    "Query.priceQuote": "PriceQuote",
    "Query.purchase": "data",
    "Query.purchases": "data",
    "Query.invoice": "data",
    "Query.node": "Purchase",
    "Query.nodes": "data",
    "Query.notices": "data",
    "Query.spendBudgets": "data",
    "Query.explainBalance": "data",
    "Query.volumeSchedule": "null",
    "Query.coupons": "data",
    "Query.rateCard": "data",
    "Query.estimateCost": "OperationNotFound",
    "Query.backgroundJobs": "data",
    "Query.organizations": "data",
    "Query.roles": "data",
    "Query.platformMembers": "data",
    "Query.viewerKey": "null",
    "Query.apiKeys": "data",
    "Mutation.startPurchase": REFUSED,
    "Mutation.createQuote": REFUSED,
    # Keepers go on keeping the catalogue: nobody buys from it meanwhile.
    "Mutation.createTokenPackage": "CreateTokenPackageSuccess",
    "Mutation.updateTokenPackage": "UpdateTokenPackageSuccess",
    "Mutation.deactivateTokenPackage": "DeactivateTokenPackageSuccess",
    "Mutation.setVolumeTiers": "SetVolumeTiersSuccess",
    "Mutation.createCoupon": "CreateCouponSuccess",
    "Mutation.deactivateCoupon": "DeactivateCouponSuccess",
    "Mutation.setTokenRate": "SetTokenRateSuccess",
    "Mutation.removeTokenRate": "RemoveTokenRateSuccess",
    "Mutation.spendTokens": REFUSED,
    "Mutation.spendTokensBatch": REFUSED,
    "Mutation.holdTokens": REFUSED,
    "Mutation.captureHold": REFUSED,
    "Mutation.extendHold": REFUSED,
    # A hold may be given up, that only gives back; this one was refused above and never placed.
    "Mutation.releaseHold": "HoldNotFound",
    "Mutation.setSpendBudget": "SetSpendBudgetSuccess",
    "Mutation.removeSpendBudget": "RemoveSpendBudgetSuccess",
    # A purchase under way may be given up.
    "Mutation.cancelPurchase": "PurchaseNotCancellable",
    # Finance makes amends while customers wait.
    "Mutation.grantTokens": "GrantTokensSuccess",
    "Mutation.adjustBalance": "AdjustBalanceSuccess",
    "Mutation.updateWalletSettings": "UpdateWalletSettingsSuccess",
    "Mutation.suspendWallet": "SuspendWalletSuccess",
    "Mutation.reactivateWallet": "ReactivateWalletSuccess",
    # Nothing is charged by keeping a card, and taking one away must always be possible.
    "Mutation.addPaymentMethod": "PaymentMethodSuccess",
    "Mutation.setDefaultPaymentMethod": "PaymentMethodSuccess",
    "Mutation.removePaymentMethod": "PaymentMethodSuccess",
    # Who may do what is nobody's tokens.
    "Mutation.createOrganization": "CreateOrganizationSuccess",
    "Mutation.updateOrganization": "OrganizationSuccess",
    "Mutation.updateContactData": "OrganizationSuccess",
    "Mutation.deactivateOrganization": "OrganizationNotFound",
    "Mutation.reactivateOrganization": "OrganizationSuccess",
    "Mutation.addMember": "AddMemberSuccess",
    "Mutation.setMemberPermissions": "SetMemberPermissionsSuccess",
    "Mutation.removeMember": "RemoveMemberSuccess",
    "Mutation.createApiKey": "CreateApiKeySuccess",
    "Mutation.revokeApiKey": "RevokeApiKeySuccess",
    "Mutation.changePassword": "WrongPassword",
    "Mutation.markNoticesRead": "MarkNoticesReadSuccess",
    "Mutation.runBackgroundJob": "RunBackgroundJobSuccess",
    "Mutation.signIn": "SignInRefused",
    "Mutation.refreshSession": "SessionEnded",
    "Mutation.signOut": "data",
    "Subscription.walletUpdated": "data",
    "Subscription.purchaseProgress": "data",
    "Subscription.noticeReceived": "data",
}
ORDER = {"tokens": "40", "idempotencyKey": "order"}
CANCEL = "mutation ($input: CancelPurchaseInput!) { cancelPurchase(input: $input) { __typename } }"
SPEND = """mutation ($input: SpendTokensInput!) { spendTokens(input: $input) {
  __typename ... on Problem { code message } } }"""


@dataclass
class House:
    """The product on one database, opened again and again with other settings; stories go on from one to the next."""

    open_with: Opening
    started: list[str]

    @asynccontextmanager
    async def open(self, **settings: Any) -> AsyncIterator[World]:
        async with self.open_with(**settings) as world:
            yield world
            # Left to the house, which ends them when the test does.
            self.started += world.started
            world.started.clear()


@pytest.fixture
async def house(open_world: Opening) -> AsyncIterator[House]:
    house = House(open_world, [])
    yield house
    async with open_world() as world:
        world.started += house.started


def root_fields() -> list[str]:
    core = build()._schema
    roots = (core.query_type, core.mutation_type, core.subscription_type)
    return [f"{root.name}.{name}" for root in roots if root is not None for name in root.fields]


def test_every_root_field_says_what_the_switch_does_to_it() -> None:
    assert sorted(WHILE_OFF) == sorted(root_fields())


def test_a_mutation_that_is_refused_has_the_refusal_in_its_result_and_no_other_has() -> None:
    mutations = build()._schema.mutation_type
    assert mutations is not None
    answers = {name: get_named_type(field.type) for name, field in mutations.fields.items()}
    refusing = {
        f"Mutation.{name}"
        for name, answer in answers.items()
        if isinstance(answer, GraphQLUnionType) and REFUSED in {member.name for member in answer.types}
    }
    assert refusing == {name for name, answer in WHILE_OFF.items() if answer == REFUSED}


async def ask(world: World, name: str, scene: Scene, member: Member) -> str:
    """What a root field answers, in one word."""
    document = DOCUMENTS[name]
    variables, headers = variables_of(document, scene), {"authorization": f"Bearer {await world.token_of(member)}"}
    if name.startswith("Subscription."):
        async with stream(world.http, world.url, document.text, headers=headers, **variables) as events:
            return told((await anext(events)).data)
    return told(await world.ask(document.text, member, **variables))


async def test_only_what_begins_to_spend_or_buy_is_refused_and_leaves_no_trace(
    house: House, owner: asyncpg.Connection
) -> None:
    # given
    async with house.open() as world:
        scene = await a_scene(world)
    admin = await a_member(scene.aurora, permissions=tuple(Permission))

    # when
    async with house.open(**OFF) as world:
        await (await Operator.of(world)).sees_scheduled("expire-tokens")
        await world.token_of(admin)
        answers, traces_left = {}, []
        for name in DOCUMENTS:
            before = await everything(owner)
            answers[name] = await ask(world, name, scene, admin)
            if answers[name] == REFUSED and await everything(owner) != before:
                traces_left.append(name)

        # then
        assert answers == WHILE_OFF
        assert traces_left == []
        assert await world.broken_rules() == []
        story = world.client.get_workflow_handle(purchase_workflow_id(purchase_id_of(scene.aurora.id, "matrix")))
        with pytest.raises(RPCError) as unknown:
            await story.describe()
        assert unknown.value.status is RPCStatusCode.NOT_FOUND


async def test_the_refusal_says_what_is_the_matter(house: House) -> None:
    aurora = await an_organization()
    await gives(aurora, "10")
    ada = await a_member(aurora)
    async with house.open(**OFF) as world:
        refused = [
            (await world.data(SPEND, ada, input={"tokens": "1", "idempotencyKey": "spend"}))["spendTokens"],
            await world.buys(ada, **ORDER),
        ]

    assert (
        refused
        == [
            {
                "__typename": REFUSED,
                "code": "TOKEN_SYSTEM_DISABLED",
                "message": "Spending and buying are switched off for now; reading goes on.",
            }
        ]
        * 2
    )


async def test_a_refused_key_is_free_when_the_switch_is_thrown_back(house: House, db: Connection) -> None:
    # given
    ada = await a_buyer()
    async with house.open(**OFF) as world:
        refused = await world.buys(ada, **ORDER)

    # when
    async with house.open() as world:
        bought = await world.buys(ada, **ORDER)

        # then
        assert refused["__typename"] == REFUSED
        assert bought["purchase"]["status"] == "COMPLETED"
        assert await traces(db, bought["purchase"]["id"]) == paid("40")
        assert await world.broken_rules() == []


async def test_a_purchase_under_way_is_completed_by_the_gateways_event(house: House, db: Connection) -> None:
    # given: a buyer who is at 3-D Secure when the switch is thrown and everything restarted
    ada = await a_buyer("pm_three_d_secure")
    async with house.open() as world:
        purchase = (await world.buys(ada, **ORDER))["purchase"]
        await world.becomes(ada, purchase["id"], "REQUIRES_ACTION")

    # when
    async with house.open(**OFF) as world:
        await Provider.of(world).clicks(purchase["actionUrl"], "approve")
        completed = await world.becomes(ada, purchase["id"], "COMPLETED")
        await world.story(purchase["id"]).result()

        # then
        assert completed["invoice"]["total"] == {"amount": "23.20"}
        assert await traces(db, purchase["id"]) == paid("40")
        key = str(key_of(purchase["id"], "Purchase"))
        assert await db.fetch("SELECT 1 FROM gateway_events WHERE purchase_key = $1", key) != []
        refused = await world.buys(ada, tokens="1", idempotencyKey="another")
        assert refused["__typename"] == REFUSED
        assert await world.broken_rules() == []


async def test_a_purchase_under_way_can_be_given_up(house: House, db: Connection) -> None:
    ada = await a_buyer("pm_three_d_secure")
    async with house.open() as world:
        purchase_id = await world.places(ada, **ORDER)

    async with house.open(**OFF) as world:
        told = await world.data(CANCEL, ada, input={"purchaseId": purchase_id})

        assert told["cancelPurchase"]["__typename"] == "CancelPurchaseSuccess"
        await world.becomes(ada, purchase_id, "CANCELLED")
        assert await traces(db, purchase_id) == unpaid("CANCELLED")
        assert await world.broken_rules() == []


async def test_a_payment_that_comes_late_completes_its_purchase(house: House, db: Connection) -> None:
    # given
    ada = await a_buyer("pm_declined_do_not_honor")
    async with house.open() as world:
        purchase_id = await world.places(ada, **ORDER)
        await world.ends(purchase_id)

    # when
    async with house.open(**OFF) as world:
        await Provider.of(world).forces(purchase_id, "CAPTURED")
        completed = await world.becomes(ada, purchase_id, "COMPLETED")
        late = late_payment_workflow_id(world.story(purchase_id).id.removeprefix("purchase/"))
        world.started.append(late)
        number = await world.client.get_workflow_handle(late).result()

        # then
        assert number == completed["invoice"]["number"]
        assert await traces(db, purchase_id) == paid("40")
        assert await world.broken_rules() == []


async def test_what_has_expired_is_booked_all_the_same(house: House) -> None:
    async with house.open(**OFF) as world:
        # given
        operator, aurora = await Operator.of(world), await an_organization()
        await operator.undisturbed("expire-tokens")
        now = datetime.now(UTC)
        await gives(aurora, "3", expires_at=now + timedelta(milliseconds=1), at=now)

        # when
        run = await operator.runs("expire-tokens")

        # then
        assert (run["status"], run["result"]["changed"]) == ("COMPLETED", 1)
        assert [(await operator.sees(job.name))["isPaused"] for job in JOBS] == [False] * len(JOBS)
        assert await world.broken_rules() == []


async def test_health_is_answered_as_before(house: House) -> None:
    answers = []
    for settings in ({}, OFF):
        async with house.open(**settings) as world:
            health = await world.http.get(f"{world.url}/api/health")
            async with asyncio.timeout(PATIENCE_SECONDS):
                # A Temporal that stands still for a second counts as down.
                while health.json()["services"]["temporal"] != "up":
                    health = await world.http.get(f"{world.url}/api/health")
            alive = await world.http.get(f"{world.url}/livez")
            answers.append((alive.status_code, health.status_code, health.json()["services"]))

    # The tests' PostgreSQL does not wait for its disk, which health does not forgive.
    assert answers == [(200, 503, {"database": "down", "temporal": "up", "accepting": "up"})] * 2
