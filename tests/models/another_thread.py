"""A loop in another thread, for tests that cannot be coroutines: a state machine's steps are plain functions."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from models.database import open_database
from tests.patience import PATIENCE_SECONDS

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@contextmanager
def in_another_thread(dsn: str) -> Iterator[Run]:
    """Runs coroutines on a loop that has the test's database open."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=PATIENCE_SECONDS)

    database = open_database(dsn, 2, application_name="scrip-model-test")
    try:
        run(database.__aenter__())
        try:
            yield run
        finally:
            run(database.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
