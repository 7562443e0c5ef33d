"""`attune import` and `attune export`: results as JSON on stdout, progress and problems on stderr.

They end with 0 when it is done, 1 when something is wrong with the data, 2 with how it was asked for, 3 with the machine.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import click

from config.local.errors import LocalError
from config.local.session import local_django

if TYPE_CHECKING:
    from annotator.imports.reporting import ImportOptions, ImportReport, Progress
    from annotator.models import Project

WRONG_DATA, WRONG_USE, WRONG_MACHINE = 1, 2, 3
SHOWN_PROBLEMS = 10
_project = click.option("--project", "slug", required=True, metavar="SLUG", help="The project, by its short name.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@_project
@click.option("--create", is_flag=True, help="Make the project if there is none.")
@click.option("--template", default="blank", show_default=True, help="With --create: what the project starts from.")
@click.option("--owner", metavar="EMAIL", help="With --create: whose project it is.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--skip-bad", is_flag=True, help="Take the good rows and put the others into FILE.rejected.jsonl.")
@click.option("--rejected", type=click.Path(path_type=Path, dir_okay=False), help="With --skip-bad: where to put them.")
@click.option("--keep-extra", is_flag=True, help="Keep fields that are not known, instead of refusing them.")
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    metavar="N",
    help="Pairs for each prompt with responses; all of them unless given.",
)
def import_command(
    file: str,
    slug: str,
    create: bool,
    template: str,
    owner: str | None,
    dry_run: bool,
    skip_bad: bool,
    rejected: Path | None,
    keep_extra: bool,
    pairs: int | None,
) -> None:
    """Read FILE (- for standard input) into a project: judgments, or prompts with responses; JSON lines or CSV, plain or
    gzip.

    One wrong row and nothing is written, unless --skip-bad. The same file again adds nothing.
    """
    with _attune():
        from annotator.imports.reporting import ImportOptions

        options = ImportOptions(
            dry_run=dry_run, skip_bad=skip_bad, keep_extra=keep_extra, pairs_per_prompt=pairs, rejected=rejected
        )
        report = _take(file, slug, options, maker=_maker(slug, template, owner) if create else None)
        click.echo(json.dumps(report.as_dict(), indent=2))
        _tell(report)
        if report.bad_rows and not skip_bad:
            sys.exit(WRONG_DATA)


@click.command("export")
@_project
@click.option(
    "--format",
    "shape",
    default="judgments",
    show_default=True,
    help="judgments; trl: preference rows for trainers; pairs: aggregated answers; people: figures of each annotator.",
)
@click.option("--type", "kind", help="jsonl or csv; by the name of the file unless given.")
@click.option(
    "--sides", default="pair", show_default=True, help="pair: a and b as in the pair; shown: a was on the left."
)
@click.option("--revisions", is_flag=True, help="With judgments that were changed or withdrawn since.")
@click.option(
    "--out",
    default="-",
    show_default=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The file; - is standard output.",
)
def export_command(slug: str, shape: str, kind: str | None, sides: str, revisions: bool, out: str) -> None:
    """Write a project's judgments to a file, under the annotators' pseudonyms."""
    with _attune():
        from annotator.exports.options import ExportOptions, Tally
        from annotator.exports.writing import export_project

        kind = kind or ("csv" if out.endswith(".csv") else "jsonl")
        options = ExportOptions(format=shape, type=kind, sides=sides, revisions=revisions)  # type: ignore[arg-type] # it checks
        project, tally = _existing(slug), Tally()
        with _sink(out) as sink:
            for piece in export_project(project, options, tally):
                sink.write(piece)
        report = {"project": slug, "file": out, "rows": tally.rows, "left_out": dict(tally.left_out)}
        click.echo(json.dumps(report, indent=2), err=out == "-")


def _take(file: str, slug: str, options: "ImportOptions", *, maker: "Callable[[], Project] | None") -> "ImportReport":
    """Import in one transaction with making the project, so that neither is there without the other."""
    from django.db import transaction

    from annotator.imports.running import run_import
    from annotator.models import Project

    with transaction.atomic():
        project = Project.objects.filter(slug=slug).first()
        project = project or (maker() if maker else _existing(slug))
        report = run_import(file, project=project, options=options, on_progress=_progress())
        if not report.written:
            transaction.set_rollback(True)
    return report


def _maker(slug: str, template: str, owner: str | None) -> "Callable[[], Project]":
    from annotator.models import User
    from annotator.services.projects import create_project

    user = User.objects.filter(email=owner.lower()).first() if owner else None
    if owner and not user:
        raise click.UsageError(f"There is no login {owner!r}.")
    name = slug.replace("-", " ").capitalize()
    return lambda: create_project(owner=user, name=name, slug=slug, template=template)


def _existing(slug: str) -> "Project":
    from annotator.models import Project

    project = Project.objects.filter(slug=slug).first()
    if project is None:
        known = ", ".join(Project.objects.values_list("slug", flat=True)[:10]) or "none yet"
        raise click.UsageError(f"There is no project {slug!r} (there are: {known}); --create makes one on import.")
    return project


def _progress() -> "Callable[[Progress], None]":
    """A line on stderr: rewritten twice a second on a terminal, a new one every ten seconds elsewhere."""
    terminal = sys.stderr.isatty()
    told = started = time.monotonic()

    def tell(progress: "Progress") -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < (0.5 if terminal else 10):
            return
        told = now
        share = f", {progress.position / progress.size:.0%} of the file" if progress.size else ""
        rate = progress.rows / (now - started)
        click.echo(
            f"{progress.rows:,} rows{share}, {rate:,.0f} rows/s" + ("\r" if terminal else ""), err=True, nl=not terminal
        )

    return tell


def _tell(report: "ImportReport") -> None:
    problems = sorted(report.problems, key=lambda each: each.line)
    for problem in problems[:SHOWN_PROBLEMS]:
        click.echo(str(problem), err=True)
    if report.bad_rows > SHOWN_PROBLEMS:
        click.echo(f"… and {report.bad_rows - SHOWN_PROBLEMS:,} more", err=True)
    click.echo(report.summary(), err=True)
    if report.rejected_file:
        click.echo(f"The rejected rows are in {report.rejected_file}.", err=True)


@contextmanager
def _sink(out: str) -> Iterator[BinaryIO]:
    """Where the file goes: it appears under its name once it is whole."""
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    path = Path(out)
    if path.exists() and not path.is_file():  # a device or a pipe, never to be replaced
        with path.open("wb") as file:
            yield file
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _attune() -> Iterator[None]:
    """Django over this machine's database, and what goes wrong as one line and the exit code that fits."""
    try:
        with local_django():
            from django.db import DatabaseError

            from annotator.errors import AnnotatorError, Invalid
            from annotator.imports.errors import BadFile
            from annotator.imports.rejected import CannotReject

            try:
                yield
            except (CannotReject, DatabaseError) as error:
                _end(error, WRONG_MACHINE)
            except (Invalid, BadFile) as error:
                _end(error, WRONG_DATA if isinstance(error, BadFile) else WRONG_USE)
            except AnnotatorError as error:
                _end(error, WRONG_DATA)
    except LocalError as error:
        _end(error, WRONG_MACHINE)
    except BrokenPipeError:
        raise  # whoever read the output has had enough; click ends quietly
    except OSError as error:
        _end(f"{error.filename or 'the file'} can't be written: {error.strerror}", WRONG_MACHINE)


def _end(error: object, code: int) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(code)
