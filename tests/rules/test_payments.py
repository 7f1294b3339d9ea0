"""Reports arrive late, twice and out of order; what is believed in the end must not depend on that."""

from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.payments import RANK, UNDECIDED, PaymentReport, PaymentStatus, more_final

PROCESSING, REQUIRES_ACTION, DECLINED, CANCELLED, CAPTURED = PaymentStatus

reports = st.builds(
    PaymentReport,
    payment_id=st.sampled_from(["pay_1", "pay_2"]),
    status=st.sampled_from(PaymentStatus),
    amount=st.just(Decimal("58.00")),
    currency=st.just("USD"),
    decline_code=st.sampled_from([None, "insufficient_funds"]),
    action_url=st.sampled_from([None, "https://bank.example/1", "https://bank.example/2"]),
)
histories = st.lists(reports, min_size=1, max_size=8)


def believed(history: list[PaymentReport]) -> PaymentReport:
    first, *rest = history
    return reduce(more_final, rest, more_final(None, first))


def a_report(status: PaymentStatus, note: str | None = None) -> PaymentReport:
    return PaymentReport("pay_1", status, Decimal("58.00"), "USD", action_url=note)


# Rows: what is known. Columns: what is reported next. "n" believes the new report, "o" keeps the old one.
TABLE = {
    PROCESSING: {PROCESSING: "n", REQUIRES_ACTION: "n", DECLINED: "n", CANCELLED: "n", CAPTURED: "n"},
    REQUIRES_ACTION: {PROCESSING: "n", REQUIRES_ACTION: "n", DECLINED: "n", CANCELLED: "n", CAPTURED: "n"},
    DECLINED: {PROCESSING: "o", REQUIRES_ACTION: "o", DECLINED: "o", CANCELLED: "o", CAPTURED: "n"},
    CANCELLED: {PROCESSING: "o", REQUIRES_ACTION: "o", DECLINED: "o", CANCELLED: "o", CAPTURED: "n"},
    CAPTURED: {PROCESSING: "o", REQUIRES_ACTION: "o", DECLINED: "o", CANCELLED: "o", CAPTURED: "o"},
}


@pytest.mark.parametrize(
    ("known", "reported", "choice"),
    [(known, reported, choice) for known, row in TABLE.items() for reported, choice in row.items()],
)
def test_which_of_two_reports_is_believed(known: PaymentStatus, reported: PaymentStatus, choice: str) -> None:
    old, new = a_report(known, "old"), a_report(reported, "new")

    assert more_final(old, new) == (new if choice == "n" else old)


def test_the_first_report_is_believed() -> None:
    assert more_final(None, a_report(DECLINED)) == a_report(DECLINED)


@given(histories)
def test_what_is_believed_was_reported(history: list[PaymentReport]) -> None:
    assert believed(history) in history


@given(histories.flatmap(lambda history: st.permutations([*history, a_report(CAPTURED)])))
def test_one_capture_anywhere_means_captured_in_any_order(history: list[PaymentReport]) -> None:
    assert believed(history).status is CAPTURED


@given(histories, histories)
def test_a_final_answer_is_only_ever_replaced_by_a_capture(
    history: list[PaymentReport], later: list[PaymentReport]
) -> None:
    before = believed(history)
    after = believed([*history, *later])

    if before.status not in UNDECIDED:
        assert after == before or (after.status is CAPTURED and before.status is not CAPTURED)


@given(histories)
def test_the_status_believed_is_the_highest_reported_unless_the_buyer_has_acted(history: list[PaymentReport]) -> None:
    highest = max(RANK[report.status] for report in history)

    result = believed(history).status

    assert RANK[result] == highest or (highest == RANK[REQUIRES_ACTION] and result is PROCESSING)


@given(histories, reports)
def test_a_report_repeated_changes_nothing(history: list[PaymentReport], report: PaymentReport) -> None:
    once = more_final(believed(history), report)

    assert more_final(once, report) == once


@given(histories)
def test_a_whole_history_sent_twice_changes_nothing_that_is_decided(history: list[PaymentReport]) -> None:
    once = believed(history)

    if once.status not in UNDECIDED:
        assert believed([*history, *history]) == once
