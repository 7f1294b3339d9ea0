"""Which tokens will probably be lost: worked examples, and what must hold of any wallet.

The examples are of one wallet that consumes 10 tokens a day, seen at noon.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.expiring import (
    HORIZON,
    LOOK_BACK,
    LOOK_BACK_MIN,
    WARNING_DAYS,
    Consumption,
    look_back,
    probable_losses,
    warning_days,
)
from rules.lots import Lot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
TEN_A_DAY = Consumption(Decimal(300), 30 * A_DAY)
NOTHING = Consumption(Decimal(0), 30 * A_DAY)
FIRST, SECOND, THIRD = (UUID(int=number) for number in (1, 2, 3))


def a_lot(
    lot_id: UUID,
    tokens: str,
    days: float | None = None,
    *,
    held: str = "0",
    priority: int = 50,
    begins_in_days: float = -60,
) -> Lot:
    """A lot that expires in so many days, or never."""
    begin = NOON + begins_in_days * A_DAY
    expires_at = None if days is None else NOON + days * A_DAY
    return Lot(lot_id, Decimal(tokens), Decimal(held), Decimal(0), priority, begin, expires_at, begin)


def lost(*lots: Lot, consumption: Consumption = TEN_A_DAY, until: timedelta = HORIZON) -> dict[UUID, Decimal]:
    return {loss.lot_id: loss.tokens for loss in probable_losses(lots, consumption, at=NOON, until=NOON + until)}


EXAMPLES = {
    "50 in 5 days are just used up": ([a_lot(FIRST, "50", 5)], {}),
    "51 in 5 days leave one": ([a_lot(FIRST, "51", 5)], {FIRST: "1"}),
    "half a day is half of ten": ([a_lot(FIRST, "5.5", 0.5)], {FIRST: "0.5"}),
    "a lot without expiry loses nothing": ([a_lot(FIRST, "1000000")], {}),
    "a lot that expires after the horizon is not looked at": ([a_lot(FIRST, "1000000", 31)], {}),
    "the lot that expires first burns first, and the second gets the days after it": (
        # 10 days × 10 = 100: 60 burn the first lot by day 6, the other 40 leave 20 of the second.
        [a_lot(FIRST, "60", 8), a_lot(SECOND, "60", 10)],
        {SECOND: "20"},
    ),
    "what the first lot loses was never in the way of the second": (
        # The first takes all 5 days and loses 30; the second has the 5 days after it.
        [a_lot(FIRST, "80", 5), a_lot(SECOND, "60", 10)],
        {FIRST: "30", SECOND: "10"},
    ),
    "a lot with a lower priority number burns first, though it never expires": (
        [a_lot(FIRST, "30", 5), a_lot(SECOND, "40", priority=10)],
        {FIRST: "20"},
    ),
    "a lot that begins later takes nothing before": (
        # Two days burn 20 of the first; then the second, which is preferred, takes the other three.
        [a_lot(FIRST, "50", 5), a_lot(SECOND, "100", priority=10, begins_in_days=2)],
        {FIRST: "30"},
    ),
    "held tokens are left out": ([a_lot(FIRST, "51", 5, held="51")], {}),
    "what has expired is lost already": ([a_lot(FIRST, "51", 0), a_lot(SECOND, "51", -1)], {}),
    "losses are cut, not rounded up": ([a_lot(FIRST, "50.0001", 5)], {FIRST: "0.0001"}),
}


@pytest.mark.parametrize(("lots", "expected"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_what_will_probably_be_lost_of_ten_a_day(lots: list[Lot], expected: dict[UUID, str]) -> None:
    assert lost(*lots) == {lot_id: Decimal(tokens) for lot_id, tokens in expected.items()}


def test_a_third_of_a_token_a_day_is_reckoned_exactly() -> None:
    # 1 token in 3 days leaves nothing of one token in 3 days, and a ten-thousandth of it one moment earlier.
    slow = Consumption(Decimal(1), 3 * A_DAY)

    assert lost(a_lot(FIRST, "1", 3), consumption=slow) == {}
    assert lost(a_lot(FIRST, "1.0001", 3), consumption=slow) == {FIRST: Decimal("0.0001")}


def test_losses_come_in_the_order_of_their_expiry_with_the_instant_itself() -> None:
    lots = [a_lot(THIRD, "9", 7), a_lot(FIRST, "9", 2), a_lot(SECOND, "9", 2)]

    losses = probable_losses(lots, NOTHING, at=NOON, until=NOON + 7 * A_DAY)

    assert [(loss.lot_id, loss.expires_at) for loss in losses] == [
        (FIRST, NOON + 2 * A_DAY),
        (SECOND, NOON + 2 * A_DAY),
        (THIRD, NOON + 7 * A_DAY),
    ]


@pytest.mark.parametrize(
    ("ahead", "days"),
    [
        (timedelta(0), None),
        (-A_DAY, None),
        (A_MOMENT, 1),
        (A_DAY, 1),
        (A_DAY + A_MOMENT, 7),
        (7 * A_DAY, 7),
        (7 * A_DAY + A_MOMENT, 30),
        (30 * A_DAY, 30),
        (30 * A_DAY + A_MOMENT, None),
    ],
)
def test_the_tightest_warning_counts(ahead: timedelta, days: int | None) -> None:
    assert warning_days(NOON + ahead, NOON) == days
    assert WARNING_DAYS == (30, 7, 1)


def test_a_young_wallet_is_judged_by_its_own_age_but_not_by_its_first_hour() -> None:
    assert look_back(NOON - 400 * A_DAY, NOON) == LOOK_BACK == 30 * A_DAY
    assert look_back(NOON - 3 * A_DAY, NOON) == 3 * A_DAY
    assert look_back(NOON - A_DAY / 24, NOON) == LOOK_BACK_MIN == A_DAY
    assert look_back(NOON + A_DAY, NOON) == LOOK_BACK_MIN


amounts = st.decimals(min_value=0, max_value=1000, places=4)
hours_ahead = st.integers(min_value=-48, max_value=24 * 40)


@st.composite
def wallets(draw: st.DrawFn) -> list[Lot]:
    lots = []
    for number in range(draw(st.integers(min_value=0, max_value=6))):
        tokens, held = draw(amounts), draw(amounts)
        begins, lasts = draw(hours_ahead), draw(st.none() | st.integers(min_value=1, max_value=24 * 40))
        lot = a_lot(UUID(int=number + 1), str(tokens + held), held=str(held), begins_in_days=begins / 24)
        expires_at = None if lasts is None else lot.effective_at + lasts * timedelta(hours=1)
        lots.append(replace(lot, expires_at=expires_at, priority=draw(st.integers(0, 2))))
    return lots


@given(wallets(), amounts)
def test_nothing_is_lost_that_is_not_there(lots: list[Lot], consumed: Decimal) -> None:
    losses = lost(*lots, consumption=Consumption(consumed, 30 * A_DAY))

    free = {lot.id: lot.free for lot in lots}
    expiring = {lot.id for lot in lots if lot.expires_at and NOON < lot.expires_at <= NOON + HORIZON}
    assert set(losses) <= expiring
    assert all(0 < tokens <= free[lot_id] for lot_id, tokens in losses.items())


@given(wallets())
def test_without_consumption_everything_that_expires_is_lost(lots: list[Lot]) -> None:
    expiring = [lot for lot in lots if lot.expires_at and NOON < lot.expires_at <= NOON + HORIZON]
    assert lost(*lots, consumption=NOTHING) == {lot.id: lot.free for lot in expiring if lot.free > 0}


@given(wallets(), amounts, amounts)
def test_whoever_consumes_more_loses_no_more_of_any_lot(lots: list[Lot], less: Decimal, further: Decimal) -> None:
    before = lost(*lots, consumption=Consumption(less, 7 * A_DAY))
    after = lost(*lots, consumption=Consumption(less + further, 7 * A_DAY))

    assert all(tokens <= before.get(lot_id, Decimal(0)) for lot_id, tokens in after.items())


@given(wallets(), amounts)
def test_what_is_not_lost_was_consumed(lots: list[Lot], consumed: Decimal) -> None:
    # No more can be saved than is consumed until the last expiry.
    losses = lost(*lots, consumption=Consumption(consumed, 30 * A_DAY))
    expiring = [lot for lot in lots if lot.expires_at and NOON < lot.expires_at <= NOON + HORIZON]

    saved = sum((lot.free - losses.get(lot.id, Decimal(0)) for lot in expiring), Decimal(0))
    assert saved <= consumed + Decimal("0.0001") * len(expiring)
