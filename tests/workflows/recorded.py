"""Histories of purchases and jobs as they once ran, kept beside this file, and how one becomes such a file.

A story that is changed so that it would tell one of them differently breaks the purchases that are running when it is
deployed; replaying the files finds that out first. `python -m tests.workflows.record` writes them anew.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).with_name("histories")
WORKER = "worker"
# A process and its host, as a worker names itself and its own queue.
PROCESS = re.compile(r"\d+@\S+")


def names() -> list[str]:
    """The stories that are kept."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> WorkflowHistory:
    """A kept history."""
    return WorkflowHistory.from_json(name, text_of(name))


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text()


def keep(name: str, history: WorkflowHistory) -> None:
    """Keep a history under a name; nothing in it tells on which machine it was made."""
    content = anonymous(json.loads(history.to_json()))
    lines = ",\n".join(json.dumps(event, sort_keys=True, separators=(",", ":")) for event in content["events"])
    (FOLDER / f"{name}.json").write_text(f'{{"events":[\n{lines}\n]}}\n')


def anonymous(value: Any) -> Any:
    """The same JSON with every name of a process and its host replaced by one word."""
    if isinstance(value, dict):
        return {name: anonymous(part) for name, part in value.items()}
    if isinstance(value, list):
        return [anonymous(part) for part in value]
    return WORKER if isinstance(value, str) and PROCESS.fullmatch(value) else value


def readable(history: Any) -> str:
    """All text of a history's JSON, with what was encoded in it decoded."""
    if isinstance(history, dict):
        return " ".join(
            _decoded(part) if name == "data" and isinstance(part, str) else f"{name} {readable(part)}"
            for name, part in history.items()
        )
    if isinstance(history, list):
        return " ".join(readable(part) for part in history)
    return str(history)


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()
