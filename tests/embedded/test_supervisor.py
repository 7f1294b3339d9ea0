"""The supervisor, run with tiny parts: order, restarts with longer and longer pauses, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from embedded import supervisor as supervision
from embedded.leftovers import Trace, end_leftovers
from embedded.parts import Errand, Part, PartFailed
from embedded.supervisor import Supervisor
from embedded.tether import tethered
from tests.patience import PATIENCE_SECONDS

# Writes its name and number to the diary when it is ready, and its name when it is asked to end.
PART = """
import os, signal, sys
diary, name = sys.argv[1:]
def write(line):
    with open(diary, "a") as file:
        file.write(line + "\\n")
def end(*_):
    write("end " + name)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("hello from", name, flush=True)
write(f"ready {name} {os.getpid()}")
while True:
    signal.pause()
"""


class House:
    """A supervisor whose parts write in one diary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.diary = folder / "diary"
        self.diary.touch()
        self.said: list[str] = []
        self._news = asyncio.Event()
        self.changes: list[Mapping[str, int]] = []
        self.supervisor = Supervisor(
            folder, folder, announce=self._announce, changed=lambda: self.changes.append(self.supervisor.pids())
        )

    def part(self, name: str, program: str = PART, *, grace_seconds: float = PATIENCE_SECONDS) -> Part:
        async def is_ready(started_at: datetime) -> bool:
            assert started_at <= datetime.now(UTC)
            pid = self.supervisor.pids()[name]
            return f"ready {name} {pid}" in self.pages()

        command = tethered((sys.executable, "-I", "-S", "-c", program, str(self.diary), name), self.folder)
        return Part(
            name=name,
            title=name.title(),
            command=command,
            environment=os.environ,
            is_ready=is_ready,
            grace_seconds=grace_seconds,
            start_seconds_max=PATIENCE_SECONDS,
        )

    def errand(self, program: str, *, seconds_max: float = PATIENCE_SECONDS) -> Errand:
        command = tethered((sys.executable, "-I", "-S", "-c", program), self.folder)
        return Errand(name="errand", title="Errand", command=command, environment=os.environ, seconds_max=seconds_max)

    async def hears(self, holds: Callable[[], bool]) -> None:
        """Returns when something was said after which `holds` is true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def _announce(self, line: str) -> None:
        self.said.append(line)
        self._news.set()

    def pages(self) -> list[str]:
        return self.diary.read_text().splitlines()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.supervisor.stop()


async def test_parts_start_in_order_and_end_in_the_reverse_order(house: House) -> None:
    for name in ("first", "second", "third"):
        await house.supervisor.start(house.part(name))
    pids = house.supervisor.pids()
    await house.supervisor.stop()

    assert [page.split()[:2] for page in house.pages()] == [
        ["ready", "first"],
        ["ready", "second"],
        ["ready", "third"],
        ["end", "third"],
        ["end", "second"],
        ["end", "first"],
    ]
    assert list(pids) == ["first", "second", "third"]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert house.supervisor.pids() == {}


async def test_what_a_part_prints_is_in_its_log_and_people_are_told_how_long_it_took(house: House) -> None:
    await house.supervisor.start(house.part("talker"))

    assert (house.folder / "talker.log").read_text() == "hello from talker\n"
    assert len(house.said) == 1
    assert house.said[0].startswith("Talker ... ready in ")


async def test_a_part_that_is_killed_is_started_again_and_its_new_number_is_reported(house: House) -> None:
    # given
    await house.supervisor.start(house.part("mortal"))
    first = house.supervisor.pids()["mortal"]

    # when
    os.kill(first, signal.SIGKILL)
    await house.hears(lambda: "Mortal ... ready again" in house.said)

    # then
    second = house.supervisor.pids()["mortal"]
    assert house.changes == [{"mortal": second}]
    assert house.pages() == [f"ready mortal {first}", f"ready mortal {second}"]
    assert house.said[1:] == ["Mortal ended (SIGKILL); starting it again in 0.2 s", "Mortal ... ready again"]


async def test_the_pauses_grow_to_a_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "PAUSE_SECONDS_FIRST", 0.1)
    monkeypatch.setattr(supervision, "PAUSE_SECONDS_MAX", 0.3)
    once = PART.replace("while True:", "for _ in range(sum(1 for _ in open(diary)) == 1):")
    await house.supervisor.start(house.part("frail", once))
    os.kill(house.supervisor.pids()["frail"], signal.SIGKILL)
    await house.hears(lambda: len([line for line in house.said if "starting it again" in line]) >= 4)

    announced = [line.rpartition(" in ")[2] for line in house.said if "starting it again" in line]
    assert announced[:4] == ["0.1 s", "0.2 s", "0.3 s", "0.3 s"]


async def test_a_part_that_ends_at_once_is_a_failure_that_shows_the_end_of_its_log(house: House) -> None:
    broken = house.part("broken", "import sys; sys.exit('no such thing')")

    with pytest.raises(PartFailed) as failure:
        await house.supervisor.start(broken)
    assert str(failure.value) == (
        f"Broken ended at once (exit code 1). The end of {house.folder / 'broken.log'}:\n    no such thing"
    )


async def test_a_part_that_does_not_want_to_end_is_killed_after_its_grace(house: House) -> None:
    stubborn = PART.replace('write("end " + name)', "return")
    await house.supervisor.start(house.part("stubborn", stubborn, grace_seconds=1.0))
    pid = house.supervisor.pids()["stubborn"]

    began = time.monotonic()
    await house.supervisor.stop()

    assert 1.0 <= time.monotonic() - began < PATIENCE_SECONDS
    assert house.said[-1] == "Stubborn took longer than 1 s to end; killed"
    assert not psutil.pid_exists(pid)


async def test_a_part_is_stopped_also_while_it_waits_to_be_started_again(house: House) -> None:
    await house.supervisor.start(house.part("mortal"))
    os.kill(house.supervisor.pids()["mortal"], signal.SIGKILL)
    await house.hears(lambda: len(house.said) == 2)

    await house.supervisor.stop()

    assert [child for child in psutil.Process().children() if str(house.diary) in child.cmdline()] == []


async def test_an_errand_answers_what_it_printed_and_fails_with_its_log(house: House) -> None:
    assert await house.supervisor.run(house.errand("print('done')")) == "done\n"

    with pytest.raises(PartFailed, match=r"Errand failed \(exit code 3\)"):
        await house.supervisor.run(house.errand("raise SystemExit(3)"))
    with pytest.raises(PartFailed, match="Errand was not done after 1 s"):
        await house.supervisor.run(house.errand("import signal; signal.pause()", seconds_max=1.0))


def test_what_a_killed_run_left_is_ended_and_nothing_else_is(tmp_path: Path) -> None:
    # given one process that left a trace, one whose trace names another command, and half a trace
    sleeper = (sys.executable, "-I", "-S", "-c", "input()")
    with (
        subprocess.Popen(sleeper, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as ours,
        subprocess.Popen(sleeper, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as stranger,
    ):
        for name, process, command in (("worker", ours, sleeper), ("api", stranger, ("something", "else"))):
            trace = Trace.of(process.pid, command, signal.SIGTERM)
            assert trace is not None
            trace.write(tmp_path / f"{name}.json")
        (tmp_path / "mailbox.json").write_text("half a tra")
        _wait_for_command(ours.pid, sleeper)

        # when
        ended = end_leftovers(tmp_path)

        # then
        assert ended == ["worker"]
        assert not psutil.pid_exists(ours.pid)
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []


def test_a_number_that_was_given_to_another_process_is_not_ours(tmp_path: Path) -> None:
    command = tuple(psutil.Process().cmdline())
    Trace(os.getpid(), 1.0, command, int(signal.SIGKILL)).write(tmp_path / "api.json")

    assert end_leftovers(tmp_path) == []


def _wait_for_command(pid: int, command: tuple[str, ...]) -> None:
    while tuple(psutil.Process(pid).cmdline()) != command:
        time.sleep(0.01)
