"""The container files say what the code says: the same variables, the same attributes, and no secret with a default.

They are read as text: a YAML parser would be a dependency for these few questions, and no engine runs here. The set-up
of the database is run against a real PostgreSQL.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from embedded.databases import APPLICATION, DATABASE, OWNER
from embedded.postgres import PostgresCluster
from embedded.temporal import SEARCH_ATTRIBUTES
from settings import Environment, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SAMPLES = {
    "JWT_SECRET": "a" * 43,
    "JWT_REFRESH_SECRET": "b" * 43,
    "PUBLIC_URL": "https://scrip.test",
}
PASSWORDS = {"SCRIP_OWNER_PASSWORD": "o'w\"n $er", "SCRIP_APP_PASSWORD": "a\\pp"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[?-])?([^}]*)\}")


def settings_of_compose() -> dict[str, str]:
    """The environment that the API and the worker get, with required values filled in."""
    block = COMPOSE.split("x-scrip-environment:", 1)[1].split("\nservices:", 1)[0]
    lines = re.findall(r"^  ([A-Z_]+): (.+)$", block, re.MULTILINE)
    return {name: VARIABLE.sub(_filled, value) for name, value in lines}


def _filled(found: re.Match[str]) -> str:
    name, kind, text = found.groups()
    return text if kind == ":-" else SAMPLES.get(name, "filled-in")


def test_every_variable_of_the_product_is_a_setting() -> None:
    unknown = [name for name in settings_of_compose() if name.lower() not in Settings.model_fields]

    assert unknown == []


def test_production_accepts_what_compose_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(settings_of_compose(), monkeypatch)

    assert settings.environment is Environment.PRODUCTION
    assert settings.default_gateway == "stripe"
    assert settings.temporal_address == "temporal:7233"
    assert settings.database_url.get_secret_value() == "postgresql://scrip_app:filled-in@postgres:5432/scrip"
    assert not settings.introspection_enabled


def test_no_secret_has_a_default() -> None:
    secrets = {(name, kind) for name, kind, _ in VARIABLE.findall(COMPOSE) if re.search("PASSWORD|SECRET|KEY", name)}

    assert {kind for _, kind in secrets} == {":?"}
    assert {name for name, _ in secrets} == {
        "JWT_SECRET",
        "JWT_REFRESH_SECRET",
        "POSTGRES_PASSWORD",
        "SCRIP_APP_PASSWORD",
        "SCRIP_OWNER_PASSWORD",
        "SMTP_PASSWORD",
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "TEMPORAL_POSTGRES_PASSWORD",
    }


def test_every_port_is_published_on_the_loopback_interface_only() -> None:
    published = re.findall(r'ports: \["([^"]+)"\]', COMPOSE)

    assert published == ["127.0.0.1:8233:8080", "127.0.0.1:${PORT:-3000}:3000"]
    assert COMPOSE.count("ports:") == 2


def test_the_files_that_are_mounted_and_copied_exist() -> None:
    mounted = re.findall(r"\./([\w./-]+):", COMPOSE)
    copied = [
        word for words in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in words.split()
    ]

    assert len(mounted) == 6
    assert [path for path in (*mounted, *copied) if not (ROOT / path).exists()] == []


def test_the_namespace_gets_the_attributes_that_workflows_are_searched_by() -> None:
    script = (ROOT / "docker" / "temporal" / "namespace.sh").read_text()

    assert re.findall(r"(Scrip\w+):(\w+)", script) == [*SEARCH_ATTRIBUTES]


def test_the_image_runs_as_nobody_in_particular_and_installs_only_what_is_locked() -> None:
    assert "USER 10001" in DOCKERFILE
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert "requirements-dev" not in DOCKERFILE


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[PostgresCluster]:
    """A cluster on which the image's set-up has run."""
    with PostgresCluster(tmp_path / "postgres", durable=False) as running:
        script = ROOT / "docker" / "postgres" / "10-scrip.sh"
        subprocess.run(["sh", str(script)], env=_as_the_image_does(running) | PASSWORDS, check=True)
        yield running


async def test_the_database_is_set_up_as_the_embedded_one_is(cluster: PostgresCluster) -> None:
    owner = await asyncpg.connect(cluster.dsn(DATABASE, OWNER, password=PASSWORDS["SCRIP_OWNER_PASSWORD"]))
    await owner.execute("CREATE TABLE books ()")
    await owner.close()
    application = await asyncpg.connect(cluster.dsn(DATABASE, APPLICATION, password=PASSWORDS["SCRIP_APP_PASSWORD"]))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute("SELECT FROM books")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute("CREATE TABLE more ()")
    await application.close()


def _as_the_image_does(cluster: PostgresCluster) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join((str(cluster.binary("psql").parent), os.environ["PATH"])),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGPASSWORD": cluster.password(),
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": "postgres",
    }


def _settings(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)
