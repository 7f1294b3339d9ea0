"""The column types every table shares, so that a token or an amount of money has one shape everywhere.

Tokens are numeric(20,4), unit prices numeric(14,6), money numeric(19,4). NaN passes PostgreSQL's comparisons, so each
table refuses it with a CHECK of its own.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.fields.db_defaults import SqlDefault


def identifier() -> fields.Field[UUID]:
    """A primary key that comes from the business (uuid5 of names), never from chance."""
    return fields.UUIDField(primary_key=True, default=None)


def tokens(**options: Any) -> fields.Field[Decimal]:
    return fields.DecimalField(max_digits=20, decimal_places=4, **options)


def token_sum() -> fields.Field[Decimal]:
    """A running sum of tokens that starts at zero."""
    return tokens(default=Decimal(0), db_default=0)


def unit_price(**options: Any) -> fields.Field[Decimal]:
    return fields.DecimalField(max_digits=14, decimal_places=6, **options)


def money(**options: Any) -> fields.Field[Decimal]:
    return fields.DecimalField(max_digits=19, decimal_places=4, **options)


def rate(**options: Any) -> fields.Field[Decimal]:
    """A share of one, such as a tax rate: 0.16 is 16 %."""
    return fields.DecimalField(max_digits=7, decimal_places=6, **options)


def belongs_to(model: str, **options: Any) -> Any:
    """A row of another table that may not vanish while this one points at it."""
    return fields.ForeignKeyField(f"models.{model}", on_delete=fields.RESTRICT, **options)


def document(**options: Any) -> fields.Field[Any]:
    """JSON that only people and reports read; nothing is decided by it."""
    return fields.JSONField(**options)


def recorded_at() -> fields.Field[datetime]:
    """When we wrote the row, by the database's clock."""
    return fields.DatetimeField(db_default=SqlDefault("now()"))


def one_of(column: str, values: Any) -> str:
    """The CHECK expression that holds a text column to the values of an enum."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def numbers(*columns: str) -> str:
    """The CHECK expression that refuses NaN in columns; a column that may be empty still may."""
    return " AND ".join(f"{column} <> 'NaN'" for column in columns)
