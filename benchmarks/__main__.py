"""`python -m benchmarks [name …]` measures all, or what is named, and prints one table of ratios.

`--pgledger FOLDER` measures against a checkout of pgledger too.

It takes some minutes, starts and stops everything it needs in a temporary folder, and keeps the numbers in
`benchmarks/results`. It ends with 1 when a ratio is too low.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import uvloop

from benchmarks import hot_wallet, lists, long_history, memory, over_http, pgledger, purchase_story, spend_transaction
from benchmarks.ground import Ground, furnished, provided
from benchmarks.measuring import FULL, Ratio, Size
from benchmarks.report import defects, kept, row, table
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


def named(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def asked_for(arguments: Sequence[str]) -> tuple[list[Benchmark], Size]:
    """The benchmarks on a command line, and how much of each. Ends the process with 2 and a sentence when it cannot
    be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("benchmark", nargs="*", type=named, help=f"any of {', '.join(BENCHMARKS)}; else all")
    parser.add_argument("--pgledger", type=Path, metavar="FOLDER", help="a checkout of pgledger to measure against")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="pairs of runs for each ratio")
    asked = parser.parse_args(arguments)
    size = replace(FULL, rounds=max(asked.rounds, 1))
    if asked.pgledger is None:
        return [*(asked.benchmark or BENCHMARKS.values())], size
    if not (asked.pgledger / "pgledger.sql").exists():
        parser.error(f"there is no pgledger.sql in {asked.pgledger}")
    against = partial(pgledger.measure, checkout=asked.pgledger)
    return [*asked.benchmark, Benchmark("spending against pgledger", against, uvloop.new_event_loop)], size


def quiet_logging(file: Path) -> None:
    """Logs go to the file alone: the screen is for the table."""
    configure_logging("info", str(file))
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logging.FileHandler)]


def measured(benchmarks: Sequence[Benchmark], size: Size, cluster: PostgresCluster, folder: Path) -> list[Ratio]:
    """The ratios of these benchmarks, one after the other, each shown when it is known."""
    print("Preparing a database with customers ...", flush=True)
    dsn = asyncio.run(provided(cluster))
    ground = asyncio.run(furnished(cluster, dsn, folder, customers=size.connections))
    ratios: list[Ratio] = []
    for benchmark in benchmarks:
        print(f"Measuring {benchmark.about} ...", flush=True)
        with asyncio.Runner(loop_factory=benchmark.loop) as runner:
            found = runner.run(benchmark.measure(ground, size))
        print("\n".join(row(one) for one in found), flush=True)
        ratios += found
    return ratios


def main(arguments: Sequence[str]) -> int:
    benchmarks, size = asked_for(arguments)
    with tempfile.TemporaryDirectory(prefix="scrip-benchmarks-") as name:
        folder = Path(name)
        quiet_logging(folder / "app.log")
        with PostgresCluster(folder / "postgres") as cluster:
            ratios = measured(benchmarks, size, cluster, folder)
            path = kept(ratios, cluster, at=datetime.now(UTC))
    print(f"\n{table(ratios)}\n\nKept in {path}")
    for line in defects(ratios):
        print(line)
    return 1 if defects(ratios) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
