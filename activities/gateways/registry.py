"""The gateways of this installation, by name.

A gateway exists when its settings say where it is and how to sign in; half of that is a mistake and stops the start,
because a gateway that cannot verify its events would lose them quietly.
"""

from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from activities.gateways.protocol import PaymentGateway
from activities.gateways.sandbox import SandboxGateway
from activities.gateways.stripe import StripeGateway
from settings import Settings


class GatewayMisconfigured(ValueError):
    """A gateway is configured by half; the message names the setting that is missing."""


class UnknownGateway(KeyError):
    """No such gateway is configured."""

    def __init__(self, name: str, configured: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.configured = configured

    def __str__(self) -> str:
        return f"No gateway {self.name!r} is configured; configured: {', '.join(self.configured) or 'none'}"


class Gateways(Mapping[str, PaymentGateway]):
    """Gateways by name; an unknown name raises UnknownGateway, which says which names there are."""

    def __init__(self, *gateways: PaymentGateway) -> None:
        self._gateways = {gateway.name: gateway for gateway in gateways}

    def __getitem__(self, name: str) -> PaymentGateway:
        try:
            return self._gateways[name]
        except KeyError:
            raise UnknownGateway(name, tuple(self._gateways)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._gateways)

    def __len__(self) -> int:
        return len(self._gateways)

    async def aclose(self) -> None:
        for gateway in self._gateways.values():
            await gateway.aclose()


def build_gateways(settings: Settings) -> Gateways:
    """Every gateway the settings configure, the default among them or not. Raises GatewayMisconfigured."""
    gateways: list[PaymentGateway] = []
    if settings.sandbox_gateway_url is not None:
        gateways.append(_sandbox(settings, settings.sandbox_gateway_url))
    if settings.stripe_api_key is not None:
        gateways.append(_stripe(settings, settings.stripe_api_key))
    return Gateways(*gateways)


def _sandbox(settings: Settings, url: str) -> SandboxGateway:
    return SandboxGateway(
        url,
        _needed(settings.sandbox_api_key, "SANDBOX_API_KEY").get_secret_value(),
        webhook_secrets=_secrets(settings.sandbox_webhook_secret, "SANDBOX_WEBHOOK_SECRET"),
    )


def _stripe(settings: Settings, api_key: SecretStr) -> StripeGateway:
    return StripeGateway(
        api_key.get_secret_value(),
        webhook_secrets=_secrets(settings.stripe_webhook_secret, "STRIPE_WEBHOOK_SECRET"),
        api_url=settings.stripe_api_url,
    )


def _needed(secret: SecretStr | None, variable: str) -> SecretStr:
    if secret is None or not secret.get_secret_value():
        raise GatewayMisconfigured(f"{variable} is not set, though its gateway is configured")
    return secret


def _secrets(secret: SecretStr | None, variable: str) -> tuple[str, ...]:
    """One secret, or two separated by a comma while it is being changed."""
    secrets = tuple(part.strip() for part in _needed(secret, variable).get_secret_value().split(",") if part.strip())
    if not 1 <= len(secrets) <= 2:
        raise GatewayMisconfigured(f"{variable} must hold one secret, or two while it is being changed")
    return secrets
