"""Packages: made once by a key, changed field by field, withdrawn and never removed."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from models.database import Connection
from models.errors import IdempotencyConflict, InvalidPackage, InvalidTokens, PackageNotFound, PackageWithdrawn
from models.packages import (
    PackageDraft,
    create_package,
    package_id_of,
    packages_on_sale,
    read_package,
    update_package,
    withdraw_package,
)
from models.quotes import Wish, quote
from models.reconciliation import violations
from rules.packages import Composition
from tests.builders import an_organization, defaults, is_paid
from tests.offers import KEEPER, NOON, a_custom_package, orders, pays_by_card, tiered

STARTER = PackageDraft("Starter", "For a start", Composition(False, Decimal(100), Decimal(5), None, None, 365, 1))
AUDITED = (
    "SELECT action, actor, details::text AS details FROM token_audit_logs WHERE organization_id IS NULL ORDER BY id"
)


async def audited(db: Connection) -> list[str]:
    return [row["action"] for row in await db.fetch(AUDITED)]


async def test_a_package_is_made_once_by_its_key_and_told_again(db: Connection) -> None:
    made, replayed = await create_package("starter 2026", STARTER, KEEPER)
    again, replayed_then = await create_package("starter 2026", STARTER, KEEPER)

    assert (replayed, replayed_then) == (False, True)
    assert made == again == await read_package(db, package_id_of("starter 2026"))
    assert (made.name, made.tokens, made.bonus_tokens, made.validity_days) == ("Starter", Decimal(100), Decimal(5), 365)
    assert made.is_active
    (row,) = await db.fetch(AUDITED)
    assert (row["action"], row["actor"]) == ("package.created", "user/keeper")
    assert "Starter" not in row["details"]


async def test_twenty_at_once_with_one_key_make_one_package(db: Connection) -> None:
    told = await asyncio.gather(*(create_package("starter", STARTER, KEEPER) for _ in range(20)))

    assert len({view.id for view, _ in told}) == 1
    assert [replayed for _, replayed in told].count(False) == 1
    assert len(await packages_on_sale(db)) == 1
    assert await audited(db) == ["package.created"]


async def test_the_same_key_for_another_package_is_refused(db: Connection) -> None:
    await create_package("starter", STARTER, KEEPER)

    with pytest.raises(IdempotencyConflict):
        await create_package("starter", replace(STARTER, name="Business"), KEEPER)

    assert [view.name for view in await packages_on_sale(db)] == ["Starter"]
    assert await audited(db) == ["package.created"]


async def test_a_package_that_cannot_be_is_refused_and_its_key_stays_free(db: Connection) -> None:
    wrong = replace(STARTER, composition=replace(STARTER.composition, tokens=Decimal(0)))

    with pytest.raises(InvalidPackage) as refusal:
        await create_package("starter", wrong, KEEPER)

    assert refusal.value.field == "tokens"
    assert await packages_on_sale(db) == []
    assert await audited(db) == []
    _, replayed = await create_package("starter", STARTER, KEEPER)
    assert not replayed


async def test_an_update_changes_what_is_given_and_nothing_else(db: Connection) -> None:
    # given
    made, _ = await create_package("starter", STARTER, KEEPER)

    # when
    changed = await update_package(
        made.id, {"price": Decimal("39.90"), "currency": "USD", "validity_days": None, "display_order": 7}, KEEPER
    )

    # then
    expected = replace(made, price=Decimal("39.90"), currency="USD", validity_days=None, display_order=7)
    assert changed == expected == await read_package(db, made.id)
    assert await audited(db) == ["package.created", "package.updated"]


async def test_a_currency_goes_with_its_price_and_with_no_other(db: Connection) -> None:
    custom = await a_custom_package(token_price="0.40")

    kept = await update_package(custom.id, {"price": None}, KEEPER)
    gone = await update_package(custom.id, {"token_price": None}, KEEPER)

    assert kept == custom
    assert (gone.token_price, gone.currency) == (None, None)


async def test_an_update_that_changes_nothing_writes_nothing(db: Connection) -> None:
    made, _ = await create_package("starter", STARTER, KEEPER)

    for changes in ({}, {"name": "Starter"}, {"tokens": Decimal("100.0000"), "description": "For a start"}):
        assert await update_package(made.id, changes, KEEPER) == made

    assert await audited(db) == ["package.created"]


async def test_two_updates_at_once_both_count(db: Connection) -> None:
    made, _ = await create_package("starter", STARTER, KEEPER)

    await asyncio.gather(*(update_package(made.id, change, KEEPER) for change in ({"name": "A"}, {"display_order": 9})))

    assert await read_package(db, made.id) == replace(made, name="A", display_order=9)


async def test_an_update_to_what_cannot_be_changes_nothing(db: Connection) -> None:
    made, _ = await create_package("starter", STARTER, KEEPER)

    with pytest.raises(InvalidPackage) as refusal:
        await update_package(made.id, {"name": "Other", "min_tokens": Decimal(5)}, KEEPER)

    assert refusal.value.field == "min_tokens"
    assert await read_package(db, made.id) == made


async def test_a_package_that_is_not_there_is_not_found(books: object) -> None:
    for change in (update_package(UUID(int=1), {}, KEEPER), withdraw_package(UUID(int=1), KEEPER)):
        with pytest.raises(PackageNotFound):
            await change


async def test_a_withdrawn_package_is_sold_no_more_and_stays_readable(db: Connection) -> None:
    # given
    aurora = await an_organization()
    made, _ = await create_package("starter", STARTER, KEEPER)

    # when
    withdrawn = await withdraw_package(made.id, KEEPER)
    again = await withdraw_package(made.id, KEEPER)

    # then
    assert withdrawn == again == await read_package(db, made.id) == replace(made, is_active=False)
    assert await packages_on_sale(db) == []
    assert await packages_on_sale(db, include_withdrawn=True) == [withdrawn]
    assert await audited(db) == ["package.created", "package.withdrawn"]
    with pytest.raises(PackageWithdrawn):
        await quote(db, aurora.id, Wish(made.id, None), at=NOON)


async def test_a_purchase_placed_before_a_change_keeps_its_price_and_tokens(db: Connection) -> None:
    aurora = await an_organization()
    await pays_by_card(aurora)
    made, _ = await create_package("starter", STARTER, KEEPER)
    placed = await orders(aurora, None, package_id=made.id)

    await update_package(made.id, {"tokens": Decimal(50), "bonus_tokens": Decimal(0)}, KEEPER)
    await is_paid(placed, at=NOON)

    row = await db.fetch_one("SELECT current_balance FROM organization_token_wallets")
    assert row is not None
    assert row["current_balance"] == 105
    assert await violations(db) == []


# what is named beside the package: what is bought, or None for a refusal
CUSTOM_QUANTITIES = {"9.9999": None, "10": "10", "500": "500", "500.0001": None, "12.00001": None, None: None}


@pytest.mark.parametrize(("named", "bought"), CUSTOM_QUANTITIES.items())
async def test_of_a_custom_package_the_buyer_names_the_number_between_its_ends(
    db: Connection, named: str | None, bought: str | None
) -> None:
    aurora = await an_organization()
    package = await a_custom_package(at_least="10", at_most="500", token_price="0.40", bonus="3", validity_days=30)
    wish = Wish(package.id, None if named is None else Decimal(named))

    if bought is None:
        with pytest.raises(InvalidTokens) as refusal:
            await quote(db, aurora.id, wish, at=NOON)
        assert (refusal.value.minimum, refusal.value.maximum) == (Decimal(10), Decimal(500))
        return
    offered = await quote(db, aurora.id, wish, at=NOON)
    assert (offered.price.tokens, offered.bonus_tokens, offered.validity_days) == (Decimal(bought), Decimal(3), 30)
    assert offered.price.subtotal == Decimal(bought) * Decimal("0.40")


async def test_of_a_fixed_package_no_other_number_can_be_named(db: Connection) -> None:
    aurora = await an_organization()
    made, _ = await create_package("starter", STARTER, KEEPER)

    offered = await quote(db, aurora.id, Wish(made.id, Decimal(100)), at=NOON)
    with pytest.raises(InvalidTokens) as refusal:
        await quote(db, aurora.id, Wish(made.id, Decimal(99)), at=NOON)

    assert offered.price.total == Decimal("58.00")
    assert (refusal.value.minimum, refusal.value.maximum) == (Decimal(100), Decimal(100))


async def test_a_price_per_token_in_another_currency_than_the_wallets_does_not_count(db: Connection) -> None:
    aurora = await an_organization(wallet=defaults(currency="EUR", price="0.60", tax_rate="0"))
    package = await a_custom_package(token_price="0.40", currency="USD")
    await tiered(package.id)

    offered = await quote(db, aurora.id, Wish(package.id, Decimal(100)), at=NOON)

    # 100 × 0.60 at 20 % off.
    assert (offered.price.subtotal, offered.currency) == (Decimal("48.00"), "EUR")
