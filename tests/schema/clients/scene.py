"""The scene most API tests play in: Aurora has bought and spent tokens, Boreal is another customer, and both watch."""

import asyncio
from dataclasses import dataclass

from models.database import connection
from schema.credentials import OwnTokens
from schema.ids import global_id
from schema.pages import FEED, sequence_cursor
from server import own_tokens
from tests.builders import (
    EVERYTHING,
    Member,
    Organization,
    a_member,
    a_notice,
    a_package,
    a_payment_method,
    an_organization,
)
from tests.patience import PATIENCE_SECONDS
from tests.simulators.world import World

ENTRIES = "{ wallet { id entries { nodes { id } } lots { nodes { id } } invoices { nodes { id number } } } }"
HOLD = """mutation ($input: HoldTokensInput!) { holdTokens(input: $input) {
  ... on HoldTokensSuccess { hold { id } } ... on Problem { code } } }"""
SET_BUDGET = """mutation ($input: SetSpendBudgetInput!) { setSpendBudget(input: $input) {
  ... on SetSpendBudgetSuccess { budget { id } } ... on Problem { code } } }"""


# The gateway may also still be telling of what an earlier test has paid.
TOLD_OF = "SELECT 1 FROM token_purchases p WHERE EXISTS (SELECT FROM gateway_events WHERE purchase_key = p.id::text)"


@dataclass(frozen=True, slots=True)
class Scene:
    """Aurora's things by their global ids, and people of both organizations with everything one may do at home."""

    aurora: Organization
    boreal: Organization
    ada: Member
    bjorn: Member
    package: str
    method: str
    purchase: str
    wallet: str
    entry: str
    lot: str
    invoice: str
    invoice_number: str
    notice: str
    hold: str
    budget: str
    start: str

    def owned(self) -> dict[str, str]:
        """Everything of Aurora's that has a global id, by its type."""
        return {
            "Organization": self.aurora.global_id,
            "Wallet": self.wallet,
            "WalletEntry": self.entry,
            "Lot": self.lot,
            "Purchase": self.purchase,
            "Invoice": self.invoice,
            "PaymentMethod": self.method,
            "Notice": self.notice,
            "Hold": self.hold,
            "SpendBudget": self.budget,
        }


async def a_scene(world: World) -> Scene:
    """Aurora's purchase of 100 tokens is over, its letters are out, and it has a notice. Ada holds 10 of the tokens and
    may use 1,000 a month. Boreal has a wallet and nothing in it."""
    aurora, boreal = await an_organization("Aurora Clinics"), await an_organization("Boreal Insurance")
    ada, bjorn = await a_member(aurora), await a_member(boreal, permissions=EVERYTHING)
    package, method = await a_package("100"), await a_payment_method(aurora)
    await a_payment_method(boreal)
    bought = await world.buys(ada, packageId=package, idempotencyKey="the scene")
    await world.story(bought["purchase"]["id"]).result()
    await gateway_has_told(purchases=1)
    wallet = (await world.data(ENTRIES, ada))["wallet"]
    (invoice,) = wallet["invoices"]["nodes"]
    budget = {"subjectId": global_id("Member", ada.id), "period": "MONTH", "tokens": "1000"}
    capped = (await world.data(SET_BUDGET, ada, input=budget))["setSpendBudget"]["budget"]
    hold = {"tokens": "10", "idempotencyKey": "the scene", "ttlSeconds": 86_400}
    held = (await world.data(HOLD, ada, input=hold))["holdTokens"]["hold"]
    return Scene(
        aurora=aurora,
        boreal=boreal,
        ada=ada,
        bjorn=bjorn,
        package=package,
        method=method,
        purchase=bought["purchase"]["id"],
        wallet=wallet["id"],
        entry=wallet["entries"]["nodes"][0]["id"],
        lot=wallet["lots"]["nodes"][0]["id"],
        invoice=invoice["id"],
        invoice_number=invoice["number"],
        notice=await a_notice(aurora, wallet["lots"]["nodes"][0]["id"]),
        hold=held["id"],
        budget=capped["id"],
        start=sequence_cursor(0, of=FEED),
    )


async def gateway_has_told(*, purchases: int) -> None:
    """The gateway's events about so many purchases are stored; after that nothing moves by itself."""
    async with asyncio.timeout(PATIENCE_SECONDS), connection() as db:
        while len(await db.fetch(TOLD_OF)) < purchases:
            await asyncio.sleep(0.02)


def tokens_of(world: World) -> OwnTokens:
    """The API's own way of making tokens, with its secrets."""
    return own_tokens(world.settings)


def unknown_id(kind: str, scene: Scene) -> str:
    """A well-formed id of nothing."""
    return global_id(kind, scene.ada.id)
