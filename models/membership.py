"""Who belongs to an organization and may do what: letting people in, changing what they may do, sending them away.

Whoever changes this holds the organization's row lock, so that two administrators cannot send each other away at the
same time. A person's row stays for good, because entries and audit rows name it; somebody who comes back under their
address gets it back. People of the platform belong to no organization; their lock is an advisory one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models import audit
from models.actors import Actor
from models.database import Connection, transaction
from models.errors import (
    EmailTaken,
    LastAdministrator,
    MemberNotFound,
    OrganizationNotFound,
    PermissionNotGrantable,
    WrongPassword,
)
from models.keys import KeyView, as_allowed_now, keys_made_by, revoke_keys_made_by
from models.members import HeldPerson, hold_people
from models.organizations import LOCK_ORGANIZATION
from models.paging import read_pages
from rules.identity import derived_id
from rules.permissions import Permission, Role, not_grantable, parse_permissions, role_of

COLUMNS = "SELECT id, organization_id, email, name, role, permissions, is_active, last_login, created_at FROM users "

NEWEST = "created_at DESC, id DESC"
PAGE = f"""(is_active OR $5) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
ORDER BY {NEWEST} LIMIT $4"""
OF_ORGANIZATION = f"{COLUMNS} WHERE organization_id = $1 AND {PAGE}"
# Nobody's: what is asked for is null.
OF_THE_PLATFORM = f"{COLUMNS} WHERE organization_id IS NOT DISTINCT FROM $1::uuid AND {PAGE}"

# Somebody who was sent away comes back under the same address, but only to where they were.
ADD = """
INSERT INTO users AS known (id, organization_id, email, name, permissions, role, password_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name, permissions = EXCLUDED.permissions, role = EXCLUDED.role,
    password_hash = EXCLUDED.password_hash, is_active = true, updated_at = now()
WHERE NOT known.is_active AND known.organization_id IS NOT DISTINCT FROM EXCLUDED.organization_id
RETURNING id
"""

LOCK_PLATFORM = "SELECT pg_advisory_xact_lock(hashtext('scrip: people of the platform'))"

SOMEBODY_ELSE = """
SELECT 1 AS here FROM users
WHERE organization_id IS NOT DISTINCT FROM $1 AND id <> $2 AND is_active AND $3 = ANY (permissions) LIMIT 1
"""

END_SESSIONS = """
UPDATE sessions SET revoked_at = $2, revoked_because = $3
WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $4
"""

CHANGE_PASSWORD = "UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1 AND password_hash = $3"


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as their administrators see them. `role` is None when the permissions were set one by one."""

    id: UUID
    organization_id: UUID | None
    email: str
    name: str
    role: Role | None
    permissions: frozenset[Permission]
    is_active: bool
    last_login: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody to be let in. `role` is what stands in their row; without a password they sign in by the issuer."""

    organization_id: UUID | None
    email: str
    name: str
    permissions: frozenset[Permission]
    role: str
    password_hash: str | None


async def read_members(
    db: Connection,
    organization_ids: Sequence[UUID],
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    with_removed: bool = False,
) -> dict[UUID, list[MemberView]]:
    """Members newest first, those who came before the given place; at most `limit` of each organization."""
    args = (*(before or (None, None)), limit, with_removed)
    return await read_pages(db, OF_ORGANIZATION, organization_ids, *args, order=NEWEST, view=_view)


async def read_platform_members(
    db: Connection, *, limit: int, before: tuple[datetime, UUID] | None, with_removed: bool = False
) -> list[MemberView]:
    """As `read_members`, those who belong to no organization."""
    rows = await db.fetch(OF_THE_PLATFORM, None, *(before or (None, None)), limit, with_removed)
    return [_view(*row.values()) for row in rows]


async def find_member(db: Connection, user_id: UUID) -> MemberView | None:
    """Somebody, whosever member they are and whether or not they were removed."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1", user_id)
    return None if row is None else _view(*row.values())


