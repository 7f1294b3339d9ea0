"""Whoever is sent away, or may do less, while their request is under way does nothing more with what they could do."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from models.actors import Actor
from models.database import Connection
from models.errors import LastAdministrator
from models.intentions import Intention
from models.keys import KeyView, NewKey, create_key, hash_secret, keys_made_by, revoke_key
from models.members import NoLongerAllowed
from models.membership import NewMember, add_member, find_member, remove_member, set_permissions
from rules.permissions import NO_ROLE, Permission, parse_permissions
from tests.builders import EVERYTHING, Member, Organization, a_member, a_program, an_organization

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ADMIN = (*EVERYTHING, "platform.admin")
VIEW = frozenset({Permission.TOKENS_VIEW})

REMOVED = "UPDATE users SET is_active = false WHERE id = $1"
DEMOTED = "UPDATE users SET permissions = '{tokens.view}' WHERE id = $1"
NO_ADMIN = "UPDATE users SET permissions = array_remove(permissions, 'platform.admin') WHERE id = $1"
DEACTIVATED = (
    "UPDATE organizations SET is_active = false WHERE id = (SELECT organization_id FROM users u WHERE u.id = $1)"
)

# What somebody does to an organization in which there are a colleague and a key.
Deed: TypeAlias = Callable[[Actor, Organization, Member, Member], Coroutine[Any, Any, object]]


def acting(member: Member) -> Actor:
    organization_id = None if member.organization is None else member.organization.id
    return Actor(member.id, organization_id, parse_permissions(member.permissions), None)


async def lets_in(by: Actor, organization: Organization, *_: Member) -> object:
    new = NewMember(organization.id, "eve@aurora.example", "Eve", VIEW, "viewer", "hash")
    return await add_member(new, by=by, at=NOW)


async def permits(by: Actor, _: Organization, colleague: Member, __: Member) -> object:
    return await set_permissions(colleague.id, VIEW, NO_ROLE, by=by, at=NOW)


async def sends_away(by: Actor, _: Organization, colleague: Member, __: Member) -> object:
    return await remove_member(colleague.id, revoke_keys=True, by=by, at=NOW)


async def makes_a_key(by: Actor, organization: Organization, *_: Member, name: str = "way back") -> KeyView:
    new = NewKey(organization.id, name, VIEW, None, hash_secret("s"), by.user_id or UUID(int=0))
    view, _replayed = await create_key(new, Intention("createApiKey", name, "a"), by=by, at=NOW)
    return view


async def revokes_a_key(by: Actor, _: Organization, __: Member, program: Member) -> object:
    return await revoke_key(program.id, by=by, at=NOW)


DEEDS: tuple[Deed, ...] = (lets_in, permits, sends_away, makes_a_key, revokes_a_key)


async def told_after(owner: asyncpg.Connection, change: str, person: Member, deed: Awaitable[object]) -> object:
    """What a deed answers that began before a change of whoever does it was written down."""
    async with owner.transaction():
        if person.organization is not None:
            await owner.execute("SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE", person.organization.id)
        await owner.execute(change, person.id)
        doing = asyncio.ensure_future(deed)
        while not doing.done() and not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
    (told,) = await asyncio.gather(doing, return_exceptions=True)
    return told


async def standing(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    """Everybody, every key and every trace, apart from what the test itself changes."""
    return [
        *await owner.fetch("SELECT id, email FROM users ORDER BY id"),
        *await owner.fetch("SELECT id, revoked_at FROM api_keys ORDER BY id"),
        *await owner.fetch("SELECT id, action, resource_id FROM token_audit_logs ORDER BY id"),
        *await owner.fetch("SELECT * FROM idempotency_keys"),
    ]


@pytest.mark.parametrize(
    ("deed", "change"),
    [
        *itertools.product(DEEDS, (REMOVED, DEMOTED)),
        # Revoking a key waits for whoever changes the person only, so it may come before the organization is shut.
        *((deed, DEACTIVATED) for deed in DEEDS if deed is not revokes_a_key),
    ],
)
async def test_a_member_who_is_out_does_nothing_that_they_had_begun(
    deed: Deed, change: str, owner: asyncpg.Connection, db: Connection
) -> None:
    # given
    aurora = await an_organization()
    bob, colleague, program = await a_member(aurora), await a_member(aurora), await a_program(aurora)
    before = await standing(owner)

    # when
    told = await told_after(owner, change, bob, deed(acting(bob), aurora, colleague, program))

    # then
    assert isinstance(told, NoLongerAllowed)
    assert told.permission is Permission.TOKENS_CONFIGURE
    assert await standing(owner) == before


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        (REMOVED, Permission.TOKENS_CONFIGURE),
        (DEMOTED, Permission.TOKENS_CONFIGURE),
        (NO_ADMIN, Permission.PLATFORM_ADMIN),
    ],
    ids=["removed", "demoted", "no administrator"],
)
@pytest.mark.parametrize("deed", DEEDS)
async def test_somebody_of_the_platform_who_is_out_does_nothing_in_any_organization(
    deed: Deed, change: str, lacking: Permission, owner: asyncpg.Connection, db: Connection
) -> None:
    # given
    aurora = await an_organization()
    admin, colleague, program = await a_member(None, permissions=ADMIN), await a_member(aurora), await a_program(aurora)
    before = await standing(owner)

    # when
    told = await told_after(owner, change, admin, deed(acting(admin), aurora, colleague, program))

    # then
    assert isinstance(told, NoLongerAllowed)
    assert told.permission is lacking
    assert await standing(owner) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_keys SET revoked_at = now(), revoked_by = 'scrip' WHERE id = $1",
        "UPDATE api_keys SET expires_at = '2026-03-01T09:00:00Z' WHERE id = $1",
        "UPDATE api_keys SET scopes = '{tokens.view}' WHERE id = $1",
    ],
    ids=["revoked", "expired", "with less"],
)
@pytest.mark.parametrize("deed", DEEDS)
async def test_a_key_that_is_out_does_nothing_either(
    deed: Deed, change: str, owner: asyncpg.Connection, db: Connection
) -> None:
    # given
    aurora = await an_organization()
    acts, colleague, program = await a_program(aurora), await a_member(aurora), await a_program(aurora)
    by = Actor(None, aurora.id, parse_permissions(EVERYTHING), None, key_id=acts.id)
    await owner.execute(change, acts.id)
    before = await standing(owner)

    # when
    with pytest.raises(NoLongerAllowed):
        await deed(by, aurora, colleague, program)

    # then
    assert await standing(owner) == before


async def test_what_was_taken_away_meanwhile_is_not_given_on(owner: asyncpg.Connection, db: Connection) -> None:
    # given
    aurora = await an_organization()
    bob = await a_member(aurora)
    less = "UPDATE users SET permissions = '{tokens.configure}' WHERE id = $1"

    # when
    told = await told_after(owner, less, bob, lets_in(acting(bob), aurora))

    # then
    assert getattr(told, "permissions", None) == ("tokens.view",)


async def test_a_key_that_was_made_already_is_not_told_of_again_to_whoever_is_out(
    owner: asyncpg.Connection, db: Connection
) -> None:
    aurora = await an_organization()
    bob = await a_member(aurora)
    await makes_a_key(acting(bob), aurora)

    told = await told_after(owner, REMOVED, bob, makes_a_key(acting(bob), aurora))

    assert isinstance(told, NoLongerAllowed)


@pytest.mark.parametrize("is_of_the_platform", [False, True])
async def test_of_the_keys_somebody_makes_while_they_are_sent_away_none_works(
    is_of_the_platform: bool, db: Connection
) -> None:
    # given
    organizations = [await an_organization() for _ in range(4 if is_of_the_platform else 1)]
    home = None if is_of_the_platform else organizations[0]
    ada, bob = await a_member(home, permissions=ADMIN), await a_member(home, permissions=ADMIN)
    made = [makes_a_key(acting(bob), organizations[n % len(organizations)], name=f"key {n}") for n in range(12)]

    # when
    sent = remove_member(bob.id, revoke_keys=True, by=acting(ada), at=NOW)
    told = await asyncio.gather(*made[:6], sent, *made[6:], return_exceptions=True)

    # then
    assert {type(each) for each in told} <= {KeyView, NoLongerAllowed, tuple}
    assert isinstance(told[6], tuple)
    assert await keys_made_by(db, bob.id, at=NOW) == []


async def test_administrators_who_send_each_other_away_across_organizations_do_not_both_go(db: Connection) -> None:
    for _ in range(6):
        # given
        aurora, boreal = await an_organization(), await an_organization()
        ada, bob = await a_member(aurora, permissions=ADMIN), await a_member(boreal, permissions=ADMIN)

        # when
        told = await asyncio.gather(
            remove_member(bob.id, revoke_keys=False, by=acting(ada), at=NOW),
            remove_member(ada.id, revoke_keys=False, by=acting(bob), at=NOW),
            return_exceptions=True,
        )

        # then
        assert sorted(type(each).__name__ for each in told) == ["NoLongerAllowed", "tuple"]
        found = [await find_member(db, each.id) for each in (ada, bob)]
        assert sorted(each is not None and each.is_active for each in found) == [False, True]


async def test_two_administrators_who_step_down_at_once_do_not_both(db: Connection) -> None:
    aurora = await an_organization()
    both = await a_member(aurora), await a_member(aurora)

    told = await asyncio.gather(
        *(set_permissions(each.id, VIEW, NO_ROLE, by=acting(each), at=NOW) for each in both), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in told) == ["LastAdministrator", "MemberView"]
    assert [type(each) for each in told if isinstance(each, Exception)] == [LastAdministrator]


async def test_a_deed_that_nobody_disturbs_is_done_by_people_and_keys_that_may(
    owner: asyncpg.Connection, db: Connection
) -> None:
    # given
    aurora = await an_organization()
    acts = await a_program(aurora, expires_at=NOW + timedelta(days=1), at=NOW)
    colleague, program = await a_member(aurora), await a_program(aurora)
    by_key = Actor(None, aurora.id, parse_permissions(EVERYTHING), None, key_id=acts.id)
    admin = acting(await a_member(None, permissions=ADMIN))

    # when
    await permits(by_key, aurora, colleague, program)
    await sends_away(admin, aurora, colleague, program)
    await lets_in(by_key, aurora)
    await revokes_a_key(admin, aurora, colleague, program)

    # then
    actions = await owner.fetch("SELECT action FROM token_audit_logs WHERE actor IN ($1, $2)", by_key.name, admin.name)
    assert sorted(row["action"] for row in actions) == [
        "api_key.revoked",
        "member.added",
        "member.permissions_set",
        "member.removed",
    ]
