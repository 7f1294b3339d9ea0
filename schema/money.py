"""Money as the API shows it."""

from decimal import Decimal

import strawberry
from babel.numbers import format_currency

from models.currencies import minor_places
from rules.pricing import TOKEN_PLACES, round_half_up


@strawberry.type(description="An amount of money in one currency, at that currency's own precision.")
class Money:
    amount: Decimal = strawberry.field(description='The amount, such as "58.00"; JPY has no places, BHD three.')
    currency_code: str = strawberry.field(description="ISO 4217, such as USD.")

    @strawberry.field(description='For people, in English: "$58.00".')
    def formatted(self) -> str:
        return format_currency(self.amount, self.currency_code, locale="en_US")


def money(amount: Decimal, currency: str) -> Money:
    """Shown at the currency's precision. Stored amounts already are; nothing is lost here."""
    return Money(amount=round_half_up(amount, minor_places(currency)), currency_code=currency)


def at_token_places(tokens: Decimal) -> Decimal:
    """The same number of tokens, at most 4 places, written with all four: "10.0000" wherever it comes from."""
    return round_half_up(tokens, TOKEN_PLACES)
