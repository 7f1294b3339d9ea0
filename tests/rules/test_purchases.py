"""Every pair of a purchase's states, listed: which step is allowed and which is not."""

import pytest

from rules.purchases import CLOSED_UNPAID, OPEN, TERMINAL, PurchaseStatus, may_become

PENDING, PROCESSING, REQUIRES_ACTION, COMPLETED, FAILED, CANCELLED, EXPIRED, REFUNDED, PARTIALLY = PurchaseStatus

COLUMNS = (PENDING, PROCESSING, REQUIRES_ACTION, COMPLETED, FAILED, CANCELLED, EXPIRED, REFUNDED, PARTIALLY)
# Rows: the state now. Columns, in the order above: "y" where it may become that state.
ALLOWED = {
    PENDING: "n y y y y y y n n",
    PROCESSING: "n n y y y y y n n",
    REQUIRES_ACTION: "n y n y y y y n n",
    COMPLETED: "n n n n n n n y y",
    FAILED: "n n n y n n n n n",
    CANCELLED: "n n n y n n n n n",
    EXPIRED: "n n n y n n n n n",
    REFUNDED: "n n n n n n n n n",
    PARTIALLY: "n n n n n n n y n",
}
PAIRS = [
    (now, then, answer == "y")
    for now, row in ALLOWED.items()
    for then, answer in zip(COLUMNS, row.split(), strict=True)
]


@pytest.mark.parametrize(("now", "then", "allowed"), PAIRS, ids=[f"{now} to {then}" for now, then, _ in PAIRS])
def test_which_state_may_follow_which(now: PurchaseStatus, then: PurchaseStatus, allowed: bool) -> None:
    assert may_become(now, then) is allowed


def test_the_table_above_has_every_pair() -> None:
    assert {(now, then) for now, then, _ in PAIRS} == {(now, then) for now in PurchaseStatus for then in PurchaseStatus}


def reachable(start: PurchaseStatus, *, late_capture: bool) -> set[PurchaseStatus]:
    """Every state a purchase can come to; without late capture what was closed unpaid stays closed."""
    found: set[PurchaseStatus] = set()
    waiting = [start]
    while waiting:
        now = waiting.pop()
        if now in CLOSED_UNPAID and not late_capture:
            continue
        for then in PurchaseStatus:
            if may_become(now, then) and then not in found:
                found.add(then)
                waiting.append(then)
    return found


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_no_way_leads_back_from_a_closed_state_to_an_open_one(state: PurchaseStatus) -> None:
    assert reachable(state, late_capture=True) & OPEN == set()


@pytest.mark.parametrize("state", sorted(CLOSED_UNPAID))
def test_only_a_late_capture_leads_out_of_a_purchase_that_was_closed_unpaid(state: PurchaseStatus) -> None:
    assert [then for then in PurchaseStatus if may_become(state, then)] == [COMPLETED]


@pytest.mark.parametrize("state", sorted(OPEN))
def test_whatever_is_open_can_be_completed_and_closed(state: PurchaseStatus) -> None:
    assert reachable(state, late_capture=False) >= {COMPLETED, FAILED, CANCELLED, EXPIRED}


def test_money_that_moved_is_never_forgotten() -> None:
    for state in (COMPLETED, PARTIALLY, REFUNDED):
        assert reachable(state, late_capture=True) <= {REFUNDED, PARTIALLY}


def test_what_is_open_and_what_is_closed() -> None:
    assert frozenset({PENDING, PROCESSING, REQUIRES_ACTION}) == OPEN
    assert frozenset({FAILED, CANCELLED, EXPIRED}) == CLOSED_UNPAID
    assert frozenset({COMPLETED, FAILED, CANCELLED, EXPIRED, REFUNDED, PARTIALLY}) == TERMINAL
