"""What a wallet may be set to, and by whom."""

from decimal import Decimal

import pytest

from rules.permissions import Permission
from rules.terms import CHANGED_BY, RANGES, WalletSetting, may_change

P, S = Permission, WalletSetting
NOBODYS = frozenset(P) - {P.TOKENS_CONFIGURE, P.FINANCE_MANAGE, P.PLATFORM_ADMIN}


@pytest.mark.parametrize(
    ("setting", "held", "beyond"),
    [
        (S.PRICE_PER_TOKEN, ["0.000001", "0.50", "1000000"], ["0", "-1", "1000000.000001", "0.0000001", "NaN"]),
        (S.TAX_RATE, ["0", "0.160000", "1.0000000"], ["-0.000001", "1.000001", "0.1234567", "sNaN", "Infinity"]),
        (S.PAYMENT_TERMS_DAYS, ["0", "30", "365"], ["-1", "366", "0.5", "1E+30"]),
        (S.VALIDITY_DAYS, ["1", "36500"], ["0", "36501", "-Infinity"]),
    ],
)
def test_a_setting_has_its_range(setting: WalletSetting, held: list[str], beyond: list[str]) -> None:
    assert [value for value in held + beyond if RANGES[setting].holds(Decimal(value))] == held


@pytest.mark.parametrize(
    ("setting", "may"),
    [
        (S.PRICE_PER_TOKEN, {P.FINANCE_MANAGE, P.PLATFORM_ADMIN}),
        (S.TAX_RATE, {P.FINANCE_MANAGE, P.PLATFORM_ADMIN}),
        (S.PAYMENT_TERMS_DAYS, {P.FINANCE_MANAGE, P.PLATFORM_ADMIN}),
        (S.VALIDITY_DAYS, {P.FINANCE_MANAGE, P.PLATFORM_ADMIN, P.TOKENS_CONFIGURE}),
    ],
)
def test_a_setting_is_changed_by_those_it_belongs_to(setting: WalletSetting, may: set[Permission]) -> None:
    assert {permission for permission in P if may_change(setting, frozenset({permission}))} == may
    assert not may_change(setting, NOBODYS)


def test_every_setting_has_a_range_and_an_owner() -> None:
    assert set(RANGES) == set(CHANGED_BY) == set(S)
