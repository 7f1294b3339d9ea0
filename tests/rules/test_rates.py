"""The rate card: what units of an operation cost, rounded up to what tokens can be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.rates import InvalidUnitCount, cost, is_operation, is_rate

# tokens per unit, units: tokens
COSTS = [
    ("7", "1", "7.0000"),
    ("8", "12", "96.0000"),
    ("0.5", "3", "1.5000"),
    ("0.3333", "3", "0.9999"),
    # Up, and never down: a part of 0.0001 is 0.0001.
    ("0.00001", "1", "0.0001"),
    ("0.000001", "0.000001", "0.0001"),
    ("0.33333", "1", "0.3334"),
    ("0.0001", "1", "0.0001"),
    ("0.0001", "1.000001", "0.0002"),
    ("1.5", "0.333333", "0.5000"),
    ("1000000", "1000000000", "1000000000000000.0000"),
    ("999999.999999", "999999999.999999", "999999999998999.0001"),
]


@pytest.mark.parametrize(("each", "units", "tokens"), COSTS)
def test_units_cost_tokens(each: str, units: str, tokens: str) -> None:
    assert f"{cost(Decimal(each), Decimal(units)):f}" == tokens


@pytest.mark.parametrize("units", ["0", "-1", "0.0000001", "1.0000001", "1000000000.000001", "1e30", "NaN", "Infinity"])
def test_what_is_no_number_of_units_is_refused(units: str) -> None:
    with pytest.raises(InvalidUnitCount):
        cost(Decimal(7), Decimal(units))


@pytest.mark.parametrize("each", ["0", "-7", "0.0000001", "1000000.000001", "1e30", "NaN", "-Infinity"])
def test_what_is_no_price_in_tokens_is_refused(each: str) -> None:
    assert not is_rate(Decimal(each))


def test_a_price_in_tokens_has_six_places_at_most() -> None:
    assert [is_rate(Decimal(each)) for each in ("0.000001", "7", "7.500000000", "1000000")] == [True] * 4


@pytest.mark.parametrize("name", ["claim", "claim.submission", "ocr-page", "fraud_scan.v2", "a" * 100])
def test_an_operation_has_a_plain_name(name: str) -> None:
    assert is_operation(name)


@pytest.mark.parametrize(
    "name", ["", "Claim", "claim ", "2nd", "claim..a", ".a", "a.", "claim/a", "é", "a\n", "a" * 101]
)
def test_other_names_are_refused(name: str) -> None:
    assert not is_operation(name)


rates = st.integers(1, 10**12).map(lambda number: Decimal(number) / 10**6)
units = st.integers(1, 10**13).map(lambda number: Decimal(number) / 10**6)


@given(rates, units)
def test_a_cost_is_the_exact_one_or_less_than_a_ten_thousandth_more(each: Decimal, count: Decimal) -> None:
    tokens = cost(each, count)

    assert each * count <= tokens < each * count + Decimal("0.0001")
    assert tokens.as_tuple().exponent == -4
    assert tokens >= Decimal("0.0001")


@given(rates, units, units)
def test_one_request_is_never_dearer_than_two_for_its_parts(each: Decimal, one: Decimal, other: Decimal) -> None:
    assert cost(each, one + other) <= cost(each, one) + cost(each, other)
