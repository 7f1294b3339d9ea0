"""The parts of the whole product on one machine: their commands, environments and order.

PostgreSQL, Temporal, roles and database, migrations, the sandbox payment provider, the mailbox, sample data, worker,
API. Every program is told everything by its environment; a `.env` beside it cannot point it somewhere else.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from embedded.databases import APPLICATION, DATABASE, OWNER, provide
from embedded.folder import DataFolder
from embedded.options import Ports
from embedded.parts import Errand, Part
from embedded.ports import LOOPBACK
from embedded.postgres import STOP_SIGNAL, PostgresCluster
from embedded.readiness import answers, is_polled
from embedded.supervisor import Supervisor
from embedded.temporal import NAMESPACE, TemporalServer
from embedded.tether import tethered

PROJECT: Final = Path(__file__).resolve().parents[1]
SECRETS: Final = (
    "owner_password",
    "application_password",
    "jwt",
    "jwt_refresh",
    "gateway_api_key",
    "gateway_webhook",
)


class Stack:
    """The product in one data folder. `start` it once; `page` is then what ready.json says."""

    def __init__(self, folder: DataFolder, ports: Ports, supervisor: Supervisor) -> None:
        self._folder = folder
        self._ports = ports
        self._supervisor = supervisor
        self._secrets = folder.secrets(SECRETS)
        self._postgres = PostgresCluster(folder.path / "postgres", port=ports.postgres)
        self._temporal = TemporalServer(folder.path / "temporal", port=ports.temporal, ui_port=ports.temporal_ui)
        self._sample: dict[str, object] = {}

    async def start(self) -> None:
        """Everything runs and answers. Raises PartFailed, PostgresFailed."""
        await self._start_servers()
        await self._supervisor.run(self._errand("migrate", "Migrations", "-m", "models.migrate"))
        await self._supervisor.start(self._gateway())
        await self._supervisor.start(self._mailbox())
        printed = await self._supervisor.run(self._errand("sample", "Sample data", "-m", "embedded.sample_data"))
        self._sample = json.loads(printed)
        await self._supervisor.start(self._worker())
        await self._supervisor.start(self._api())

    async def _start_servers(self) -> None:
        await asyncio.to_thread(self._postgres.prepare)
        await asyncio.to_thread(self._temporal.prepare)
        await self._supervisor.start(self._postgres_part())
        await self._supervisor.start(self._temporal_part())
        await provide(
            self._postgres.dsn(),
            owner_password=self._secrets["owner_password"],
            application_password=self._secrets["application_password"],
        )

    @property
    def addresses(self) -> dict[str, str]:
        api = self._url(self._ports.api)
        return {
            "api": api,
            "graphql": f"{api}/graphql",
            "graphiql": f"{api}/graphiql/",
            "temporal": self._temporal.address,
            "temporal_ui": self._url(self._ports.temporal_ui),
            "gateway": self._url(self._ports.gateway),
            "mailbox": self._url(self._ports.mailbox),
        }

    @property
    def sample(self) -> Mapping[str, object]:
        """What the sample data says about itself: users, organizations, packages, payment_methods."""
        return self._sample

    def page(self) -> dict[str, object]:
        """What ready.json says: addresses, databases, sample data, and the process number of every part."""
        return {
            "pid": os.getpid(),
            "addresses": self.addresses,
            "databases": {"owner": self._owner_dsn, "app": self._application_dsn},
            "parts": self._supervisor.pids(),
            **self._sample,
        }

    @property
    def _owner_dsn(self) -> str:
        return self._postgres.dsn(DATABASE, OWNER, password=self._secrets["owner_password"])

    @property
    def _application_dsn(self) -> str:
        return self._postgres.dsn(DATABASE, APPLICATION, password=self._secrets["application_password"])

    def _postgres_part(self) -> Part:
        async def is_ready(_: datetime) -> bool:
            return await asyncio.to_thread(self._postgres.is_ready)

        return Part(
            name="postgres",
            title="PostgreSQL",
            command=self._postgres.command(),
            environment=os.environ,
            is_ready=is_ready,
            before=self._postgres.end_orphans,
            stop_signal=STOP_SIGNAL,
            grace_seconds=3.0,
        )

    def _temporal_part(self) -> Part:
        async def is_ready(_: datetime) -> bool:
            return await self._temporal.is_ready()

        return Part(
            name="temporal",
            title="Temporal",
            command=self._temporal.command(),
            environment=os.environ,
            is_ready=is_ready,
            grace_seconds=2.5,
        )

    def _gateway(self) -> Part:
        own = {
            "SANDBOX_PORT": str(self._ports.gateway),
            "SANDBOX_DATA": str(self._folder.path / "gateway" / "sandbox.db"),
            "SANDBOX_WEBHOOK_URL": f"{self._url(self._ports.api)}/webhooks/sandbox",
        }
        module = "activities.gateways.sandbox_provider"
        return self._part("gateway", "Payment sandbox", "-m", module, port=self._ports.gateway, own=own, grace=1.5)

    def _mailbox(self) -> Part:
        own = {
            "MAILBOX_SMTP_PORT": str(self._ports.smtp),
            "MAILBOX_HTTP_PORT": str(self._ports.mailbox),
            "MAILBOX_FOLDER": str(self._folder.path / "mailbox"),
        }
        return self._part(
            "mailbox", "Mailbox", "-m", "activities.mail.mailbox", port=self._ports.mailbox, own=own, grace=1.0
        )

    def _worker(self) -> Part:
        async def is_ready(started_at: datetime) -> bool:
            return await is_polled(self._temporal.address, started_at)

        return Part(
            name="worker",
            title="Worker",
            command=_python("worker.py"),
            environment=self._environment(),
            is_ready=is_ready,
            grace_seconds=3.5,
        )

    def _api(self) -> Part:
        return self._part("api", "API", "server.py", port=self._ports.api, path="/readyz", grace=3.5)

    def _part(
        self,
        name: str,
        title: str,
        *arguments: str,
        port: int,
        path: str = "/livez",
        own: Mapping[str, str] | None = None,
        grace: float,
    ) -> Part:
        async def is_ready(_: datetime) -> bool:
            return await answers(f"{self._url(port)}{path}")

        return Part(
            name=name,
            title=title,
            command=_python(*arguments),
            environment={**self._environment(), **(own or {})},
            is_ready=is_ready,
            grace_seconds=grace,
        )

    def _errand(self, name: str, title: str, *arguments: str) -> Errand:
        environment = {**self._environment(), "DATABASE_OWNER_URL": self._owner_dsn}
        return Errand(name=name, title=title, command=_python(*arguments), environment=environment)

    def _environment(self) -> dict[str, str]:
        """The settings of the product on this machine, on top of what the machine itself says."""
        secrets = self._secrets
        return {
            **os.environ,
            **self._bytecode(),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), LOOPBACK, "localhost"))),
            "ENVIRONMENT": "development",
            "HOST": LOOPBACK,
            "PORT": str(self._ports.api),
            "PUBLIC_URL": self._url(self._ports.api),
            "DATABASE_URL": self._application_dsn,
            "TEMPORAL_ADDRESS": self._temporal.address,
            "TEMPORAL_NAMESPACE": NAMESPACE,
            "TEMPORAL_TLS": "false",
            "TEMPORAL_UI_URL": self._url(self._ports.temporal_ui),
            "JWT_SECRET": secrets["jwt"],
            "JWT_REFRESH_SECRET": secrets["jwt_refresh"],
            # So that the token in the printed command is still good after lunch.
            "JWT_EXPIRES_IN": "12h",
            "DEFAULT_GATEWAY": "sandbox",
            "SANDBOX_GATEWAY_URL": self._url(self._ports.gateway),
            "SANDBOX_API_KEY": secrets["gateway_api_key"],
            "SANDBOX_WEBHOOK_SECRET": secrets["gateway_webhook"],
            "SMTP_HOST": LOOPBACK,
            "SMTP_PORT": str(self._ports.smtp),
            # What a part prints is kept in its own log already.
            "LOG_FILE": "",
        }

    def _bytecode(self) -> dict[str, str]:
        """Where Python may keep what it compiled, when it may not keep it beside the sources.

        Without any, each start of a part compiles every library again, which takes longer than all the rest.
        """
        if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
            return {}
        return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self._folder.path / "bytecode")}

    @staticmethod
    def _url(port: int) -> str:
        return f"http://{LOOPBACK}:{port}"


def _python(*arguments: str) -> tuple[str, ...]:
    return tethered((sys.executable, *arguments), PROJECT)
