"""From a request to a context: who is calling, as the database knows them now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from graphql import GraphQLError
from starlette.requests import Request
from starlette.websockets import WebSocket
from strawberry.exceptions import ConnectionRejectionError
from structlog.contextvars import bind_contextvars, get_contextvars

from models.actors import Actor
from models.database import connection
from models.keys import KnownKey, note_use, recognise_key
from models.members import Member, member_by_email, member_in_session
from schema.context import Context, Product
from schema.credentials import Identity, InvalidCredential, is_key_token, read_key_token
from schema.edge.masking import ErrorCode
from schema.edge.view import RequestRefused

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Finds out who a caller is. No credential is nobody; a bad one is refused."""

    product: Product

    async def context_of(self, request: Request | WebSocket) -> Context:
        """The context of a request. Raises RequestRefused with 401 for a credential that is not good, and with 429 when
        its address has asked for too much."""
        context = Context(
            self.product,
            request_id=str(get_contextvars().get("request_id", "")) or None,
            client_address=request.client.host if request.client else None,
        )
        if (refusal := self.product.tolls.turned_away(context.client_address, at=context.now)) is not None:
            raise too_much(refusal)
        if isinstance(request, WebSocket):
            return context
        try:
            await self._recognise(context, request.headers.get("authorization"))
        except InvalidCredential:
            if (refusal := await self._charge(context)) is not None:
                raise too_much(refusal) from None
            raise RequestRefused(
                401,
                ErrorCode.UNAUTHENTICATED,
                "The credential is not valid, or no longer.",
                headers={"www-authenticate": 'Bearer error="invalid_token"'},
            ) from None
        return context

    async def connect(self, context: Context, params: Mapping[str, object]) -> None:
        """Authenticate a WebSocket by `{"authorization": "Bearer …"}`. Without one it may only ask what is public."""
        context.connection_params = dict(params)
        header = params.get("authorization") or params.get("Authorization")
        if header is None:
            return
        try:
            await self._recognise(context, header if isinstance(header, str) else "")
        except InvalidCredential:
            await self._charge(context)
            raise ConnectionRejectionError({"code": ErrorCode.UNAUTHENTICATED.value}) from None

    async def _recognise(self, context: Context, header: str | None) -> None:
        if header is None:
            return
        if not header.lower().startswith(BEARER):
            raise InvalidCredential
        token = header[len(BEARER) :].strip()
        if is_key_token(token):
            context.actor, context.session_id = await self._key_actor(token, context), None
        else:
            await self._recognise_person(context, token)
        if context.actor is not None:
            bind_contextvars(organization_id=str(context.actor.organization_id), actor=context.actor.name)

    async def _recognise_person(self, context: Context, token: str) -> None:
        identity = await self._identify(token)
        member = await _member_of(identity)
        if member is None:
            raise InvalidCredential
        context.actor = _actor_from(member, identity, context.request_id)
        context.session_id = identity.session_id

    async def _key_actor(self, token: str, context: Context) -> Actor:
        """The API key as the database knows it now. Its use is noted at most once a minute."""
        key_id, secret = read_key_token(token)
        now = context.now
        async with connection() as db:
            key = await recognise_key(db, key_id, secret, at=now)
            if key is None:
                raise InvalidCredential
            if not key.is_use_noted:
                await note_use(db, key_id, at=now)
        lasts = self.product.own_tokens.options.access_lifetime
        return _key_as_actor(key, now + lasts, context.request_id)

    async def _charge(self, context: Context) -> GraphQLError | None:
        return await self.product.tolls.charge_bad_credential(context.client_address, at=context.now)

    async def _identify(self, token: str) -> Identity:
        try:
            return await self.product.own_tokens.identify(token)
        except InvalidCredential:
            if self.product.issuer_tokens is None:
                raise
        return await self.product.issuer_tokens.identify(token)


async def _member_of(identity: Identity) -> Member | None:
    async with connection() as db:
        if identity.user_id is not None and identity.session_id is not None:
            return await member_in_session(db, identity.user_id, identity.session_id)
        return None if identity.email is None else await member_by_email(db, identity.email)


def _actor_from(member: Member, identity: Identity, request_id: str | None) -> Actor:
    return Actor(
        user_id=member.id,
        organization_id=member.organization_id,
        permissions=member.permissions,
        expires_at=identity.expires_at,
        email=member.email,
        request_id=request_id,
    )


def _key_as_actor(key: KnownKey, shown_again_by: datetime, request_id: str | None) -> Actor:
    # A subscription is decided once and then runs. Like a person's, a key's ends with the time an access token lasts,
    # so that a key that was revoked does not watch for ever.
    expires_at = shown_again_by if key.expires_at is None else min(key.expires_at, shown_again_by)
    return Actor(
        user_id=None,
        organization_id=key.organization_id,
        permissions=key.scopes,
        expires_at=expires_at,
        request_id=request_id,
        key_id=key.id,
    )


def too_much(refusal: GraphQLError) -> RequestRefused:
    """The refusal of somebody who has asked for too much, as HTTP says it."""
    extensions = refusal.extensions or {}
    fields = {name: value for name, value in extensions.items() if name != "code"}
    headers = {"retry-after": str(extensions["retryAfter"])}
    return RequestRefused(429, ErrorCode.RATE_LIMITED, refusal.message, headers=headers, fields=fields)
