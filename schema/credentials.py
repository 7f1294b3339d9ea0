"""Who a credential belongs to: our own tokens by secret, those of an OpenID issuer by its published keys, API keys.

Our access token names a person and a session; the refresh token names a session and a generation and is signed with
another secret. An issuer's token names a person by a verified e-mail address. An API key, `scrip_<its id>_<secret>`,
names itself; whether the secret is right the database tells. None of them says what anybody may do.
"""

import asyncio
import math
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

OWN_ALGORITHM = "HS256"
ISSUER_ALGORITHMS = ["RS256", "ES256", "Ed25519"]
LEEWAY_SECONDS = 10
KEYS_FRESH_SECONDS = 600
KEYS_RETRY_SECONDS = 30
FETCH_SECONDS = 5
TOKEN_LENGTH_MAX = 8192
KEY_MARK = "scrip_"
KEY_SECRET_BYTES = 32
KEY_TOKEN = re.compile(r"scrip_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")

log = structlog.get_logger(__name__)


class InvalidCredential(Exception):
    """Forged, expired, for somebody else, or not a token at all; the caller is told no more than that."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified access token says. `session_id` is None, and `email` is set, for an issuer's token."""

    user_id: UUID | None
    session_id: UUID | None
    email: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    session_id: UUID
    generation: int


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """Secrets of at least 32 characters, lifetimes, and who issues for whom."""

    access_secret: str
    refresh_secret: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta
    issuer: str
    audience: str


class OwnTokens:
    """Issues and verifies the tokens of the built-in sign-in."""

    def __init__(self, options: TokenOptions) -> None:
        self.options = options
        self._access_key = OctKey.import_key(options.access_secret)
        self._refresh_key = OctKey.import_key(options.refresh_secret)
        self._claims = _registry(options.issuer, options.audience)
        self._refresh_claims = _registry(options.issuer, f"{options.audience}/refresh")

    def access_token(self, user_id: UUID, session_id: UUID, *, at: datetime) -> tuple[str, datetime]:
        """A new access token and when it ends."""
        expires_at = (at + self.options.access_lifetime).replace(microsecond=0)
        claims = {"sub": str(user_id), "sid": str(session_id), **self._frame(self.options.audience, at, expires_at)}
        return jwt.encode({"alg": OWN_ALGORITHM}, claims, self._access_key), expires_at

    def refresh_token(self, session_id: UUID, generation: int, *, at: datetime) -> tuple[str, datetime]:
        """A new refresh token, good once, and when it ends."""
        expires_at = (at + self.options.refresh_lifetime).replace(microsecond=0)
        frame = self._frame(f"{self.options.audience}/refresh", at, expires_at)
        claims = {"sub": str(session_id), "gen": generation, **frame}
        return jwt.encode({"alg": OWN_ALGORITHM}, claims, self._refresh_key), expires_at

    async def identify(self, token: str) -> Identity:
        """Raises InvalidCredential."""
        claims = _verified(token, self._access_key, [OWN_ALGORITHM], self._claims)
        return Identity(_uuid(claims["sub"]), _uuid(claims.get("sid")), None, _moment(claims["exp"]))

    def read_refresh(self, token: str) -> RefreshClaims:
        """Raises InvalidCredential."""
        claims = _verified(token, self._refresh_key, [OWN_ALGORITHM], self._refresh_claims)
        generation = claims.get("gen")
        if not isinstance(generation, int):
            raise InvalidCredential
        return RefreshClaims(_uuid(claims["sub"]), generation)

    def _frame(self, audience: str, at: datetime, expires_at: datetime) -> dict[str, Any]:
        return {
            "iss": self.options.issuer,
            "aud": audience,
            "iat": int(at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": uuid4().hex,
        }


class IssuerTokens:
    """Verifies the tokens of an OpenID issuer by the keys it publishes (JWKS), which are fetched again when they age
    or when an unknown key appears. Whatever becomes of it, that is tried once in half a minute, by one request; those
    whose key is known do not wait for it."""

    def __init__(self, jwks_url: str, *, issuer: str, audience: str) -> None:
        self._url = jwks_url
        self._claims = _registry(issuer, audience)
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = -math.inf
        self._fetching = asyncio.Lock()

    async def identify(self, token: str) -> Identity:
        """Raises InvalidCredential, also when the issuer's keys cannot be had."""
        # Known keys serve while they are being fetched again, unless they are not the ones this token needs.
        if self._keys is None or not self._fetching.locked():
            await self._refresh(KEYS_FRESH_SECONDS)
        try:
            claims = self._claims_of(token)
        except InvalidCredential:
            await self._refresh(KEYS_RETRY_SECONDS)
            claims = self._claims_of(token)
        email = claims.get("email")
        # Without the issuer's own word that the address was verified, anybody could register somebody else's there; and
        # some letters beyond ASCII become those of somebody else's address in lower case.
        if not isinstance(email, str) or not email.isascii() or "\x00" in email:
            raise InvalidCredential
        if claims.get("email_verified") is not True:
            raise InvalidCredential
        return Identity(None, None, email, _moment(claims["exp"]))

    def _claims_of(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            raise InvalidCredential
        return _verified(token, self._keys, ISSUER_ALGORITHMS, self._claims)

    async def _refresh(self, age_max: float) -> None:
        """Keys older than this are fetched again; when that fails, or was tried a moment ago, they stay as they are."""
        async with self._fetching:
            now = time.monotonic()
            if now - self._fetched_at <= age_max or now - self._tried_at <= KEYS_RETRY_SECONDS:
                return
            self._tried_at = now
            try:
                self._keys = await self._fetched()
            except (httpx2.HTTPError, TimeoutError, JoseError, ValueError, TypeError, KeyError) as error:
                log.warning("the keys of the issuer cannot be had", error=type(error).__qualname__)
            else:
                self._fetched_at = now

    async def _fetched(self) -> KeySet:
        async with asyncio.timeout(FETCH_SECONDS), httpx2.AsyncClient(follow_redirects=False, timeout=None) as client:
            answer = await client.get(self._url)
            answer.raise_for_status()
        return KeySet.import_key_set(answer.json())


def _registry(issuer: str, audience: str) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    )


def _verified(token: str, key: Any, algorithms: list[str], registry: jwt.JWTClaimsRegistry) -> dict[str, Any]:
    if len(token) > TOKEN_LENGTH_MAX:
        raise InvalidCredential
    try:
        decoded = jwt.decode(token, key, algorithms=algorithms)
        registry.validate(decoded.claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidCredential from error
    return dict(decoded.claims)


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise InvalidCredential from error


def _moment(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidCredential from error


def new_key_secret() -> str:
    """The secret part of a new API key: 32 random bytes."""
    return secrets.token_urlsafe(KEY_SECRET_BYTES)


def key_prefix(key_id: UUID) -> str:
    """How an API key begins. It names the key and proves nothing."""
    return f"{KEY_MARK}{key_id.hex}"


def key_token(key_id: UUID, secret: str) -> str:
    """A whole API key, as it is sent."""
    return f"{key_prefix(key_id)}_{secret}"


def is_key_token(token: str) -> bool:
    """Whether a credential means to be an API key; our access tokens and those of issuers never begin so."""
    return token.startswith(KEY_MARK)


def read_key_token(token: str) -> tuple[UUID, str]:
    """Which key a credential means to be, and the secret it shows. Raises InvalidCredential for anything else."""
    found = KEY_TOKEN.fullmatch(token) if len(token) <= TOKEN_LENGTH_MAX else None
    if found is None:
        raise InvalidCredential
    return UUID(found[1]), found[2]
