"""Spending: lots burn in order, a key means one intention, and what is refused moves nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from models.database import Connection
from models.errors import IdempotencyConflict, InvalidTokens, WalletNotFound, WalletSuspended
from models.reconciliation import violations
from models.spending import SpendOrder
from tests.builders import Organization, a_package, an_order, an_organization, gives, is_paid, spend

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
WRITTEN = """
SELECT (SELECT count(*) FROM token_balance_history) AS entries, (SELECT count(*) FROM token_draws) AS draws,
       (SELECT count(*) FROM token_audit_logs) AS audit, (SELECT count(*) FROM outbox) AS events,
       (SELECT current_balance FROM organization_token_wallets) AS available
"""
SUSPENDED = "UPDATE organization_token_wallets SET is_active = NOT $1, suspended_at = CASE WHEN $1 THEN now() END"


def an_order_of(organization: Organization, tokens: str = "3") -> SpendOrder:
    return SpendOrder(organization.id, Decimal(tokens), "spend 1", "user/ada", "report", "7", "March")


async def written(db: Connection) -> list[object]:
    row = await db.fetch_one(WRITTEN)
    assert row is not None
    return list(row.values())


async def test_lots_burn_in_order_and_each_draw_is_written(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "1", priority=90, expires_at=NOW + A_DAY, at=NOW)
    await is_paid(await an_order(aurora, package=await a_package("2", bonus="2"), at=NOW), at=NOW)
    await gives(aurora, "1.5", expires_at=NOW + 9 * A_DAY, at=NOW)
    await gives(aurora, "0.25", priority=10, at=NOW)

    # when
    booked = await spend(an_order_of(aurora, "5.8"), at=NOW)

    # then: the lowest priority number, the only expiry, the free bonus, what was paid, and not the last priority
    assert [booked.sequence, booked.tokens, booked.available] == [6, Decimal("5.8"), Decimal("0.95")]
    draws = await db.fetch(
        "SELECT l.kind, l.priority, d.tokens FROM token_draws d JOIN token_lots l ON l.id = d.lot_id"
        " WHERE d.entry_id = $1 ORDER BY d.id",
        booked.entry_id,
    )
    assert [tuple(draw.values()) for draw in draws] == [
        ("PROMO", 10, Decimal("0.25")),
        ("PROMO", 50, Decimal("1.5")),
        ("BONUS", 50, Decimal(2)),
        ("PAID", 50, Decimal(2)),
        ("PROMO", 90, Decimal("0.05")),
    ]
    entry = await db.fetch_one("SELECT * FROM token_balance_history WHERE id = $1", booked.entry_id)
    assert entry is not None
    assert (entry["change_type"], entry["change_amount"], entry["actor"]) == ("SPEND", Decimal("-5.8"), "user/ada")
    assert (entry["reference_type"], entry["reference_id"], entry["description"]) == ("report", "7", "March")
    assert (entry["idempotency_key"], entry["occurred_at"]) == ("spend 1", NOW)
    assert await violations(db) == []


async def test_a_spend_repeated_is_told_the_first_answer_and_writes_nothing(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    first = await spend(an_order_of(aurora, "3"), at=NOW)
    before = await written(db)

    again = await spend(an_order_of(aurora, "3.000"), at=NOW + A_DAY)

    assert replace(again, replayed=False) == first
    assert again.replayed
    assert await written(db) == before


OTHER_INPUTS: dict[str, dict[str, object]] = {
    "more tokens": {"tokens": Decimal("3.0001")},
    "another reference type": {"reference_type": "invoice"},
    "another reference": {"reference_id": "8"},
    "no reference": {"reference_id": None},
    "another description": {"description": "April"},
}


@pytest.mark.parametrize("other", OTHER_INPUTS.values(), ids=OTHER_INPUTS.keys())
async def test_the_same_key_for_another_spend_is_refused(db: Connection, other: dict[str, object]) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await spend(an_order_of(aurora), at=NOW)
    before = await written(db)

    with pytest.raises(IdempotencyConflict):
        await spend(replace(an_order_of(aurora), **other), at=NOW)  # type: ignore[arg-type]

    assert await written(db) == before
    assert await violations(db) == []


async def test_who_asks_does_not_make_another_intention(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await spend(an_order_of(aurora), at=NOW)

    again = await spend(replace(an_order_of(aurora), actor="user/grace", request_id="r-2"), at=NOW)

    assert again.replayed
    assert await violations(db) == []


@pytest.mark.parametrize(
    "tokens",
    ["0", "-0", "-1", "0.00001", "1.00001", "1000000000.0001", "1E+30", "NaN", "sNaN", "Infinity", "-Infinity"],
)
async def test_what_cannot_be_spent_is_refused_and_not_remembered(db: Connection, tokens: str) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    before = await written(db)

    with pytest.raises(InvalidTokens):
        await spend(an_order_of(aurora, tokens), at=NOW)

    assert await written(db) == before
    assert not (await spend(an_order_of(aurora), at=NOW)).replayed


async def test_everything_can_be_spent_to_the_last_ten_thousandth(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "1.0001", at=NOW)

    assert (await spend(an_order_of(aurora, "1"), at=NOW)).available == Decimal("0.0001")
    last = await spend(replace(an_order_of(aurora, "0.0001"), key="the last"), at=NOW)

    assert last.available == 0
    assert await violations(db) == []


async def test_a_refusal_while_suspended_stands_when_the_wallet_is_active_again(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await db.execute(SUSPENDED, True)
    before = await written(db)
    with pytest.raises(WalletSuspended):
        await spend(an_order_of(aurora), at=NOW)
    await db.execute(SUSPENDED, False)

    with pytest.raises(WalletSuspended):
        await spend(an_order_of(aurora), at=NOW)

    assert await written(db) == before
    assert (await spend(replace(an_order_of(aurora), key="a new one"), at=NOW)).available == 7
    assert await violations(db) == []


async def test_without_a_wallet_nothing_is_spent_or_remembered(db: Connection) -> None:
    with pytest.raises(WalletNotFound):
        await spend(an_order_of(Organization(UUID(int=7), "Nobody")), at=NOW)

    assert await db.fetch("SELECT 1 FROM idempotency_keys") == []
