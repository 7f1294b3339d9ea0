"""What every gateway's events have in common: a signature over the raw body, an age, and JSON inside.

The checks run in the order that tells a forger least: first the signature, in constant time over all secrets, then
the age, then the content. It knows nothing of any gateway's header or event names.
"""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from activities.gateways.protocol import InvalidEvent

TOLERANCE = timedelta(seconds=300)


def check_signature(message: bytes, given: Sequence[bytes], *, secrets: Iterable[bytes]) -> None:
    """Raise InvalidEvent unless one of the `given` HMAC-SHA256 digests belongs to one of the `secrets`.

    Every pair is compared, so that the time taken does not tell which secret is the right one. An empty secret proves
    nothing and is passed over.
    """
    expected = [hmac.digest(secret, message, sha256) for secret in secrets if secret]
    matches = [hmac.compare_digest(known, digest) for known in expected for digest in given]
    if not any(matches):
        raise InvalidEvent("the signature is not the gateway's")


def check_age(timestamp: str, now: datetime) -> None:
    """Raise InvalidEvent when a time in whole seconds since 1970 is more than 300 s away from `now`, either way."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise InvalidEvent("the timestamp is not a number of seconds")
    if abs(now - instant(int(timestamp))) > TOLERANCE:
        raise InvalidEvent("the event is not fresh")


def read_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body. Raises InvalidEvent."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidEvent("the event is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidEvent("the event is not a JSON object")
    return value


def text_in(holder: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises InvalidEvent."""
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidEvent(f"the event has no {name}")
    return value


def object_in(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object that must be there. Raises InvalidEvent."""
    value = holder.get(name)
    if not isinstance(value, dict):
        raise InvalidEvent(f"the event has no {name}")
    return value


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def optional_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
