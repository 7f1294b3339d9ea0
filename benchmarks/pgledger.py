"""Spending against pgledger, a ledger of plain transfers that lives in the database, on the same PostgreSQL.

It is not ours and no part of this repository: name a checkout of it, `python -m benchmarks --pgledger FOLDER`. pgbench
calls its `pgledger_create_transfer` with one transaction for each transfer. A transfer writes two entries and two
balances; it knows no lots, keys, budgets, audit or events, and nobody signs in.
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg

from benchmarks.ground import Ground, with_wallets
from benchmarks.hot_wallet import CALLERS, PGBENCH_CLIENTS, PROCESSES, spending
from benchmarks.measuring import Ratio, Run, Size, compare
from benchmarks.over_http import serving
from benchmarks.spend_transaction import transactions

DATABASE = "pgledger"
SCRIPTS = (
    "vendor/scoville-pgsql-ulid/ulid-to-uuid.sql",
    "vendor/scoville-pgsql-ulid/uuid-to-ulid.sql",
    "pgledger.sql",
)
TRANSFER = Path(__file__).with_name("transfer.sql")
# One account mints; every customer has a wallet that may not be overdrawn, and an account of what was used.
ACCOUNTS = """
CREATE TABLE pairs (number int PRIMARY KEY, wallet text NOT NULL, used text NOT NULL);
INSERT INTO pairs
SELECT number,
    (SELECT id FROM pgledger_create_account('wallet ' || number, 'TOKENS', allow_negative_balance => false)),
    (SELECT id FROM pgledger_create_account('used ' || number, 'TOKENS'))
FROM generate_series(1, {wallets}) number;
SELECT count(minted.id) FROM (SELECT id FROM pgledger_create_account('mint', 'TOKENS')) mint, pairs,
    LATERAL pgledger_create_transfer(mint.id, pairs.wallet, 100000000) minted;
ANALYZE;
"""


async def measure(ground: Ground, size: Size, *, checkout: Path) -> list[Ratio]:
    """Single spends from one wallet, and over many wallets, of which nothing is demanded: the work is unlike."""
    size = replace(size, seconds=size.hot_seconds)
    callers, clients = min(CALLERS, size.callers), min(PGBENCH_CLIENTS, size.callers)
    dsn = await loaded(ground, checkout, size.wallets)
    await with_wallets(ground, size.wallets)

    def transferring(wallets: int, *, by_chance: bool) -> Run:
        defines = {"wallets": wallets, "by_chance": int(by_chance)}
        return partial(transactions, ground.cluster, dsn, TRANSFER, clients, size.seconds, defines)

    one = ground.customers[0].access_token
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(ground)) for _ in range(PROCESSES)]
        return [
            await compare(
                f"spendTokens over HTTP, {callers} callers at {PROCESSES} processes, one wallet",
                partial(spending, ports, [one] * callers, size),
                f"pgledger, one transfer a transaction, {clients} clients on one pair of accounts",
                transferring(1, by_chance=False),
                size=size,
            ),
            await compare(
                f"spendTokens over HTTP, {callers} callers at {PROCESSES} processes, {size.wallets} wallets",
                partial(spending, ports, [ground.administrator_token] * callers, size, wallets=size.wallets),
                f"pgledger, one transfer a transaction, {clients} clients over {size.wallets} pairs",
                transferring(size.wallets, by_chance=True),
                size=size,
                at_least=0.0,
            ),
        ]


async def loaded(ground: Ground, checkout: Path, wallets: int) -> str:
    """A database of the cluster holds pgledger and its accounts; the DSN to use it by."""
    await _run(ground.cluster.dsn(), f"CREATE DATABASE {DATABASE}")
    dsn = ground.cluster.dsn(DATABASE)
    for script in SCRIPTS:
        await _run(dsn, (checkout / script).read_text())
    await _run(dsn, ACCOUNTS.format(wallets=wallets))
    return dsn


async def _run(dsn: str, script: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
