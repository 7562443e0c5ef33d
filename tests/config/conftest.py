"""Real servers and processes for the tests of the local runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.local.folders import CHECKOUT
from config.local.postgres import EmbeddedPostgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that the servers' account can reach (pytest's own are closed to it under root)."""
    with tempfile.TemporaryDirectory(prefix="attune-") as created:
        path = Path(created)
        path.chmod(0o711)
        yield path


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running embedded Postgres."""
    with tempfile.TemporaryDirectory(prefix="attune-") as created:
        place = Path(created)
        place.chmod(0o711)
        server = EmbeddedPostgres(place, log=place / "postgres.log")
        server.start()
        yield server
        server.stop()


def wait_until(holds: Callable[[], bool], *, seconds: float) -> None:
    """Fail unless `holds` within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{holds} did not hold within {seconds} s"
        time.sleep(0.05)


def run_python(code: str, **env: str) -> str:
    """Run `code` in a Python of its own in the checkout and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_alive(process: psutil.Process) -> bool:
    """Running, and not a zombie that its adopter has yet to collect."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_with(variable: str, value: str) -> list[psutil.Process]:
    """Every live process whose environment has that value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(variable) == value:
                found.append(process)
        except psutil.Error:
            continue
    return found
