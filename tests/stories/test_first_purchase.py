"""The main job: an organization buys tokens and spends them."""

from decimal import Decimal

from tests.builders import a_member, a_package, a_payment_method, an_organization
from tests.simulators.world import World

SPEND = """
mutation ($input: SpendTokensInput!) { spendTokens(input: $input) {
  __typename
  ... on SpendTokensSuccess { entryId sequence tokens available held replayed }
  ... on InsufficientTokens { needed available }
  ... on Problem { code } } }
"""

WALLET = "{ wallet { available entries { nodes { sequence kind tokens } } invoices { nodes { number } } } }"


async def test_a_purchase_ends_in_tokens_an_invoice_and_a_receipt(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    starter = await a_package("100")
    await a_payment_method(aurora)

    # when
    told = await world.buys(ada, packageId=starter, idempotencyKey="first order")

    # then
    assert told["__typename"] == "StartPurchaseSuccess"
    assert told["replayed"] is False
    assert told["purchase"]["status"] == "COMPLETED"
    assert told["purchase"]["total"] == {"amount": "58.00", "currencyCode": "USD"}
    number = told["purchase"]["invoice"]["number"]
    letter = await world.mailbox.wait_for(world.story(told["purchase"]["id"]).id, "receipt")
    assert letter["to"] == ada.email
    assert [attachment["name"] for attachment in letter["attachments"]] == [f"{number}.pdf"]
    wallet = (await world.data(WALLET, ada))["wallet"]
    assert wallet["available"] == "100.0000"
    assert wallet["entries"]["nodes"] == [{"sequence": 1, "kind": "PURCHASE", "tokens": "100.0000"}]
    assert await world.broken_rules() == []


async def test_the_same_key_buys_and_spends_once(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await a_payment_method(aurora)
    order = {"tokens": "20", "idempotencyKey": "once"}

    # when
    first, second = await world.buys(ada, **order), await world.buys(ada, **order)
    spends = [
        (await world.data(SPEND, ada, input={"tokens": "5", "idempotencyKey": "report 7"}))["spendTokens"]
        for _ in range(2)
    ]

    # then
    assert second["replayed"] is True
    assert second["purchase"]["id"] == first["purchase"]["id"]
    assert [spend["replayed"] for spend in spends] == [False, True]
    assert spends[0]["entryId"] == spends[1]["entryId"]
    wallet = (await world.data(WALLET, ada))["wallet"]
    assert Decimal(wallet["available"]) == 15
    assert [entry["kind"] for entry in wallet["entries"]["nodes"]] == ["SPEND", "PURCHASE"]
    assert await world.broken_rules() == []
