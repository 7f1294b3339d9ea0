"""The third door: the whole product on this machine, in one command, with sample data.

A real PostgreSQL, a real Temporal server with its Web UI, a payment sandbox, a mailbox, the worker and the API, each a
process of its own on 127.0.0.1. A part that dies is started again. Ctrl-C stops everything in order; started again on
the same folder, it goes on where it was. `embedded.options` lists the variables it reads.
It is for development and for trying Scrip out: production runs server.py and worker.py against its own servers.
"""

import asyncio
import os
import signal
import sys

from embedded.failures import CannotStart
from embedded.folder import DataFolder
from embedded.leftovers import end_leftovers
from embedded.options import Ports, data_folder
from embedded.stack import Stack
from embedded.supervisor import Supervisor
from embedded.welcome import welcome

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    folder = DataFolder(data_folder(os.environ))
    try:
        with folder.held():
            asyncio.run(run(folder))
    except CannotStart as trouble:
        sys.stderr.write(f"Scrip cannot start. {trouble}\n")
        return 1
    say("Scrip has stopped.")
    return 0


async def run(folder: DataFolder) -> None:
    """Everything runs until a signal asks to stop, and nothing does when this returns. Raises CannotStart."""
    asked_to_stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)

    house = Standalone(folder)
    running = asyncio.create_task(house.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            await stopping
    finally:
        stopping.cancel()
        running.cancel()
        await asyncio.wait((running,))
        await house.stop()


class Standalone:
    """The parts, and the page that says they are ready, kept true."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._stack: Stack | None = None
        self._is_ready = False
        self._supervisor = Supervisor(folder.logs, folder.traces, announce=say, changed=self._publish)

    async def start(self) -> None:
        """Everything is ready and people have been told."""
        for name in await asyncio.to_thread(end_leftovers, self._folder.traces):
            say(f"Ended the {name} that an earlier run left behind")
        self._stack = Stack(self._folder, Ports.choose(os.environ), self._supervisor)
        await self._stack.start()
        summary = await welcome(self._stack.addresses, self._stack.sample)
        self._is_ready = True
        self._publish()
        say(f"\n{summary}")

    async def stop(self) -> None:
        """Nothing runs any more."""
        self._is_ready = False
        self._folder.withdraw()
        if self._supervisor.pids():
            say("Stopping ...")
        await self._supervisor.stop()

    def _publish(self) -> None:
        if self._is_ready and self._stack is not None:
            self._folder.publish(self._stack.page())


def say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Whoever read the output has gone; that is no reason to stop.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
