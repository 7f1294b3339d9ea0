"""A purchase's states, and which may follow which.

    pending ─▶ processing ─▶ completed ─▶ refunded | partially_refunded
       │           ├─▶ requires_action ─▶ processing
       ├─▶ cancelled └─▶ failed
       └─▶ expired

There is no way back, with one exception that the money makes: a payment that a gateway captures after all, when the
purchase was already failed, cancelled or expired, completes it. Whoever paid gets tokens and an invoice.
"""

from enum import StrEnum


class PurchaseType(StrEnum):
    ONE_TIME = "one_time"
    SUBSCRIPTION = "subscription"
    AUTO_TOP_UP = "auto_topup"


class PurchaseStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"


S = PurchaseStatus
OPEN = frozenset({S.PENDING, S.PROCESSING, S.REQUIRES_ACTION})
CLOSED_UNPAID = frozenset({S.FAILED, S.CANCELLED, S.EXPIRED})
TERMINAL = frozenset(S) - OPEN

FOLLOWING: dict[PurchaseStatus, frozenset[PurchaseStatus]] = {
    S.PENDING: frozenset({S.PROCESSING, S.REQUIRES_ACTION, S.COMPLETED, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.PROCESSING: frozenset({S.REQUIRES_ACTION, S.COMPLETED, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.REQUIRES_ACTION: frozenset({S.PROCESSING, S.COMPLETED, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.FAILED: frozenset({S.COMPLETED}),
    S.CANCELLED: frozenset({S.COMPLETED}),
    S.EXPIRED: frozenset({S.COMPLETED}),
    S.COMPLETED: frozenset({S.REFUNDED, S.PARTIALLY_REFUNDED}),
    S.PARTIALLY_REFUNDED: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset(),
}


def may_become(now: PurchaseStatus, then: PurchaseStatus) -> bool:
    """Whether a purchase may go from one state to another. Staying is not a step."""
    return then in FOLLOWING[now]
