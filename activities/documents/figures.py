"""How money, tokens, rates and days are written for people, in invoices and in mail.

One wording everywhere: Babel's English forms, with the number of decimals that belongs to the currency. A figure is
written exactly or not at all: an amount finer than its currency is refused, because a document that quietly rounds
differs from the books. Nothing here computes an amount.
"""

import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision

LOCALE = "en"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# These reorder the text around them, so a name could make the figure beside it read backwards.
DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
BREAKING_CATEGORIES = frozenset(("Cc", "Zl", "Zp"))


def money(amount: Decimal, currency: str) -> str:
    """`$1,234.50`, `¥1,160`, `BHD1.234`: the currency's own decimals, never fewer, never more.

    Raises    ValueError when the amount is not finite or has more decimals than the currency.
    """
    digits = get_currency_precision(currency)
    if not amount.is_finite() or round(amount, digits) != amount:
        raise ValueError(f"{amount} is not an amount of {currency}, which has {digits} decimals")
    return format_currency(amount, currency, locale=LOCALE)


def unit_price(price: Decimal, currency: str) -> str:
    """A price per token with every decimal it has, and at least the currency's own: `$0.50`, `$0.004567`."""
    return format_currency(price, currency, locale=LOCALE, decimal_quantization=False)


def quantity(tokens: Decimal) -> str:
    """`1,500` or `0.2505`: up to the four decimals that tokens have."""
    return format_decimal(tokens, format="#,##0.####", locale=LOCALE)


def percentage(rate: Decimal) -> str:
    """A rate of 0.16 as `16%`, 0.0825 as `8.25%`; up to four decimals."""
    return format_decimal(rate * 100, format="#,##0.####", locale=LOCALE) + "%"


def day(value: date) -> str:
    """`14 March 2026`, which every reader takes for the same day."""
    return format_date(value, "d MMMM y", locale=LOCALE)


def instant(value: datetime) -> str:
    """`14 March 2026, 15:04 UTC`. `value` must know its zone; seconds are left out."""
    moment = value.astimezone(UTC)
    return f"{day(moment.date())}, {moment:%H:%M} UTC"


def one_line(text: str) -> str:
    """Text that others wrote, as one harmless line.

    Line breaks and other control characters become spaces, direction overrides vanish, lone surrogates become the
    replacement character. All else stays as written: markup is the business of whoever shows the text.
    """
    return " ".join("".join(_harmless(character) for character in text).split())


def _harmless(character: str) -> str:
    category = unicodedata.category(character)
    if category in BREAKING_CATEGORIES:
        return " "
    if category == "Cs":
        return REPLACEMENT
    return "" if character in DIRECTION_CONTROLS else character
