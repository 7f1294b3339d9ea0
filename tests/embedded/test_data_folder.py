"""The data folder and the ports: one Scrip per folder, secrets kept, and refusals that say what to set."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.folder import AlreadyRunning, DataFolder, UnusableFolder
from embedded.options import PORTS, Ports, WrongOption, data_folder
from embedded.ports import LOOPBACK, is_free

ANY = dict.fromkeys(PORTS, "0")
ROOT = Path(__file__).parents[2]


def test_a_second_scrip_in_the_same_folder_is_told_who_runs(tmp_path: Path) -> None:
    with DataFolder(tmp_path).held():
        with pytest.raises(AlreadyRunning) as refusal, DataFolder(tmp_path).held():
            pass

        assert str(refusal.value) == (
            f"Scrip is already running in {tmp_path} (process {os.getpid()}). "
            "Stop that one first, or set SCRIP_DATA to another folder."
        )


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = (
        "import signal, sys; from pathlib import Path; from embedded.folder import DataFolder\n"
        "with DataFolder(Path(sys.argv[1])).held(): print('held', flush=True); signal.pause()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    (tmp_path / "ready.json").write_text("{}")
    holder.kill()
    holder.communicate()

    with DataFolder(tmp_path).held():
        assert (tmp_path / "lock").read_text() == str(os.getpid())
        assert not (tmp_path / "ready.json").exists(), "it speaks of a run that is over"


def test_a_folder_that_cannot_be_made_is_refused_with_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UnusableFolder, match="SCRIP_DATA"), DataFolder(tmp_path / "file" / "data").held():
        pass


def test_secrets_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    first = DataFolder(tmp_path).secrets(("jwt", "gateway"))
    second = DataFolder(tmp_path).secrets(("jwt", "gateway", "newer"))

    assert {name: second[name] for name in first} == first
    assert len({*second.values()}) == 3
    assert min(map(len, second.values())) >= 43
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secrets_that_cannot_be_read_are_made_again(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"jwt": "cut o')

    assert len(DataFolder(tmp_path).secrets(("jwt",))["jwt"]) == 43


def test_the_page_is_there_while_it_is_true_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.held():
        folder.publish({"addresses": {"api": "somewhere"}})
        page = tmp_path / "ready.json"
        assert json.loads(page.read_text()) == {"addresses": {"api": "somewhere"}}
        assert page.stat().st_mode & 0o777 == 0o600

    assert not page.exists()


def test_zero_is_any_free_port_and_no_two_are_the_same() -> None:
    ports = Ports.choose(ANY)

    numbers = [ports.api, ports.temporal, ports.temporal_ui, ports.postgres, ports.gateway, ports.mailbox, ports.smtp]
    assert len(set(numbers)) == 7
    assert all(map(is_free, numbers))


@pytest.mark.parametrize("name", sorted(PORTS))
def test_a_port_in_use_is_refused_with_the_variable_to_set(name: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(WrongOption) as refusal:
            Ports.choose({**ANY, name: str(port)})

    assert str(refusal.value) == (
        f"Port {port} of 127.0.0.1 is in use by another program. "
        f"Set {name} to another number, or to 0 for any free one."
    )


@pytest.mark.parametrize("text", ["http", "-1", "65536", "3e3", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(WrongOption, match="SCRIP_PORT must be a number from 0 to 65535"):
        Ports.choose({**ANY, "SCRIP_PORT": text})


def test_two_parts_cannot_have_one_port() -> None:
    with pytest.raises(WrongOption, match="SCRIP_PORT and SCRIP_SMTP_PORT are both 4000"):
        Ports.choose({**ANY, "SCRIP_PORT": "4000", "SCRIP_SMTP_PORT": "4000"})


def test_the_folder_is_beside_the_command_unless_told_otherwise() -> None:
    assert data_folder({}) == Path(".scrip")
    assert data_folder({"SCRIP_DATA": "/somewhere"}) == Path("/somewhere")
