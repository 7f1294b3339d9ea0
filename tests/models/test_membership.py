"""Who may let people in, change what they may do, and send them away; and that somebody is always left who may."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.actors import Actor
from models.database import Connection
from models.errors import (
    EmailTaken,
    LastAdministrator,
    MemberNotFound,
    OrganizationNotFound,
    PermissionNotGrantable,
    SignInRefused,
    WrongPassword,
)
from models.members import NoLongerAllowed, hash_token, member_by_email, member_in_session, open_session
from models.membership import (
    MemberView,
    NewMember,
    add_member,
    change_password,
    find_member,
    read_members,
    read_platform_members,
    remove_member,
    set_permissions,
)
from models.reconciliation import violations
from rules.permissions import NO_ROLE, ROLES, WITHIN_AN_ORGANIZATION, Permission, Role, parse_permissions
from tests.builders import Member, Organization, a_member, an_organization

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
VIEW, SPEND, CONFIGURE = Permission.TOKENS_VIEW, Permission.TOKENS_SPEND, Permission.TOKENS_CONFIGURE
ADMIN = ("platform.admin", "tokens.configure")
NOTHING: frozenset[Permission] = frozenset()


def acting(member: Member) -> Actor:
    organization_id = None if member.organization is None else member.organization.id
    return Actor(member.id, organization_id, parse_permissions(member.permissions), None)


async def lets_in(
    by: Member,
    organization: Organization | None,
    email: str = "New@Aurora.example",
    *,
    permissions: frozenset[Permission] = ROLES[Role.SPENDER],
    role: str = "spender",
) -> MemberView:
    owner = None if organization is None else organization.id
    return await add_member(NewMember(owner, email, "Nia Otieno", permissions, role, "hash"), by=acting(by), at=NOW)


async def sets(by: Member, member_id: UUID, permissions: frozenset[Permission], role: str = NO_ROLE) -> MemberView:
    return await set_permissions(member_id, permissions, role, by=acting(by), at=NOW)


async def removes(by: Member, member_id: UUID) -> None:
    await remove_member(member_id, revoke_keys=False, by=acting(by), at=NOW)


async def active(db: Connection, member: Member) -> bool:
    found = await find_member(db, member.id)
    return found is not None and found.is_active


async def audited(db: Connection) -> list[tuple[str, str]]:
    rows = await db.fetch("SELECT action, actor FROM token_audit_logs WHERE resource = 'user' ORDER BY id")
    return [(row["action"], row["actor"]) for row in rows]


async def test_somebody_let_in_may_do_what_their_role_bundles(db: Connection) -> None:
    aurora = await an_organization()
    ada = await a_member(aurora)

    nia = await lets_in(ada, aurora)

    assert (nia.email, nia.role, nia.permissions, nia.is_active) == (
        "new@aurora.example",
        Role.SPENDER,
        frozenset({VIEW, SPEND}),
        True,
    )
    found = await member_by_email(db, "new@AURORA.example")
    assert found is not None
    assert (found.id, found.permissions, found.password_hash) == (nia.id, nia.permissions, "hash")
    assert await audited(db) == [("member.added", f"user/{ada.id}")]
    assert await violations(db) == []


async def test_an_address_is_taken_wherever_and_whoever_has_it(db: Connection) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    ada, bjorn = await a_member(aurora), await a_member(boreal)
    sent_away = await a_member(boreal)
    await removes(bjorn, sent_away.id)

    # when
    for taken in (ada.email, bjorn.email.upper(), sent_away.email):
        with pytest.raises(EmailTaken):
            await lets_in(ada, aurora, taken)

    # then
    assert len((await read_members(db, [aurora.id], limit=10, before=None))[aurora.id]) == 1
    assert not await active(db, sent_away)


async def test_of_two_who_let_the_same_person_in_at_once_one_does(db: Connection) -> None:
    aurora, boreal = await an_organization(), await an_organization()
    ada, bjorn = await a_member(aurora), await a_member(boreal)

    told = await asyncio.gather(lets_in(ada, aurora), lets_in(bjorn, boreal), return_exceptions=True)

    assert sorted(type(each).__name__ for each in told) == ["EmailTaken", "MemberView"]
    assert len(await db.fetch("SELECT 1 FROM users WHERE email = 'new@aurora.example'")) == 1


async def test_somebody_who_comes_back_is_who_they_were_with_what_they_are_given_now(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    nia = await lets_in(ada, aurora)
    member = await member_by_email(db, nia.email)
    assert member is not None
    await open_session(member, UUID(int=7), hash_token("t"), expires_at=NOW + timedelta(days=1), at=NOW)
    await removes(ada, nia.id)

    # when
    back = await lets_in(ada, aurora, permissions=frozenset({VIEW}), role="viewer")

    # then
    assert (back.id, back.permissions, back.is_active) == (nia.id, frozenset({VIEW}), True)
    assert await member_in_session(db, nia.id, UUID(int=7)) is None


async def test_nobody_gives_what_they_lack_nor_touches_what_is_the_platforms(db: Connection) -> None:
    # given
    aurora = await an_organization()
    clerk = await a_member(aurora, permissions=("tokens.configure", "tokens.view", "finance.view"))
    fina = await a_member(aurora, permissions=("finance.manage", "tokens.view"))
    own = clerk.id

    # when
    refused = []
    for attempt in (
        lambda: lets_in(clerk, aurora),
        lambda: lets_in(clerk, aurora, permissions=frozenset({Permission.FINANCE_VIEW})),
        lambda: sets(clerk, own, frozenset({CONFIGURE, VIEW, SPEND, Permission.FINANCE_VIEW})),
        lambda: sets(clerk, own, frozenset(Permission)),
        lambda: sets(clerk, fina.id, frozenset({VIEW})),
        lambda: removes(clerk, fina.id),
    ):
        with pytest.raises(PermissionNotGrantable) as refusal:
            await attempt()
        refused.append(refusal.value.permissions)

    # then
    assert refused[:3] == [("tokens.spend",), ("finance.view",), ("tokens.spend",)]
    assert refused[4:] == [("finance.manage",), ("finance.manage",)]
    assert await audited(db) == []
    assert await active(db, fina)


async def test_the_platforms_administrators_give_and_take_anything_anywhere(db: Connection) -> None:
    aurora = await an_organization()
    admin = await a_member(None, permissions=ADMIN)

    owner = await lets_in(admin, aurora, permissions=WITHIN_AN_ORGANIZATION, role="owner")
    changed = await sets(admin, owner.id, frozenset({Permission.FINANCE_VIEW}))
    colleague = await lets_in(admin, None, "ops@scrip.example", permissions=ROLES[Role.OPERATOR], role="operator")

    assert (owner.role, changed.permissions, changed.role) == (Role.OWNER, frozenset({Permission.FINANCE_VIEW}), None)
    assert [view.id for view in await read_platform_members(db, limit=5, before=None)] == [colleague.id, admin.id]


async def test_members_of_others_are_not_found(db: Connection) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    ada, bjorn, admin = await a_member(aurora), await a_member(boreal), await a_member(None, permissions=ADMIN)
    gone = await a_member(aurora)
    await removes(ada, gone.id)

    # when
    for unseen in (bjorn.id, admin.id, gone.id, UUID(int=1)):
        with pytest.raises(MemberNotFound):
            await sets(ada, unseen, NOTHING)
        with pytest.raises(MemberNotFound):
            await removes(ada, unseen)

    # then
    assert [await active(db, each) for each in (bjorn, admin)] == [True, True]


async def test_the_last_who_may_let_people_in_stays(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await a_member(aurora, permissions=("tokens.view",))
    gone = await a_member(aurora)
    await removes(ada, gone.id)

    # when
    with pytest.raises(LastAdministrator):
        await sets(ada, ada.id, frozenset({VIEW}))
    with pytest.raises(LastAdministrator):
        await removes(ada, ada.id)

    # then: with a second one the first may go
    assert await active(db, ada)
    second = await a_member(aurora)
    await sets(ada, ada.id, frozenset({VIEW}))
    with pytest.raises(LastAdministrator):
        await removes(second, second.id)


async def test_two_administrators_who_send_each_other_away_at_once_do_not_both_go(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)

    # when
    told = await asyncio.gather(removes(ada, bob.id), removes(bob, ada.id), return_exceptions=True)

    # then
    assert [type(each) for each in told if each is not None] == [NoLongerAllowed]
    assert sorted([await active(db, ada), await active(db, bob)]) == [False, True]


async def test_the_platform_keeps_its_last_administrator_and_may_empty_a_customer(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada, admin = await a_member(aurora), await a_member(None, permissions=ADMIN)

    # when
    await removes(admin, ada.id)
    with pytest.raises(LastAdministrator):
        await removes(admin, admin.id)

    # then
    assert [await active(db, ada), await active(db, admin)] == [False, True]


async def test_removing_ends_every_session_and_keeps_the_row(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    member = await member_by_email(db, bob.email)
    assert member is not None
    for number in (1, 2):
        await open_session(member, UUID(int=number), hash_token("t"), expires_at=NOW + timedelta(days=1), at=NOW)

    # when
    await removes(ada, bob.id)

    # then
    assert [await member_in_session(db, bob.id, UUID(int=number)) for number in (1, 2)] == [None, None]
    rows = await db.fetch("SELECT revoked_at, revoked_because FROM sessions")
    assert [tuple(row.values()) for row in rows] == [(NOW, "removed")] * 2
    listed = (await read_members(db, [aurora.id], limit=9, before=None))[aurora.id]
    everybody = (await read_members(db, [aurora.id], limit=9, before=None, with_removed=True))[aurora.id]
    assert ([view.id for view in listed], len(everybody)) == ([ada.id], 2)
    with pytest.raises(SignInRefused):
        await open_session(member, UUID(int=3), hash_token("t"), expires_at=NOW + timedelta(days=1), at=NOW)


async def test_a_changed_password_ends_the_other_sessions_and_is_changed_once(db: Connection) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    member = await member_by_email(db, ada.email)
    assert member is not None
    assert member.password_hash is not None
    for number in (1, 2):
        await open_session(member, UUID(int=number), hash_token("t"), expires_at=NOW + timedelta(days=1), at=NOW)

    async def changes(new_hash: str) -> None:
        assert member is not None
        await change_password(
            ada.id,
            old_hash=member.password_hash or "",
            new_hash=new_hash,
            keeping=UUID(int=1),
            by=acting(ada),
            at=NOW,
        )

    # when
    told = await asyncio.gather(changes("one"), changes("other"), return_exceptions=True)

    # then
    assert [type(each) for each in told if each is not None] == [WrongPassword]
    sessions = [await member_in_session(db, ada.id, UUID(int=number)) is not None for number in (1, 2)]
    assert sessions == [True, False]
    assert await audited(db) == [("member.password_changed", f"user/{ada.id}")]
    with pytest.raises(SignInRefused):
        await open_session(member, UUID(int=3), hash_token("t"), expires_at=NOW + timedelta(days=1), at=NOW)


async def test_people_are_let_into_organizations_that_exist(db: Connection) -> None:
    admin = await a_member(None, permissions=ADMIN)

    with pytest.raises(OrganizationNotFound):
        await lets_in(admin, Organization(UUID(int=1), "nowhere"))

    assert await audited(db) == []


async def test_the_members_of_many_organizations_are_read_as_those_of_each(db: Connection) -> None:
    # given
    owners = [await an_organization() for _ in range(3)]
    for owner, count in zip(owners, (3, 1, 0), strict=True):
        for _ in range(count):
            await a_member(owner)
    await a_member(None)
    first = owners[0].id
    oldest = (await read_members(db, [first], limit=3, before=None))[first][-1]

    # when
    ids = [owner.id for owner in owners]
    together = await read_members(db, ids, limit=2, before=None)
    before = (oldest.created_at + timedelta(days=1), oldest.id)
    earlier = await read_members(db, ids, limit=2, before=before)
    none = await read_members(db, ids, limit=2, before=(oldest.created_at, oldest.id))

    # then
    assert [len(together[each]) for each in ids] == [2, 1, 0]
    assert together == {each: (await read_members(db, [each], limit=2, before=None))[each] for each in ids}
    assert earlier == together
    assert none == {each: [] for each in ids}
