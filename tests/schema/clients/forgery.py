"""Tokens by hand: what an attacker would send, and what a careless issuer would."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from settings import Settings
from tests.builders import Member

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
ATTACKER = b"the attacker's own key, which nobody else has given anything to"


def encoded(content: bytes | Mapping[str, Any]) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes) -> str:
    """A token whose signature is right for its key; without a known algorithm the signature is empty."""
    text = f"{encoded(header)}.{encoded(claims)}"
    algorithm = HASHES.get(str(header.get("alg")))
    return f"{text}.{encoded(hmac.digest(key, text.encode(), algorithm)) if algorithm else ''}"


class Forger:
    """Takes a good token of a member apart and puts it together wrongly."""

    def __init__(self, settings: Settings, good: str, refresh: str) -> None:
        self.key = settings.jwt_secret.get_secret_value().encode()
        self.good, self.refresh = good, refresh
        padded = good.split(".")[1] + "=="
        self.claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(padded))

    def own(self, **changed: Any) -> str:
        """As the API itself would sign it, with other claims; None leaves a claim out."""
        claims = {name: value for name, value in {**self.claims, **changed}.items() if value is not None}
        return signed({"alg": "HS256", "typ": "JWT"}, claims, self.key)

    def by_header(self) -> dict[str, str]:
        head, claims, signature = self.good.split(".")
        jwk = {"kty": "oct", "k": encoded(ATTACKER)}
        return {
            "no algorithm": signed({"alg": "none"}, self.claims, b""),
            "no algorithm, cleverly": signed({"alg": "nOnE"}, self.claims, b""),
            "no algorithm and a signature": f"{encoded({'alg': 'none'})}.{claims}.{signature}",
            "no algorithm named": signed({"typ": "JWT"}, self.claims, b""),
            "an empty signature": f"{head}.{claims}.",
            "another key": signed({"alg": "HS256"}, self.claims, ATTACKER),
            "an empty key": signed({"alg": "HS256"}, self.claims, b""),
            "an algorithm we do not use": signed({"alg": "HS512"}, self.claims, self.key),
            "a public key's algorithm": f"{encoded({'alg': 'RS256'})}.{claims}.{signature}",
            "a key named by path": signed({"alg": "HS256", "kid": "../../../dev/null"}, self.claims, b""),
            "a key named by SQL": signed({"alg": "HS256", "kid": "x' UNION SELECT 'key' --"}, self.claims, b"key"),
            "a key brought along": signed({"alg": "HS256", "jwk": jwk}, self.claims, ATTACKER),
            "a key behind an address": signed({"alg": "HS256", "jku": "http://127.0.0.1:1/"}, self.claims, ATTACKER),
            "a critical extension": signed({"alg": "HS256", "crit": ["exp"], "exp": 1}, self.claims, self.key),
            "an unencoded payload": signed({"alg": "HS256", "b64": False, "crit": ["b64"]}, self.claims, self.key),
            "a key's name that is no text": signed({"alg": "HS256", "kid": {"a": 1}}, self.claims, ATTACKER),
        }

    def by_claims(self, other: Member) -> dict[str, str]:
        now = int(datetime.now(UTC).timestamp())
        head, _, signature = self.good.split(".")
        return {
            "another issuer": self.own(iss="somebody"),
            "another audience": self.own(aud="another-api"),
            "the refresh tokens' audience": self.own(aud=f"{self.claims['aud']}/refresh"),
            "no issuer": self.own(iss=None),
            "no audience": self.own(aud=None),
            "no end": self.own(exp=None),
            "ended a minute ago": self.own(exp=now - 60),
            "ended before the calendar": self.own(exp=-(10**18)),
            "an end beyond the calendar": self.own(exp=10**18),
            "an end that is no number": self.own(exp="tomorrow"),
            "not yet": self.own(nbf=now + 3600),
            "no subject": self.own(sub=None),
            "a subject that is no id": self.own(sub="admin"),
            "a subject nobody knows": self.own(sub=str(uuid4())),
            "a subject that is a list": self.own(sub=[self.claims["sub"]]),
            "somebody else's session": self.own(sub=str(other.id)),
            "no session": self.own(sid=None),
            "a session nobody knows": self.own(sid=str(uuid4())),
            "claims exchanged": f"{head}.{encoded({**self.claims, 'sub': str(other.id)})}.{signature}",
            "the refresh token": self.refresh,
            "claims that are a list": signed({"alg": "HS256"}, [1], self.key),  # type: ignore[arg-type]
        }

    def by_shape(self) -> dict[str, str]:
        head, claims, signature = self.good.split(".")
        return {
            "garbage": "garbage",
            "three letters": "a.b.c",
            "dots": "..",
            "two parts": f"{head}.{claims}",
            "four parts": f"{self.good}.{signature}",
            "five parts": f"{head}.{claims}.{signature}.{claims}.{signature}",
            "a cut signature": self.good[:-5],
            "a longer signature": f"{self.good}AAAA",
            "bytes that are no JSON": f"{encoded(bytes([255, 254]))}.{claims}.{signature}",
            "deep nesting": f"{encoded(b'[' * 2000)}.{claims}.{signature}",
            "too long": self.own(padding="x" * 8192),
        }
