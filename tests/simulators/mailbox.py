"""The captured mailbox as a process, and what a test asks of it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where letters go in (SMTP) and where they are read (HTTP)."""

    smtp_port: int
    url: str

    async def letters(self, purchase_id: str) -> list[dict[str, Any]]:
        """The letters about a purchase, oldest first."""
        async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            found = (await client.get(f"{self.url}/messages")).json()
        return [letter for letter in reversed(found) if purchase_id in letter["message_id"]]

    async def wait_for(
        self, purchase_id: str, kind: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """The letter of a kind about a purchase, as soon as it has arrived."""
        async with asyncio.timeout(patience_seconds):
            while True:
                for letter in await self.letters(purchase_id):
                    if f"/{kind}@" in letter["message_id"]:
                        return letter
                await asyncio.sleep(0.05)


@contextmanager
def running_mailbox(folder: Path) -> Iterator[Mailbox]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MAILBOX_SMTP_PORT": "0",
        "MAILBOX_HTTP_PORT": "0",
        "MAILBOX_FOLDER": str(folder),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "activities.mail.mailbox"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as output, process:
        told = json.loads(output.readline())
        try:
            yield Mailbox(told["smtp_port"], told["http"])
        finally:
            process.terminate()
            process.wait()
