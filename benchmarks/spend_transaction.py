"""What Python adds to a spend: a process's tills against pgbench running the same writes, on the same wallets.

pgbench is a C program that does nothing but send `spend.sql`, statement by statement; we decide by `rules` and write in
one statement. Both keep as many clients busy, on as many wallets.
"""

import asyncio
import itertools
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.ground import Customer, Ground
from benchmarks.measuring import Ratio, Size, compare
from embedded.postgres import PostgresCluster
from models.database import open_database
from models.spending import SpendOrder
from models.tills import Tills

SCRIPT = Path(__file__).with_name("spend.sql")
RATE = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([0-9]+) ", re.MULTILINE)
CLIENTS = 8

runs = itertools.count(1)


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """One client alone, several with a wallet each, and as many with one wallet between them."""
    several = min(CLIENTS, size.connections)
    cases = (
        ("1 client", 1, 1),
        (f"{several} clients", several, several),
        (f"{several} clients, one wallet", several, 1),
    )
    async with open_database(ground.dsn, several, application_name="scrip-benchmarks"):
        return [
            await compare(
                f"spends at tills, {case}",
                partial(spending, (*ground.customers[:wallets],) * (clients // wallets), size.seconds),
                "pgbench, the same writes",
                partial(pgbench, ground, clients, wallets, size.seconds),
                size=size,
            )
            for case, clients, wallets in cases
        ]


async def spending(customers: Sequence[Customer], seconds: int) -> float:
    """Spends per second, one after the other for each client, all clients at once. A client is its customer."""
    run, tills, began = next(runs), Tills(), time.perf_counter()
    clients = [
        _spend_until(tills, customer, f"direct {run} by {number}", began + seconds)
        for number, customer in enumerate(customers)
    ]
    counts = await asyncio.gather(*clients)
    return sum(counts) / (time.perf_counter() - began)


async def _spend_until(tills: Tills, customer: Customer, name: str, end: float) -> int:
    done = 0
    while time.perf_counter() < end:
        done += 1
        order = SpendOrder(
            customer.organization_id, Decimal("1.5"), f"{name} {done}", customer.actor, description="Report"
        )
        await tills.ask(order, at=datetime.now(UTC))
    return done


async def pgbench(ground: Ground, clients: int, wallets: int, seconds: int, *, by_chance: bool = False) -> float:
    """Transactions per second of the hand-written script; each client at a wallet of its own, or at any by chance.

    Raises RuntimeError when one of them failed.
    """
    defines = {"wallets": wallets, "by_chance": int(by_chance)}
    return await transactions(ground.cluster, ground.dsn, SCRIPT, clients, seconds, defines)


async def transactions(
    cluster: PostgresCluster, dsn: str, script: Path, clients: int, seconds: int, defines: Mapping[str, int]
) -> float:
    """Transactions per second of any script of pgbench. Raises RuntimeError when one of them failed."""
    where = urlsplit(dsn)
    process = await asyncio.create_subprocess_exec(
        str(cluster.binary("pgbench")),
        *("-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds)),
        *(word for name, value in defines.items() for word in ("-D", f"{name}={value}")),
        *("-f", str(script)),
        *("-h", str(where.hostname), "-p", str(where.port), "-U", str(where.username), where.path.lstrip("/")),
        env={**os.environ, "PGPASSWORD": unquote(where.password or "")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = (part.decode() for part in await process.communicate())
    rate, failed = RATE.search(output), FAILED.search(output)
    if process.returncode != 0 or rate is None or failed is None or failed[1] != "0":
        raise RuntimeError(f"pgbench did not finish: {output[-500:]}{errors[-1500:]}")
    return float(rate[1])
