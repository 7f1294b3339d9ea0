"""A small OpenID issuer: publishes its keys over HTTP on loopback and signs what it is asked to."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey


@dataclass(slots=True)
class Issuer:
    """`keys` are published under their names; `fetched` counts how often somebody asked for them."""

    url: str = ""
    keys: dict[str, RSAKey | ECKey] = field(default_factory=dict)
    fetched: int = 0
    status: int = 200

    def publish(self, name: str, algorithm: str) -> RSAKey | ECKey:
        key = new_key(name, algorithm)
        self.keys[name] = key
        return key

    def published(self) -> bytes:
        self.fetched += 1
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys.values()]}).encode()


def new_key(name: str, algorithm: str) -> RSAKey | ECKey:
    parameters: KeyParameters = {"kid": name, "use": "sig", "alg": algorithm}
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters)
    return RSAKey.generate_key(2048, parameters)


def token(key: RSAKey | ECKey, address: str | None, *, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
    """A token for an address, verified unless `changed` says otherwise; a claim of None is left out."""
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": "https://issuer.example",
        "aud": "scrip-api",
        "sub": "person-7",
        "iat": now,
        "exp": now + 300,
        "email": address,
        "email_verified": True,
        **changed,
    }
    used = {"alg": key.get("alg"), "kid": key.get("kid"), **(header or {})}
    return jwt.encode(used, {name: value for name, value in claims.items() if value is not None}, key)


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = issuer.published()
            self.send_response(issuer.status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
