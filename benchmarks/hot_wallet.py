"""Many callers at one wallet, many spends in one call, and many wallets: the API against pgbench's plain transactions.

pgbench runs `spend.sql` with one transaction for each spend and 32 clients, on one row or over all of them. Two API
processes share the callers, as behind a load balancer; everything runs on the same machine and the same PostgreSQL.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from benchmarks.caller import Shape
from benchmarks.ground import Ground, with_wallets
from benchmarks.measuring import Ratio, Size, compare
from benchmarks.over_http import SPEND, called_at, serving
from benchmarks.spend_transaction import pgbench

PROCESSES = 2
CALLERS = 64
PGBENCH_CLIENTS = 32
BATCH = 1_000
# More batches of a thousand at once and the wallet answers that it is busy, rightly.
BATCH_CALLERS = 2

BATCHED = (
    "mutation ($input: SpendTokensBatchInput!) { answer: spendTokensBatch(input: $input) { __typename"
    " ... on SpendTokensBatchSuccess { spent refused spentTokens } ... on Problem { code } } }"
)


# One commit after the other on one row is slow enough for a plain server; a batch has to be worth its while.
BATCH_AT_LEAST = 5.0


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """Single spends from one wallet, batches of a thousand from one wallet, and single spends over many wallets."""
    size = replace(size, seconds=size.hot_seconds)
    callers, clients = min(CALLERS, size.callers), min(PGBENCH_CLIENTS, size.callers)
    one = ground.customers[0].access_token
    await with_wallets(ground, size.wallets)
    one_row = partial(pgbench, ground, clients, 1, size.seconds)
    many_rows = partial(pgbench, ground, clients, size.wallets, size.seconds, by_chance=True)
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(ground)) for _ in range(PROCESSES)]
        return [
            await compare(
                f"spendTokens over HTTP, {callers} callers at {PROCESSES} processes, one wallet",
                partial(spending, ports, [one] * callers, size),
                f"pgbench, one spend a transaction, {clients} clients on one row",
                one_row,
                size=size,
            ),
            await compare(
                f"spends by spendTokensBatch, {size.batch} in a call, one wallet",
                partial(batching, ports, [one] * min(BATCH_CALLERS, callers), size),
                f"pgbench, one spend a transaction, {clients} clients on one row",
                one_row,
                size=size,
                at_least=BATCH_AT_LEAST,
            ),
            await compare(
                f"spendTokens over HTTP, {callers} callers at {PROCESSES} processes, {size.wallets} wallets",
                partial(spending, ports, [ground.administrator_token] * callers, size, wallets=size.wallets),
                f"pgbench, one spend a transaction, {clients} clients over {size.wallets} rows",
                many_rows,
                size=size,
            ),
        ]


async def spending(ports: Sequence[int], tokens: Sequence[str], size: Size, *, wallets: int = 0) -> float:
    """Single spends per second; from the callers' own wallet, or each from one of `wallets` by chance."""
    whose = {"organizationId": "@ORGANIZATION@"} if wallets else {}
    variables = {"input": {"tokens": "1.5", "idempotencyKey": "@KEY@", "description": "Report", **whose}}
    return await called_at(ports, tokens, size, Shape(SPEND, variables, "SpendTokensSuccess", wallets=wallets))


async def batching(ports: Sequence[int], tokens: Sequence[str], size: Size) -> float:
    """Spends per second that come in batches; every one of a batch must have been granted."""
    spends = [{"tokens": "1.5", "idempotencyKey": f"@KEY@/{number}"} for number in range(size.batch)]
    shape = Shape(BATCHED, {"input": {"spends": spends}}, f'"spent":{size.batch},"refused":0')
    return size.batch * await called_at(ports, tokens, size, shape)
