"""`python -m benchmarks [name …]` measures all, or what is named, and prints one table of ratios.

It takes some minutes, starts and stops everything it needs in a temporary folder, and keeps the numbers in
`benchmarks/results`. It ends with 1 when a ratio is too low.
"""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks import hot_wallet, lists, long_history, memory, over_http, purchase_story, spend_transaction
from benchmarks.ground import Ground, furnished, provided
from benchmarks.measuring import FULL, Ratio, Size
from benchmarks.report import defects, kept, table
from embedded.postgres import PostgresCluster
from models.logs import configure_logging


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Something to measure, on the event loop that the product uses for it."""

    about: str
    measure: Callable[[Ground, Size], Coroutine[object, object, list[Ratio]]]
    loop: Callable[[], asyncio.AbstractEventLoop]


BENCHMARKS: Mapping[str, Benchmark] = {
    "http": Benchmark("spending and reading over HTTP", over_http.measure, uvloop.new_event_loop),
    "lists": Benchmark("lists against Strawberry as it comes", lists.measure, uvloop.new_event_loop),
    "spend": Benchmark("the spend transaction", spend_transaction.measure, uvloop.new_event_loop),
    "hot": Benchmark("hot wallets, batches and many wallets", hot_wallet.measure, uvloop.new_event_loop),
    "history": Benchmark("a long history", long_history.measure, uvloop.new_event_loop),
    "memory": Benchmark("the memory of a process", memory.measure, uvloop.new_event_loop),
    "purchase": Benchmark("the purchase workflow", purchase_story.measure, asyncio.new_event_loop),
}


def quiet_logging(file: Path) -> None:
    """Logs go to the file alone: the screen is for the table."""
    configure_logging("info", str(file))
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]


def measured(names: Sequence[str], cluster: PostgresCluster, folder: Path) -> list[Ratio]:
    """The ratios of the benchmarks that are named."""
    print("Preparing a database with customers ...", flush=True)
    dsn = asyncio.run(provided(cluster))
    ground = asyncio.run(furnished(cluster, dsn, folder, customers=FULL.connections))
    ratios: list[Ratio] = []
    for name in names:
        print(f"Measuring {BENCHMARKS[name].about} ...", flush=True)
        with asyncio.Runner(loop_factory=BENCHMARKS[name].loop) as runner:
            ratios += runner.run(BENCHMARKS[name].measure(ground, FULL))
    return ratios


def main(arguments: Sequence[str]) -> int:
    unknown = [name for name in arguments if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="scrip-benchmarks-") as name:
        folder = Path(name)
        quiet_logging(folder / "app.log")
        with PostgresCluster(folder / "postgres") as cluster:
            ratios = measured(arguments or list(BENCHMARKS), cluster, folder)
            path = kept(ratios, cluster, at=datetime.now(UTC))
    print(f"\n{table(ratios)}\n\nKept in {path}")
    for line in defects(ratios):
        print(line)
    return 1 if defects(ratios) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
