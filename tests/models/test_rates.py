"""The rate card: one rate in force for each operation, those before it kept, and what was valid when."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from models.database import Connection
from models.errors import InvalidRate, InvalidUnits, OperationNotFound
from models.rates import RateDraft, price_operation, price_operations, rate_card, remove_rate, set_rate
from tests.offers import KEEPER, MINUTE, NOON, a_rate

SOON, LATER = NOON + MINUTE, NOON + 2 * MINUTE


async def versions(db: Connection) -> list[tuple[int, Decimal, datetime, datetime | None]]:
    rows = await db.fetch("SELECT version, tokens_per_unit, valid_from, ended_at FROM token_rates ORDER BY version")
    return [tuple(row.values()) for row in rows]


async def audited(db: Connection) -> list[str]:
    rows = await db.fetch("SELECT action FROM token_audit_logs WHERE organization_id IS NULL ORDER BY id")
    return [row["action"] for row in rows]


async def test_a_new_rate_takes_the_place_of_the_one_before_and_neither_is_edited(db: Connection) -> None:
    await a_rate("report", "100", at=NOON)
    await a_rate("report", "50", at=SOON)

    assert await versions(db) == [(1, Decimal(100), NOON, SOON), (2, Decimal(50), SOON, None)]
    assert [(rate.operation, rate.tokens_per_unit) for rate in await rate_card(db)] == [("report", Decimal(50))]
    assert await audited(db) == ["rate.set", "rate.set"]


async def test_what_an_operation_cost_can_be_asked_of_any_instant(db: Connection) -> None:
    await a_rate("report", "100", at=NOON)
    await a_rate("report", "50", at=SOON)
    await remove_rate("report", KEEPER, at=LATER)
    tick = timedelta(microseconds=1)

    async def cost_at(moment: datetime) -> Decimal | None:
        try:
            return (await price_operation(db, "report", Decimal(2), at=moment)).tokens
        except OperationNotFound:
            return None

    moments = (NOON - tick, NOON, SOON - tick, SOON, LATER - tick, LATER)
    assert [await cost_at(moment) for moment in moments] == [None, 200, 200, 100, 100, None]


async def test_the_same_rate_again_changes_nothing(db: Connection) -> None:
    first = await a_rate("report", "50", at=NOON)
    again = await a_rate("report", "50.000000", at=SOON)

    assert again == first
    assert await versions(db) == [(1, Decimal(50), NOON, None)]
    assert await audited(db) == ["rate.set"]


async def test_another_unit_or_description_is_another_version(db: Connection) -> None:
    await a_rate("report", "50", at=NOON)

    changed = await set_rate(RateDraft("report", Decimal(50), "page", ""), KEEPER, at=SOON)

    assert (changed.version, changed.unit) == (2, "page")


async def test_many_at_once_leave_one_in_force_and_versions_without_a_gap(db: Connection) -> None:
    await asyncio.gather(*(a_rate("report", str(number), at=NOON) for number in range(1, 21)))

    told = await versions(db)
    assert [version for version, _, _, _ in told] == list(range(1, 21))
    assert [ended is None for _, _, _, ended in told].count(True) == 1
    assert {each for _, each, _, _ in told} == set(range(1, 21))


async def test_a_clock_that_is_behind_ends_no_rate_before_it_began(db: Connection) -> None:
    await a_rate("report", "100", at=SOON)
    await a_rate("report", "50", at=NOON)
    removed = await remove_rate("report", KEEPER, at=NOON)

    assert await versions(db) == [(1, Decimal(100), SOON, SOON), (2, Decimal(50), SOON, SOON)]
    assert removed.ended_at == SOON


async def test_a_removed_operation_is_not_on_the_card_and_can_come_back(db: Connection) -> None:
    await a_rate("report", "50", at=NOON)
    await remove_rate("report", KEEPER, at=SOON)
    assert await rate_card(db) == []
    with pytest.raises(OperationNotFound):
        await remove_rate("report", KEEPER, at=SOON)

    back = await a_rate("report", "50", at=LATER)

    assert back.version == 2
    assert await audited(db) == ["rate.set", "rate.removed", "rate.set"]


@pytest.mark.parametrize("each", ["0", "-1", "0.0000001", "1000000.000001", "NaN"])
async def test_what_is_no_price_in_tokens_is_refused(db: Connection, each: str) -> None:
    with pytest.raises(InvalidRate):
        await a_rate("report", each)

    assert await versions(db) == []


async def test_many_operations_are_priced_in_their_order_each_by_itself(db: Connection) -> None:
    for operation, each in (("claim.submission", "7"), ("ocr.page", "8"), ("lookup", "0.00001")):
        await a_rate(operation, each)
    wanted = [(name, Decimal(units)) for name, units in (("ocr.page", "2.5"), ("lookup", "1"), ("ocr.page", "1"))]

    rated = await price_operations(db, wanted, at=NOON)

    assert [(one.operation, one.units, one.tokens) for one in rated] == [
        ("ocr.page", Decimal("2.5"), 20),
        ("lookup", 1, Decimal("0.0001")),
        ("ocr.page", 1, 8),
    ]


async def test_an_unknown_operation_and_no_number_of_units_are_refused(db: Connection) -> None:
    await a_rate("report", "50")

    with pytest.raises(OperationNotFound) as unknown:
        await price_operation(db, "repair", Decimal(1), at=NOON)
    with pytest.raises(InvalidUnits) as wrong:
        await price_operation(db, "report", Decimal(0), at=NOON)

    assert unknown.value.operation == "repair"
    assert (wrong.value.minimum, wrong.value.maximum) == (Decimal("0.000001"), Decimal(1_000_000_000))
