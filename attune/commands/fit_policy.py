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
from attune.data import Snapshot, read_judgments, read_snapshot
from attune.errors import AttuneError, Cancelled
from attune.policies.selfplay import Opinions, read_opinions
from attune.policies.settings import PolicySettings


@click.command(name="fit-policy")
@click.option("--snapshot", type=click.Path(exists=True, path_type=Path), help="Judgments to learn from.")
@click.option(
    "--opinions", type=click.Path(exists=True, path_type=Path), help="Or what a preference model said of its samples."
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
@click.option("--start-from", type=click.Path(exists=True, path_type=Path), help="A policy's folder to go on from.")
@click.option("--origin", type=click.Path(exists=True, path_type=Path), help="That with which self-play began.")
def command(
    snapshot: Path | None,
    opinions: Path | None,
    out: Path,
    work: Path | None,
    plan: Path | None,
    progress: Path | None,
    changes: tuple[str, ...],
    parent: int | None,
    annotators: tuple[str, ...],
    start_from: Path | None,
    origin: Path | None,
) -> None:
    """Train a policy and store it as a new folder. SIGTERM or Ctrl-C: a checkpoint is written, then it ends."""
    if (snapshot is None) == (opinions is None):
        raise click.UsageError("expected one of --snapshot and --opinions")
    planned: dict[str, Any] = orjson.loads(plan.read_bytes()) if plan else {}
    told = {"start_from": start_from, "origin": origin}
    whose = dict(planned.get("whose", {})) | {name: folder for name, folder in told.items() if folder}
    if annotators:
        whose |= {"annotators": list(annotators), "title": "A personal policy", "sentence": "For one annotator."}
    with sink(progress) as lines:
        folder = work or out.with_name(f"{out.name}.work")
        try:
            with _alone_in(folder):
                learnt = read_opinions(opinions) if opinions else _judgments(snapshot)
                _fit(learnt, out, folder, planned | {"whose": whose}, changes, lines, asked_to_stop(parent))
        except Cancelled as stopped:
            lines({"stopped": str(stopped)})
            sys.exit(STOPPED)
        except AttuneError as error:
            lines({"error": str(error)})
            click.echo(f"Error: {error}", err=True)
            sys.exit(REFUSED)


def _judgments(path: Path | None) -> Snapshot:
    assert path is not None, "checked before"
    return read_snapshot(path) if path.is_dir() else read_judgments(path)


def _fit(
    learnt: Snapshot | Opinions,
    out: Path,
    work: Path,
    planned: Mapping[str, Any],
    changes: tuple[str, ...],
    lines: Lines,
    stop: Callable[[], bool],
) -> None:
    settings = PolicySettings.from_mapping(dict(planned.get("settings", {})) | dict(map(_change, changes)))
    from attune.policies.trainer import Whose, fit_policy

    folders = {name: Path(each) for name in ("start_from", "origin") if (each := planned["whose"].get(name))}
    whose = planned["whose"] | folders
    report = fit_policy(
        learnt,
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
