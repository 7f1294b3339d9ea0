"""API keys: making them, whose secret is shown once, seeing which there are, and revoking them."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.database import connection
from models.intentions import Intention
from models.keys import KeyView, NewKey, create_key, find_key, hash_secret, read_keys, revoke_key
from rules.identity import fingerprint
from rules.permissions import Permission
from schema.context import Info
from schema.credentials import key_prefix, key_token, new_key_secret
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import public, requires
from schema.ids import read_id
from schema.nodes import Node
from schema.pages import KEYS, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.people import Member, allowed_still
from schema.problems import (
    ApiKeyNotFound,
    IdempotencyConflict,
    InvalidKeyExpiry,
    OrganizationNotFound,
    PermissionNotGrantable,
    TooManyApiKeys,
)
from schema.scalars import clean_text, read_key
from schema.scope import acting_person, organization_of, required_organization

KEY_NAME_MAX = 100


@strawberry.type(description="A credential of an organization's programs. Its secret was shown once, when it was made.")
class ApiKey(Node):
    creator_key: strawberry.Private[UUID]
    name: str = strawberry.field(description="What it is for, in its maker's words.")
    prefix: str = strawberry.field(description="How it begins: enough to find it again, too little to use it.")
    scopes: list[Permission] = strawberry.field(description="What it may do.")
    expires_at: datetime | None = strawberry.field(description="When it stops working; null for never.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, give or take a minute; null when it never was."
    )
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null when it was not.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, view: KeyView) -> Self:
        return cls(
            key=view.id,
            creator_key=view.created_by_id,
            name=view.name,
            prefix=key_prefix(view.id),
            scopes=sorted(view.scopes),
            expires_at=view.expires_at,
            last_used_at=view.last_used_at,
            revoked_at=view.revoked_at,
            created_at=view.created_at,
        )

    @strawberry.field(
        description="Who made it; null when they are not of the caller's organization, as people of the platform are "
        "not. It goes on without them.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def created_by(self, info: Info) -> Member | None:
        view = await info.context.loaders.members.load(self.creator_key)
        if view is None or not info.context.caller().may_see(view.organization_id):
            return None
        return Member.of(view)


@strawberry.input(description="A key to be made, once.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What it is for, 1 to 100 characters.")
    scopes: list[Permission] = strawberry.field(
        description="What it may do: at least one, each of your own, and of those that begin with TOKENS only."
    )
    idempotency_key: str = strawberry.field(
        description="Your own name for this key. The same one never makes two; the secret is not told again."
    )
    expires_at: datetime | None = strawberry.field(default=None, description="When it stops working; null for never.")
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")


@strawberry.input(description="Which API key.")
class RevokeApiKeyInput:
    api_key_id: strawberry.ID = strawberry.field(description="The key.")


@strawberry.type(description="The key works.")
class CreateApiKeySuccess:
    api_key: ApiKey = strawberry.field(description="The key.")
    secret: str | None = strawberry.field(
        description="Send it as `Authorization: Bearer …`. This is the only time it is told; null when replayed."
    )
    replayed: bool = strawberry.field(
        description="Whether the key had been made before under this `idempotencyKey`. Lost the secret? Revoke it."
    )


@strawberry.type(description="The key works no more, from the next request on.")
class RevokeApiKeySuccess:
    api_key: ApiKey = strawberry.field(description="The key.")


CreateApiKeyResult: TypeAlias = Annotated[
    CreateApiKeySuccess
    | PermissionNotGrantable
    | InvalidKeyExpiry
    | TooManyApiKeys
    | OrganizationNotFound
    | IdempotencyConflict,
    strawberry.union("CreateApiKeyResult"),
]
RevokeApiKeyResult: TypeAlias = Annotated[RevokeApiKeySuccess | ApiKeyNotFound, strawberry.union("RevokeApiKeyResult")]


def new_key(info: Info, input: CreateApiKeyInput, secret: str) -> tuple[NewKey, Intention]:
    """The key and the caller's intention in the words of the models. Raises OrganizationNotFound, BAD_USER_INPUT, and
    FORBIDDEN for an API key."""
    _, user_id = acting_person(info)
    owner = required_organization(info, input.organization_id)
    name = clean_text(input.name, "name", length_min=1, length_max=KEY_NAME_MAX)
    scopes = frozenset(input.scopes)
    if not scopes:
        raise public_error("scopes must name at least one permission.", ErrorCode.BAD_USER_INPUT, field="scopes")
    asked = {"name": name, "scopes": ",".join(sorted(scopes)), "expires_at": input.expires_at}
    intention = Intention("createApiKey", read_key(input.idempotency_key), fingerprint(asked))
    return NewKey(owner, name, scopes, input.expires_at, hash_secret(secret), user_id), intention


@strawberry.type
class KeyQueries:
    @strawberry.field(description="The API key that asks; null when no key does.", directives=public())
    async def viewer_key(self, info: Info) -> ApiKey | None:
        actor = info.context.actor
        if actor is None or actor.key_id is None:
            return None
        async with connection() as db:
            view = await find_key(db, actor.key_id)
        return None if view is None else ApiKey.of(view)

    @strawberry.field(
        description="An organization's API keys, newest first, revoked and expired ones too. Null when it is not the "
        "caller's.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def api_keys(
        self,
        info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose; null for the caller's own.")
        ] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[ApiKey] | None:
        owner = organization_of(info, organization_id)
        size, before = page_size(first), read_moment(after, of=KEYS)
        if owner is None:
            return None
        async with connection() as db:
            views = await read_keys(db, owner, limit=size + 1, before=before)
        rows = [(moment_cursor(view.created_at, view.id, of=KEYS), ApiKey.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class KeyMutations:
    @strawberry.mutation(
        description="Make an API key. It belongs to the organization and goes on when its maker leaves. Not for keys.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def create_api_key(
        self, info: Info, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key to make.")]
    ) -> CreateApiKeyResult:
        secret = new_key_secret()
        new, intention = new_key(info, input, secret)
        with allowed_still(info):
            view, replayed = await create_key(new, intention, by=info.context.caller(), at=info.context.now)
        told = None if replayed else key_token(view.id, secret)
        return CreateApiKeySuccess(api_key=ApiKey.of(view), secret=told, replayed=replayed)

    @strawberry.mutation(
        description="Revoke an API key at once. Revoking it again changes nothing. Not for keys.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def revoke_api_key(
        self, info: Info, input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")]
    ) -> RevokeApiKeyResult:
        actor, _ = acting_person(info)
        key_id = read_id(input.api_key_id, "ApiKey")
        if key_id is None:
            raise errors.ApiKeyNotFound
        with allowed_still(info):
            return RevokeApiKeySuccess(api_key=ApiKey.of(await revoke_key(key_id, by=actor, at=info.context.now)))
