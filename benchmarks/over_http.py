"""What the API adds to its own edge: spending against a constant mutation, history against a constant list.

Both are asked over HTTP of the same process, by the same client process, with the same signed-in callers; the constant
ones pass through the same authentication, validation and execution and then answer from memory.
"""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from benchmarks.caller import Job, Shape
from benchmarks.ground import SECRET, Ground
from benchmarks.measuring import Ratio, Run, Size, compare
from embedded.ports import free_port, is_answered

ROOT = Path(__file__).parents[1]
START_SECONDS_MAX = 30.0
POLL_SECONDS = 0.05
UNITS = str(10**9)
PAGE = 100

MOVED = "... on SpendTokensSuccess { entryId sequence tokens available held replayed } ... on Problem { code }"
SPEND = f"mutation ($input: SpendTokensInput!) {{ answer: spendTokens(input: $input) {{ __typename {MOVED} }} }}"
SPEND_NOTHING = SPEND.replace("spendTokens", "spendNothing")
ROW = "id sequence kind tokens availableBefore availableAfter description occurredAt"
HISTORY = f"query ($first: Int!) {{ wallet {{ entries(first: $first) {{ nodes {{ {ROW} }} }} }} }}"
CONSTANT_HISTORY = HISTORY.replace("wallet", "constantWallet")

runs = itertools.count(1)


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """Spends spread over wallets, spends from one wallet, and a page of a hundred entries."""
    tokens = [customer.access_token for customer in ground.customers[: size.connections]]
    one = tokens[:1] * size.connections
    async with serving(ground) as port:
        spread = partial(spending, port, tokens, size)
        hot = partial(spending, port, one, size)
        history = partial(reading, port, one, size)
        return [
            await compare(
                f"spendTokens over HTTP, {size.connections} connections, a wallet each",
                spread(SPEND),
                "constant mutation",
                spread(SPEND_NOTHING),
                size=size,
            ),
            await compare(
                f"spendTokens over HTTP, {size.connections} connections, one wallet",
                hot(SPEND),
                "constant mutation",
                hot(SPEND_NOTHING),
                size=size,
            ),
            await compare(
                f"history page of {PAGE} entries over HTTP",
                history(HISTORY),
                "constant list of the same shape",
                history(CONSTANT_HISTORY),
                size=size,
            ),
        ]


def spending(port: int, tokens: Sequence[str], size: Size, query: str) -> Run:
    variables: Mapping[str, object] = {"input": {"tokens": "1.5", "idempotencyKey": "@KEY@", "description": "Report"}}
    return partial(called, port, tokens, size, query, variables, "SpendTokensSuccess")


def reading(port: int, tokens: Sequence[str], size: Size, query: str) -> Run:
    return partial(called, port, tokens, size, query, {"first": PAGE}, "occurredAt")


async def called(
    port: int, tokens: Sequence[str], size: Size, query: str, variables: Mapping[str, object], expects: str
) -> float:
    """Answers per second of one process, of all connections together."""
    return await called_at([port], tokens, size, Shape(query, variables, expects))


async def called_at(ports: Sequence[int], tokens: Sequence[str], size: Size, shape: Shape) -> float:
    """Answers per second, of all connections together. Raises RuntimeError when one of them is not as expected."""
    run = f"run{next(runs):05d}"
    job = Job(list(ports), float(size.seconds), run, list(tokens), shape.body(), shape.expects, shape.wallets)
    caller = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.caller", cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, _ = await caller.communicate(job.as_json())
    if caller.returncode != 0:
        raise RuntimeError("the caller was not answered as expected")
    return float(output)


@asynccontextmanager
async def serving(ground: Ground, module: str = "benchmarks.api") -> AsyncIterator[int]:
    """The measured API, or another, in a process of its own, on the port it is given, until the block ends."""
    async with serving_process(ground, module) as (port, _):
        yield port


@asynccontextmanager
async def serving_process(ground: Ground, module: str = "benchmarks.api") -> AsyncIterator[tuple[int, int]]:
    """As `serving`; the port and the process's id."""
    port = free_port()
    with (ground.folder / "api.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, cwd=ground.folder, env=_environment(ground, port), stderr=log
        )
        try:
            await _until_answered(process, port)
            yield port, process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _environment(ground: Ground, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": ground.dsn,
        "JWT_SECRET": SECRET,
        "PORT": str(port),
        "LOG_FILE": str(ground.folder / "api-app.log"),
        # Nothing that is measured here speaks to Temporal; connecting is left until it does.
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        # More than can be asked for in a window, and counted all the same.
        "RATE_LIMIT_CALLER_UNITS": UNITS,
        "RATE_LIMIT_TENANT_UNITS": UNITS,
        "RATE_LIMIT_ADDRESS_UNITS": UNITS,
    }


async def _until_answered(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while not is_answered(port):
            if process.returncode is not None:
                raise RuntimeError(f"the API ended with {process.returncode}")
            # uvicorn announces readiness to nobody but those who ask.
            await asyncio.sleep(POLL_SECONDS)
