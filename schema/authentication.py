"""From a request to a context: who is calling, as the database knows them now."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.websockets import WebSocket
from strawberry.exceptions import ConnectionRejectionError
from structlog.contextvars import bind_contextvars, get_contextvars

from models.actors import Actor
from models.database import connection
from models.members import Member, member_by_email, member_in_session
from schema.context import Context, Product
from schema.credentials import Identity, InvalidCredential
from schema.edge.masking import ErrorCode
from schema.edge.view import RequestRefused

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Finds out who a caller is. No credential is nobody; a bad one is refused."""

    product: Product

    async def context_of(self, request: Request | WebSocket) -> Context:
        """The context of a request. Raises RequestRefused with 401 for a credential that is not good."""
        context = Context(self.product, request_id=str(get_contextvars().get("request_id", "")) or None)
        if isinstance(request, WebSocket):
            return context
        try:
            await self._recognise(context, request.headers.get("authorization"))
        except InvalidCredential:
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
            raise ConnectionRejectionError({"code": ErrorCode.UNAUTHENTICATED.value}) from None

    async def _recognise(self, context: Context, header: str | None) -> None:
        if header is None:
            return
        if not header.lower().startswith(BEARER):
            raise InvalidCredential
        identity = await self._identify(header[len(BEARER) :].strip())
        member = await _member_of(identity)
        if member is None:
            raise InvalidCredential
        context.actor = _actor_from(member, identity, context.request_id)
        context.session_id = identity.session_id
        bind_contextvars(organization_id=str(member.organization_id), actor=context.actor.name)

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
