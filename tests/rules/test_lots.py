"""Which tokens burn first: the order of design.md section 3, and that drawing neither makes nor loses a token."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, permutations
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.entries import EntryKind
from rules.lots import Draw, Lot, NotEnough, available_tokens, burn_order
from rules.sheet import Sheet, WalletState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)
A_DAY = timedelta(days=1)
FIRST, SECOND, THIRD = (UUID(int=number) for number in (1, 2, 3))

A_LOT = Lot(
    id=FIRST,
    remaining=Decimal(10),
    held=Decimal(0),
    unit_cost=Decimal("0.50"),
    priority=50,
    effective_at=NOON - 30 * A_DAY,
    expires_at=NOON + 30 * A_DAY,
    created_at=NOON - 30 * A_DAY,
)


def sheet(lots: Iterable[Lot]) -> Sheet:
    """A wallet with these lots at noon."""
    lots = tuple(lots)
    free, held = sum((lot.free for lot in lots), Decimal(0)), sum((lot.held for lot in lots), Decimal(0))
    return Sheet(WalletState(available=free, held=held, sequence=0, is_active=True, lots=lots), NOON)


def lost_to_expiry(lots: Iterable[Lot]) -> tuple[Draw, ...]:
    """What leaves when the books are brought up to noon."""
    settled = sheet(lots)
    settled.settle()
    assert {movement.kind for movement in settled.movements} <= {EntryKind.EXPIRATION}
    return tuple(draw for movement in settled.movements for draw in movement.draws)


# The higher rule is tested against all the lower ones: the second lot is better by every criterion that comes later.
EARLIER_OF_TWO = {
    "the lower priority number, although it is worse by everything else": (
        replace(A_LOT, id=SECOND, priority=49, expires_at=None, effective_at=NOON - A_DAY, created_at=NOON),
        replace(A_LOT, unit_cost=Decimal(0)),
    ),
    "the earlier expiry, although it was paid for, began later and is younger": (
        replace(A_LOT, id=SECOND, expires_at=NOON + 29 * A_DAY, effective_at=NOON - A_DAY, created_at=NOON),
        replace(A_LOT, unit_cost=Decimal(0)),
    ),
    "any expiry before none": (
        replace(A_LOT, id=SECOND, expires_at=datetime(9999, 12, 31, tzinfo=UTC)),
        replace(A_LOT, expires_at=None, unit_cost=Decimal(0)),
    ),
    "free before paid, although it began later and is younger": (
        replace(A_LOT, id=SECOND, unit_cost=Decimal(0), effective_at=NOON - A_DAY, created_at=NOON),
        A_LOT,
    ),
    "effective earlier, although it is younger": (
        replace(A_LOT, id=SECOND, created_at=NOON),
        replace(A_LOT, effective_at=A_LOT.effective_at + A_MOMENT),
    ),
    "the older, although its id is higher": (
        replace(A_LOT, id=SECOND),
        replace(A_LOT, created_at=A_LOT.created_at + A_MOMENT),
    ),
    "the lower id, when nothing else differs": (A_LOT, replace(A_LOT, id=SECOND)),
}


@pytest.mark.parametrize(("first", "second"), EARLIER_OF_TWO.values(), ids=EARLIER_OF_TWO.keys())
def test_which_of_two_lots_burns_first(first: Lot, second: Lot) -> None:
    for lots in ((first, second), (second, first)):
        assert sheet(lots).draw(Decimal(15)) == (Draw(first.id, Decimal(10)), Draw(second.id, Decimal(5)))


def test_what_a_paid_token_cost_does_not_decide() -> None:
    cheap = replace(A_LOT, id=SECOND, unit_cost=Decimal("0.000001"))
    dear = replace(A_LOT, unit_cost=Decimal(90))

    assert sheet((cheap, dear)).draw(Decimal(1)) == (Draw(FIRST, Decimal(1)),)


COUNTS = [
    ("effective now", NOON, None, True),
    ("effective in a moment", NOON + A_MOMENT, None, False),
    ("expires now", NOON - A_DAY, NOON, False),
    ("expires in a moment", NOON - A_DAY, NOON + A_MOMENT, True),
    ("expired a moment ago", NOON - A_DAY, NOON - A_MOMENT, False),
    ("never expires", NOON - A_DAY, None, True),
]


@pytest.mark.parametrize(
    ("effective_at", "expires_at", "counts"), [case[1:] for case in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_a_lot_counts_from_its_effective_instant_until_just_before_its_expiry(
    effective_at: datetime, expires_at: datetime | None, counts: bool
) -> None:
    lot = replace(A_LOT, effective_at=effective_at, expires_at=expires_at)

    assert lot.counts(NOON) is counts
    assert available_tokens([lot], NOON) == (Decimal(10) if counts else Decimal(0))


def test_lots_before_and_after_their_time_are_never_drawn_from() -> None:
    expired = replace(A_LOT, expires_at=NOON)
    upcoming = replace(A_LOT, id=SECOND, effective_at=NOON + A_MOMENT)
    usable = replace(A_LOT, id=THIRD, priority=100)

    with pytest.raises(NotEnough) as refusal:
        sheet((expired, upcoming, usable)).draw(Decimal("10.0001"))

    assert (refusal.value.needed, refusal.value.available) == (Decimal("10.0001"), Decimal(10))
    assert sheet((expired, upcoming, usable)).draw(Decimal(10)) == (Draw(THIRD, Decimal(10)),)


def test_held_tokens_are_not_drawn() -> None:
    lot = replace(A_LOT, held=Decimal(7))

    with pytest.raises(NotEnough) as refusal:
        sheet([lot]).draw(Decimal("3.0001"))

    assert refusal.value.available == Decimal(3)
    assert sheet([lot]).draw(Decimal(3)) == (Draw(FIRST, Decimal(3)),)


def test_expiry_takes_the_free_tokens_of_lots_whose_time_is_over_oldest_expiry_first() -> None:
    lots = (
        replace(A_LOT, id=THIRD, expires_at=NOON),
        replace(A_LOT, id=SECOND, expires_at=NOON - A_DAY, held=Decimal(4)),
        replace(A_LOT, id=FIRST, expires_at=NOON, remaining=Decimal("0.0001")),
        replace(A_LOT, id=UUID(int=4), expires_at=NOON + A_MOMENT),
        replace(A_LOT, id=UUID(int=5), expires_at=None),
        replace(A_LOT, id=UUID(int=6), expires_at=NOON - 9 * A_DAY, held=Decimal(10)),
    )

    assert lost_to_expiry(lots) == (
        Draw(SECOND, Decimal(6)),
        Draw(FIRST, Decimal("0.0001")),
        Draw(THIRD, Decimal(10)),
    )


def ten_thousandths(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda number: Decimal(number).scaleb(-4))


@st.composite
def some_lots(draw: st.DrawFn, min_size: int = 0) -> list[Lot]:
    """Lots with few distinct values in every column, so that each tie in the burn order is met."""
    days = st.integers(-2, 2).map(lambda day: NOON + day * A_DAY)
    lots = []
    for number in range(draw(st.integers(min_size, 6))):
        remaining = draw(ten_thousandths(0, 30_000))
        effective_at = draw(days)
        length = draw(st.none() | st.integers(1, 3))
        lots.append(
            Lot(
                id=UUID(int=draw(st.integers(0, 2**32)) * 10 + number),
                remaining=remaining,
                held=min(remaining, draw(ten_thousandths(0, 10_000))),
                unit_cost=draw(st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(2)])),
                priority=draw(st.sampled_from([0, 50, 100])),
                effective_at=effective_at,
                expires_at=None if length is None else effective_at + length * A_DAY,
                created_at=draw(days),
            )
        )
    return lots


@given(some_lots(min_size=3))
def test_the_burn_order_is_total(lots: list[Lot]) -> None:
    ordered = sorted(lots, key=burn_order)

    assert all(burn_order(one) < burn_order(after) for one, after in pairwise(ordered))
    assert all(
        sorted(shuffled, key=burn_order) == sorted(lots[:4], key=burn_order) for shuffled in permutations(lots[:4])
    )


@given(some_lots(), ten_thousandths(1, 80_000))
def test_drawing_conserves_tokens_or_changes_nothing(lots: list[Lot], wanted: Decimal) -> None:
    available = available_tokens(lots, NOON)

    if wanted > available:
        with pytest.raises(NotEnough) as refusal:
            sheet(lots).draw(wanted)
        assert (refusal.value.needed, refusal.value.available) == (wanted, available)
        return

    spent = sheet(lots)
    draws = spent.spend(wanted).draws
    left = spent.state().lots
    assert sum(draw.tokens for draw in draws) == wanted
    assert available_tokens(left, NOON) == available - wanted
    assert all(draw.tokens > 0 for draw in draws)
    assert all(lot.remaining >= lot.held for lot in left)


@given(some_lots(), ten_thousandths(1, 80_000))
def test_only_the_last_lot_drawn_from_has_anything_left(lots: list[Lot], wanted: Decimal) -> None:
    if wanted > available_tokens(lots, NOON):
        return
    draws = sheet(lots).draw(wanted)
    by_id = {lot.id: lot for lot in lots}
    drawn = [by_id[draw.lot_id] for draw in draws]

    assert [draw.tokens for draw in draws[:-1]] == [lot.free for lot in drawn[:-1]]
    assert drawn == sorted(drawn, key=burn_order)
    passed_over = [lot for lot in lots if lot.counts(NOON) and lot.free > 0 and lot not in drawn]
    assert all(burn_order(lot) > burn_order(drawn[-1]) for lot in passed_over)


@given(some_lots(), ten_thousandths(1, 80_000), st.randoms(use_true_random=False))
def test_the_order_in_which_lots_are_read_changes_nothing(lots: list[Lot], wanted: Decimal, chance: Random) -> None:
    if wanted > available_tokens(lots, NOON):
        return
    shuffled = list(lots)
    chance.shuffle(shuffled)

    assert sheet(shuffled).draw(wanted) == sheet(lots).draw(wanted)


@given(some_lots())
def test_after_expiry_nothing_expired_is_free_and_what_was_available_still_is(lots: list[Lot]) -> None:
    settled = sheet(lots)
    settled.settle()
    left = settled.state().lots

    assert lost_to_expiry(left) == ()
    assert available_tokens(left, NOON) == available_tokens(lots, NOON)
    assert [lot.held for lot in left] == [lot.held for lot in lots]
