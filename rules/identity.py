"""Ids that come from the business: the same intention always has the same id, wherever it is worked out."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

SCRIP = uuid5(NAMESPACE_URL, "https://scrip.example/ids")


def derived_id(*parts: object) -> UUID:
    """The id that belongs to a path of names, such as ("purchase", organisation, key). Parts may contain anything."""
    return uuid5(SCRIP, json.dumps([str(part) for part in parts], separators=(",", ":")))


def fingerprint(values: Mapping[str, object]) -> str:
    """A hash of an input, equal exactly when every named value is equal; 10 and 10.0 are equal."""
    text = json.dumps({name: _plain(value) for name, value in values.items()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)
