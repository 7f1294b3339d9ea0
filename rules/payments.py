"""What a payment can be, and which of two reports about it is to be believed.

Gateways tell about a payment several times, late and out of order. Each status has a rank; the higher rank wins,
so a late failure never undoes a success and a repeated report changes nothing.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class PaymentStatus(StrEnum):
    """PROCESSING: the gateway has not decided. REQUIRES_ACTION: the buyer must act (3-D Secure, mobile prompt).
    DECLINED: the gateway said no, with a code. CANCELLED: given up before any money moved. CAPTURED: the money moved.
    """

    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    CAPTURED = "CAPTURED"


RANK = {
    PaymentStatus.PROCESSING: 1,
    PaymentStatus.REQUIRES_ACTION: 2,
    PaymentStatus.DECLINED: 3,
    PaymentStatus.CANCELLED: 3,
    PaymentStatus.CAPTURED: 4,
}

UNDECIDED = frozenset({PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION})


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """One answer of a gateway about one payment.

    payment_id    the gateway's own id; empty while the gateway has not answered yet.
    amount        what was or will be charged, tax included, at the currency's own precision.
    decline_code  the gateway's word for why it said no, only with DECLINED.
    action_url    where the buyer acts, only with REQUIRES_ACTION.
    """

    payment_id: str
    status: PaymentStatus
    amount: Decimal
    currency: str
    decline_code: str | None = None
    action_url: str | None = None


def more_final(known: PaymentReport | None, reported: PaymentReport) -> PaymentReport:
    """The report to believe: the one of higher rank.

    Between equals of an undecided rank the newer one, because its action address may be fresher; between equals of a
    final rank the one already known, because a final answer is given once.
    """
    if known is None or RANK[reported.status] > RANK[known.status]:
        return reported
    if RANK[reported.status] == RANK[known.status] and known.status in UNDECIDED:
        return reported
    # PROCESSING after REQUIRES_ACTION is progress too: the buyer acted and the gateway is deciding.
    if known.status is PaymentStatus.REQUIRES_ACTION and reported.status is PaymentStatus.PROCESSING:
        return reported
    return known
