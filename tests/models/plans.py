"""How PostgreSQL answers a statement: which nodes its plan has, and how many blocks it reads."""

import json
from typing import Any

import asyncpg

from models.database import Connection


class Explaining(Connection):
    """Answers each statement with nothing, and keeps what PostgreSQL says about running it."""

    __slots__ = ("plans",)

    def __init__(self, superuser: asyncpg.Connection) -> None:
        super().__init__(superuser)
        self.plans: list[dict[str, Any]] = []

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        (row,) = await super().fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *args)
        plan = row[0]
        self.plans.append((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        return []


def nodes(plan: dict[str, Any]) -> list[str]:
    """The kinds of all nodes of a plan."""
    return [plan["Node Type"], *(kind for below in plan.get("Plans", ()) for kind in nodes(below))]


def blocks(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