async def find_members(db: Connection, user_ids: Sequence[UUID]) -> dict[UUID, MemberView]:
    """Many people in one statement, by their key."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(user_ids))
    return {row["id"]: _view(*row.values()) for row in rows}


async def add_member(new: NewMember, *, by: Actor, at: datetime) -> MemberView:
    """They may sign in; whoever comes back has no session from before.
    Raises OrganizationNotFound, NoLongerAllowed, PermissionNotGrantable and EmailTaken."""
    # Folded here for the id and the row alike, because PostgreSQL folds some letters into others than Python does.
    email = new.email.lower()
    async with transaction() as db:
        await _lock(db, new.organization_id)
        _refuse_grant(await as_allowed_now(db, by, new.organization_id, at=at), frozenset(), new.permissions)
        row = await db.fetch_one(
            ADD,
            derived_id("user", email),
            new.organization_id,
            email,
            new.name,
            sorted(new.permissions),
            new.role,
            new.password_hash,
        )
        if row is None:
            raise EmailTaken
        member = await _present(db, row["id"])
        await db.execute(END_SESSIONS, member.id, at, "removed", None)
        await _audit(db, member, "added", by, {"permissions": sorted(new.permissions), "role": new.role})
        return member


async def set_permissions(
    user_id: UUID, permissions: frozenset[Permission], role: str, *, by: Actor, at: datetime
) -> MemberView:
    """They may do this and nothing else, from their next request on.
    Raises MemberNotFound, NoLongerAllowed, PermissionNotGrantable and LastAdministrator."""
    async with transaction() as db:
        by, before = await _locked_member(db, user_id, by, at)
        _refuse_grant(by, before.permissions, permissions)
        await _refuse_lock_out(db, before, permissions, by)
        await db.execute(
            "UPDATE users SET permissions = $2, role = $3, updated_at = now() WHERE id = $1",
            user_id,
            sorted(permissions),
            role,
        )
        details = {"before": sorted(before.permissions), "after": sorted(permissions), "role": role}
        await _audit(db, before, "permissions_set", by, details)
        return await _present(db, user_id)


async def remove_member(
    user_id: UUID, *, revoke_keys: bool, by: Actor, at: datetime
) -> tuple[MemberView, list[KeyView]]:
    """They cannot sign in, and their sessions are over. Returns them, and the keys they made that still work; those
    are the organization's and go on, unless `revoke_keys`.
    Raises MemberNotFound, NoLongerAllowed, PermissionNotGrantable and LastAdministrator."""
    async with transaction() as db:
        by, before = await _locked_member(db, user_id, by, at)
        _refuse_grant(by, before.permissions, frozenset())
        await _refuse_lock_out(db, before, frozenset(), by)
        await db.execute("UPDATE users SET is_active = false, updated_at = now() WHERE id = $1", user_id)
        ended = await db.execute(END_SESSIONS, user_id, at, "removed", None)
        revoked = await revoke_keys_made_by(db, user_id, by=by, at=at) if revoke_keys else 0
        await _audit(db, before, "removed", by, {"sessions_ended": ended, "keys_revoked": revoked})
        return await _present(db, user_id), await keys_made_by(db, user_id, at=at)


async def change_password(
    user_id: UUID, *, old_hash: str, new_hash: str, keeping: UUID | None, by: Actor, at: datetime
) -> None:
    """The new password is theirs, and every session but `keeping` is over. Raises WrongPassword when the password was
    changed since it was looked at."""
    async with transaction() as db:
        if not await db.execute(CHANGE_PASSWORD, user_id, new_hash, old_hash):
            raise WrongPassword
        ended = await db.execute(END_SESSIONS, user_id, at, "the password was changed", keeping)
        await _audit(db, await _present(db, user_id), "password_changed", by, {"sessions_ended": ended})


async def _lock(db: Connection, organization_id: UUID | None) -> None:
    if organization_id is None:
        await db.fetch_one(LOCK_PLATFORM)
    elif await db.fetch_one(LOCK_ORGANIZATION, organization_id) is None:
        raise OrganizationNotFound


async def _locked_member(db: Connection, user_id: UUID, by: Actor, at: datetime) -> tuple[Actor, HeldPerson]:
    """The actor and an active member within their scope as both are now, with the member's organization locked.
    Raises MemberNotFound and NoLongerAllowed."""
    found = await find_member(db, user_id)
    if found is None or not by.may_see(found.organization_id):
        raise MemberNotFound
    await _lock(db, found.organization_id)
    people = await hold_people(db, {each for each in (user_id, by.user_id) if each is not None})
    now = await as_allowed_now(db, by, found.organization_id, at=at, people=people)
    member = people.get(user_id)
    if member is None or not member.is_active:
        raise MemberNotFound
    return now, member


def _refuse_grant(by: Actor, before: frozenset[Permission], after: frozenset[Permission]) -> None:
    refused = not_grantable(by.permissions, before, after)
    if refused:
        raise PermissionNotGrantable(permissions=tuple(sorted(refused)))


async def _refuse_lock_out(db: Connection, member: HeldPerson, after: frozenset[Permission], by: Actor) -> None:
    """Raises LastAdministrator when nobody would be left who may let people in. The platform's administrators may leave
    a customer so, for they can let somebody in again; the platform itself may never be left."""
    of_the_platform = member.organization_id is None
    needed = Permission.PLATFORM_ADMIN if of_the_platform else Permission.TOKENS_CONFIGURE
    if needed not in member.permissions or needed in after:
        return
    if not of_the_platform and Permission.PLATFORM_ADMIN in by.permissions:
        return
    if await db.fetch_one(SOMEBODY_ELSE, member.organization_id, member.id, needed.value) is None:
        raise LastAdministrator


async def _present(db: Connection, user_id: UUID) -> MemberView:
    member = await find_member(db, user_id)
    if member is None:
        raise MemberNotFound
    return member


async def _audit(
    db: Connection, member: MemberView | HeldPerson, happened: str, by: Actor, details: Mapping[str, object]
) -> None:
    await audit.record(
        db,
        member.organization_id,
        action=f"member.{happened}",
        resource="user",
        resource_id=member.id,
        actor=by.name,
        details=details,
        request_id=by.request_id,
    )


def _view(
    id: UUID, organization_id: UUID | None, email: str, name: str, role: str, granted: Sequence[str], *rest: Any
) -> MemberView:
    permissions = parse_permissions(granted)
    return MemberView(id, organization_id, email, name, role_of(role, permissions), permissions, *rest)
