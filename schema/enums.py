"""The enums of the rules, as GraphQL shows them. The rules know nothing of GraphQL, so they are described here."""

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from rules.budgets import BudgetPeriod
from rules.entries import EntryKind
from rules.explanations import LotState
from rules.holding import CaptureExcess, HoldStatus
from rules.lots import LotKind
from rules.notices import NoticeKind
from rules.purchases import PurchaseStatus, PurchaseType
from rules.terms import WalletSetting

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
    LotState,
    "Why the tokens of a lot count at an instant, or do not.",
    {
        LotState.COUNTS: "What is not held of it can be used.",
        LotState.NOT_YET_EFFECTIVE: "Its time has not come.",
        LotState.EXPIRED: "Its time was over before its tokens were.",
        LotState.EXHAUSTED: "All of its tokens were spent, taken back or corrected away.",
    },
)
_shown(
    WalletSetting,
    "What can be set of a wallet.",
    {
        WalletSetting.PRICE_PER_TOKEN: "The price per token before tax, in the wallet's currency.",
        WalletSetting.TAX_RATE: "The tax, as a share of one.",
        WalletSetting.PAYMENT_TERMS_DAYS: "Days until an invoice is due.",
        WalletSetting.VALIDITY_DAYS: "Days until bought tokens expire.",
    },
)
_shown(
    NoticeKind,
    "What a notice tells.",
    {NoticeKind.TOKENS_EXPIRING: "Tokens of a lot will probably be lost when it expires."},
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
    HoldStatus,
    "What became of a hold.",
    {
        HoldStatus.HELD: "Its tokens are reserved.",
        HoldStatus.CAPTURED: "Its tokens, or some of them, were spent; the rest returned.",
        HoldStatus.RELEASED: "It was given up; everything returned.",
        HoldStatus.EXPIRED: "Nobody resolved it in time; everything returned at that instant.",
    },
)
_shown(
    CaptureExcess,
    "What happens when more is captured than is held.",
    {
        CaptureExcess.REJECT: "It is refused, and the hold stays.",
        CaptureExcess.CAP: "No more than what is held is captured.",
        CaptureExcess.TAKE_AVAILABLE: "The rest is spent from what is available; refused when that is too little.",
    },
)
_shown(
    BudgetPeriod,
    "How long a budget's windows are; they begin at midnight UTC.",
    {
        BudgetPeriod.DAY: "A day.",
        BudgetPeriod.WEEK: "A week, from Monday.",
        BudgetPeriod.MONTH: "A month of the calendar.",
    },
)

__all__ = [
    "BudgetPeriod",
    "CaptureExcess",
    "EntryKind",
    "HoldStatus",
    "LotKind",
    "LotState",
    "NoticeKind",
    "PurchaseStatus",
    "PurchaseType",
    "WalletSetting",
]
