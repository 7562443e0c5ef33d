"""`attune fit-policy`: train a policy from a snapshot's folder. What a worker supervises, and what can run alone.

With several GPUs: `accelerate launch --num_processes N -m attune.commands.fit_policy …`; the options are the same.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from attune.commands.child import REFUSED, STOPPED, Lines, asked_to_stop, sink
from attune.data import read_judgments, read_snapshot
from attune.errors import AttuneError, Cancelled
from attune.policies.settings import PolicySettings


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
    with sink(progress) as lines:
        folder = work or out.with_name(f"{out.name}.work")
        try:
            with _alone_in(folder):
                _fit(snapshot, out, folder, planned, changes, annotators, lines, asked_to_stop(parent))
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
    lines: Lines,
    stop: Callable[[], bool],
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
        asked_to_stop=stop,
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


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command()
