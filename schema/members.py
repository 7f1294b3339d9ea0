"""Letting people into an organization, what they may do there, and sending them away.

The permissions of a member come from a role or are listed one by one; nobody gives what they lack.
"""

from collections.abc import Sequence
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.database import connection
from models.membership import (
    MemberView,
    NewMember,
    add_member,
    read_members,
    read_platform_members,
    remove_member,
    set_permissions,
)
from models.passwords import hash_new_password
from rules.permissions import NO_ROLE, ROLES, Permission
from schema.context import Info
from schema.edge.costs import costs
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import public, requires
from schema.enums import Role
from schema.ids import read_id
from schema.keys import ApiKey
from schema.pages import MEMBERS, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.people import NAME_LENGTH_MAX, Member, allowed_still, clean_email
from schema.problems import (
    EmailTaken,
    InvalidPassword,
    LastAdministrator,
    MemberNotFound,
    OrganizationNotFound,
    PermissionNotGrantable,
)
from schema.scalars import clean_text
from schema.scope import acting_person, membership_of

# A password is hashed, which takes a hundred times as long as anything else here.
HASHING_UNITS = 1000


@strawberry.type(description="A role and the permissions it bundles.")
class RoleBundle:
    role: Role = strawberry.field(description="The role.")
    permissions: list[Permission] = strawberry.field(description="What it bundles.")

    @classmethod
    def of(cls, role: Role) -> Self:
        return cls(role=role, permissions=sorted(ROLES[role]))


@strawberry.input(description="Somebody to be let in, with a role or with permissions, not both.")
class AddMemberInput:
    email: str = strawberry.field(description="The address they will sign in with; nobody may have it yet.")
    name: str = strawberry.field(description="Their name, 1 to 200 characters.")
    role: Role | None = strawberry.field(default=None, description="A ready-made bundle of permissions.")
    permissions: list[Permission] | None = strawberry.field(default=None, description="Or each permission by itself.")
    password: str | None = strawberry.field(
        default=None,
        description="A first password, 12 to 256 characters. Without one they sign in by the operators' OpenID issuer.",
    )
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Null for the caller's own; for people of the platform, the platform."
    )


@strawberry.input(description="What a member may do from now on, by a role or by permissions, not both.")
class SetMemberPermissionsInput:
    member_id: strawberry.ID = strawberry.field(description="The member.")
    role: Role | None = strawberry.field(default=None, description="A ready-made bundle of permissions.")
    permissions: list[Permission] | None = strawberry.field(
        default=None, description="Or each permission by itself; an empty list takes them all."
    )


@strawberry.input(description="Which member, and what becomes of the keys they made.")
class RemoveMemberInput:
    member_id: strawberry.ID = strawberry.field(description="The member.")
    revoke_api_keys: bool = strawberry.field(
        default=False, description="Whether the API keys they made, whose secrets they saw, are revoked too."
    )


@strawberry.type(description="They may sign in.")
class AddMemberSuccess:
    member: Member = strawberry.field(description="The member.")


@strawberry.type(description="They may do this and nothing else, from their next request on.")
class SetMemberPermissionsSuccess:
    member: Member = strawberry.field(description="The member as they are now.")


@strawberry.type(description="They cannot sign in, and their sessions are over. What they did stays in their name.")
class RemoveMemberSuccess:
    member: Member = strawberry.field(description="The member as they are now.")
    working_api_keys: list[ApiKey] = strawberry.field(
        description="The keys they made that still work, at most 100. They have seen their secrets."
    )


AddMemberResult: TypeAlias = Annotated[
    AddMemberSuccess | EmailTaken | PermissionNotGrantable | InvalidPassword | OrganizationNotFound,
    strawberry.union("AddMemberResult"),
]
SetMemberPermissionsResult: TypeAlias = Annotated[
    SetMemberPermissionsSuccess | MemberNotFound | PermissionNotGrantable | LastAdministrator,
    strawberry.union("SetMemberPermissionsResult"),
]
RemoveMemberResult: TypeAlias = Annotated[
    RemoveMemberSuccess | MemberNotFound | PermissionNotGrantable | LastAdministrator,
    strawberry.union("RemoveMemberResult"),
]


def chosen(role: Role | None, permissions: list[Permission] | None) -> tuple[frozenset[Permission], str]:
    """The permissions that are meant, and what stands in the person's row as their role. Raises BAD_USER_INPUT."""
    if (role is None) == (permissions is None):
        raise public_error("Give a role or permissions, and not both.", ErrorCode.BAD_USER_INPUT, field="role")
    if role is not None:
        return ROLES[role], role.value
    return frozenset(permissions or ()), NO_ROLE


