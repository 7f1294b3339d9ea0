"""How long a test waits for what it expects before it calls it missing.

Only a test that fails waits so long. It is far more than anything takes, because a machine that runs many tests at
once may stand still for seconds, and how fast something comes is never what a test claims.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

PATIENCE_SECONDS = 60.0
PATIENCE = timedelta(seconds=PATIENCE_SECONDS)
LOOK_AGAIN_SECONDS = 0.01


async def until(is_so: Callable[[], bool]) -> None:
    """Returns when it is so; raises TimeoutError when it does not become so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def wait_until(is_so: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """As `until`, where nothing else has to go on meanwhile."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(LOOK_AGAIN_SECONDS)
