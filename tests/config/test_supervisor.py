"""The supervisor over a small table: it keeps its children alive, and none outlives it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.local.children import FIRST_PAUSE, LONGEST_PAUSE, Child
from config.local.folders import CHECKOUT
from config.local.ports import free_port
from config.local.supervisor import running_url
from tests.config.conftest import is_alive, processes_with, wait_until

NAMES = {"postgres", "valkey", "web", "stubborn"}


class Run:
    """One small Attune as a process of its own; its output goes to a file."""

    def __init__(self, home: Path, port: int, **env: str) -> None:
        self.home, self.port = home, port
        self.output = Path(tempfile.mkdtemp(dir=home.parent)) / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.config.fake_attune", str(home), str(port)],
                cwd=CHECKOUT,
                env={**os.environ, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: "ready" in self.said() or self.process.poll() is not None, seconds=60)
        assert "ready" in self.said(), self.said()
        wait_until(self.has_grandchild, seconds=30)

    def has_grandchild(self) -> bool:
        """Whether the stubborn child has started its own, in a session of its own."""
        return "sleep" in {process.name() for process in processes_with("ATTUNE_HOME", str(self.home))}

    def children(self) -> dict[str, psutil.Process]:
        """The living children by name, without the watchdog, which is not marked."""
        named = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                named[child.environ().get("ATTUNE_CHILD", "")] = child
        named.pop("", None)
        return named

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=40)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One folder for all: after the first start there is data, as in life."""
    with tempfile.TemporaryDirectory(prefix="attune-") as created:
        Path(created).chmod(0o711)
        yield Path(created) / "var"


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    started = Run(home, free_port())
    started.wait_until_ready()
    yield started
    started.end()


def test_ctrl_c_ends_everything_in_order(run: Run) -> None:
    family = psutil.Process(run.process.pid).children(recursive=True)
    assert set(run.children()) == NAMES
    assert running_url(run.home) == f"http://127.0.0.1:{run.port}"

    run.process.send_signal(signal.SIGINT)

    assert run.process.wait(timeout=40) == 0
    assert not [process for process in family if is_alive(process)]
    assert not processes_with("ATTUNE_HOME", str(run.home))
    assert running_url(run.home) is None
    assert "database system is shut down" in (run.home / "logs" / "postgres.log").read_text()


def test_a_kill_of_the_supervisor_leaves_no_process(run: Run) -> None:
    """Not even a grandchild in a session of its own, nor a child that ignores SIGTERM."""
    marked = processes_with("ATTUNE_HOME", str(run.home))
    family = psutil.Process(run.process.pid).children(recursive=True)
    assert "sleep" in {process.name() for process in marked}
    assert {"sleep", "postgres"} <= {process.name() for process in family}

    run.process.kill()
    run.process.wait()

    wait_until(lambda: not any(is_alive(process) for process in {*marked, *family}), seconds=20)


def test_a_successor_waits_for_the_children_of_a_killed_supervisor(run: Run) -> None:
    run.process.kill()
    run.process.wait()
    successor = Run(run.home, run.port)
    try:
        successor.wait_until_ready()
        assert set(successor.children()) == NAMES
    finally:
        successor.end()


def test_a_dead_child_comes_back_without_what_it_left(run: Run) -> None:
    before = run.children()
    [sleeper] = before["stubborn"].children()
    before["stubborn"].kill()
    before["postgres"].kill()

    killed = {before["stubborn"], before["postgres"]}
    wait_until(lambda: set(now := run.children()) == NAMES and not killed & set(now.values()), seconds=30)

    assert not is_alive(sleeper)
    assert run.children()["web"] == before["web"]
    assert re.search(r"stubborn ended with code -9, again in 0\.5 s: without a word", run.said())


def test_a_folder_has_one_supervisor(run: Run) -> None:
    second = Run(run.home, free_port())
    assert second.process.wait(timeout=40) == 1
    assert f"Attune already runs on {run.home}, at http://127.0.0.1:{run.port}" in second.said()


def test_a_taken_port_is_named_with_its_holder_before_anything_starts(run: Run, folder: Path) -> None:
    second = Run(folder / "other", run.port)
    assert second.process.wait(timeout=40) == 1
    assert f"port {run.port} is taken by" in second.said()
    assert f"PORT={run.port + 1}" in second.said()
    assert not (folder / "other" / "postgres").exists()


def test_given_servers_replace_the_embedded_ones(home: Path) -> None:
    run = Run(home, free_port(), DATABASE_URL="postgres://u@db.example/attune", BROKER_URL="redis://mq.example/0")
    try:
        run.wait_until_ready()
        assert set(run.children()) == {"web", "stubborn"}
    finally:
        run.end()


def test_pauses_grow_with_quick_deaths_and_shrink_after_a_calm_life() -> None:
    child = Child("any", launch=lambda: pytest.fail("not started here"), log=Path("any.log"))
    pauses = []
    for _ in range(8):
        child.started = time.monotonic()
        child.plan_restart()
        pauses.append(child.pause)
    assert pauses == [FIRST_PAUSE, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    child.started -= 60
    child.plan_restart()
    assert child.pause == FIRST_PAUSE
