"""Requests that meet at one wallet: decided in order, each on what the ones before it left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rules.lots import Draw, Lot
from rules.spending import Movement, Shortage, WalletState, decide_spends, settle_expired, spendable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
SOON, LATER, GONE = (UUID(int=number) for number in (1, 2, 3))


def a_lot(lot_id: UUID, tokens: str, expires_at: datetime | None = None, held: str = "0") -> Lot:
    return Lot(lot_id, Decimal(tokens), Decimal(held), Decimal(1), 50, NOON - 9 * A_DAY, expires_at, NOON - 9 * A_DAY)


def a_wallet(*lots: Lot, sequence: int = 7) -> WalletState:
    """A wallet as its last writer left it: its sums still hold what has expired since."""
    free, held = sum((lot.free for lot in lots), Decimal(0)), sum((lot.held for lot in lots), Decimal(0))
    return WalletState(free, held, sequence, True, lots)


def test_requests_are_decided_in_the_order_given_and_a_shortage_does_not_stop_the_next() -> None:
    # given
    wallet = a_wallet(a_lot(LATER, "5"), a_lot(SOON, "4", NOON + A_DAY))

    # when
    decision = decide_spends(wallet, [Decimal(6), Decimal(4), Decimal(3), Decimal("0.0001")], NOON)

    # then
    assert decision.expirations == ()
    assert decision.answers == (
        Movement(Decimal(6), 8, Decimal(9), Decimal(3), (Draw(SOON, Decimal(4)), Draw(LATER, Decimal(2)))),
        Shortage(needed=Decimal(4), available=Decimal(3)),
        Movement(Decimal(3), 9, Decimal(3), Decimal(0), (Draw(LATER, Decimal(3)),)),
        Shortage(needed=Decimal("0.0001"), available=Decimal(0)),
    )
    assert [movement.sequence for movement in decision.spent] == [8, 9]


def test_what_has_expired_leaves_before_anything_is_spent() -> None:
    # given
    wallet = a_wallet(a_lot(GONE, "2.5", NOON, held="1"), a_lot(LATER, "4"))

    # when
    decision = decide_spends(wallet, [Decimal(4), Decimal(1)], NOON)

    # then
    assert decision.expirations == (
        Movement(Decimal("1.5"), 8, Decimal("5.5"), Decimal(4), (Draw(GONE, Decimal("1.5")),)),
    )
    assert decision.answers == (
        Movement(Decimal(4), 9, Decimal(4), Decimal(0), (Draw(LATER, Decimal(4)),)),
        Shortage(needed=Decimal(1), available=Decimal(0)),
    )


def test_spendable_counts_by_the_lots_whether_or_not_expiry_was_booked() -> None:
    wallet = a_wallet(a_lot(GONE, "2.5", NOON), a_lot(LATER, "4", held="1"))

    assert spendable(wallet, NOON - A_DAY) == Decimal("5.5")
    assert spendable(wallet, NOON) == Decimal(3)
    assert spendable(settle_expired(wallet, NOON)[0], NOON) == Decimal(3)


def test_nothing_asked_and_nothing_expired_is_no_movement() -> None:
    wallet = a_wallet(a_lot(LATER, "4"))

    assert decide_spends(wallet, [], NOON).answers == ()
    assert settle_expired(wallet, NOON) == (wallet, ())


def ten_thousandths(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda number: Decimal(number).scaleb(-4))


@st.composite
def some_wallet(draw: st.DrawFn) -> WalletState:
    lots = []
    for number in range(draw(st.integers(0, 5))):
        expires_at = draw(st.none() | st.integers(-2, 3).map(lambda day: NOON + day * A_DAY))
        lot = a_lot(UUID(int=number), str(draw(ten_thousandths(1, 50_000))), expires_at)
        lots.append(replace(lot, held=min(lot.remaining, draw(ten_thousandths(0, 9_000)))))
    return a_wallet(*lots)


amounts = st.lists(ten_thousandths(1, 60_000), max_size=6)


@given(some_wallet(), amounts)
def test_every_token_is_accounted_for(wallet: WalletState, wanted: list[Decimal]) -> None:
    decision = decide_spends(wallet, wanted, NOON)
    movements = (*decision.expirations, *decision.spent)
    expired = sum((movement.tokens for movement in decision.expirations), Decimal(0))
    spent = sum((movement.tokens for movement in decision.spent), Decimal(0))

    assert expired == wallet.available - spendable(wallet, NOON)
    assert 0 <= spent <= spendable(wallet, NOON)
    assert all(sum(draw.tokens for draw in movement.draws) == movement.tokens for movement in movements)
    drawn: dict[UUID, Decimal] = {}
    for movement in movements:
        for draw in movement.draws:
            drawn[draw.lot_id] = drawn.get(draw.lot_id, Decimal(0)) + draw.tokens
    assert all(drawn.get(lot.id, Decimal(0)) <= lot.free for lot in wallet.lots)


@given(some_wallet(), amounts)
def test_movements_follow_each_other_without_a_gap(wallet: WalletState, wanted: list[Decimal]) -> None:
    decision = decide_spends(wallet, wanted, NOON)
    movements = (*decision.expirations, *decision.spent)

    assert [movement.sequence for movement in movements] == list(range(8, 8 + len(movements)))
    assert all(one.available_after == after.available_before for one, after in pairwise(movements))
    assert all(one.available_after == one.available_before - one.tokens >= 0 for one in movements)
    assert not movements or movements[0].available_before == wallet.available


@given(some_wallet(), amounts)
def test_a_request_is_refused_exactly_when_what_the_ones_before_it_left_is_too_little(
    wallet: WalletState, wanted: list[Decimal]
) -> None:
    left = spendable(wallet, NOON)

    for tokens, answer in zip(wanted, decide_spends(wallet, wanted, NOON).answers, strict=True):
        if tokens > left:
            assert answer == Shortage(needed=tokens, available=left)
        else:
            assert isinstance(answer, Movement)
            assert answer.tokens == tokens
            left -= tokens


@given(some_wallet(), amounts)
def test_a_refused_request_changes_nothing_for_the_others(wallet: WalletState, wanted: list[Decimal]) -> None:
    together = decide_spends(wallet, wanted, NOON)
    paid = [tokens for tokens, one in zip(wanted, together.answers, strict=True) if isinstance(one, Movement)]

    assert decide_spends(wallet, paid, NOON).answers == together.spent