def member_key(member_id: str) -> UUID:
    """Raises MemberNotFound for an id of anything else."""
    found = read_id(member_id, "Member")
    if found is None:
        raise errors.MemberNotFound
    return found


async def people_of_the_platform(first: int, after: After, *, removed: bool) -> Connection[Member]:
    """A page of those who belong to no organization."""
    size, before = page_size(first), read_moment(after, of=MEMBERS)
    async with connection() as db:
        views = await read_platform_members(db, limit=size + 1, before=before, with_removed=removed)
    return _page(views, size, after)


async def members_of(
    info: Info, organization_id: UUID, first: int, after: After, *, removed: bool
) -> Connection[Member]:
    """A page of an organization's members, read together with the same page of other organizations."""
    size, before = page_size(first), read_moment(after, of=MEMBERS)
    page = info.context.loaders.page
    views = await page(read_members, organization_id, limit=size + 1, before=before, with_removed=removed)
    return _page(views, size, after)


def _page(views: Sequence[MemberView], size: int, after: After) -> Connection[Member]:
    rows = [(moment_cursor(view.created_at, view.id, of=MEMBERS), Member.of(view)) for view in views]
    return page_of(rows, size, continued=after is not None)


WithRemoved = Annotated[bool, strawberry.argument(description="Whether those who were removed are shown too.")]


@strawberry.type
class MemberQueries:
    @strawberry.field(description="Every role and what it bundles.", directives=public())
    def roles(self) -> list[RoleBundle]:
        return [RoleBundle.of(role) for role in Role]

    @strawberry.field(
        description="The people of the platform, who belong to no organization, newest first.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def platform_members(
        self, first: First = 20, after: After = None, removed: WithRemoved = False
    ) -> Connection[Member]:
        return await people_of_the_platform(first, after, removed=removed)


@strawberry.type
class MemberMutations:
    @strawberry.mutation(
        description="Let somebody in. You give no permission that you lack, and none of the platform's unless you are "
        "its administrator. Somebody who was removed comes back as who they were. Not for keys.",
        directives=[*requires(Permission.TOKENS_CONFIGURE), *costs(HASHING_UNITS)],
    )
    async def add_member(
        self, info: Info, input: Annotated[AddMemberInput, strawberry.argument(description="Who is let in.")]
    ) -> AddMemberResult:
        actor, _ = acting_person(info)
        permissions, role = chosen(input.role, input.permissions)
        owner = membership_of(info, input.organization_id)
        email = clean_email(input.email, "email")
        name = clean_text(input.name, "name", length_min=1, length_max=NAME_LENGTH_MAX)
        password_hash = None if input.password is None else await hash_new_password(input.password)
        new = NewMember(owner, email, name, permissions, role, password_hash)
        with allowed_still(info):
            return AddMemberSuccess(member=Member.of(await add_member(new, by=actor, at=info.context.now)))

    @strawberry.mutation(
        description="Set what a member may do. You give no permission that you lack, and neither give nor take the "
        "platform's unless you are its administrator. Not for keys.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def set_member_permissions(
        self,
        info: Info,
        input: Annotated[SetMemberPermissionsInput, strawberry.argument(description="Who, and what they may do.")],
    ) -> SetMemberPermissionsResult:
        actor, _ = acting_person(info)
        permissions, role = chosen(input.role, input.permissions)
        key = member_key(input.member_id)
        with allowed_still(info):
            view = await set_permissions(key, permissions, role, by=actor, at=info.context.now)
        return SetMemberPermissionsSuccess(member=Member.of(view))

    @strawberry.mutation(
        description="Send a member away: no request is taken from them any more. Keys they made belong to the "
        "organization and go on, unless `revokeApiKeys`. Not for keys.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def remove_member(
        self, info: Info, input: Annotated[RemoveMemberInput, strawberry.argument(description="Who goes.")]
    ) -> RemoveMemberResult:
        actor, _ = acting_person(info)
        key, revoke_keys = member_key(input.member_id), input.revoke_api_keys
        with allowed_still(info):
            view, working = await remove_member(key, revoke_keys=revoke_keys, by=actor, at=info.context.now)
        return RemoveMemberSuccess(member=Member.of(view), working_api_keys=[ApiKey.of(each) for each in working])
