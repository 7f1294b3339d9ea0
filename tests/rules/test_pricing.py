"""What tokens cost, to the minor unit. Every expected amount is written out; the unit is in the currency's column."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.pricing import (
    InvalidQuantity,
    Price,
    custom_quantity,
    expiry,
    places_of,
    price_amount,
    price_tokens,
    round_half_up,
)

USD, JPY, BHD = 2, 0, 3  # ISO 4217: the decimal places of each currency.

# tokens, price per token, tax rate, currency: subtotal, tax, total, what one token cost before tax
BY_QUANTITY = [
    ("100", "0.50", "0.16", USD, "50.00", "8.00", "58.00", "0.500000"),
    ("100", "0.50", "0", USD, "50.00", "0.00", "50.00", "0.500000"),
    ("1", "0.50", "1", USD, "0.50", "0.50", "1.00", "0.500000"),
    # Half a cent is a cent. Half to even would give 0.02, 0.12 and 0.12.
    ("1", "0.025", "0", USD, "0.03", "0.00", "0.03", "0.030000"),
    ("5", "0.025", "0", USD, "0.13", "0.00", "0.13", "0.026000"),
    ("1", "0.124999", "0", USD, "0.12", "0.00", "0.12", "0.120000"),
    ("1", "0.50", "0.05", USD, "0.50", "0.03", "0.53", "0.500000"),
    ("1", "0.49", "0.05", USD, "0.49", "0.02", "0.51", "0.490000"),
    # Tax is of the rounded subtotal: 0.335 would be taxed 0.05 at 16 %, and so is 0.34.
    ("0.67", "0.50", "0.16", USD, "0.34", "0.05", "0.39", "0.507463"),
    ("3", "0.333333", "0.075", USD, "1.00", "0.08", "1.08", "0.333333"),
    ("1000000", "0.000001", "0.16", USD, "1.00", "0.16", "1.16", "0.000001"),
    ("1000000", "99999999.999999", "0", USD, "99999999999999.00", "0.00", "99999999999999.00", "99999999.999999"),
    # Nothing is sold for nothing: at least one minor unit.
    ("1", "0.000001", "0.16", USD, "0.01", "0.00", "0.01", "0.010000"),
    ("1", "0.004999", "0.5", USD, "0.01", "0.01", "0.02", "0.010000"),
    ("1", "0.01", "0.10", JPY, "1", "0", "1", "1.000000"),
    ("1", "0.0001", "0.05", BHD, "0.001", "0.000", "0.001", "0.001000"),
    ("100", "0.50", "0.10", JPY, "50", "5", "55", "0.500000"),
    ("1", "0.50", "0", JPY, "1", "0", "1", "1.000000"),
    ("5", "0.50", "0.10", JPY, "3", "0", "3", "0.600000"),
    ("10", "0.50", "0.10", JPY, "5", "1", "6", "0.500000"),
    ("12.5", "0.376", "0.05", BHD, "4.700", "0.235", "4.935", "0.376000"),
    ("7", "0.0125", "0.05", BHD, "0.088", "0.004", "0.092", "0.012571"),
    ("1.0001", "0.50", "0.16", BHD, "0.500", "0.080", "0.580", "0.499950"),
]


@pytest.mark.parametrize(
    ("tokens", "each", "rate", "places", "subtotal", "tax", "total", "unit_price"),
    BY_QUANTITY,
    ids=[f"{case[0]} at {case[1]}, tax {case[2]}, {case[3]} places" for case in BY_QUANTITY],
)
def test_the_price_of_a_quantity(
    tokens: str, each: str, rate: str, places: int, subtotal: str, tax: str, total: str, unit_price: str
) -> None:
    price = price_tokens(Decimal(tokens), unit_price=Decimal(each), tax_rate=Decimal(rate), minor_places=places)

    assert written(price) == (tokens, subtotal, tax, total, unit_price)


# own price, tokens, tax rate, currency: subtotal, tax, total, what one token cost before tax
BY_PACKAGE = [
    ("49.99", "100", "0.16", USD, "49.99", "8.00", "57.99", "0.499900"),
    ("10", "3", "0", USD, "10.00", "0.00", "10.00", "3.333333"),
    ("20", "3", "0", USD, "20.00", "0.00", "20.00", "6.666667"),
    ("4.995", "10", "0.16", USD, "5.00", "0.80", "5.80", "0.500000"),
    ("4.9949", "10", "0.16", USD, "4.99", "0.80", "5.79", "0.499000"),
    ("1000", "3000", "0.10", JPY, "1000", "100", "1100", "0.333333"),
    ("1.2345", "10", "0.05", BHD, "1.235", "0.062", "1.297", "0.123500"),
    # A package is not given away either.
    ("0.0049", "10", "0.16", USD, "0.01", "0.00", "0.01", "0.001000"),
    ("0.4", "10", "0.10", JPY, "1", "0", "1", "0.100000"),
    ("0.0001", "10", "0.10", BHD, "0.001", "0.000", "0.001", "0.000100"),
]


@pytest.mark.parametrize(
    ("own_price", "tokens", "rate", "places", "subtotal", "tax", "total", "unit_price"),
    BY_PACKAGE,
    ids=[f"{case[1]} for {case[0]}, tax {case[2]}, {case[3]} places" for case in BY_PACKAGE],
)
def test_the_price_of_a_package_with_its_own_price(
    own_price: str, tokens: str, rate: str, places: int, subtotal: str, tax: str, total: str, unit_price: str
) -> None:
    price = price_amount(Decimal(own_price), tokens=Decimal(tokens), tax_rate=Decimal(rate), minor_places=places)

    assert written(price) == (tokens, subtotal, tax, total, unit_price)


def written(price: Price) -> tuple[str, str, str, str, str]:
    """As text, because a price has exactly the decimal places of its currency: 0.50 is not 0.5."""
    amounts = (price.tokens, price.subtotal, price.tax, price.total, price.unit_price)
    tokens, subtotal, tax, total, unit_price = (f"{amount:f}" for amount in amounts)
    return tokens, subtotal, tax, total, unit_price


ROUNDED = [
    ("0.005", 2, "0.01"),
    ("0.0049999999999999999999999999999999999999", 2, "0.00"),
    ("0.015", 2, "0.02"),
    ("-0.005", 2, "-0.01"),
    ("-0.0049", 2, "0.00"),
    ("2.5", 0, "3"),
    ("-2.5", 0, "-3"),
    ("12345678901234567890123456789.125", 2, "12345678901234567890123456789.13"),
]


@pytest.mark.parametrize(("amount", "places", "rounded"), ROUNDED)
def test_half_is_rounded_away_from_zero(amount: str, places: int, rounded: str) -> None:
    result = round_half_up(Decimal(amount), places)

    assert result == Decimal(rounded)
    assert result.as_tuple().exponent == -places


@pytest.mark.parametrize("tokens", ["1", "1.0000", "1.0001", "1.00010000", "10", "1E+2", "999999.9999", "1000000"])
def test_a_quantity_that_is_sold(tokens: str) -> None:
    assert custom_quantity(Decimal(tokens)) == Decimal(tokens)


NOT_SOLD = [
    "0", "-0", "-1", "0.00001", "0.5", "0.9999", "1.00001", "1.00000000000000000000000000000000001",
    "1000000.0001", "1000001", "1E+7", "1E-1000", "NaN", "-NaN", "sNaN", "Infinity", "-Infinity",
]  # fmt: skip


@pytest.mark.parametrize("tokens", NOT_SOLD)
def test_a_quantity_that_is_not_sold(tokens: str) -> None:
    with pytest.raises(InvalidQuantity):
        custom_quantity(Decimal(tokens))


@pytest.mark.parametrize(
    ("number", "places"),
    [
        ("1", 0),
        ("1.50", 1),
        ("100", 0),
        ("1E+3", 0),
        ("0.000", 0),
        ("0.0001", 4),
        ("1E-9", 9),
        ("-1.25", 2),
        ("1.00000000000000000000000000000000001", 35),
        ("1.00000000000000000000000000000000000", 0),
    ],
)
def test_the_decimal_places_a_number_uses(number: str, places: int) -> None:
    assert places_of(Decimal(number)) == places


def test_validity_is_counted_in_days_of_24_hours() -> None:
    leap_day = datetime(2028, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)

    assert expiry(leap_day, 1) == datetime(2028, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    assert expiry(leap_day, 366) == datetime(2029, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    assert expiry(leap_day, None) is None


def scaled(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda number: Decimal(number).scaleb(-places))


@given(
    scaled(10_000, 10_000_000_000, 4),
    scaled(1, 10**14 - 1, 6),
    scaled(0, 10**6, 6),
    st.sampled_from([USD, JPY, BHD]),
)
def test_every_price_is_positive_exact_and_adds_up(tokens: Decimal, each: Decimal, rate: Decimal, places: int) -> None:
    price = price_tokens(tokens, unit_price=each, tax_rate=rate, minor_places=places)
    one_unit = Decimal(10) ** -places

    assert price.total == price.subtotal + price.tax
    assert price.subtotal >= one_unit
    assert 0 <= price.tax <= price.subtotal
    assert {amount.as_tuple().exponent for amount in (price.subtotal, price.tax, price.total)} == {-places}
    # In whole numbers, where nothing can round: the subtotal is off by at most half a minor unit, never by more.
    exact = int(tokens * 10**4) * int(each * 10**6)
    assert price.subtotal == one_unit or abs(int(price.subtotal * 10**10) - exact) * 2 <= 10 ** (10 - places)
