"""The process that trains: killed at any moment, asked to stop, orphaned, in two processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from attune.commands.fit_policy import REFUSED, STOPPED
from attune.data import Snapshot, write_snapshot
from attune.policies.saving import describe

MODULE = "attune.commands.fit_policy"
SETTINGS = ("epochs=3", "batch=4", "rank=2", "samples=0", "held_out=0.2", "checkpoint_every=2", "learning_rate=0.01")


@pytest.fixture
def frozen(judged: Snapshot, tmp_path: Path) -> Path:
    write_snapshot(tmp_path / "snapshot", judged.responses.values(), judged.judgments, {})
    return tmp_path / "snapshot"


def options(frozen: Path, micro: Path, name: str, *more: str, settings: Iterable[str] = SETTINGS) -> list[str]:
    folder = frozen.parent
    sets = [part for each in (f"base={micro}", *settings) for part in ("--set", each)]
    out = ["--out", str(folder / name), "--progress", str(folder / f"{name}.jsonl")]
    return ["--snapshot", str(frozen), *out, *sets, *more]


def start(arguments: list[str], head: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *head, "-m", MODULE, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines(frozen: Path, name: str) -> list[dict[str, Any]]:
    path = frozen.parent / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def losses(frozen: Path, name: str) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in lines(frozen, name) if "chosen" in line}


def wait_for_step(frozen: Path, name: str, step: int, process: subprocess.Popen[str]) -> None:
    while step not in losses(frozen, name):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    said = process.communicate(timeout=900)[0]
    assert process.returncode == code, said
    return said


@pytest.mark.timeout(1800)
def test_killed_and_started_again_it_ends_at_the_same_loss(frozen: Path, micro: Path) -> None:
    finish(start(options(frozen, micro, "whole")))
    whole = losses(frozen, "whole")

    killed = start(options(frozen, micro, "killed"))
    wait_for_step(frozen, "killed", 5, killed)
    killed.kill()
    killed.communicate()
    assert not (frozen.parent / "killed").exists()
    finish(start(options(frozen, micro, "killed")))

    assert losses(frozen, "killed") == pytest.approx(whole, abs=1e-6)
    one, two = (describe(frozen.parent / name)["metrics"] for name in ("whole", "killed"))
    assert two["held_out_margin"] == pytest.approx(one["held_out_margin"], abs=1e-6)


@pytest.mark.timeout(1800)
def test_asked_to_stop_it_writes_a_checkpoint(frozen: Path, micro: Path) -> None:
    settings = [each for each in SETTINGS if not each.startswith(("epochs", "checkpoint"))]
    process = start(options(frozen, micro, "stopped", settings=[*settings, "epochs=90", "checkpoint_every=9999"]))
    wait_for_step(frozen, "stopped", 2, process)
    process.send_signal(signal.SIGTERM)
    finish(process, STOPPED)
    assert "its checkpoint is kept" in lines(frozen, "stopped")[-1]["stopped"]
    assert len(list((frozen.parent / "stopped.work").glob("checkpoint-*/complete"))) == 1
    assert not (frozen.parent / "stopped").exists()


@pytest.mark.timeout(1800)
def test_without_its_parent_it_stops(frozen: Path, micro: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    finish(start(options(frozen, micro, "orphan", "--parent", str(gone.pid))), STOPPED)


def test_a_reason_is_the_last_line(frozen: Path, micro: Path) -> None:
    said = finish(start(options(frozen, micro, "refused", settings=["max_length=16"])), REFUSED)
    assert "fits into 16 tokens" in said
    assert "fits into 16 tokens" in lines(frozen, "refused")[-1]["error"]


@pytest.mark.timeout(1800)
def test_two_processes_over_gloo(frozen: Path, micro: Path) -> None:
    """Torch's launcher on the CPU: both take their share, one writes, and the policy is whole."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    finish(start(options(frozen, micro, "two"), head=launch))
    steps = losses(frozen, "two")
    assert sorted(steps) == list(range(1, max(steps) + 1))
    alone = -(-describe(frozen.parent / "two")["counts"]["train"] // 4) * 3
    assert max(steps) < alone
    assert describe(frozen.parent / "two")["metrics"]["held_out_accuracy"] == 1.0
