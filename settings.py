"""Settings from the environment, read by the doors only (`server.py`, `worker.py`, `standalone.py`).

The names of the token block and of everything around it are those operators already have in their `.env`.
Secrets refuse to be weak when ENVIRONMENT is production. Everything else has a default that works on a laptop.
"""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_LENGTH_MIN = 32
UNITS_MAX = 10**15
KNOWN_EXAMPLES = ("change", "example", "secret", "development", "password")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: object) -> object:
    """`15m`, `7d`, `30s`, `2h` as a timedelta; anything else is left to pydantic."""
    if isinstance(text, str) and text[-1:] in UNITS and text[:-1].isdigit():
        return timedelta(**{UNITS[text[-1]]: int(text[:-1])})
    return text


def nothing_when_empty(text: object) -> object:
    """A variable with no value is not set: `JWKS_URL=` names no issuer."""
    return None if text == "" else text


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Text = Annotated[str | None, BeforeValidator(nothing_when_empty)]
Secret = Annotated[SecretStr | None, BeforeValidator(nothing_when_empty)]
Rate = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]
Price = Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=6, allow_inf_nan=False)]
Tokens = Annotated[Decimal, Field(ge=0, decimal_places=4, allow_inf_nan=False)]


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Environment = Environment.DEVELOPMENT
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    public_url: str = "http://127.0.0.1:3000"
    allowed_origins: str = ""
    introspection_enabled: bool = True
    graphiql_enabled: bool = True
    trusted_documents: Text = None
    trusted_documents_enforced: bool = True

    # Databases: the application role, the role that owns the tables (migrations), the role for reports.
    database_url: SecretStr = SecretStr("postgresql://scrip_app@127.0.0.1:5432/scrip")
    database_owner_url: Secret = None
    finance_database_url: Secret = None
    database_pool_size: int = Field(default=10, ge=2, le=200)

    # Temporal, with the names of Temporal's own environment configuration.
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_api_key: Secret = None
    temporal_tls: bool = False
    temporal_ui_url: str = "http://127.0.0.1:8233"

    # Sign-in.
    jwt_secret: SecretStr = SecretStr("development-only-jwt-secret-0123456789abcdef")
    jwt_refresh_secret: SecretStr = SecretStr("development-only-refresh-secret-0123456789ab")
    jwt_expires_in: Duration = timedelta(minutes=15)
    jwt_refresh_expires_in: Duration = timedelta(days=7)
    jwt_issuer: str = "scrip"
    jwt_audience: str = "scrip-api"
    jwks_url: Text = None

    # The token system.
    enable_token_system: bool = True
    default_token_price: Price = Decimal("0.50")
    token_expiration_enabled: bool = False
    token_expiration_days: int = Field(default=365, ge=1, le=36_500)
    token_low_balance_threshold: Tokens = Decimal("100")
    token_critical_balance_threshold: Tokens = Decimal("50")
    token_auto_topup_enabled: bool = True
    token_subscription_grace_period_days: int = Field(default=7, ge=0, le=90)
    token_invoice_tax_rate: Rate = Decimal("0.16")
    token_invoice_due_days: int = Field(default=30, ge=0, le=365)
    default_currency: str = Field(default="USD", pattern="^[A-Z]{3}$")

    # Buying.
    purchase_action_window: Duration = timedelta(minutes=30)
    purchase_processing_window: Duration = timedelta(days=7)
    purchase_poll_interval: Duration = timedelta(minutes=5)
    purchase_answer_timeout: Duration = timedelta(seconds=5)

    # Gateways.
    default_gateway: Literal["sandbox", "stripe"] = "sandbox"
    sandbox_gateway_url: Text = None
    sandbox_api_key: Secret = None
    sandbox_webhook_secret: Secret = None
    stripe_api_key: Secret = None
    stripe_api_url: Text = None
    stripe_webhook_secret: Secret = None

    # The seller on every invoice.
    seller_name: str = "Scrip Ltd"
    seller_address: str = "1 Ledger Lane, London"
    seller_tax_id: str = "GB000000000"
    seller_email: str = "billing@scrip.example"

    # Mail.
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=1025, ge=1, le=65535)
    smtp_user: Text = None
    smtp_password: Secret = None
    smtp_secure: bool = False
    smtp_from: str = "Scrip <billing@scrip.example>"
    email_retry_attempts: int = Field(default=3, ge=1, le=20)
    email_retry_delay: int = Field(default=1000, ge=1, le=3_600_000, description="milliseconds")

    # Logs and background work.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_file: Text = "logs/app.log"
    enable_background_jobs: bool = True
    job_queue_redis_url: Text = None
    job_concurrency: int = Field(default=5, ge=1, le=200)

    # Limits.
    rate_limit_window_ms: int = Field(default=900_000, ge=1000)
    rate_limit_max_requests: int = Field(default=100, ge=1)
    rate_limit_caller_units: int = Field(default=1_000_000, ge=0, le=UNITS_MAX)
    rate_limit_tenant_units: int = Field(default=2_000_000, ge=0, le=UNITS_MAX)
    rate_limit_address_units: int = Field(default=1_000_000, ge=0, le=UNITS_MAX)
    trusted_proxies: str = ""

    @field_validator("trusted_proxies")
    @classmethod
    def _name_proxies_by_address(cls, text: str) -> str:
        # A proxy that nobody can be, or that everybody is, would let callers choose their own address.
        for part in filter(None, (part.strip() for part in text.split(","))):
            if ip_network(part).prefixlen == 0:
                raise ValueError(f"{part} is everybody")
        return text

    @model_validator(mode="after")
    def _refuse_weak_secrets_in_production(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        for name in ("jwt_secret", "jwt_refresh_secret"):
            secret = getattr(self, name).get_secret_value()
            if len(secret) < SECRET_LENGTH_MIN or any(word in secret.lower() for word in KNOWN_EXAMPLES):
                raise ValueError(f"{name.upper()} must be a random secret of at least {SECRET_LENGTH_MIN} characters")
        if self.jwt_secret.get_secret_value() == self.jwt_refresh_secret.get_secret_value():
            raise ValueError("JWT_SECRET and JWT_REFRESH_SECRET must differ")
        if self.sandbox_gateway_url is not None or self.default_gateway == "sandbox":
            raise ValueError("The sandbox gateway moves no money; set DEFAULT_GATEWAY=stripe in production")
        return self


@lru_cache
def load_settings() -> Settings:
    """The settings of this process, read once. Raises pydantic.ValidationError naming the variable that is wrong."""
    return Settings()
