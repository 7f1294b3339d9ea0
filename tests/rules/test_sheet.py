"""Settling a sheet: what is over is written down in its order, in as many steps as one likes, and then no more."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rules.entries import EntryKind
from rules.holding import Hold
from rules.lots import Draw
from rules.sheet import Movement, Sheet, WalletState
from tests.rules.test_holding import AN_HOUR, OTHER, a_hold
from tests.rules.test_spends import A_DAY, GONE, NOON, a_lot, a_wallet

MANY = 500


def an_expired_lot_under(*ends: timedelta, free: int = 0) -> WalletState:
    """A lot that expired yesterday at noon, of which each hold reserves two tokens until its end."""
    holds = [
        a_hold(Draw(GONE, Decimal(2)), ends=each, hold_id=UUID(int=70 + number)) for number, each in enumerate(ends)
    ]
    held = 2 * len(holds)
    wallet = a_wallet(a_lot(GONE, str(held + free), NOON - A_DAY, held=str(held)))
    return replace(wallet, holds=tuple(holds))


def written(sheet: Sheet) -> list[tuple[EntryKind, timedelta]]:
    """Each movement as its kind and how long before noon it happened."""
    return [(movement.kind, NOON - movement.occurred_at) for movement in sheet.movements]


def test_lots_that_expire_with_the_hold_on_them_are_no_work_of_their_own() -> None:
    # given five hundred lots that expired yesterday, all of them held until an hour ago
    parts = tuple(Draw(UUID(int=number), Decimal(2)) for number in range(MANY))
    lots = [a_lot(part.lot_id, "2", NOON - A_DAY, held="2") for part in parts]
    sheet = Sheet(replace(a_wallet(*lots), holds=(a_hold(*parts, ends=-AN_HOUR, hold_id=OTHER),)), NOON)

    # when
    steps = [sheet.settle(at_most=MANY), sheet.settle(at_most=MANY)]

    # then
    assert steps == [1, 0]
    assert written(sheet) == [(EntryKind.RELEASE, AN_HOUR)] + [(EntryKind.EXPIRATION, AN_HOUR)] * MANY
    assert (sheet.available, sheet.held) == (Decimal(0), Decimal(0))


def test_a_lot_is_work_of_its_own_when_tokens_come_back_before_it_expires() -> None:
    sheet = Sheet(an_expired_lot_under(-2 * A_DAY, -AN_HOUR), NOON)

    assert [sheet.settle(at_most=1) for _ in range(4)] == [1, 1, 1, 0]
    assert written(sheet) == [
        (EntryKind.RELEASE, 2 * A_DAY),
        (EntryKind.EXPIRATION, A_DAY),
        (EntryKind.RELEASE, AN_HOUR),
        (EntryKind.EXPIRATION, AN_HOUR),
    ]


def test_a_lot_that_expires_at_the_instant_its_hold_ends_is_written_down_with_it() -> None:
    sheet = Sheet(an_expired_lot_under(-A_DAY, free=1), NOON)

    assert [sheet.settle(at_most=1), sheet.settle(at_most=1)] == [1, 0]
    assert written(sheet) == [(EntryKind.RELEASE, A_DAY), (EntryKind.EXPIRATION, A_DAY)]
    assert [movement.tokens for movement in sheet.movements] == [2, 3]
    assert Sheet(an_expired_lot_under(-A_DAY, free=1), NOON).settle() == 1


def test_a_lot_that_is_held_beyond_its_expiry_is_no_work_until_the_hold_ends() -> None:
    sheet = Sheet(an_expired_lot_under(AN_HOUR), NOON)

    assert sheet.settle(at_most=1) == 0
    assert sheet.movements == []


@st.composite
def some_overdue_wallets(draw: st.DrawFn) -> WalletState:
    """Lots and holds on them, most of them over, at instants that are few enough to be met twice."""
    instants = st.integers(-4, 1).map(lambda day: NOON + day * A_DAY)
    free = draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
    held = [0] * len(free)
    holds: list[Hold] = []
    for number in range(draw(st.integers(0, 4))):
        places = draw(st.lists(st.integers(0, len(free) - 1), min_size=1, max_size=3, unique=True))
        for place in places:
            held[place] += 1
        parts = tuple(Draw(UUID(int=place), Decimal(1)) for place in places)
        holds.append(replace(a_hold(*parts, hold_id=UUID(int=90 + number)), expires_at=draw(instants)))
    lots = [
        a_lot(UUID(int=place), str(free[place] + held[place]), draw(st.none() | instants), held=str(held[place]))
        for place in range(len(free))
    ]
    return replace(a_wallet(*lots), holds=tuple(holds))


@given(some_overdue_wallets(), st.integers(1, 4))
def test_settling_step_by_step_ends_in_the_same_movements_as_settling_at_once(wallet: WalletState, most: int) -> None:
    at_once = Sheet(wallet, NOON)
    in_all = at_once.settle()

    state, movements, steps = wallet, list[Movement](), list[int]()
    while not steps or steps[-1]:
        sheet = Sheet(state, NOON)
        steps.append(sheet.settle(at_most=most))
        state, movements = sheet.state(), movements + sheet.movements
        assert steps[-1] <= len(sheet.movements)

    assert movements == at_once.movements
    assert state == at_once.state()
    assert steps == [most] * (in_all // most) + [in_all % most] * (in_all % most > 0) + [0]


@given(some_overdue_wallets(), st.integers(-4, 0), st.integers(1, 4))
def test_settling_up_to_an_earlier_instant_first_changes_nothing(wallet: WalletState, day: int, most: int) -> None:
    at_once = Sheet(wallet, NOON)
    at_once.settle()

    first = Sheet(wallet, NOON + day * A_DAY)
    first.settle(at_most=most)
    second = Sheet(first.state(), NOON)
    second.settle()

    assert first.movements + second.movements == at_once.movements
    assert second.state() == at_once.state()
