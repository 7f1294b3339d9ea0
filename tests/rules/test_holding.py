"""Holds: what is reserved, where it comes from, where it returns to, and that it happens once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.entries import EntryKind
from rules.holding import CaptureExcess, Hold, HoldStatus, split
from rules.lots import Draw, Lot
from rules.sheet import Sheet, WalletState
from rules.spending import (
    Capture,
    Decision,
    Extend,
    MoreThanHeld,
    Moved,
    Release,
    Request,
    Reserve,
    Shortage,
    Spend,
    TooLong,
    Unheld,
    decide,
    spendable,
)
from tests.rules.test_spends import A_DAY, ADA, GONE, LATER, NOON, SOON, a_lot, a_wallet, state_after, ten_thousandths

HOLD, OTHER = UUID(int=70), UUID(int=71)
AN_HOUR = timedelta(hours=1)


def reserve(tokens: str, hold_id: UUID = HOLD, *, ends: timedelta = AN_HOUR) -> Reserve:
    return Reserve(hold_id, Decimal(tokens), ADA, NOON + ends)


def capture(tokens: str | None, excess: CaptureExcess = CaptureExcess.REJECT, hold_id: UUID = HOLD) -> Capture:
    return Capture(hold_id, None if tokens is None else Decimal(tokens), excess)


def a_hold(*parts: Draw, ends: timedelta = AN_HOUR, hold_id: UUID = HOLD) -> Hold:
    tokens = sum((part.tokens for part in parts), Decimal(0))
    return Hold(hold_id, tokens, HoldStatus.HELD, ADA, NOON - AN_HOUR, NOON + ends, parts)


def two_lots(*holds: Hold, soon_held: str = "0", later_held: str = "0") -> WalletState:
    """4 tokens that expire tomorrow and 6 that never do."""
    wallet = a_wallet(a_lot(SOON, "4", NOON + A_DAY, held=soon_held), a_lot(LATER, "6", held=later_held))
    return replace(wallet, holds=holds)


def held_5(ends: timedelta = AN_HOUR) -> WalletState:
    """All 4 tokens that expire tomorrow are held, and 1 of the others."""
    hold = a_hold(Draw(SOON, Decimal(4)), Draw(LATER, Decimal(1)), ends=ends)
    return two_lots(hold, soon_held="4", later_held="1")


def moved(decision: Decision, place: int = 0) -> Moved:
    answer = decision.answers[place]
    assert isinstance(answer, Moved)
    return answer


def told(decision: Decision) -> list[tuple[EntryKind, int | Decimal, int | Decimal, int | Decimal]]:
    """Each movement as kind, change, change of what is held, and what is available after it."""
    return [(m.kind, m.change, m.held_change, m.available_after) for m in decision.movements]


def test_tokens_are_reserved_in_burn_order_and_nobody_else_can_use_them() -> None:
    decision = decide(two_lots(), [reserve("5"), Spend(Decimal(6), ADA), Spend(Decimal(5), ADA)], NOON)

    hold = moved(decision).hold
    assert hold is not None
    assert hold.parts == (Draw(SOON, Decimal(4)), Draw(LATER, Decimal(1)))
    assert (hold.status, hold.expires_at) == (HoldStatus.HELD, NOON + AN_HOUR)
    assert decision.answers[1] == Shortage(needed=Decimal(6), available=Decimal(5))
    assert told(decision) == [(EntryKind.HOLD, 0, 5, 5), (EntryKind.SPEND, -5, 0, 0)]


def test_a_hold_that_cannot_be_paid_for_is_refused_and_reserves_nothing() -> None:
    decision = decide(two_lots(), [reserve("10.0001"), reserve("10", OTHER)], NOON)

    assert decision.answers[0] == Shortage(needed=Decimal("10.0001"), available=Decimal(10))
    assert told(decision) == [(EntryKind.HOLD, 0, 10, 0)]


def test_capturing_all_spends_what_was_reserved_and_changes_nothing_that_is_available() -> None:
    decision = decide(held_5(), [capture(None)], NOON)

    assert told(decision) == [(EntryKind.CAPTURE, -5, -5, 5)]
    assert decision.movements[0].draws == (Draw(SOON, Decimal(4)), Draw(LATER, Decimal(1)))
    hold = moved(decision).hold
    assert hold is not None
    assert (hold.status, hold.captured, hold.resolved_at) == (HoldStatus.CAPTURED, Decimal(5), NOON)


def test_a_part_is_captured_from_the_lots_in_order_and_the_rest_returns_to_the_same_lots() -> None:
    decision = decide(held_5(), [capture("3")], NOON)

    assert told(decision) == [(EntryKind.CAPTURE, -3, -3, 5), (EntryKind.RELEASE, 0, -2, 7)]
    assert decision.movements[0].draws == (Draw(SOON, Decimal(3)),)
    assert decision.movements[1].reserved == (Draw(SOON, Decimal(-1)), Draw(LATER, Decimal(-1)))
    after = state_after(held_5(), decision)
    assert [(lot.remaining, lot.held) for lot in after.lots] == [(Decimal(1), Decimal(0)), (Decimal(6), Decimal(0))]


@pytest.mark.parametrize(
    ("excess", "answer"),
    [
        (CaptureExcess.REJECT, MoreThanHeld(Decimal(7), Decimal(5))),
        (CaptureExcess.CAP, [(EntryKind.CAPTURE, -5, -5, 5)]),
        (CaptureExcess.TAKE_AVAILABLE, [(EntryKind.CAPTURE, -7, -5, 3)]),
    ],
)
def test_more_than_is_held_is_captured_as_the_caller_says(excess: CaptureExcess, answer: object) -> None:
    decision = decide(held_5(), [capture("7", excess)], NOON)

    if isinstance(answer, MoreThanHeld):
        assert decision.answers == (answer,)
        assert decision.movements == ()
    else:
        assert told(decision) == answer


def test_the_rest_is_taken_from_what_is_available_in_one_draw_for_each_lot() -> None:
    decision = decide(held_5(), [capture("7", CaptureExcess.TAKE_AVAILABLE)], NOON)

    assert decision.movements[0].draws == (Draw(SOON, Decimal(4)), Draw(LATER, Decimal(3)))
    hold = moved(decision).hold
    assert hold is not None
    assert hold.captured == 7


def test_when_what_is_available_is_too_little_nothing_is_captured_and_the_hold_stays() -> None:
    decision = decide(held_5(), [capture("11", CaptureExcess.TAKE_AVAILABLE), capture("5")], NOON)

    assert decision.answers[0] == Shortage(needed=Decimal(6), available=Decimal(5))
    assert told(decision) == [(EntryKind.CAPTURE, -5, -5, 5)]


def test_a_hold_is_resolved_once_and_tells_how_it_ended() -> None:
    decision = decide(held_5(), [Release(HOLD), capture("1"), Release(HOLD), Extend(HOLD, NOON + A_DAY)], NOON)

    ended = moved(decision).hold
    assert ended is not None
    assert ended.status is HoldStatus.RELEASED
    assert decision.answers[1:] == (Unheld(ended),) * 3
    assert told(decision) == [(EntryKind.RELEASE, 0, -5, 10)]


def test_a_hold_that_is_not_there_is_not_found() -> None:
    assert decide(two_lots(), [Release(HOLD), capture(None)], NOON).answers == (Unheld(None), Unheld(None))


def test_at_its_instant_a_hold_has_expired_and_its_tokens_can_be_used() -> None:
    last = decide(held_5(timedelta(microseconds=1)), [Spend(Decimal(6), ADA)], NOON)
    over = decide(held_5(timedelta(0)), [Spend(Decimal(6), ADA), capture(None)], NOON)

    assert last.answers == (Shortage(needed=Decimal(6), available=Decimal(5)),)
    assert told(over) == [(EntryKind.RELEASE, 0, -5, 10), (EntryKind.SPEND, -6, 0, 4)]
    (ended,) = over.ended
    assert (ended.status, ended.resolved_at) == (HoldStatus.EXPIRED, NOON)
    assert over.answers[1] == Unheld(ended)


def test_a_hold_that_ended_before_now_ended_at_its_own_instant() -> None:
    decision = decide(held_5(-AN_HOUR / 2), [Spend(Decimal(1), ADA)], NOON)

    assert [movement.occurred_at for movement in decision.movements] == [NOON - AN_HOUR / 2, NOON]


def on_an_expired_lot(*, ends: timedelta = AN_HOUR) -> WalletState:
    """2 of 3 tokens of a lot that expired a day ago are held; the third has been booked as expired."""
    hold = a_hold(Draw(GONE, Decimal(2)), ends=ends)
    return replace(a_wallet(a_lot(GONE, "2", NOON - A_DAY, held="2"), a_lot(LATER, "6")), holds=(hold,))


def test_a_hold_on_a_lot_that_expired_meanwhile_is_still_good() -> None:
    decision = decide(on_an_expired_lot(), [capture(None)], NOON)

    assert told(decision) == [(EntryKind.CAPTURE, -2, -2, 6)]


def test_what_returns_to_an_expired_lot_expires_at_once() -> None:
    decision = decide(on_an_expired_lot(), [capture("0.5")], NOON)

    assert told(decision) == [
        (EntryKind.CAPTURE, Decimal("-0.5"), Decimal("-0.5"), 6),
        (EntryKind.RELEASE, 0, Decimal("-1.5"), Decimal("7.5")),
        (EntryKind.EXPIRATION, Decimal("-1.5"), 0, 6),
    ]


def test_an_overdue_hold_on_an_expired_lot_loses_its_tokens_when_the_hold_ends() -> None:
    decision = decide(on_an_expired_lot(ends=-AN_HOUR / 2), [Spend(Decimal(6), ADA)], NOON)

    assert told(decision) == [
        (EntryKind.RELEASE, 0, -2, 8),
        (EntryKind.EXPIRATION, -2, 0, 6),
        (EntryKind.SPEND, -6, 0, 0),
    ]
    assert [movement.occurred_at for movement in decision.settled] == [NOON - AN_HOUR / 2] * 2


def test_a_lot_that_was_wholly_held_gets_its_tokens_back_before_they_expire_with_it() -> None:
    # given a hold that ended two days ago, on a lot that expired a day ago
    hold = a_hold(Draw(GONE, Decimal(2)), ends=-2 * A_DAY)
    wallet = replace(a_wallet(a_lot(GONE, "2", NOON - A_DAY, held="2")), holds=(hold,))

    decision = decide(wallet, [Spend(Decimal(1), ADA)], NOON)

    assert told(decision) == [(EntryKind.RELEASE, 0, -2, 2), (EntryKind.EXPIRATION, -2, 0, 0)]
    assert [movement.occurred_at for movement in decision.movements] == [NOON - 2 * A_DAY, NOON - A_DAY]


def test_of_much_that_is_over_the_earliest_is_written_down_first() -> None:
    sheet = Sheet(a_wallet(a_lot(SOON, "1", NOON - A_DAY), a_lot(GONE, "2", NOON - 2 * A_DAY)), NOON)

    assert [sheet.settle(at_most=1), sheet.settle(at_most=1), sheet.settle(at_most=1)] == [1, 1, 0]
    assert [movement.about for movement in sheet.movements] == [GONE, SOON]


def test_an_extension_moves_nothing_and_never_shortens() -> None:
    decision = decide(held_5(), [Extend(HOLD, NOON + A_DAY), Extend(HOLD, NOON + AN_HOUR)], NOON)

    ends = [moved(decision, place).hold for place in (0, 1)]
    assert [hold and hold.expires_at for hold in ends] == [NOON + A_DAY, NOON + A_DAY]
    assert decision.movements == ()


def test_no_hold_lasts_longer_than_thirty_days_in_all() -> None:
    latest = NOON - AN_HOUR + timedelta(days=30)

    decision = decide(held_5(), [Extend(HOLD, latest), Extend(HOLD, latest + timedelta(microseconds=1))], NOON)

    assert isinstance(decision.answers[0], Moved)
    assert decision.answers[1] == TooLong(latest)


def test_tokens_that_come_back_are_the_first_to_burn_again() -> None:
    decision = decide(held_5(), [Spend(Decimal(1), ADA), Release(HOLD), Spend(Decimal(2), ADA)], NOON)

    assert [movement.draws for movement in decision.movements if movement.kind is EntryKind.SPEND] == [
        (Draw(LATER, Decimal(1)),),
        (Draw(SOON, Decimal(2)),),
    ]


@given(st.lists(ten_thousandths(1, 50_000), max_size=4), ten_thousandths(1, 200_000))
def test_a_split_loses_nothing_and_pays_as_much_as_there_is(amounts: list[Decimal], tokens: Decimal) -> None:
    parts = tuple(Draw(UUID(int=number), amount) for number, amount in enumerate(amounts))

    paying, left = split(parts, tokens)

    whole = sum(amounts, Decimal(0))
    assert sum((part.tokens for part in paying), Decimal(0)) == min(tokens, whole)
    assert sum((part.tokens for part in (*paying, *left)), Decimal(0)) == whole
    assert all(part.tokens > 0 for part in (*paying, *left))
    assert [part.lot_id for part in paying] == [part.lot_id for part in parts[: len(paying)]]


@st.composite
def some_requests(draw: st.DrawFn) -> list[Request]:
    """Requests about three holds and plain spends, in any order, sensible or not."""
    hold_ids, tokens = st.sampled_from([UUID(int=number) for number in (90, 91, 92)]), ten_thousandths(1, 60_000)
    kinds = st.one_of(
        st.builds(Spend, tokens, st.just(ADA)),
        st.builds(Capture, hold_ids, st.none() | tokens, st.sampled_from(CaptureExcess)),
        st.builds(Release, hold_ids),
        st.builds(Extend, hold_ids, st.just(NOON + A_DAY)),
    )
    requests: list[Request] = [
        Reserve(UUID(int=90 + number), draw(tokens), ADA, NOON + AN_HOUR) for number in range(draw(st.integers(0, 3)))
    ]
    return requests + draw(st.lists(kinds, max_size=8))


@st.composite
def some_lots(draw: st.DrawFn) -> WalletState:
    lots: list[Lot] = []
    for number in range(draw(st.integers(0, 4))):
        expires_at = draw(st.none() | st.integers(-2, 3).map(lambda day: NOON + day * A_DAY))
        lots.append(a_lot(UUID(int=number), str(draw(ten_thousandths(1, 50_000))), expires_at))
    return a_wallet(*lots)


@given(some_lots(), some_requests())
def test_whatever_is_asked_no_token_is_made_or_lost(wallet: WalletState, requests: list[Request]) -> None:
    decision = decide(wallet, requests, NOON)
    after = state_after(wallet, decision)

    left = sum((-movement.change for movement in decision.movements), Decimal(0))
    assert after.available + after.held == wallet.available + wallet.held - left
    assert after.available == sum((lot.free for lot in after.lots), Decimal(0)) == spendable(after, NOON)
    assert after.held == sum((lot.held for lot in after.lots), Decimal(0))
    assert all(0 <= lot.held <= lot.remaining for lot in after.lots)
    assert min((m.available_after for m in decision.movements), default=Decimal(0)) >= 0
    open_holds = {
        answer.hold.id: answer.hold
        for answer in decision.answers
        if isinstance(answer, Moved) and answer.hold is not None
    }
    reserved = sum((h.tokens for h in open_holds.values() if h.status is HoldStatus.HELD), Decimal(0))
    assert after.held == reserved


@given(some_lots(), some_requests(), st.integers(0, 8))
def test_requests_decided_in_two_halves_get_what_they_get_together(
    wallet: WalletState, requests: list[Request], cut: int
) -> None:
    together = decide(wallet, requests, NOON)

    first = decide(wallet, requests[:cut], NOON)
    middle = replace(state_after(wallet, first), holds=holds_after(first))
    second = decide(middle, requests[cut:], NOON)
    assert first.movements + second.movements == together.movements
    assert first.answers + second.answers == together.answers


def holds_after(decision: Decision) -> tuple[Hold, ...]:
    holds = {
        answer.hold.id: answer.hold
        for answer in decision.answers
        if isinstance(answer, Moved) and answer.hold is not None
    }
    return tuple(holds.values())
