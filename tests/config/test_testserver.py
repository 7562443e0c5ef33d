"""The throwaway test server: shared by every run on a checkout, gone soon after the last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.local import folders, testserver
from config.local.postgres import running_url
from config.settings.test import TEST_HOME
from tests.config.conftest import run_python, wait_until

ADOPT = "import pathlib; from config.local.testserver import throwaway_url; print(throwaway_url(pathlib.Path({!r})))"


def test_runs_share_one_server_which_ends_when_nobody_uses_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testserver, "GRACE", 1.0)
    url = testserver.throwaway_url(folder)
    assert run_python(ADOPT.format(str(folder))) == url
    assert testserver.throwaway_url(folder) == url

    holder = subprocess.Popen(
        [sys.executable, "-c", ADOPT.format(str(folder)) + "; import time; time.sleep(60)"],
        cwd=folders.CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == url
        testserver.release(folder)
        with pytest.raises(AssertionError):  # the other run keeps it
            wait_until(lambda: running_url(folder) is None, seconds=2.0)
        holder.kill()  # the kernel gives its lock back
    wait_until(lambda: running_url(folder) is None, seconds=30)
    _wait_for_the_keeper(folder)


def test_data_that_does_not_start_is_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testserver, "GRACE", 0.0)
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("18\n")
    url = testserver.throwaway_url(folder)
    assert running_url(folder) == url
    testserver.release(folder)
    _wait_for_the_keeper(folder)


def test_a_given_database_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody@db.example/attune")
    assert testserver.test_database_url() == "postgres://somebody@db.example/attune"


def _wait_for_the_keeper(folder: Path) -> None:
    """Wait for the end of the keeper, so that its folder can be removed."""
    wait_until(lambda: not testserver.is_kept(folder), seconds=30)


def test_workers_of_a_run_have_files_of_their_own() -> None:
    ask = "from config.settings.test import TEST_HOME; print(TEST_HOME)"
    assert run_python(ask) == str(TEST_HOME), "what a test starts shares them"
    assert len({str(TEST_HOME), *(run_python(ask, PYTEST_XDIST_WORKER=worker) for worker in ("gw98", "gw99"))}) == 3
