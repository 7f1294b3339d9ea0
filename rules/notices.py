"""The kinds of notice: what people are told about what happened to their wallet, or will."""

from enum import StrEnum


class NoticeKind(StrEnum):
    TOKENS_EXPIRING = "tokens.expiring"
