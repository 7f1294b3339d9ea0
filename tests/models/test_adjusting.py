"""Corrections by hand: once by their key, with their reason, counted apart from everything else, never below zero."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from models.adjusting import AdjustmentOrder, adjust
from models.database import Connection
from models.errors import IdempotencyConflict, InsufficientTokens, InvalidExpiry, InvalidTokens, WalletNotFound
from models.reconciliation import violations
from models.wallets import read_wallet
from tests.builders import Organization, an_order, an_organization, gives, is_paid

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
LOTS = "SELECT kind, granted_tokens, remaining_tokens, unit_cost, cost, priority, expires_at, reason FROM token_lots"
ENTRIES = """
SELECT change_type, change_amount, balance_after, reference_type, description, actor, idempotency_key
FROM token_balance_history ORDER BY sequence
"""


def an_adjustment(organization: Organization, tokens: str, key: str = "correction 1") -> AdjustmentOrder:
    return AdjustmentOrder(organization.id, Decimal(tokens), "counted twice", key, "user/finance")


async def count_of_traces(db: Connection) -> tuple[int, int]:
    """Entries, and remembered answers to corrections."""
    (row,) = await db.fetch(
        "SELECT (SELECT count(*) FROM token_balance_history) AS entries,"
        " (SELECT count(*) FROM idempotency_keys WHERE operation = 'adjustBalance') AS answers"
    )
    return row["entries"], row["answers"]


async def test_tokens_put_in_are_a_lot_that_cost_nothing(db: Connection) -> None:
    aurora = await an_organization()

    booked = await adjust(replace(an_adjustment(aurora, "7.25"), expires_at=NOW + A_DAY), at=NOW)

    assert booked.sequence == 1
    assert [booked.tokens, booked.available, booked.held] == [Decimal("7.25"), Decimal("7.25"), 0]
    (lot,) = await db.fetch(LOTS)
    assert tuple(lot.values()) == (
        "ADJUSTMENT", Decimal("7.25"), Decimal("7.25"), 0, 0, 50, NOW + A_DAY, "counted twice"
    )  # fmt: skip
    (entry,) = await db.fetch(ENTRIES)
    assert tuple(entry.values()) == (
        "ADJUSTMENT", Decimal("7.25"), Decimal("7.25"), "adjustment", "counted twice", "user/finance", "correction 1"
    )  # fmt: skip
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert [wallet.total_adjusted, wallet.total_granted, wallet.total_purchased] == [Decimal("7.25"), 0, 0]
    assert await violations(db) == []


async def test_tokens_taken_out_burn_in_order_and_are_not_counted_as_spent(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await is_paid(await an_order(aurora, "10", at=NOW), at=NOW)
    await gives(aurora, "3", expires_at=NOW + A_DAY, at=NOW)
    await gives(aurora, "2", expires_at=NOW + 2 * A_DAY, at=NOW)

    # when
    booked = await adjust(an_adjustment(aurora, "-6"), at=NOW + A_DAY)

    # then: what had expired left first, the lot that expires next went before the paid one
    assert booked.sequence == 5
    assert [booked.tokens, booked.available] == [6, 6]
    rows = await db.fetch("SELECT kind, remaining_tokens FROM token_lots ORDER BY granted_tokens DESC")
    assert [tuple(row.values()) for row in rows] == [("PAID", 6), ("PROMO", 0), ("PROMO", 0)]
    wallet = await read_wallet(db, aurora.id, at=NOW + A_DAY)
    assert wallet is not None
    assert [wallet.total_adjusted, wallet.total_consumed, wallet.total_expired] == [-6, 0, 3]
    assert await violations(db) == []


async def test_more_than_is_available_is_refused_and_the_refusal_is_remembered(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "5", at=NOW)
    order = an_adjustment(aurora, "-5.0001")

    # when
    with pytest.raises(InsufficientTokens) as refusal:
        await adjust(order, at=NOW)
    await gives(aurora, "5", at=NOW)
    with pytest.raises(InsufficientTokens) as again:
        await adjust(order, at=NOW)

    # then
    assert [refusal.value.needed, refusal.value.available] == [Decimal("5.0001"), 5]
    assert [again.value.needed, again.value.available] == [Decimal("5.0001"), 5]
    assert await count_of_traces(db) == (2, 1)
    assert await violations(db) == []


@pytest.mark.parametrize("tokens", ["4", "-4"])
async def test_twenty_corrections_at_once_with_one_key_correct_once(db: Connection, tokens: str) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)

    answers = await asyncio.gather(*(adjust(an_adjustment(aurora, tokens), at=NOW) for _ in range(20)))

    assert {answer.available for answer in answers} == {10 + Decimal(tokens)}
    assert sum(not answer.replayed for answer in answers) == 1
    assert await count_of_traces(db) == (2, 1)
    assert await violations(db) == []


async def test_many_who_take_out_at_once_never_take_more_than_there_is(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)

    answers = await asyncio.gather(
        *(adjust(an_adjustment(aurora, "-3", f"correction {number}"), at=NOW) for number in range(9)),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["Booked"] * 3 + ["InsufficientTokens"] * 6
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert [wallet.available, wallet.total_adjusted] == [1, -9]
    assert await violations(db) == []


OTHER_INPUTS: dict[str, dict[str, object]] = {
    "the opposite": {"tokens": Decimal(-2)},
    "more": {"tokens": Decimal("2.0001")},
    "another reason": {"reason": "counted thrice"},
    "an expiry": {"expires_at": NOW + A_DAY},
}


@pytest.mark.parametrize("other", OTHER_INPUTS.values(), ids=OTHER_INPUTS.keys())
async def test_the_same_key_for_another_correction_is_refused(db: Connection, other: dict[str, object]) -> None:
    aurora = await an_organization()
    await adjust(an_adjustment(aurora, "2"), at=NOW)

    with pytest.raises(IdempotencyConflict):
        await adjust(replace(an_adjustment(aurora, "2"), **other), at=NOW)  # type: ignore[arg-type]

    assert await count_of_traces(db) == (1, 1)


@pytest.mark.parametrize(
    "tokens",
    ["0", "-0", "0.00001", "-1.00001", "1000000000.0001", "-1000000000.0001", "1E+30", "NaN", "sNaN", "-Infinity"],
)
async def test_what_is_no_correction_is_refused_and_not_remembered(db: Connection, tokens: str) -> None:
    aurora = await an_organization()

    with pytest.raises(InvalidTokens) as refusal:
        await adjust(an_adjustment(aurora, tokens), at=NOW)

    assert (refusal.value.minimum, refusal.value.maximum) == (Decimal(-1_000_000_000), Decimal(1_000_000_000))
    assert await count_of_traces(db) == (0, 0)


async def test_tokens_put_in_must_expire_in_the_future_when_they_are_new(db: Connection) -> None:
    aurora = await an_organization()
    order = replace(an_adjustment(aurora, "2"), expires_at=NOW)

    with pytest.raises(InvalidExpiry):
        await adjust(order, at=NOW)
    assert await count_of_traces(db) == (0, 0)

    first = await adjust(order, at=NOW - A_DAY)
    assert await adjust(order, at=NOW) == replace(first, replayed=True)
    assert await violations(db) == []


async def test_a_suspended_wallet_is_corrected_in_both_directions(db: Connection) -> None:
    aurora = await an_organization()
    await db.execute("UPDATE organization_token_wallets SET is_active = false, suspended_at = now()")

    assert (await adjust(an_adjustment(aurora, "2"), at=NOW)).available == 2
    assert (await adjust(an_adjustment(aurora, "-1", "correction 2"), at=NOW)).available == 1
    assert await violations(db) == []


async def test_without_a_wallet_nothing_is_corrected(db: Connection) -> None:
    with pytest.raises(WalletNotFound):
        await adjust(an_adjustment(Organization(UUID(int=7), "Nobody"), "1"), at=NOW)
    assert await count_of_traces(db) == (0, 0)
