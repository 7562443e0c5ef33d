"""`attune fit-policy`: train a policy from a snapshot's folder. What a worker supervises, and what can run alone.

With several GPUs: `accelerate launch --num_processes N -m attune.commands.fit_policy …`; the options are the same.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click
import orjson

from attune.data import read_judgments, read_snapshot
from attune.errors import AttuneError, Cancelled
from attune.policies.settings import PolicySettings

STOPPED = 3
"""The exit code after a stop that was asked for; the checkpoint is kept."""
REFUSED = 2
"""The exit code for a reason that is fit to show; it is the last line of progress, under ``error``."""


@click.command(name="fit-policy")
@click.option(
    "--snapshot", required=True, type=click.Path(exists=True, path_type=Path), help="Judgments to learn from."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder for the policy.")
@click.option(
    "--work", type=click.Path(path_type=Path), help="Checkpoints; goes on from the last.  [default: OUT.work]"
)
@click.option("--plan", type=click.Path(exists=True, path_type=Path), help="JSON with settings, whose and about.")
@click.option("--progress", type=click.Path(path_type=Path), help="Append a JSON line a step here.  [default: stderr]")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A setting, as method=dpo or epochs=2.")
@click.option("--parent", type=int, help="Stop, with a checkpoint, once this process is gone.")
@click.option("--annotator", "annotators", multiple=True, help="Learn only from this annotator; may be repeated.")
def command(
    snapshot: Path,
    out: Path,
    work: Path | None,
    plan: Path | None,
    progress: Path | None,
    changes: tuple[str, ...],
    parent: int | None,
    annotators: tuple[str, ...],
) -> None:
    """Train a policy and store it as a new folder. SIGTERM or Ctrl-C: a checkpoint is written, then it ends."""
    planned: dict[str, Any] = orjson.loads(plan.read_bytes()) if plan else {}
    with _sink(progress) as lines:
        folder = work or out.with_name(f"{out.name}.work")
        try:
            with _alone_in(folder):
                _fit(snapshot, out, folder, planned, changes, annotators, lines, _asked_to_stop(parent))
        except Cancelled as stopped:
            lines({"stopped": str(stopped)})
            sys.exit(STOPPED)
        except AttuneError as error:
            lines({"error": str(error)})
            click.echo(f"Error: {error}", err=True)
            sys.exit(REFUSED)


def _fit(
    snapshot: Path,
    out: Path,
    work: Path,
    planned: Mapping[str, Any],
    changes: tuple[str, ...],
    annotators: tuple[str, ...],
    lines: _Lines,
    asked_to_stop: Callable[[], bool],
) -> None:
    settings = PolicySettings.from_mapping(dict(planned.get("settings", {})) | dict(map(_change, changes)))
    judgments = read_snapshot(snapshot) if snapshot.is_dir() else read_judgments(snapshot)
    from attune.policies.trainer import Whose, fit_policy

    whose = dict(planned.get("whose", {}))
    if annotators:
        whose |= {"annotators": list(annotators), "title": "A personal policy", "sentence": "For one annotator."}
    if start := whose.get("start_from"):
        whose["start_from"] = Path(start)
    report = fit_policy(
        judgments,
        settings,
        out=out,
        work=work,
        whose=Whose(**whose),
        about=planned.get("about"),
        tell=lines,
        asked_to_stop=asked_to_stop,
    )
    if report.digest:
        lines({"digest": report.digest, "metrics": dict(report.metrics), "notes": list(report.notes)})


def _change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text!r} does not fit; expected NAME=VALUE")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


@contextmanager
def _alone_in(work: Path) -> Iterator[None]:
    """Two processes never write checkpoints into one folder: an orphan of a dead worker is waited for."""
    if int(os.environ.get("RANK", "0")):
        yield
        return
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _asked_to_stop(parent: int | None) -> Callable[[], bool]:
    """By SIGTERM, by Ctrl-C, or because the worker that watched over it is gone."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ask)
    return lambda: asked.is_set() or (parent is not None and _gone(parent))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class _Lines:
    """Writes one JSON line at a time, whole or not at all."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def __call__(self, line: Mapping[str, object]) -> None:
        self.file.write(orjson.dumps(dict(line)).decode() + "\n")
        self.file.flush()


@contextmanager
def _sink(path: Path | None) -> Iterator[_Lines]:
    """Where progress goes."""
    if path is None:
        yield _Lines(sys.stderr)
        return
    with path.open("a") as file:
        yield _Lines(file)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command()
