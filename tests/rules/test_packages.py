"""Which packages there can be: fixed ones and custom ones, and nothing in between."""

from dataclasses import replace
from decimal import Decimal

import pytest

from rules.packages import Composition, ends_of, misfit

USD = 2
FIXED = Composition(False, Decimal(100), Decimal(0), Decimal("49.90"), "USD", 365, 1)
CUSTOM = Composition(
    True, None, Decimal(0), None, "USD", None, 2, Decimal(10), Decimal(5000), token_price=Decimal("0.45")
)

MISFITS: dict[str, tuple[Composition, str]] = {
    "fixed without a number": (replace(FIXED, tokens=None), "tokens"),
    "fixed with an end": (replace(FIXED, min_tokens=Decimal(1)), "min_tokens"),
    "fixed with another end": (replace(FIXED, max_tokens=Decimal(1)), "max_tokens"),
    "fixed with a price per token": (replace(FIXED, token_price=Decimal(1)), "token_price"),
    "custom with a number": (replace(CUSTOM, tokens=Decimal(100)), "tokens"),
    "custom with a price of the whole": (replace(CUSTOM, price=Decimal(50)), "price"),
    "no tokens": (replace(FIXED, tokens=Decimal(0)), "tokens"),
    "tokens below zero": (replace(FIXED, tokens=Decimal(-1)), "tokens"),
    "too many tokens": (replace(FIXED, tokens=Decimal("1000000.0001")), "tokens"),
    "tokens with five places": (replace(FIXED, tokens=Decimal("1.00001")), "tokens"),
    "ends the wrong way round": (replace(CUSTOM, max_tokens=Decimal(9)), "max_tokens"),
    "an end below one": (replace(CUSTOM, min_tokens=Decimal("0.5")), "min_tokens"),
    "for nothing": (replace(FIXED, price=Decimal(0)), "price"),
    "finer than a cent": (replace(FIXED, price=Decimal("49.999")), "price"),
    "too dear": (replace(FIXED, price=Decimal("1000000000.01")), "price"),
    "a token for nothing": (replace(CUSTOM, token_price=Decimal(0)), "token_price"),
    "a token with seven places": (replace(CUSTOM, token_price=Decimal("0.0000001")), "token_price"),
    "a bonus below zero": (replace(FIXED, bonus_tokens=Decimal(-1)), "bonus_tokens"),
    "a bonus with five places": (replace(FIXED, bonus_tokens=Decimal("0.00001")), "bonus_tokens"),
    "valid for no day": (replace(FIXED, validity_days=0), "validity_days"),
    "valid for a century and more": (replace(FIXED, validity_days=36_501), "validity_days"),
    "before the first": (replace(FIXED, display_order=-1), "display_order"),
}


@pytest.mark.parametrize(("package", "field"), MISFITS.values(), ids=MISFITS.keys())
def test_a_package_that_cannot_be_is_told_by_its_field(package: Composition, field: str) -> None:
    wrong = misfit(package, USD)

    assert wrong is not None
    assert wrong.field == field


@pytest.mark.parametrize(
    "package",
    [FIXED, replace(FIXED, price=None, currency=None, validity_days=None), CUSTOM, replace(CUSTOM, token_price=None)],
)
def test_other_packages_can_be(package: Composition) -> None:
    assert misfit(package, USD) is None


def test_a_package_says_how_many_tokens_can_be_bought_of_it() -> None:
    assert ends_of(FIXED) == (Decimal(100), Decimal(100))
    assert ends_of(CUSTOM) == (Decimal(10), Decimal(5000))
    assert ends_of(replace(CUSTOM, min_tokens=None, max_tokens=None)) == (Decimal(1), Decimal(1_000_000))
