"""Who is asking: sign-in, refresh, and the caller themselves."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID, uuid4

import strawberry

from models import errors
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
from models.organizations import OrganizationView, read_organization
from models.passwords import PASSWORD_LENGTH_MAX, password_fits
from rules.permissions import Permission
from schema.context import Info
from schema.credentials import InvalidCredential
from schema.edge.permissions import public, requires
from schema.nodes import Node
from schema.problems import SessionEnded, SignInRefused
from schema.scope import organization_of

EMAIL_LENGTH_MAX = 254


@strawberry.type(description="A customer of Scrip.")
class Organization(Node):
    name: str = strawberry.field(description="Its name, as on invoices.")
    slug: str = strawberry.field(description="Short and unique, for addresses.")

    @classmethod
    def of(cls, view: OrganizationView) -> Self:
        return cls(key=view.id, name=view.name, slug=view.slug)


@strawberry.type(description="The signed-in caller.")
class Viewer(Node):
    organization_key: strawberry.Private[UUID | None]
    email: str = strawberry.field(description="The address they sign in with.")
    name: str = strawberry.field(description="Their name.")
    permissions: list[Permission] = strawberry.field(description="What they may do, from the database, now.")

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(
            key=member.id,
            organization_key=member.organization_id,
            email=member.email,
            name=member.name,
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


SignInResult: TypeAlias = Annotated[SignInSuccess | SignInRefused, strawberry.union("SignInResult")]
RefreshSessionResult: TypeAlias = Annotated[SignInSuccess | SessionEnded, strawberry.union("RefreshSessionResult")]


@strawberry.type
class AccessQueries:
    @strawberry.field(description="The caller; null when nobody is signed in.", directives=public())
    async def viewer(self, info: Info) -> Viewer | None:
        actor = info.context.actor
        if actor is None:
            return None
        async with connection() as db:
            member = await member_by_email(db, actor.email)
        return None if member is None else Viewer.of(member)

    @strawberry.field(
        description="An organization; without an id the caller's own. Null when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def organization(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Which; null for one's own.")] = None,
    ) -> Organization | None:
        key = organization_of(info, id)
        if key is None:
            return None
        async with connection() as db:
            view = await read_organization(db, key)
        return None if view is None else Organization.of(view)


@strawberry.type
class AccessMutations:
    @strawberry.mutation(
        description="Sign in. Which of address and password is wrong is not said.", directives=public()
    )
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="Who signs in.")]
    ) -> SignInResult:
        member = await known_member(input)
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
        description="End this session; its tokens are refused from now on. Signing out twice is no error.",
        directives=public(),
    )
    async def sign_out(self, info: Info) -> SignOutSuccess:
        context = info.context
        if context.session_id is not None and context.actor is not None:
            await end_session(context.session_id, context.actor.organization_id, at=context.now)
        return SignOutSuccess(signed_out=True)


async def known_member(input: SignInInput) -> Member:
    """Whoever the address and the password belong to. Raises SignInRefused."""
    if len(input.email) > EMAIL_LENGTH_MAX or len(input.password) > PASSWORD_LENGTH_MAX or "\x00" in input.email:
        raise errors.SignInRefused
    async with connection() as db:
        member = await member_by_email(db, input.email.strip())
    fits = await password_fits(None if member is None else member.password_hash, input.password)
    if member is None or not fits:
        raise errors.SignInRefused
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
