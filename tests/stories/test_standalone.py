"""One command, and the whole product runs: it is ready, it can be bought from, it heals, it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest

from embedded.options import PORTS
from tests.patience import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
PARTS = ("postgres", "temporal", "gateway", "mailbox", "worker", "api")
START_SECONDS_MAX = 90.0


class Standalone:
    """standalone.py as a person starts it, in a folder of its own, on any free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.with_name(f"{folder.name}.txt")
        # Whether an answer comes within five seconds depends on the machine.
        patient = {"PURCHASE_ANSWER_TIMEOUT": "9s"}
        environment = {**os.environ, **patient, **dict.fromkeys(PORTS, "0"), "SCRIP_DATA": str(folder)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "standalone.py")],
                env=environment,
                cwd=folder.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def page(self) -> dict[str, object]:
        page: dict[str, object] = json.loads((self.folder / "ready.json").read_text())
        return page

    def address(self, name: str) -> str:
        addresses = self.page()["addresses"]
        assert isinstance(addresses, dict)
        return str(addresses[name])

    def pids(self) -> dict[str, int]:
        parts = self.page()["parts"]
        assert isinstance(parts, dict)
        return parts

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        # The page of a run that was killed stays until the next one has taken the folder.
        try:
            return self.page()["pid"] == self.process.pid
        except FileNotFoundError:
            return False

    def waits_until_ready(self) -> "Standalone":
        wait_until(self.is_ready, seconds=START_SECONDS_MAX)
        return self

    def ends(self, number: signal.Signals) -> int:
        """The exit code after the signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def scrip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    running = Standalone(tmp_path_factory.mktemp("standalone") / "data").waits_until_ready()
    yield running
    running.ends(signal.SIGTERM)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[], Standalone]]:
    """Starts one in this test's folder and waits until it is ready; none of them outlives the test."""
    runs: list[Standalone] = []

    def start() -> Standalone:
        runs.append(Standalone(tmp_path / "data"))
        return runs[-1].waits_until_ready()

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.ends(signal.SIGTERM)


def test_it_says_where_everything_is_and_every_part_runs(scrip: Standalone) -> None:
    page = scrip.page()

    assert tuple(scrip.pids()) == PARTS
    assert all(map(psutil.pid_exists, scrip.pids().values()))
    assert page["pid"] == scrip.process.pid
    for name, path in (("api", "/readyz"), ("graphiql", ""), ("temporal_ui", ""), ("gateway", "/livez")):
        wait_until(partial(_answers, scrip.address(name) + path))
    assert (scrip.folder / "ready.json").stat().st_mode & 0o777 == 0o600


def test_the_printed_command_buys_tokens_when_it_is_pasted_and_pasting_it_twice_buys_once(scrip: Standalone) -> None:
    wait_until(lambda: "Ctrl-C stops everything." in scrip.output.read_text())
    commands = [line for line in scrip.output.read_text().splitlines() if line.strip().startswith("curl ")]
    assert len(commands) == 1

    pasted = [subprocess.run(["sh", "-c", commands[0]], capture_output=True, text=True, check=True) for _ in range(2)]
    first, second = (json.loads(each.stdout)["data"]["startPurchase"] for each in pasted)

    assert (first["purchase"]["status"], first["purchase"]["tokens"], first["replayed"]) == (
        "COMPLETED",
        "100.0000",
        False,
    )
    assert second == {**first, "replayed": True}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_is_started_again(scrip: Standalone, name: str) -> None:
    before = scrip.pids()
    os.kill(before[name], signal.SIGKILL)

    wait_until(lambda: scrip.pids()[name] != before[name])

    wait_until(lambda: _answers(f"{scrip.address('api')}/readyz"))
    assert {other: pid for other, pid in scrip.pids().items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }


def test_a_second_one_in_the_same_folder_is_refused(scrip: Standalone) -> None:
    second = subprocess.run(
        [sys.executable, str(ROOT / "standalone.py")],
        env={**os.environ, **dict.fromkeys(PORTS, "0"), "SCRIP_DATA": str(scrip.folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert second.returncode == 1
    assert f"already running in {scrip.folder} (process {scrip.process.pid})" in second.stderr
    assert scrip.is_ready()


def test_ctrl_c_stops_everything_and_the_next_start_goes_on(started: Callable[[], Standalone]) -> None:
    # given
    first = started()
    users, pids = first.page()["users"], first.pids()

    # when
    exit_code = first.ends(signal.SIGINT)

    # then
    assert exit_code == 0, first.output.read_text()
    assert not (first.folder / "ready.json").exists()
    assert _survivors(pids) == []

    second = started()
    assert second.page()["users"] == users
    assert second.ends(signal.SIGTERM) == 0


def test_a_kill_leaves_nothing_that_hinders_the_next_start(started: Callable[[], Standalone]) -> None:
    first = started()
    pids = first.pids()
    first.ends(signal.SIGKILL)

    second = started()

    assert _survivors(pids) == []
    assert second.ends(signal.SIGTERM) == 0


def _survivors(pids: dict[str, int]) -> list[str]:
    alive = []
    for name, pid in pids.items():
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            alive.append(name)
    return alive


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, follow_redirects=True, trust_env=False, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False
