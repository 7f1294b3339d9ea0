"""The enums of the rules, as GraphQL shows them. The rules know nothing of GraphQL, so they are described here."""

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from rules.entries import EntryKind
from rules.lots import LotKind
from rules.permissions import Role
from rules.purchases import PurchaseStatus, PurchaseType

EnumType = TypeVar("EnumType", bound=Enum)


def _shown(kind: type[EnumType], description: str, values: dict[EnumType, str]) -> None:
    strawberry.enum(kind, description=description)
    definition = getattr(kind, "__strawberry_definition__", None)
    assert isinstance(definition, StrawberryEnumDefinition)
    for value in definition.values:
        value.description = values[kind(value.value)]


_shown(
    EntryKind,
    "What an entry of a wallet's history is about.",
    {
        EntryKind.PURCHASE: "Tokens that were bought.",
        EntryKind.GRANT: "Tokens that were given, bonus tokens included.",
        EntryKind.SPEND: "Tokens that were used.",
        EntryKind.HOLD: "Tokens that were reserved: they move from available to held.",
        EntryKind.CAPTURE: "Reserved tokens that were used.",
        EntryKind.RELEASE: "Reserved tokens that were given back.",
        EntryKind.EXPIRATION: "Tokens whose time was over.",
        EntryKind.REFUND: "Tokens that were taken back because their money was sent back.",
        EntryKind.ADJUSTMENT: "A correction by hand, with its reason.",
    },
)
_shown(
    LotKind,
    "Where the tokens of a lot came from.",
    {
        LotKind.PAID: "They were bought.",
        LotKind.BONUS: "They came free with bought ones and share their fate.",
        LotKind.PROMO: "They were given.",
        LotKind.PLAN: "They belong to a plan.",
        LotKind.ADJUSTMENT: "They correct a mistake.",
    },
)
_shown(
    PurchaseStatus,
    "How far a purchase has come.",
    {
        PurchaseStatus.PENDING: "Placed at a frozen price; the gateway has not been heard.",
        PurchaseStatus.PROCESSING: "The gateway is deciding.",
        PurchaseStatus.REQUIRES_ACTION: "The buyer has to act at `actionUrl`, for 3-D Secure for example.",
        PurchaseStatus.COMPLETED: "Paid: the tokens are in the wallet and the invoice is issued.",
        PurchaseStatus.FAILED: "The gateway said no; `failure` says why.",
        PurchaseStatus.CANCELLED: "Given up by the buyer before any money moved.",
        PurchaseStatus.EXPIRED: "Nobody paid in time.",
        PurchaseStatus.REFUNDED: "Everything was paid back.",
        PurchaseStatus.PARTIALLY_REFUNDED: "A part was paid back.",
    },
)
_shown(
    PurchaseType,
    "What made a purchase.",
    {
        PurchaseType.ONE_TIME: "A buyer.",
        PurchaseType.SUBSCRIPTION: "A subscription.",
        PurchaseType.AUTO_TOP_UP: "Automatic top-up.",
    },
)
_shown(
    Role,
    "A ready-made bundle of permissions.",
    {
        Role.OWNER: "Everything within one's own organization, members and keys included.",
        Role.BUYER: "Sees and buys.",
        Role.SPENDER: "Sees and spends.",
        Role.VIEWER: "Sees.",
        Role.FINANCE: "Of the platform: sees revenue and every organization, refunds, grants and adjusts.",
        Role.OPERATOR: "Of the platform: keeps the catalogue, organizations, members and keys.",
        Role.ADMINISTRATOR: "Of the platform: everything.",
    },
)

__all__ = ["EntryKind", "LotKind", "PurchaseStatus", "PurchaseType", "Role"]
