"""What an API process holds on to: its memory after many spends against its memory after a tenth of them.

The spends come in batches over HTTP, from one wallet. A process that keeps something of each would have grown; one that
keeps nothing has the memory it had when its caches were full.
"""

import asyncio

import psutil

from benchmarks.caller import Shape
from benchmarks.ground import Ground
from benchmarks.hot_wallet import BATCH_CALLERS, BATCHED
from benchmarks.measuring import Ratio, Size
from benchmarks.over_http import called_at, serving_process

# It may grow by a tenth: allocators do not give everything back.
AT_LEAST = 1 / 1.1


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """Memory after a tenth of the spends divided by memory after all of them; 1 is flat, less has grown."""
    async with serving_process(ground) as (port, process_id):
        await spent(ground, port, size, size.spends // 10)
        early = await settled(process_id)
        await spent(ground, port, size, size.spends - size.spends // 10)
        late = await settled(process_id)
    ratio = early / late
    return [
        Ratio(
            f"memory of an API process after {size.spends:,} spends",
            f"after {size.spends // 10:,}",
            ratio=ratio,
            lowest=ratio,
            highest=ratio,
            ours=late,
            baseline=early,
            at_least=AT_LEAST,
        )
    ]


async def spent(ground: Ground, port: int, size: Size, spends: int) -> None:
    """At least so many spends more have been answered."""
    done = 0.0
    callers = min(BATCH_CALLERS, size.callers)
    items = [{"tokens": "1.5", "idempotencyKey": f"@KEY@/{number}"} for number in range(size.batch)]
    shape = Shape(BATCHED, {"input": {"spends": items}}, f'"spent":{size.batch},"refused":0')
    tokens = [ground.customers[0].access_token] * callers
    while done < spends:
        rate = await called_at([port], tokens, size, shape)
        done += rate * size.seconds * size.batch


async def settled(process_id: int) -> float:
    """The memory of a process that has nothing to do, in MiB."""
    process = psutil.Process(process_id)
    await asyncio.sleep(1)
    return float(process.memory_info().rss) / 2**20
