"""People and their sessions.

What a person may do is read from their row at every request; a credential only says who they are. A session's refresh
token rotates: each one is good once, and a used one that comes back ends the session, because somebody copied it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import SessionEnded, SignInRefused
from rules.permissions import Permission, parse_permissions

MEMBER = """
SELECT u.id, u.organization_id, u.email, u.name, u.role, u.user_type, u.permissions, u.password_hash
FROM users u LEFT JOIN organizations o ON o.id = u.organization_id
WHERE u.is_active AND (o.id IS NULL OR o.is_active)
"""

IN_SESSION = """
AND u.id = $1 AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = $2 AND s.user_id = u.id AND s.revoked_at IS NULL)
"""

# In the order of their ids, so that two people who change each other at once do not wait for each other.
HOLD = """
SELECT u.id, u.organization_id, u.permissions, u.is_active, u.is_active AND (o.id IS NULL OR o.is_active) AS may_act
FROM users u LEFT JOIN organizations o ON o.id = u.organization_id
WHERE u.id = ANY ($1) ORDER BY u.id FOR NO KEY UPDATE OF u
"""

ROTATE = """
UPDATE sessions SET generation = generation + 1, refresh_hash = $3, expires_at = $4
WHERE id = $1 AND generation = $2 AND refresh_hash = $5 AND revoked_at IS NULL AND expires_at > $6 RETURNING user_id
"""

SEEN = """
UPDATE users SET last_login = $2 WHERE id = $1 AND is_active AND password_hash IS NOT DISTINCT FROM $3
"""

REVOKE = """
UPDATE sessions s SET revoked_at = $2, revoked_because = $3 FROM users u
WHERE s.id = $1 AND u.id = s.user_id AND s.revoked_at IS NULL RETURNING s.user_id, u.organization_id
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A person as they are now. `organization_id` is None for people of the platform."""

    id: UUID
    organization_id: UUID | None
    email: str
    name: str
    role: str
    user_type: str
    permissions: frozenset[Permission]
    password_hash: str | None


class NoLongerAllowed(Exception):
    """Whoever acts was sent away, or lost the permission that is named, after their request was let in. No refusal,
    which would be an answer of the mutation: they would have been kept from asking for it."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission)
        self.permission = permission


@dataclass(frozen=True, slots=True)
class HeldPerson:
    """A person as they are, and stay until the transaction ends. `may_act`: their organization is active as well."""

    id: UUID
    organization_id: UUID | None
    permissions: frozenset[Permission]
    is_active: bool
    may_act: bool


@dataclass(frozen=True, slots=True)
class RefreshStep:
    """One use of a refresh token: the old one, by its hash and generation, and the one that follows it."""

    session_id: UUID
    generation: int
    old_hash: str
    new_hash: str
    expires_at: datetime


def hash_token(token: str) -> str:
    """How a refresh token is stored. It is random enough that a plain hash protects it."""
    return hashlib.sha256(token.encode()).hexdigest()


async def member_by_email(db: Connection, email: str) -> Member | None:
    """An active person by their address, in any case of its letters if they are ASCII. Others have to be as they are
    kept: PostgreSQL makes a plain i of a capital one with a dot, and then the address is somebody else's."""
    folded = email.lower() if email.isascii() else email
    return _member(await db.fetch_one(MEMBER + "AND u.email = $1", folded))


async def hold_people(db: Connection, user_ids: Iterable[UUID]) -> dict[UUID, HeldPerson]:
    """People by their ids, removed ones too; until the transaction ends nobody else changes or removes them."""
    rows = await db.fetch(HOLD, list(user_ids))
    return {row["id"]: HeldPerson(**{**row, "permissions": parse_permissions(row["permissions"])}) for row in rows}


async def member_in_session(db: Connection, user_id: UUID, session_id: UUID) -> Member | None:
    """An active person whose session has not been ended."""
    return _member(await db.fetch_one(MEMBER + IN_SESSION, user_id, session_id))


async def open_session(
    member: Member, session_id: UUID, refresh_hash: str, *, expires_at: datetime, at: datetime
) -> None:
    """The session exists, its first refresh token may be used until `expires_at`, and the person was last seen now.
    Raises SignInRefused when they were removed, or their password was changed, since they were looked at."""
    async with transaction() as db:
        # First, because it waits for whoever is changing the person, and then ends no session that is not yet there.
        if not await db.execute(SEEN, member.id, at, member.password_hash):
            raise SignInRefused
        await db.execute(
            "INSERT INTO sessions (id, user_id, refresh_hash, expires_at) VALUES ($1, $2, $3, $4)",
            session_id,
            member.id,
            refresh_hash,
            expires_at,
        )
        await _audit(db, member.organization_id, "session.opened", session_id, f"user/{member.id}")


async def rotate(step: RefreshStep, *, at: datetime) -> UUID:
    """The old refresh token is used up; returns whose session it is. Raises SessionEnded, and ends the session when
    the token had been used before."""
    async with transaction() as db:
        row = await db.fetch_one(
            ROTATE, step.session_id, step.generation, step.new_hash, step.expires_at, step.old_hash, at
        )
        if row is None:
            ended = await db.fetch_one(REVOKE, step.session_id, at, "a refresh token was used twice or too late")
            if ended is not None:
                await _audit(db, ended["organization_id"], "session.revoked", step.session_id, SCRIP_ITSELF)
    if row is None:
        raise SessionEnded
    return UUID(str(row["user_id"]))


async def end_session(session_id: UUID, organization_id: UUID | None, *, at: datetime) -> None:
    """The session is over: its access and refresh tokens are refused from now on. Ending it again changes nothing."""
    async with transaction() as db:
        row = await db.fetch_one(REVOKE, session_id, at, "signed out")
        if row is not None:
            await _audit(db, organization_id, "session.ended", session_id, f"user/{row['user_id']}")


async def _audit(db: Connection, organization_id: UUID | None, action: str, session_id: UUID, actor: str) -> None:
    await audit.record(db, organization_id, action=action, resource="session", resource_id=session_id, actor=actor)


def _member(row: Any) -> Member | None:
    if row is None:
        return None
    values = dict(row)
    return Member(**{**values, "permissions": parse_permissions(values["permissions"])})
