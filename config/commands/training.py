"""`attune train` and `attune promote`: results as JSON on stdout, progress on stderr."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from config.local.errors import LocalError
from config.local.session import local_django

if TYPE_CHECKING:
    from annotator.models import Project
    from training.models import ModelVersion, Run

project_option = click.option(
    "--project", "slug", required=True, metavar="SLUG", help="The project, by its short name."
)


@click.command()
@project_option
@click.option(
    "--model", metavar="NAME", help="One of the names in `attune evaluate --help`; the project's own unless given."
)
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the model; can be repeated."
)
@click.option(
    "--doubtful",
    type=click.Choice(["keep", "list", "soften", "flip", "margin"]),
    default="keep",
    show_default=True,
    help="What to do with judgments that look mislabelled; margin: by bradley_terry and hybrid only.",
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--snapshot",
    "frozen",
    metavar="NAME",
    help="What to fit: a name or digest; the judgments as they are now unless given.",
)
@click.option("--promote", "promote_when_done", is_flag=True, help="Make the version live when it is done.")
@click.option("--wait", is_flag=True, help="Stay until a worker has carried it out.")
@click.option("--here", is_flag=True, help="Carry it out in this process, without a worker or a broker.")
def train(
    slug: str,
    model: str | None,
    options: tuple[str, ...],
    doubtful: str,
    seed: int,
    frozen: str | None,
    promote_when_done: bool,
    wait: bool,
    here: bool,
) -> None:
    """Fit the project's model on its judgments. Ends with 1 where the run fails or is stopped."""
    with project_session(slug) as project:
        from training.execution import execute_run
        from training.fits import measure_fits
        from training.runs import start_run
        from training.snapshot_selectors import find_snapshot

        run = start_run(
            project=project,
            model_name=model,
            options=dict(option_of(each) for each in options),
            doubtful=doubtful,
            seed=seed,
            promote_when_done=promote_when_done,
            snapshot=find_snapshot(project, frozen) if frozen else None,
            send=not here,
        )
        click.echo(f"run {run.number} of {slug}: {run.model_name} on {run.encoder}", err=True)
        if here:
            measure_fits(execute_run(run.pk, watch=show))
        elif wait:
            _wait_for(run)
        run.refresh_from_db()
        say(_described(run))
        if (here or wait) and run.state != "done":
            sys.exit(1)


@click.command()
@project_option
@click.argument("version")
@click.option("--reason", default="", help="Kept in the history.")
def promote(slug: str, version: str, reason: str) -> None:
    """Make VERSION, such as hybrid@3 or 3, the one that serves."""
    with project_session(slug) as project:
        from training.registry import promote
        from training.selectors import version_named

        found = version_named(project, version)
        done = promote(version=found, reason=reason)
        say({"live": found.label, "previous": done.previous.label if done and done.previous else None})


@contextmanager
def project_session(slug: str) -> Iterator["Project"]:
    """The project inside a Django that is set up; errors that are meant for people end with one line and 1."""
    try:
        with local_django():
            from annotator.errors import AnnotatorError
            from annotator.models import Project
            from attune.errors import AttuneError
            from config.celery import app

            app.set_default()
            project = Project.objects.filter(slug=slug).first()
            if project is None:
                known = ", ".join(Project.objects.values_list("slug", flat=True)[:10]) or "none yet"
                raise click.ClickException(f"There is no project {slug!r}; there are: {known}.")
            try:
                yield project
            except (AnnotatorError, AttuneError) as error:
                raise click.ClickException(str(error)) from error
    except LocalError as error:
        raise click.ClickException(str(error)) from error


def option_of(given: str) -> tuple[str, object]:
    """``KEY=VALUE`` with the value as JSON, or else as text."""
    key, equals, value = given.partition("=")
    if not equals:
        raise click.ClickException(f"The option {given!r} has no value; expected KEY=VALUE.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _wait_for(run: "Run") -> None:
    """Show a worker's progress until the run is over."""
    shown = None
    while not run.over:
        if run.progress != shown:
            shown = run.progress
            show(shown or {"phase": run.state})
        time.sleep(1)
        run.refresh_from_db()


def show(progress: Mapping[str, object]) -> None:
    steps = f" {progress['step']}/{progress['steps']}" if progress.get("steps") else ""
    click.echo(f"{progress['phase']}{steps}", err=True)


def _described(run: "Run") -> dict[str, object]:
    version: ModelVersion | None = getattr(run, "version", None)
    return {
        "run": run.number,
        "state": run.state,
        "error": run.error,
        "version": version.label if version else None,
        "live": bool(version and version.state == "live"),
        "snapshot": run.snapshot.digest if run.snapshot else None,
        "metrics": run.metrics,
    }


def say(result: dict[str, object], *, line: bool = False) -> None:
    """``line``: on one, where more may follow."""
    click.echo(json.dumps(result, indent=None if line else 2))
