"""What the provider is told by its environment.

Read once, at start. A missing secret stops the start: a provider that accepts anyone would hide a missing key in the
configuration of its client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

LATE_SECONDS_MAX = 86_400


class WrongOption(ValueError):
    """An environment variable is missing or cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """public_url   how buyers reach the 3-D Secure page; None is the address it listens on.
    late_milliseconds   how long `pm_late` and its like stay undecided.
    webhook_url   where events go; None keeps them unsent.
    """

    api_key: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    public_url: str | None = None
    webhook_url: str | None = None
    webhook_secret: str | None = None
    late_milliseconds: int = 3000


def read_options(environment: Mapping[str, str]) -> ProviderOptions:
    """Options from SANDBOX_* variables. Raises WrongOption."""
    webhook_url = environment.get("SANDBOX_WEBHOOK_URL") or None
    webhook_secret = environment.get("SANDBOX_WEBHOOK_SECRET") or None
    if webhook_url is not None and webhook_secret is None:
        raise WrongOption("SANDBOX_WEBHOOK_SECRET is needed to sign the events for SANDBOX_WEBHOOK_URL")
    return ProviderOptions(
        api_key=_required(environment, "SANDBOX_API_KEY"),
        data=Path(_required(environment, "SANDBOX_DATA")),
        host=environment.get("SANDBOX_HOST") or "127.0.0.1",
        port=_port(environment.get("SANDBOX_PORT") or "0"),
        public_url=(environment.get("SANDBOX_PUBLIC_URL") or "").rstrip("/") or None,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        late_milliseconds=_late_milliseconds(environment.get("SANDBOX_LATE_SECONDS") or "3"),
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise WrongOption(f"{name} is not set")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise WrongOption("SANDBOX_PORT is not a port number")
    return int(text)


def _late_milliseconds(text: str) -> int:
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        raise WrongOption("SANDBOX_LATE_SECONDS is not a number of seconds") from None
    if not seconds.is_finite() or not 0 <= seconds <= LATE_SECONDS_MAX:
        raise WrongOption(f"SANDBOX_LATE_SECONDS must lie between 0 and {LATE_SECONDS_MAX}")
    return int(seconds * 1000)
