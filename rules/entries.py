"""The kinds of entry in a wallet's history, and what each does to available and held tokens."""

from enum import StrEnum


class EntryKind(StrEnum):
    PURCHASE = "PURCHASE"
    GRANT = "GRANT"
    SPEND = "SPEND"
    HOLD = "HOLD"
    CAPTURE = "CAPTURE"
    RELEASE = "RELEASE"
    EXPIRATION = "EXPIRATION"
    REFUND = "REFUND"
    ADJUSTMENT = "ADJUSTMENT"
