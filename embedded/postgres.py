"""A PostgreSQL 18 cluster in a folder: made once, run as a child of ours, reached on 127.0.0.1 with a password.

    folder/password     of the superuser `postgres`, made by us, readable by its owner only
    folder/making       a cluster that is being made; found at a start, it was never finished and is removed
    folder/data         a cluster that was made completely: `making` is renamed when, and only when, it is

It listens on TCP and on no socket file, whose path may be only a hundred bytes long. Run by root it becomes an
unprivileged account (`embedded.installation`), and calls its folder /proc/self/cwd: that account may not be allowed
through the folders above, and a process may always use the folder it stands in.
It does not upgrade a cluster of another major version and does not take backups.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psutil

from embedded.failures import CannotStart
from embedded.folder import write_private
from embedded.installation import Installation, installation_for
from embedded.leftovers import end
from embedded.ports import LOOPBACK, free_port, is_answered
from embedded.tether import tethered

SUPERUSER: Final = "postgres"
# Fast shutdown: sessions are ended, everything is written, and the next start needs no recovery.
STOP_SIGNAL: Final = signal.SIGINT
START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 20.0
POLL_SECONDS: Final = 0.02

LOCALE: Final = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
SETTINGS: Final = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",
    "max_connections=200",
    "timezone=UTC",
    "log_timezone=UTC",
    "jit=off",
)
# A test cluster is thrown away: waiting for the disk, and slow password hashing, would prove nothing.
THROWAWAY: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
QUICK_PASSWORD: Final = "scram_iterations=1"


class PostgresFailed(CannotStart):
    """A PostgreSQL program did not do what it was started for; the message ends with what it printed."""


class PostgresCluster:
    """One cluster. `with PostgresCluster(folder):` makes, starts and stops it; a supervisor uses the parts."""

    def __init__(self, folder: Path, *, port: int = 0, durable: bool = True) -> None:
        """
        folder    made if it is missing; belongs to this cluster alone.
        port      on 127.0.0.1; 0 chooses a free one now, so that every start uses the same.
        durable   False for tests: a crash of the machine may lose or break the data.
        """
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.durable = durable
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def installation(self) -> Installation:
        return installation_for(self.data.stat().st_uid if self.data.exists() else None)

    def binary(self, name: str) -> Path:
        """A program of the same PostgreSQL: psql, pgbench, pg_dump, pg_basebackup … Raises FileNotFoundError."""
        return self.installation.binary(name)

    def prepare(self) -> None:
        """The cluster exists, complete. Removes only what was never finished. Raises PostgresFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.data.is_dir():
            return
        making = self.folder / "making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        write_private(self.folder / "password", secrets.token_urlsafe(24))
        self._initialise(making)
        making.rename(self.data)
        _flush(self.folder)

    def _initialise(self, making: Path) -> None:
        installation = installation_for()
        account = installation.account
        if account is not None:
            os.chown(making, account.user_id, account.group_id)
        with tempfile.NamedTemporaryFile("w", prefix="scrip-") as password_file:
            password_file.write(self.password())
            password_file.flush()
            if account is not None:
                os.chown(password_file.name, account.user_id, account.group_id)
            command = (
                *(str(installation.binary("initdb")), "-D", _folder_argument(installation, making)),
                *("-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file.name}", *LOCALE),
                *(() if self.durable else ("--no-sync", "--set", QUICK_PASSWORD)),
            )
            result = subprocess.run(
                tethered(command, making, account=account), capture_output=True, text=True, check=False
            )
        if result.returncode != 0:
            raise PostgresFailed(f"initdb could not make {making}: {result.stdout[-500:]}{result.stderr[-1500:]}")

    def password(self) -> str:
        """The superuser's password; made with the cluster and kept beside it with mode 0600."""
        return (self.folder / "password").read_text()

    def command(self) -> tuple[str, ...]:
        """The argument vector that runs the prepared cluster in the foreground, ended with us; stop by SIGINT."""
        installation = self.installation
        settings = (*SETTINGS, f"port={self.port}", *(() if self.durable else THROWAWAY))
        return tethered(
            (
                *(str(installation.binary("postgres")), "-D", _folder_argument(installation, self.data)),
                *(argument for setting in settings for argument in ("-c", setting)),
            ),
            self.data,
            account=installation.account,
            farewell=STOP_SIGNAL,
        )

    def dsn(self, database: str = SUPERUSER, user: str = SUPERUSER, *, password: str | None = None) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`; the superuser's password is known, others' are told."""
        secret = self.password() if password is None and user == SUPERUSER else password
        credentials = quote(user, safe="") + (f":{quote(secret, safe='')}" if secret is not None else "")
        return f"postgresql://{credentials}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def is_ready(self) -> bool:
        """True when sessions are accepted; takes about five milliseconds."""
        probe = (str(self.binary("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2")
        return subprocess.run(probe, check=False).returncode == 0

    def orphans(self) -> list[psutil.Process]:
        """PostgreSQL processes that stand in our data folder; a server that survived whoever started it."""
        return [process for process in psutil.process_iter(["name"]) if _stands_in(process, self.data)]

    def end_orphans(self) -> None:
        """No server stands in our data folder, and no lock of one that is gone remains.

        The number in such a lock may by now be somebody else's process, and PostgreSQL would then refuse to start. The
        lock is removed only when nothing is left that could still write to the folder.
        """
        for process in self.orphans():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(STOP_SIGNAL)
        end(self.orphans())
        if not self.orphans():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def start(self) -> None:
        """Sessions are accepted when this returns. Raises PostgresFailed with the end of the log."""
        self.prepare()
        self.end_orphans()
        if is_answered(self.port):
            raise PostgresFailed(f"PostgreSQL cannot listen on {LOOPBACK}:{self.port}: the port is in use.")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise PostgresFailed(f"PostgreSQL did not start on port {self.port}: {self.log.read_text()[-1500:]}")
            # PostgreSQL announces readiness to nobody but those who ask.
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """The server has ended: by fast shutdown, or killed when that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(STOP_SIGNAL)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _folder_argument(installation: Installation, folder: Path) -> str:
    stands_in_it = installation.account is not None and sys.platform.startswith("linux")
    return "/proc/self/cwd" if stands_in_it else str(folder)


def _stands_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.info["name"] == "postgres" and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
