"""Why the tokens of a lot count at an instant, or do not."""

from enum import StrEnum


class LotState(StrEnum):
    """COUNTS: what is free of it can be used. NOT_YET_EFFECTIVE: its time has not come. EXPIRED: its time was over
    before its tokens were. EXHAUSTED: all of its tokens were used, taken back or corrected away.
    """

    COUNTS = "COUNTS"
    NOT_YET_EFFECTIVE = "NOT_YET_EFFECTIVE"
    EXPIRED = "EXPIRED"
    EXHAUSTED = "EXHAUSTED"
