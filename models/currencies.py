"""How many decimal places a currency has, from the Unicode CLDR by way of Babel: USD 2, JPY 0, BHD 3."""

from babel.numbers import get_currency_precision, list_currencies


def minor_places(currency: str) -> int:
    return int(get_currency_precision(currency))


def is_currency(code: str) -> bool:
    """Whether a three-letter code is a currency that the CLDR knows."""
    return code in list_currencies()
