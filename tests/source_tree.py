"""The files of the repository, as the tests about the code itself see them: what git knows or would know."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("rules", "models", "activities", "workflows", "schema")
DOORS = ("server", "worker", "standalone")


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the root with slashes, its text, and what Python makes of it."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def top(self) -> str:
        """The first part of its name: `models` of `models/ledger.py`, `server` of `server.py`."""
        return self.name.partition(".")[0]

    def imports(self) -> Iterator[str]:
        """The full names of the modules it imports, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                yield node.module

    def imported_names(self, module: str) -> frozenset[str]:
        """What it takes from one module by `from module import …`."""
        return frozenset(
            alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module == module
            for alias in node.names
        )

    def strings(self) -> Iterator[str]:
        """Every text in it, docstrings included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@cache
def files() -> tuple[str, ...]:
    """Every file, tracked or about to be, by its path from the root."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file()))


@cache
def modules() -> tuple[Module, ...]:
    return tuple(_read(path) for path in files() if path.endswith(".py"))


def modules_of(*tops: str) -> tuple[Module, ...]:
    return tuple(module for module in modules() if module.top in tops)


@cache
def texts() -> dict[str, str]:
    """The text of every file that is text."""
    found: dict[str, str] = {}
    for path in files():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            found[path] = content.decode("utf-8")
    return found


def _read(path: str) -> Module:
    text = (ROOT / path).read_text(encoding="utf-8")
    return Module(path, text, ast.parse(text, path))
