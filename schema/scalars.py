"""Scalars that are stricter than the stock ones: decimals as plain strings, times in UTC, text without tricks.

A number that is not a plain decimal (NaN, 1e30, a JSON float) is refused where it is read, before anything is decided.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from schema.edge.masking import ErrorCode, public_error

PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
TIME_LENGTH_MAX = 40
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# UUIDs and hashes are everybody's idempotency keys and hold digits in any order.
HEXADECIMAL = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,})\b", re.IGNORECASE)
DIGITS_IN_GROUPS = re.compile(r"[0-9]+(?:[\s.\u2010-\u2015-][0-9]+)*")
# Visa, Mastercard, American Express, Diners, JCB, Discover and UnionPay, by their beginnings and lengths; others, such
# as times in milliseconds, are no cards even when the check digit fits by chance.
CARD_NUMBER = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}"
    r"|6[0-9]{15}(?:[0-9]{3})?|62[0-9]{14,17}"
)
CARD_DIGITS_MAX = 19
KEY_LENGTH_MAX = 255
TEXT_LENGTH_MAX = 500
REFERENCE_LENGTH_MAX = 200

Cursor = NewType("Cursor", str)


def show_decimal(value: Decimal) -> str:
    """A plain decimal, zeros at the end kept: they say the precision."""
    return f"{value:f}"


def read_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise public_error('A Decimal is a string such as "12.50".', ErrorCode.BAD_USER_INPUT)
    if not PLAIN_DECIMAL.fullmatch(str(value)):
        raise public_error(
            'A Decimal is a plain number such as "12.50": at most 15 digits before and 6 after the point.',
            ErrorCode.BAD_USER_INPUT,
        )
    return Decimal(str(value))


def show_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_time(value: Any) -> datetime:
    try:
        if not isinstance(value, str) or len(value) > TIME_LENGTH_MAX:
            raise ValueError
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise public_error(
            'A DateTime is ISO 8601 with its offset, such as "2026-11-23T09:00:00Z".', ErrorCode.BAD_USER_INPUT
        ) from None


SCALARS: dict[object, ScalarDefinition] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="A decimal number as a string, such as `12.5000`. Never a float; NaN and infinity are refused.",
        serialize=show_decimal,
        parse_value=read_decimal,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, ISO 8601, shown in UTC: `2026-11-23T09:00:00Z`. Input must carry its offset.",
        serialize=show_time,
        parse_value=read_time,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A place in a list or a stream, to be handed back as it came. Its content means nothing.",
        serialize=str,
        parse_value=str,
    ),
}


def clean_text(value: str, name: str, *, length_max: int = TEXT_LENGTH_MAX, length_min: int = 0) -> str:
    """Text as people may write it, stripped; control and direction-changing characters are refused with BAD_USER_INPUT,
    and so is anything that looks like a card number, which must never reach us."""
    text = value.strip()
    if not length_min <= len(text) <= length_max:
        raise public_error(
            f"{name} must have {length_min} to {length_max} characters.", ErrorCode.BAD_USER_INPUT, field=name
        )
    if CONTROLS.search(text):
        raise public_error(f"{name} contains characters that cannot be shown.", ErrorCode.BAD_USER_INPUT, field=name)
    if _holds_card_number(text):
        raise public_error(
            f"{name} looks like a card number, which must not be sent here.", ErrorCode.BAD_USER_INPUT, field=name
        )
    return text


def read_key(value: str) -> str:
    """An idempotency key: 1 to 255 characters, kept as it is but for spaces around it."""
    return clean_text(value, "idempotencyKey", length_max=KEY_LENGTH_MAX, length_min=1)


def read_reference(value: str | None, name: str) -> str | None:
    """The caller's own name for something, 1 to 200 characters, or None."""
    return None if value is None else clean_text(value, name, length_max=REFERENCE_LENGTH_MAX, length_min=1)


def _holds_card_number(text: str) -> bool:
    """Whether consecutive groups of digits anywhere in a text make a card number."""
    return any(
        CARD_NUMBER.fullmatch(number) and _passes_luhn(number)
        for run in DIGITS_IN_GROUPS.findall(HEXADECIMAL.sub(" / ", text))
        for number in _joined(re.findall("[0-9]+", run))
    )


def _joined(groups: Sequence[str]) -> Iterator[str]:
    """Every way to join consecutive groups into at most 19 digits."""
    for start in range(len(groups)):
        number = ""
        for group in groups[start:]:
            number += group
            if len(number) > CARD_DIGITS_MAX:
                break
            yield number


def _passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(digit * 2, 10)) if place % 2 else digit for place, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0
