"""What an organization's wallet may be set to: its price, its tax, its terms, and how long tokens last."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from rules.permissions import Permission
from rules.pricing import places_of


class WalletSetting(StrEnum):
    """Price per token before tax, in the wallet's currency; tax as a share of one; days until an invoice is due; days
    until bought tokens expire.
    """

    PRICE_PER_TOKEN = "price_per_token"
    TAX_RATE = "tax_rate"
    PAYMENT_TERMS_DAYS = "payment_terms_days"
    VALIDITY_DAYS = "validity_days"


@dataclass(frozen=True, slots=True)
class Range:
    """From minimum to maximum, both possible, with at most so many decimal places."""

    minimum: Decimal
    maximum: Decimal
    decimal_places: int

    def holds(self, value: Decimal) -> bool:
        return value.is_finite() and self.minimum <= value <= self.maximum and places_of(value) <= self.decimal_places


RANGES = {
    WalletSetting.PRICE_PER_TOKEN: Range(Decimal("0.000001"), Decimal(1_000_000), 6),
    WalletSetting.TAX_RATE: Range(Decimal(0), Decimal(1), 6),
    WalletSetting.PAYMENT_TERMS_DAYS: Range(Decimal(0), Decimal(365), 0),
    WalletSetting.VALIDITY_DAYS: Range(Decimal(1), Decimal(36_500), 0),
}

OF_THE_PLATFORM = (Permission.FINANCE_MANAGE, Permission.PLATFORM_ADMIN)

# Who may change what, by any one of these. Price, tax and terms are what an organization has agreed on with the
# platform; how long its tokens last is left to itself as well.
CHANGED_BY = {
    WalletSetting.PRICE_PER_TOKEN: OF_THE_PLATFORM,
    WalletSetting.TAX_RATE: OF_THE_PLATFORM,
    WalletSetting.PAYMENT_TERMS_DAYS: OF_THE_PLATFORM,
    WalletSetting.VALIDITY_DAYS: (Permission.TOKENS_CONFIGURE, *OF_THE_PLATFORM),
}


def may_change(setting: WalletSetting, permissions: frozenset[Permission]) -> bool:
    """Whether somebody with these permissions may change a setting."""
    return any(permission in permissions for permission in CHANGED_BY[setting])
