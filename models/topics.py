"""What the feed tells about."""

from enum import StrEnum


class Topic(StrEnum):
    WALLET_CHANGED = "wallet.changed"
    WALLET_ADMINISTERED = "wallet.administered"
    PURCHASE_CHANGED = "purchase.changed"
    GATEWAY_EVENT = "gateway.event"
    NOTICE_RECORDED = "notice.recorded"
