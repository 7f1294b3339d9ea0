"""Money as the API shows it."""

from decimal import Decimal

import strawberry
from babel.numbers import format_currency

from models.currencies import is_currency, minor_places
from rules.pricing import TOKEN_PLACES, round_half_up
from schema.edge.masking import ErrorCode, public_error


@strawberry.type(description="An amount of money in one currency, at that currency's own precision.")
class Money:
    amount: Decimal = strawberry.field(description='The amount, such as "58.00"; JPY has no places, BHD three.')
    currency_code: str = strawberry.field(description="ISO 4217, such as USD.")

    @strawberry.field(description='For people, in English: "$58.00".')
    def formatted(self) -> str:
        return format_currency(self.amount, self.currency_code, locale="en_US")


@strawberry.type(description="A price for one token in one currency, at most 6 places.")
class UnitPrice:
    amount: Decimal = strawberry.field(description='The price, such as "0.450000".')
    currency_code: str = strawberry.field(description="ISO 4217, such as USD.")


@strawberry.input(description="An amount of money, for those who keep the catalogue.")
class MoneyInput:
    amount: Decimal = strawberry.field(description='A plain decimal, such as "49.90".')
    currency_code: str = strawberry.field(description="ISO 4217 in capitals, such as USD.")


def read_money(given: MoneyInput, name: str) -> tuple[Decimal, str]:
    """Amount and currency. Raises BAD_USER_INPUT for a currency that does not exist."""
    if not is_currency(given.currency_code):
        raise public_error(f"{name} is in no known currency.", ErrorCode.BAD_USER_INPUT, field=name)
    return given.amount, given.currency_code


def money(amount: Decimal, currency: str) -> Money:
    """Shown at the currency's precision. Stored amounts already are; nothing is lost here."""
    return Money(amount=round_half_up(amount, minor_places(currency)), currency_code=currency)


def at_token_places(tokens: Decimal) -> Decimal:
    """The same number of tokens, at most 4 places, written with all four: "10.0000" wherever it comes from."""
    return round_half_up(tokens, TOKEN_PLACES)
