"""Volume tiers: one schedule in force for each thing, the ones before it kept, and what it does to prices."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from models.database import Connection
from models.errors import InvalidPackage, InvalidTiers, PackageNotFound
from models.quotes import Wish, quote
from models.volume import TiersWanted, read_schedule, schedules_of_packages, set_tiers
from rules.tiers import Tier, TierMode
from schema.ids import read_id
from tests.builders import a_package, an_organization, is_paid
from tests.offers import KEEPER, MINUTE, NOON, a_custom_package, orders, pays_by_card, tiered

FLAT = (Tier(None, Decimal("0.5")),)


async def kept(db: Connection) -> list[tuple[int, bool]]:
    """The versions of plain quantities, and whether each is in force."""
    rows = await db.fetch("SELECT version, ended_at FROM volume_schedules WHERE package_id IS NULL ORDER BY version")
    return [(row["version"], row["ended_at"] is None) for row in rows]


async def test_another_schedule_takes_the_place_of_the_one_before_which_is_kept(db: Connection) -> None:
    await tiered()
    await tiered(mode=TierMode.GRADUATED, at=NOON + MINUTE)

    present = await read_schedule(db, None)
    assert present is not None
    assert (present.version, present.schedule.mode) == (2, TierMode.GRADUATED)
    assert present.schedule.tiers[1] == Tier(Decimal(99), Decimal("0.1"))
    assert await kept(db) == [(1, False), (2, True)]
    (ended,) = await db.fetch("SELECT ended_at FROM volume_schedules WHERE version = 1")
    assert ended["ended_at"] == NOON + MINUTE
    assert len(await db.fetch("SELECT 1 FROM volume_tiers")) == 8


async def test_the_same_tiers_again_change_nothing(db: Connection) -> None:
    await tiered()
    await tiered(at=NOON + MINUTE)

    assert await kept(db) == [(1, True)]
    assert len(await db.fetch("SELECT 1 FROM token_audit_logs WHERE action = 'volume_tiers.set'")) == 1


async def test_no_tiers_are_no_volume_discount(db: Connection) -> None:
    aurora = await an_organization()
    await tiered()
    ended = await set_tiers(TiersWanted(None, TierMode.VOLUME, ()), KEEPER, at=NOON + MINUTE)
    again = await set_tiers(TiersWanted(None, TierMode.VOLUME, ()), KEEPER, at=NOON + MINUTE)

    offered = await quote(db, aurora.id, Wish(None, Decimal(100)), at=NOON + MINUTE)

    assert (ended, again) == (None, None)
    assert offered.price.total == Decimal("58.00")
    assert await kept(db) == [(1, False)]


async def test_many_at_once_leave_one_in_force_and_versions_without_a_gap(db: Connection) -> None:
    shares = [Decimal(number) / 100 for number in range(10)]

    await asyncio.gather(
        *(set_tiers(TiersWanted(None, TierMode.VOLUME, (Tier(None, off),)), KEEPER, at=NOON) for off in shares)
    )

    assert await kept(db) == [(number, number == 10) for number in range(1, 11)]


async def test_what_is_no_schedule_changes_nothing(db: Connection) -> None:
    await tiered()

    with pytest.raises(InvalidTiers):
        await set_tiers(TiersWanted(None, TierMode.VOLUME, (Tier(Decimal(9), Decimal(0)),)), KEEPER, at=NOON)

    assert await kept(db) == [(1, True)]


async def test_only_a_custom_package_that_is_there_has_tiers(db: Connection) -> None:
    fixed = read_id(await a_package("100"), "TokenPackage")

    with pytest.raises(InvalidPackage):
        await set_tiers(TiersWanted(fixed, TierMode.VOLUME, FLAT), KEEPER, at=NOON)
    with pytest.raises(PackageNotFound):
        await set_tiers(TiersWanted(UUID(int=1), TierMode.VOLUME, FLAT), KEEPER, at=NOON)

    assert await db.fetch("SELECT 1 FROM volume_schedules") == []


async def test_each_package_has_its_own_and_plain_quantities_another(db: Connection) -> None:
    one, other, bare = [await a_custom_package() for _ in range(3)]
    await tiered()
    await tiered(one.id, tiers=((None, "0.5"),))
    await tiered(other.id, tiers=((None, "0.25"),), mode=TierMode.GRADUATED)

    found = await schedules_of_packages(db, [one.id, other.id, bare.id])

    assert {key: view.schedule.tiers[0].discount for key, view in found.items()} == {
        one.id: Decimal("0.5"),
        other.id: Decimal("0.25"),
    }


# tokens, mode: subtotal, tax, total, what one token cost; at 0.50 with 16 % tax
PRICES = [
    ("9", TierMode.VOLUME, "4.50", "0.72", "5.22", "0.500000"),
    ("10", TierMode.VOLUME, "4.50", "0.72", "5.22", "0.450000"),
    ("100", TierMode.VOLUME, "40.00", "6.40", "46.40", "0.400000"),
    ("1000", TierMode.VOLUME, "350.00", "56.00", "406.00", "0.350000"),
    ("10", TierMode.GRADUATED, "4.95", "0.79", "5.74", "0.495000"),
    ("100", TierMode.GRADUATED, "45.40", "7.26", "52.66", "0.454000"),
    ("1000", TierMode.GRADUATED, "405.35", "64.86", "470.21", "0.405350"),
]


@pytest.mark.parametrize(("tokens", "mode", "subtotal", "tax", "total", "each"), PRICES)
async def test_tiers_shape_the_price_which_is_rounded_once(
    db: Connection, tokens: str, mode: TierMode, subtotal: str, tax: str, total: str, each: str
) -> None:
    aurora = await an_organization()
    await tiered(mode=mode)

    price = (await quote(db, aurora.id, Wish(None, Decimal(tokens)), at=NOON)).price

    assert (price.subtotal, price.tax, price.total) == (Decimal(subtotal), Decimal(tax), Decimal(total))
    assert price.unit_price == Decimal(each)


async def test_what_was_paid_for_tiered_tokens_is_what_their_lot_costs(db: Connection) -> None:
    aurora = await an_organization()
    await pays_by_card(aurora)
    await tiered()

    await is_paid(await orders(aurora, "100"), at=NOON)

    (lot,) = await db.fetch("SELECT unit_cost, cost FROM token_lots")
    assert (lot["unit_cost"], lot["cost"]) == (Decimal("0.40"), 40)
