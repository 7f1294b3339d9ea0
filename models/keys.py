"""API keys: credentials of an organization's programs.

A key belongs to its organization, not to whoever made it, and does what its scopes say until it expires or is revoked;
both are read at each request, together with whether the organization is active. Its secret is 32 random bytes, so a
plain hash protects it; it is compared in constant time, and a key that does not exist costs the same comparison.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from models import audit
from models.actors import Actor
from models.database import Connection, Row, transaction
from models.errors import (
    ApiKeyNotFound,
    InvalidKeyExpiry,
    OrganizationNotFound,
    PermissionNotGrantable,
    TooManyApiKeys,
)
from models.intentions import Intention, recall, remember
from models.members import HeldPerson, NoLongerAllowed, hold_people
from models.organizations import LOCK_ORGANIZATION
from rules.identity import derived_id
from rules.permissions import Permission, not_delegable, parse_permissions

WORKING_KEYS_MAX = 100
# How exact "last used" is. More often would be a write for every request of a busy key.
USE_NOTED_EVERY = timedelta(minutes=1)
NOBODYS_HASH = hashlib.sha256(b"no key has this secret").hexdigest()

COLUMNS = """
SELECT id, organization_id, name, scopes, created_by_id, expires_at, last_used_at, revoked_at, created_at FROM api_keys
"""

LIST = (
    COLUMNS
    + """
