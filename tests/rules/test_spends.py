"""Requests that meet at one wallet: decided in order, each on what the ones before it left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from rules.entries import EntryKind
from rules.lots import Draw, Lot
from rules.sheet import Movement, WalletState
from rules.spending import Decision, Moved, Shortage, Spend, decide, settle_expired, spendable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)
SOON, LATER, GONE = (UUID(int=number) for number in (1, 2, 3))
ADA = "user/ada"


def a_lot(lot_id: UUID, tokens: str, expires_at: datetime | None = None, held: str = "0") -> Lot:
    return Lot(lot_id, Decimal(tokens), Decimal(held), Decimal(1), 50, NOON - 9 * A_DAY, expires_at, NOON - 9 * A_DAY)


def a_wallet(*lots: Lot, sequence: int = 7) -> WalletState:
    """A wallet as its last writer left it: its sums still hold what has expired since."""
    free, held = sum((lot.free for lot in lots), Decimal(0)), sum((lot.held for lot in lots), Decimal(0))
    return WalletState(free, held, sequence, True, lots)


def spends(wallet: WalletState, *amounts: Decimal | int | str, at: datetime = NOON) -> Decision:
    return decide(wallet, [Spend(Decimal(tokens), ADA) for tokens in amounts], at)


def paid(decision: Decision) -> tuple[Movement, ...]:
    """The movements of the requests that were granted, one each."""
    return tuple(answer.movements[0] for answer in decision.answers if isinstance(answer, Moved))


def a_movement(
    kind: EntryKind, tokens: str, sequence: int, before: str, *draws: Draw, held: str = "0", about: UUID | None = None
) -> Movement:
    """Tokens that left a wallet at noon."""
    left = Decimal(tokens)
    after = Decimal(before) - left
    return Movement(
        kind, -left, Decimal(0), sequence, Decimal(before), after, Decimal(held), draws, (), NOON, about
    )  # fmt: skip


def test_requests_are_decided_in_the_order_given_and_a_shortage_does_not_stop_the_next() -> None:
    # given
    wallet = a_wallet(a_lot(LATER, "5"), a_lot(SOON, "4", NOON + A_DAY))

    # when
    decision = spends(wallet, 6, 4, 3, "0.0001")

    # then
    first = a_movement(EntryKind.SPEND, "6", 8, "9", Draw(SOON, Decimal(4)), Draw(LATER, Decimal(2)))
    third = a_movement(EntryKind.SPEND, "3", 9, "3", Draw(LATER, Decimal(3)))
    assert decision.settled == ()
    assert decision.answers == (
        Moved((first,), Decimal(3), Decimal(0), NOON),
        Shortage(needed=Decimal(4), available=Decimal(3)),
        Moved((third,), Decimal(0), Decimal(0), NOON),
        Shortage(needed=Decimal("0.0001"), available=Decimal(0)),
    )
    assert decision.movements == (first, third)


def test_what_has_expired_leaves_before_anything_is_spent() -> None:
    # given
    wallet = a_wallet(a_lot(GONE, "2.5", NOON, held="1"), a_lot(LATER, "4"))

    # when
    decision = spends(wallet, 4, 1)

    # then
    gone = a_movement(EntryKind.EXPIRATION, "1.5", 8, "5.5", Draw(GONE, Decimal("1.5")), held="1", about=GONE)
    spent = a_movement(EntryKind.SPEND, "4", 9, "4", Draw(LATER, Decimal(4)), held="1")
    assert decision.settled == (gone,)
    assert decision.answers == (
        Moved((spent,), Decimal(0), Decimal(1), NOON),
        Shortage(needed=Decimal(1), available=Decimal(0)),
    )


def test_an_expiry_happened_at_its_own_instant_however_late_it_is_found() -> None:
    wallet = a_wallet(a_lot(GONE, "2", NOON - A_DAY), a_lot(SOON, "3", NOON - 2 * A_DAY))

    movements = settle_expired(wallet, NOON)[1]

    assert [(each.about, each.tokens, each.occurred_at) for each in movements] == [
        (SOON, Decimal(3), NOON - 2 * A_DAY),
        (GONE, Decimal(2), NOON - A_DAY),
    ]


def test_spendable_counts_by_the_lots_whether_or_not_expiry_was_booked() -> None:
    wallet = a_wallet(a_lot(GONE, "2.5", NOON), a_lot(LATER, "4", held="1"))

    assert spendable(wallet, NOON - A_DAY) == Decimal("5.5")
    assert spendable(wallet, NOON) == Decimal(3)
    assert spendable(settle_expired(wallet, NOON)[0], NOON) == Decimal(3)


def test_nothing_asked_and_nothing_expired_is_no_movement() -> None:
    wallet = a_wallet(a_lot(LATER, "4"))

    assert spends(wallet) == Decision((), (), (), ())
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
    decision = spends(wallet, *wanted)
    expired = sum((movement.tokens for movement in decision.settled), Decimal(0))
    spent = sum((movement.tokens for movement in paid(decision)), Decimal(0))

    assert expired == wallet.available - spendable(wallet, NOON)
    assert 0 <= spent <= spendable(wallet, NOON)
    assert all(sum(draw.tokens for draw in movement.draws) == movement.tokens for movement in decision.movements)
    drawn: dict[UUID, Decimal] = {}
    for movement in decision.movements:
        for draw in movement.draws:
            drawn[draw.lot_id] = drawn.get(draw.lot_id, Decimal(0)) + draw.tokens
    assert all(drawn.get(lot.id, Decimal(0)) <= lot.free for lot in wallet.lots)


@given(some_wallet(), amounts)
def test_movements_follow_each_other_without_a_gap(wallet: WalletState, wanted: list[Decimal]) -> None:
    movements = spends(wallet, *wanted).movements

    assert [movement.sequence for movement in movements] == list(range(8, 8 + len(movements)))
    assert all(one.available_after == after.available_before for one, after in pairwise(movements))
    assert all(one.available_after == one.available_before - one.tokens >= 0 for one in movements)
    assert not movements or movements[0].available_before == wallet.available


@given(some_wallet(), amounts)
def test_a_request_is_refused_exactly_when_what_the_ones_before_it_left_is_too_little(
    wallet: WalletState, wanted: list[Decimal]
) -> None:
    left = spendable(wallet, NOON)

    for tokens, answer in zip(wanted, spends(wallet, *wanted).answers, strict=True):
        if tokens > left:
            assert answer == Shortage(needed=tokens, available=left)
        else:
            assert isinstance(answer, Moved)
            assert answer.movements[0].tokens == tokens
            left -= tokens


@given(some_wallet(), amounts)
def test_a_refused_request_changes_nothing_for_the_others(wallet: WalletState, wanted: list[Decimal]) -> None:
    together = spends(wallet, *wanted)
    granted = [tokens for tokens, one in zip(wanted, together.answers, strict=True) if isinstance(one, Moved)]

    assert spends(wallet, *granted).movements == together.movements


@given(some_wallet(), amounts)
def test_requests_together_get_what_they_would_get_one_after_the_other(
    wallet: WalletState, wanted: list[Decimal]
) -> None:
    together = spends(wallet, *wanted)

    state, alone = settle_expired(wallet, NOON)
    for tokens in wanted:
        one = spends(state, tokens)
        alone += one.movements
        state = state_after(state, one)
    assert together.movements == alone


def state_after(state: WalletState, decision: Decision) -> WalletState:
    """The wallet as its next reader finds it, worked out from the movements alone."""
    lots = {lot.id: lot for lot in state.lots}
    for movement in decision.movements:
        state = replace(
            state, available=movement.available_after, held=movement.held_after, sequence=movement.sequence
        )  # fmt: skip
        for draw in movement.draws:
            lots[draw.lot_id] = replace(lots[draw.lot_id], remaining=lots[draw.lot_id].remaining - draw.tokens)
        for draw in movement.reserved:
            lots[draw.lot_id] = replace(lots[draw.lot_id], held=lots[draw.lot_id].held + draw.tokens)
    return replace(state, lots=tuple(lots.values()))
