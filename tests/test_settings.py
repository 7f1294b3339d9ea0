"""Settings: the names operators know, their defaults, and secrets that refuse to be weak."""

import ast
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from server import explained
from settings import Settings, parse_duration
from tests.source_tree import DOORS, PRODUCT, modules_of

EXAMPLE = Path(__file__).parents[1] / ".env.example"
DOES_NOTHING = "nothing uses it"

# The token block of the system Scrip replaces, and what stands around it, with the defaults its operators have.
ORIGINAL: dict[str, object] = {
    "enable_token_system": True,
    "default_token_price": Decimal("0.50"),
    "token_expiration_enabled": False,
    "token_expiration_days": 365,
    "token_low_balance_threshold": Decimal(100),
    "token_critical_balance_threshold": Decimal(50),
    "token_auto_topup_enabled": True,
    "token_subscription_grace_period_days": 7,
    "token_invoice_tax_rate": Decimal("0.16"),
    "token_invoice_due_days": 30,
    "jwt_expires_in": timedelta(minutes=15),
    "jwt_refresh_expires_in": timedelta(days=7),
    "log_level": "info",
    "log_file": "logs/app.log",
    "email_retry_attempts": 3,
    "email_retry_delay": 1000,
    "enable_background_jobs": True,
    "job_queue_redis_url": None,
    "job_concurrency": 5,
    "port": 3000,
    "finance_database_url": None,
    "rate_limit_window_ms": 900_000,
    "rate_limit_max_requests": 100,
}

STRONG = "kX9vQ2mZr7LwTn4bYc8dHf3gJp6sUa1e"
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "jwt_secret": STRONG,
    "jwt_refresh_secret": STRONG[::-1],
    "default_gateway": "stripe",
}


def read(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def examples() -> dict[str, str]:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def comments() -> dict[str, str]:
    """What stands directly above each variable."""
    lines = EXAMPLE.read_text().splitlines()
    return {
        line.partition("=")[0]: above.removeprefix("# ") if above.startswith("# ") else ""
        for above, line in pairwise(lines)
        if line and not line.startswith("#")
    }


def names_used() -> set[str]:
    """The settings that some code takes from a `settings` object, or from itself in their own module."""
    return {
        node.attr
        for module in modules_of(*PRODUCT, *DOORS, "embedded")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1].strip("_") == "settings"
    }


def shown(value: object) -> str:
    """A default as it is written in an environment file."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def as_duration(text: str) -> object:
    return parse_duration(text)


@pytest.mark.parametrize(("name", "default"), ORIGINAL.items())
def test_the_original_variable_keeps_its_name_and_default(name: str, default: object) -> None:
    assert getattr(read(), name) == default


def test_the_example_file_names_every_setting_and_no_other() -> None:
    assert set(examples()) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_example_file_holds_the_default(name: str) -> None:
    default = Settings.model_fields[name].default
    example = examples()[name.upper()]
    if isinstance(default, timedelta):
        assert as_duration(example) == default
    else:
        assert example == shown(default)


def test_the_example_file_copied_as_it_is_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_example_file_says_what_each_setting_does(name: str) -> None:
    assert len(comments()[name.upper()]) > 8


def test_the_example_file_says_frankly_which_settings_do_nothing() -> None:
    idle = set(Settings.model_fields) - names_used()
    assert {name.lower() for name, comment in comments().items() if DOES_NOTHING in comment} == idle


def test_a_setting_with_no_value_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = (
        "DATABASE_OWNER_URL",
        "TEMPORAL_API_KEY",
        "JWKS_URL",
        "SANDBOX_GATEWAY_URL",
        "STRIPE_API_KEY",
        "SMTP_USER",
        "LOG_FILE",
    )
    for name in empty:
        monkeypatch.setenv(name, "")
    settings = read()
    assert [getattr(settings, name.lower()) for name in empty] == [None] * len(empty)


def test_the_environment_is_read_under_the_old_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_TOKEN_SYSTEM", "false")
    monkeypatch.setenv("TOKEN_INVOICE_TAX_RATE", "0")
    monkeypatch.setenv("JWT_EXPIRES_IN", "2h")
    settings = read()
    assert settings.enable_token_system is False
    assert settings.token_invoice_tax_rate == 0
    assert settings.jwt_expires_in == timedelta(hours=2)


@pytest.mark.parametrize(
    "weak",
    [
        {"jwt_secret": "short"},
        {"jwt_secret": "development-only-jwt-secret-0123456789abcdef"},
        {"jwt_refresh_secret": "change-me-change-me-change-me-change-me"},
        {"jwt_refresh_secret": STRONG},
        {"default_gateway": "sandbox"},
        {"sandbox_gateway_url": "http://127.0.0.1:1"},
    ],
)
def test_production_refuses_what_is_weak(weak: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(**{**PRODUCTION, **weak})
    for value in weak.values():
        assert value not in str(refusal.value) or value == "sandbox"


def test_production_accepts_strong_secrets() -> None:
    assert read(**PRODUCTION).environment == "production"


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_invoice_tax_rate": "1.5"},
        {"default_token_price": "NaN"},
        {"default_token_price": "0"},
        {"default_currency": "usd"},
        {"port": 70_000},
        {"jwt_expires_in": "soon"},
        {"rate_limit_caller_units": -1},
        {"trusted_proxies": "*"},
        {"trusted_proxies": "proxy.example"},
        {"trusted_proxies": "10.0.0.1/8"},
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "10.0.0.0/8, ::/0"},
    ],
)
def test_a_wrong_value_names_its_variable(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(**wrong)
    assert refusal.value.errors()[0]["loc"] == (next(iter(wrong)),)


def test_proxies_are_addresses_and_networks() -> None:
    named = "10.0.0.0/8, 192.0.2.7, fd00::/8"

    assert read(trusted_proxies=named).trusted_proxies == named


def test_a_door_explains_what_is_wrong_without_the_values() -> None:
    with pytest.raises(ValidationError) as refusal:
        read(**{**PRODUCTION, "jwt_secret": "hunter2-hunter2", "smtp_port": "top-secret"})
    told = explained(refusal.value)
    assert "SMTP_PORT: " in told
    assert "hunter2" not in told + str(refusal.value)
    assert "top-secret" not in told + str(refusal.value)


def test_a_weak_secret_is_explained_by_its_name() -> None:
    with pytest.raises(ValidationError) as refusal:
        read(**{**PRODUCTION, "jwt_secret": "hunter2-hunter2"})
    assert "JWT_SECRET must be a random secret of at least 32 characters" in explained(refusal.value)
    assert "hunter2" not in explained(refusal.value)


def test_a_secret_is_not_shown_by_its_settings() -> None:
    assert STRONG not in repr(read(**PRODUCTION))
