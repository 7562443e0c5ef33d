"""`attune evaluate`: how well models predict annotators that they were not fitted on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from attune import rewards
from attune.data import Snapshot, read_judgments, read_snapshot
from attune.encoders import DEFAULT_ENCODER, FileStore, encode_cached
from attune.errors import AttuneError, BadData
from attune.evaluate import ALL, evaluate, table
from attune.figure import draw

Options = dict[str, dict[str, Any]]


@click.command(name="evaluate")
@click.option("--train", required=True, type=click.Path(exists=True, path_type=Path), help="Judgments to fit on.")
@click.option(
    "--eval", "evaluation", required=True, type=click.Path(exists=True, path_type=Path), help="Judgments of others."
)
@click.option(
    "--models",
    default="bradley_terry,hybrid",
    show_default=True,
    help=f"Names, separated by commas: {', '.join(rewards.names())}.",
)
@click.option("--shots", default="0,4,8,16,all", show_default=True, help="Judgments of a newcomer that a model sees.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Fits of each model.")
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, help="Turns texts into vectors.")
@click.option("--config", multiple=True, metavar="[MODEL.]KEY=VALUE", help="An option of a model, or of all.")
@click.option(
    "--vectors", type=click.Path(path_type=Path), help="Folder that keeps encoded texts.  [default: user cache]"
)
@click.option(
    "--json",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file, and a plot beside it.",
)
def command(
    train: Path,
    evaluation: Path,
    models: str,
    shots: str,
    seeds: int,
    encoder: str,
    config: tuple[str, ...],
    vectors: Path | None,
    out: Path | None,
) -> None:
    """Fit models on one set of judgments and predict the annotators of another.

    Both are JSON lines (.gz or plain; one judgment a line with both texts) or a snapshot's folder. The report goes to
    stdout as JSON, or with --json to a file, a plot (.svg) beside it and a table to stdout.
    """
    try:
        names = _names(models)
        fitted_on, judged_by = _read(train), _read(evaluation)
        report = evaluate(
            fitted_on,
            judged_by,
            _features(encoder, (fitted_on, judged_by), vectors or _cache()),
            encoder=encoder,
            models=names,
            shots=_shots(shots),
            seeds=range(seeds),
            options=_options(config, names),
            progress=_show,
        )
    except AttuneError as error:
        raise click.ClickException(str(error)) from error
    text = json.dumps(report, indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text)
        picture = out.with_suffix(".svg")
        picture.write_text(draw(report), encoding="utf-8")
        click.echo(table(report))
        click.echo(f"\nWritten: {out}, {picture}")


def _names(models: str) -> list[str]:
    names = [name.strip() for name in models.split(",") if name.strip()]
    if unknown := [name for name in names if name not in rewards.names()]:
        raise BadData(f"model {unknown[0]!r} is not known; expected one of {', '.join(rewards.names())}")
    return names


def _shots(shots: str) -> list[int | None]:
    """``0,4,all`` as [0, 4, None]."""
    found: list[int | None] = []
    for each in (part.strip() for part in shots.split(",")):
        if each != ALL and not (each.isascii() and each.isdigit()):
            raise BadData(f"shots {each!r} is not known; expected numbers and 'all', separated by commas")
        found.append(None if each == ALL else int(each))
    return found


def _options(config: Sequence[str], names: Sequence[str]) -> Options:
    """``hybrid.steps=300`` for one model, ``steps=300`` for all; values as JSON, or else as text."""
    options: Options = {name: {} for name in names}
    for each in config:
        place, equals, value = each.partition("=")
        model, _, key = place.rpartition(".")
        if not equals or not key or (model and model not in options):
            raise BadData(
                f"config {each!r} does not fit; expected KEY=VALUE or MODEL.KEY=VALUE with a model of --models"
            )
        for name in [model] if model else names:
            options[name][key] = _value(value)
    return options


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(path: Path) -> Snapshot:
    return read_snapshot(path) if path.is_dir() else read_judgments(path)


def _features(encoder: str, snapshots: Sequence[Snapshot], vectors: Path) -> dict[str, Any]:
    texts = {each.id: (each.prompt, each.text) for snapshot in snapshots for each in snapshot.responses.values()}
    return encode_cached(encoder, texts, FileStore(vectors), _show)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attune" / "vectors"


def _show(progress: Mapping[str, float | int | str]) -> None:
    click.echo(f"{progress['stage']}: {progress['step']} of {progress['steps']}", err=True)
