"""Ids that come from the business: the same intention always has the same id, wherever it is worked out."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

SCRIP = uuid5(NAMESPACE_URL, "https://scrip.example/ids")


def derived_id(*parts: object) -> UUID:
    """The id that belongs to a path of names, such as ("purchase", organization, key). Parts may contain anything."""
    return uuid5(SCRIP, json.dumps([str(part) for part in parts], separators=(",", ":")))


def fingerprint(values: Mapping[str, object]) -> str:
    """A hash of an input, equal exactly when every named value is equal.

    Numbers are compared as numbers (10 and 10.0 are equal, -0 is 0), times as instants; a text is never a number.
    """
    text = json.dumps({name: _plain(value) for name, value in values.items()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return {"number": _shortest(Decimal(value))}
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _shortest(number: Decimal) -> str:
    """The one way to write a number, whatever its zeros at the end; no digit is lost to a context's precision."""
    return str(number.normalize(Context(prec=len(number.as_tuple().digits)))) if number else "0"