WHERE organization_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
ORDER BY created_at DESC, id DESC LIMIT $4
"""
)

WORKING = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"
MADE_BY = COLUMNS + f"WHERE created_by_id = $1 AND {WORKING} ORDER BY created_at DESC, id DESC LIMIT {WORKING_KEYS_MAX}"
HOW_MANY = f"SELECT count(*) AS working FROM api_keys WHERE organization_id = $1 AND {WORKING}"

FIND = f"""
SELECT key.id, key.organization_id, key.scopes, key.secret_hash, key.expires_at, key.last_used_at
FROM api_keys key JOIN organizations o ON o.id = key.organization_id
WHERE key.id = $1 AND o.is_active AND {WORKING}
"""

HOLD = FIND + "FOR NO KEY UPDATE OF key"

CREATE = """
INSERT INTO api_keys (id, organization_id, name, secret_hash, scopes, created_by_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

REVOKE = "UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL"

REVOKE_MADE_BY = f"""
UPDATE api_keys SET revoked_at = $2, revoked_by = $3 WHERE created_by_id = $1 AND {WORKING}
RETURNING id, organization_id
"""

NOTE_USE = """
UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)
"""

# Whoever makes a key holds this lock, so that two requests with one idempotency key make one.


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as its organization's administrators see it, without its secret."""

    id: UUID
    organization_id: UUID
    name: str
    scopes: frozenset[Permission]
    created_by_id: UUID
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made by a person. `secret_hash` is all that is kept of its secret."""

    organization_id: UUID
    name: str
    scopes: frozenset[Permission]
    expires_at: datetime | None
    secret_hash: str
    created_by: UUID


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key whose secret was shown and is right. `is_use_noted` says that its last use was noted a moment ago."""

    id: UUID
    organization_id: UUID
    scopes: frozenset[Permission]
    expires_at: datetime | None
    is_use_noted: bool


def key_id_of(organization_id: UUID, idempotency_key: str) -> UUID:
    """The id of the key that is made under a caller's idempotency key."""
    return derived_id("api key", organization_id, idempotency_key)


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def recognise_key(db: Connection, key_id: UUID, secret: str, *, at: datetime) -> KnownKey | None:
    """The key that may act now and has this secret, or None."""
    row = await db.fetch_one(FIND, key_id, at)
    kept = NOBODYS_HASH if row is None else str(row["secret_hash"])
    fits = hmac.compare_digest(kept, hash_secret(secret))
    if row is None or not fits:
        return None
    last = row["last_used_at"]
    return KnownKey(
        id=row["id"],
        organization_id=row["organization_id"],
        scopes=parse_permissions(row["scopes"]),
        expires_at=row["expires_at"],
        is_use_noted=last is not None and last > at - USE_NOTED_EVERY,
    )


async def note_use(db: Connection, key_id: UUID, *, at: datetime) -> None:
    """The key was used now, give or take a minute. Of many requests at once one writes."""
    await db.execute(NOTE_USE, key_id, at, at - USE_NOTED_EVERY)


async def read_keys(
    db: Connection, organization_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None
) -> list[KeyView]:
    """Keys newest first, revoked and expired ones too, those made before the given place; at most `limit`."""
    moment, key_id = before or (None, None)
    return [_view(row) for row in await db.fetch(LIST, organization_id, moment, key_id, limit)]


async def find_key(db: Connection, key_id: UUID) -> KeyView | None:
    """A key whosever it is and whether or not it works."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1", key_id)
    return None if row is None else _view(row)


async def keys_by_id(db: Connection, key_ids: Sequence[UUID]) -> dict[UUID, KeyView]:
    """Keys by their ids, whosever they are and whether or not they work; what does not exist is left out."""
    return {row["id"]: _view(row) for row in await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(key_ids))}


async def keys_made_by(db: Connection, user_id: UUID, *, at: datetime) -> list[KeyView]:
    """The keys a person made that work now, newest first."""
    return [_view(row) for row in await db.fetch(MADE_BY, user_id, at)]


async def as_allowed_now(
    db: Connection,
    by: Actor,
    organization_id: UUID | None,
    *,
    at: datetime,
    people: Mapping[UUID, HeldPerson] | None = None,
) -> Actor:
    """Whoever lets others in, with what they may do now, which stays so until the transaction ends. A request reads it
    once, and whoever is sent away while it runs must not leave a key or a friend behind. `people` are held already.
    Raises NoLongerAllowed."""
    now = await _key_now(db, by, by.key_id, at) if by.key_id is not None else await _person_now(db, by, people)
    if now is None or Permission.TOKENS_CONFIGURE not in now.permissions:
        raise NoLongerAllowed(Permission.TOKENS_CONFIGURE)
    if not now.may_see(organization_id):
        raise NoLongerAllowed(Permission.PLATFORM_ADMIN)
    return now


async def create_key(new: NewKey, intention: Intention, *, by: Actor, at: datetime) -> tuple[KeyView, bool]:
    """The key works; also whether it had been made before under the same idempotency key, with a secret of its own.
    Raises OrganizationNotFound, NoLongerAllowed, PermissionNotGrantable, InvalidKeyExpiry, TooManyApiKeys and
    IdempotencyConflict."""
    key_id = key_id_of(new.organization_id, intention.key)
    async with transaction() as db:
        if await db.fetch_one(LOCK_ORGANIZATION, new.organization_id) is None:
            raise OrganizationNotFound
        by = await as_allowed_now(db, by, new.organization_id, at=at)
        if await recall(db, new.organization_id, intention) is not None:
            return await _present(db, key_id), True
        await _refuse(db, new, by, at)
        await db.execute(
            CREATE,
            key_id,
            new.organization_id,
            new.name,
            new.secret_hash,
            sorted(new.scopes),
            new.created_by,
            new.expires_at,
        )
        await remember(db, new.organization_id, intention, {"api_key_id": str(key_id)})
        expires_at = None if new.expires_at is None else new.expires_at.isoformat()
        details = {"scopes": sorted(new.scopes), "expires_at": expires_at}
        await _audit(db, new.organization_id, key_id, "created", by, details)
        return await _present(db, key_id), False


async def revoke_key(key_id: UUID, *, by: Actor, at: datetime) -> KeyView:
    """The key works no more, from the next request on. Revoking it again changes nothing.
    Raises ApiKeyNotFound and NoLongerAllowed."""
    async with transaction() as db:
        found = await find_key(db, key_id)
        if found is None or not by.may_see(found.organization_id):
            raise ApiKeyNotFound
        await as_allowed_now(db, by, found.organization_id, at=at)
        if await db.execute(REVOKE, key_id, at, by.name):
            await _audit(db, found.organization_id, key_id, "revoked", by)
        return await _present(db, key_id)


async def revoke_keys_made_by(db: Connection, user_id: UUID, *, by: Actor, at: datetime) -> int:
    """The keys a person made work no more, each with its audit row; returns how many did. Part of the caller's
    transaction, and two statements however many there are."""
    revoked = await db.fetch(REVOKE_MADE_BY, user_id, at, by.name)
    things = [(row["organization_id"], row["id"]) for row in revoked]
    await audit.record_each(
        db, things, action="api_key.revoked", resource="api_key", actor=by.name, request_id=by.request_id
    )
    return len(revoked)


async def _person_now(db: Connection, by: Actor, people: Mapping[UUID, HeldPerson] | None) -> Actor | None:
    if by.user_id is None:
        return None
    known = await hold_people(db, [by.user_id]) if people is None else people
    person = known.get(by.user_id)
    if person is None or not person.may_act:
        return None
    return replace(by, organization_id=person.organization_id, permissions=person.permissions)


async def _key_now(db: Connection, by: Actor, key_id: UUID, at: datetime) -> Actor | None:
    row = await db.fetch_one(HOLD, key_id, at)
    if row is None:
        return None
    return replace(by, organization_id=row["organization_id"], permissions=parse_permissions(row["scopes"]))


async def _refuse(db: Connection, new: NewKey, by: Actor, at: datetime) -> None:
    refused = not_delegable(by.permissions, new.scopes)
    if refused:
        raise PermissionNotGrantable(permissions=tuple(sorted(refused)))
    if new.expires_at is not None and new.expires_at <= at:
        raise InvalidKeyExpiry(expires_at=new.expires_at)
    row = await db.fetch_one(HOW_MANY, new.organization_id, at)
    if row is not None and row["working"] >= WORKING_KEYS_MAX:
        raise TooManyApiKeys(maximum=WORKING_KEYS_MAX)


async def _present(db: Connection, key_id: UUID) -> KeyView:
    key = await find_key(db, key_id)
    if key is None:
        raise ApiKeyNotFound
    return key


async def _audit(
    db: Connection,
    organization_id: UUID,
    key_id: UUID,
    happened: str,
    by: Actor,
    details: Mapping[str, object] | None = None,
) -> None:
    await audit.record(
        db,
        organization_id,
        action=f"api_key.{happened}",
        resource="api_key",
        resource_id=key_id,
        actor=by.name,
        details=details,
        request_id=by.request_id,
    )


def _view(row: Row) -> KeyView:
    values = dict(row)
    return KeyView(**{**values, "scopes": parse_permissions(values["scopes"])})
