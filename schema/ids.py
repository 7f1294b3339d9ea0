"""Global ids: opaque to callers, `<Type>:<uuid>` in URL-safe base64 to us.

An id of another type, or no id at all, is simply an id of nothing: it is not found, and no more is said about it.
"""

import base64
import binascii
from uuid import UUID

import strawberry

ID_LENGTH_MAX = 200


def global_id(kind: str, key: UUID) -> strawberry.ID:
    return strawberry.ID(base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode().rstrip("="))


def read_id(value: str, kind: str) -> UUID | None:
    """The key in a global id of the given kind, or None for anything else."""
    found = read_any_id(value)
    return found[1] if found is not None and found[0] == kind else None


def read_any_id(value: str) -> tuple[str, UUID] | None:
    """The kind and the key in a global id, or None for anything else."""
    if len(value) > ID_LENGTH_MAX:
        return None
    try:
        text = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
        kind, _, key = text.partition(":")
        found = kind, UUID(key)
    except (ValueError, binascii.Error, UnicodeError):
        return None
    # Decoders overlook much, and take many texts for the same; a thing has one id.
    return found if global_id(*found) == value else None
