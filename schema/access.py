"""Who is asking: sign-in, refresh, passwords, and the caller themselves."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID, uuid4

import strawberry

from models import errors
from models.attempts import count_attempt, forget_attempts
from models.database import connection
from models.members import (
    Member,
    RefreshStep,
    end_session,
    hash_token,
    member_by_email,
    member_in_session,
    open_session,
    rotate,
)
from models.membership import change_password
from models.organizations import read_organization
from models.passwords import PASSWORD_LENGTH_MAX, hash_new_password, password_fits
from rules.permissions import Permission, role_of
from schema.context import Info
from schema.credentials import InvalidCredential
from schema.edge.costs import costs
from schema.edge.permissions import public
from schema.enums import Role
from schema.members import HASHING_UNITS
from schema.nodes import Node
from schema.organizations import Organization
from schema.people import EMAIL_LENGTH_MAX
from schema.problems import InvalidPassword, SessionEnded, SignInLocked, SignInRefused, WrongPassword
from schema.scope import acting_person


@strawberry.type(description="The person who is signed in. Behind an API key there is none: see `viewerKey`.")
class Viewer(Node):
    organization_key: strawberry.Private[UUID | None]
    email: str = strawberry.field(description="The address they sign in with.")
    name: str = strawberry.field(description="Their name.")
    role: Role | None = strawberry.field(
        description="The role their permissions were set by; null when they were set one by one."
    )
    permissions: list[Permission] = strawberry.field(description="What they may do, from the database, now.")

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(
            key=member.id,
            organization_key=member.organization_id,
            email=member.email,
            name=member.name,
            role=role_of(member.role, member.permissions),
            permissions=sorted(member.permissions),
        )

    @strawberry.field(description="Their organization; null for people of the platform.")
    async def organization(self) -> Organization | None:
        if self.organization_key is None:
            return None
        async with connection() as db:
            view = await read_organization(db, self.organization_key)
        return None if view is None else Organization.of(view)


@strawberry.input(description="An address and a password.")
class SignInInput:
    email: str = strawberry.field(description="In any letter case.")
    password: str = strawberry.field(description="Up to 256 characters.")


@strawberry.input(description="The refresh token of a session.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="As it was last given. Each one is good once.")


@strawberry.input(description="Another password for the caller.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The present one; it is tried like a sign-in.")
    new_password: str = strawberry.field(description="12 to 256 characters.")


@strawberry.type(description="A session and its tokens.")
class SignInSuccess:
    access_token: str = strawberry.field(description="Send it as `Authorization: Bearer …`.")
    expires_at: datetime = strawberry.field(description="When the access token ends.")
    refresh_token: str = strawberry.field(description="Gets the next pair, once. Keep it secret.")
    refresh_expires_at: datetime = strawberry.field(description="When the refresh token ends.")
    viewer: Viewer = strawberry.field(description="Who has signed in.")


@strawberry.type(description="The session is over.")
class SignOutSuccess:
    signed_out: bool = strawberry.field(description="Always true.")


@strawberry.type(description="The new password is the caller's, and their other sessions are over.")
class ChangePasswordSuccess:
    viewer: Viewer = strawberry.field(description="The caller.")


SignInResult: TypeAlias = Annotated[SignInSuccess | SignInRefused | SignInLocked, strawberry.union("SignInResult")]
RefreshSessionResult: TypeAlias = Annotated[SignInSuccess | SessionEnded, strawberry.union("RefreshSessionResult")]
ChangePasswordResult: TypeAlias = Annotated[
    ChangePasswordSuccess | WrongPassword | InvalidPassword | SignInLocked, strawberry.union("ChangePasswordResult")
]


@strawberry.type
class AccessQueries:
    @strawberry.field(description="The caller; null when nobody is signed in, and for an API key.", directives=public())
    async def viewer(self, info: Info) -> Viewer | None:
        actor = info.context.actor
        if actor is None or actor.user_id is None:
            return None
        async with connection() as db:
            member = await member_by_email(db, actor.email)
        return None if member is None else Viewer.of(member)


@strawberry.type
class AccessMutations:
    @strawberry.mutation(
        description="Sign in. Which of address and password is wrong is not said. After five attempts within a quarter "
        "of an hour the address is locked for a while, for the right password too.",
        directives=[*public(), *costs(HASHING_UNITS)],
    )
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="Who signs in.")]
    ) -> SignInResult:
        member = await known_member(input.email, input.password, at=info.context.now)
        session_id, now, tokens = uuid4(), info.context.now, info.context.product.own_tokens
        refresh, refresh_expires_at = tokens.refresh_token(session_id, 1, at=now)
        await open_session(member, session_id, hash_token(refresh), expires_at=refresh_expires_at, at=now)
        return _signed_in(info, member, session_id, refresh, refresh_expires_at)

    @strawberry.mutation(
        description="The next pair of tokens. A refresh token that was used before ends its session.",
        directives=public(),
    )
    async def refresh_session(
        self,
        info: Info,
        input: Annotated[RefreshSessionInput, strawberry.argument(description="The session to go on with.")],
    ) -> RefreshSessionResult:
        tokens, now = info.context.product.own_tokens, info.context.now
        try:
            claims = tokens.read_refresh(input.refresh_token)
        except InvalidCredential:
            raise errors.SessionEnded from None
        refresh, refresh_expires_at = tokens.refresh_token(claims.session_id, claims.generation + 1, at=now)
        step = RefreshStep(
            claims.session_id,
            claims.generation,
            hash_token(input.refresh_token),
            hash_token(refresh),
            refresh_expires_at,
        )
        user_id = await rotate(step, at=now)
        async with connection() as db:
            member = await member_in_session(db, user_id, claims.session_id)
        if member is None:
            raise errors.SessionEnded
        return _signed_in(info, member, claims.session_id, refresh, refresh_expires_at)

    @strawberry.mutation(
        description="End this session; its tokens are refused from now on. Signing out twice is no error. "
        "Not for keys.",
        directives=public(),
    )
    async def sign_out(self, info: Info) -> SignOutSuccess:
        context = info.context
        if context.actor is not None:
            actor, _ = acting_person(info)
            if context.session_id is not None:
                await end_session(context.session_id, actor.organization_id, at=context.now)
        return SignOutSuccess(signed_out=True)

    @strawberry.mutation(
        description="Change one's own password; one's other sessions are over. Not for keys.",
        directives=[*public(), *costs(2 * HASHING_UNITS)],
    )
    async def change_password(
        self,
        info: Info,
        input: Annotated[ChangePasswordInput, strawberry.argument(description="The present one and the new one.")],
    ) -> ChangePasswordResult:
        actor, user_id = acting_person(info)
        context = info.context
        try:
            member = await known_member(actor.email, input.current_password, at=context.now)
        except errors.SignInRefused:
            raise errors.WrongPassword from None
        if member.id != user_id or member.password_hash is None:
            raise errors.WrongPassword
        new_hash = await hash_new_password(input.new_password)
        await change_password(
            user_id,
            old_hash=member.password_hash,
            new_hash=new_hash,
            keeping=context.session_id,
            by=actor,
            at=context.now,
        )
        return ChangePasswordSuccess(viewer=Viewer.of(member))


async def known_member(email: str, password: str, *, at: datetime) -> Member:
    """Whoever the address and the password belong to. Each call is an attempt, counted before anything is looked at.
    Raises SignInRefused and SignInLocked."""
    if len(email) > EMAIL_LENGTH_MAX or len(password) > PASSWORD_LENGTH_MAX or "\x00" in email:
        raise errors.SignInRefused
    email = email.strip()
    await count_attempt(email, at=at)
    async with connection() as db:
        member = await member_by_email(db, email)
    fits = await password_fits(None if member is None else member.password_hash, password)
    if member is None or not fits:
        raise errors.SignInRefused
    await forget_attempts(email)
    return member


def _signed_in(
    info: Info, member: Member, session_id: UUID, refresh: str, refresh_expires_at: datetime
) -> SignInSuccess:
    access, expires_at = info.context.product.own_tokens.access_token(member.id, session_id, at=info.context.now)
    return SignInSuccess(
        access_token=access,
        expires_at=expires_at,
        refresh_token=refresh,
        refresh_expires_at=refresh_expires_at,
        viewer=Viewer.of(member),
    )
