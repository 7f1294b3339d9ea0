"""A coupon's redemption follows the purchase it was used for.

    reserved ─▶ redeemed        the purchase was paid
        └─▶ released ─▶ redeemed    it ended unpaid; and was paid after all

Reserved and redeemed ones count against the coupon's limits, released ones do not. A purchase that is paid after it was
given up keeps its price, so its redemption counts again even when others have used the coupon up meanwhile: a limit is
never exceeded by placing, only by money that came late.
"""

from enum import StrEnum

from rules.purchases import CLOSED_UNPAID, OPEN, PurchaseStatus


class RedemptionStatus(StrEnum):
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    RELEASED = "released"


COUNTED = frozenset({RedemptionStatus.RESERVED, RedemptionStatus.REDEEMED})


def status_for(purchase: PurchaseStatus) -> RedemptionStatus:
    """The state of the redemption of a purchase in a state. A refund does not give a redemption back."""
    if purchase in OPEN:
        return RedemptionStatus.RESERVED
    return RedemptionStatus.RELEASED if purchase in CLOSED_UNPAID else RedemptionStatus.REDEEMED
