"""The data folder of one running Scrip: who holds it, its secrets, and the page that says it is ready.

lock            held by the running process (flock), so it frees itself however that process ends
secrets.json    made once, mode 0600; a name that a newer version needs is added to it
ready.json      exists exactly while everything runs; replaced whole, so a reader never sees half of it
logs/ traces/   of the parts; see `embedded.supervisor` and `embedded.leftovers`
postgres/ temporal/ gateway/ mailbox/
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from embedded.failures import CannotStart

SECRET_BYTES: Final = 32


class AlreadyRunning(CannotStart):
    """Another process holds the data folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"Scrip is already running in {folder} (process {pid or 'unknown'}). "
            "Stop that one first, or set SCRIP_DATA to another folder."
        )


class UnusableFolder(CannotStart):
    """The data folder cannot be made or written."""


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.traces = self.path / "traces"
        self._ready = self.path / "ready.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder exists and is ours until the block ends. Raises AlreadyRunning, UnusableFolder."""
        try:
            for folder in (self.path, self.logs, self.traces):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UnusableFolder(f"The data folder {self.path} cannot be used: {error}. Set SCRIP_DATA.") from error
        with os.fdopen(descriptor, "r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(self.path, lock.read().strip()) from None
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            # What an earlier run that was killed has left says nothing about this one.
            self.withdraw()
            try:
                yield
            finally:
                self.withdraw()

    def secrets(self, names: Sequence[str]) -> dict[str, str]:
        """A random secret for each of `names`, the same at every start. All of them can be made again without loss."""
        path = self.path / "secrets.json"
        known = _known_secrets(path)
        missing = [name for name in names if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(SECRET_BYTES) for name in missing}
            write_private(path, json.dumps(known, indent=2))
        return {name: known[name] for name in names}

    def publish(self, page: Mapping[str, object]) -> None:
        """ready.json holds `page`. It contains passwords, so only its owner may read it."""
        write_private(self._ready, json.dumps(page, indent=2))

    def withdraw(self) -> None:
        """There is no ready.json."""
        self._ready.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """`path` holds `text`, mode 0600; after a crash it holds either that or what it held before."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _known_secrets(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(value) for name, value in known.items()} if isinstance(known, dict) else {}
