"""`attune import` and `attune export`: results as JSON on stdout, progress and problems on stderr.

They end with 0 when it is done, 1 when something is wrong with the data, 2 with how it was asked for, 3 with the machine.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import click

from attune.commands.remote import server_options
from attune.commands.transfer import remote_export, remote_import
from config.local.errors import LocalError
from config.local.session import local_django

if TYPE_CHECKING:
    from annotator.imports.reporting import ImportOptions, ImportReport, Progress
    from annotator.models import Project

WRONG_DATA, WRONG_USE, WRONG_MACHINE = 1, 2, 3
SHOWN_PROBLEMS = 10
EXPORTS = ("judgments", "trl", "pairs", "people", "known")
"""Formats that are no datasets."""
_remote = click.option(
    "--remote", is_flag=True, help="On a server, see `attune login`; not in this machine's database."
)
_project = click.option("--project", "slug", required=True, metavar="SLUG", help="The project, by its short name.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, allow_dash=True))
@_project
@click.option("--create", is_flag=True, help="Make the project if there is none.")
@click.option("--template", default="blank", show_default=True, help="With --create: what the project starts from.")
@click.option("--owner", metavar="EMAIL", help="With --create: whose project it is.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--skip-bad", is_flag=True, help="Take the good rows and put the others into FILE.rejected.jsonl.")
@click.option(
    "--in-parts",
    is_flag=True,
    help="Write part by part, each for good, the good rows only; the same command goes on where it was cut short.",
)
@click.option("--rejected", type=click.Path(path_type=Path, dir_okay=False), help="With --skip-bad: where to put them.")
@click.option("--keep-extra", is_flag=True, help="Keep fields that are not known, instead of refusing them.")
@click.option(
    "--pairs",
    type=click.IntRange(min=0),
    metavar="N",
    help="Pairs for each prompt with responses; all of them unless given.",
)
@click.option("--annotator", "who", default="imported", show_default=True, help="Who judged, where rows don't say.")
@click.option(
    "--map", "columns", multiple=True, metavar="THEIRS=OURS", help="The file's name of a field; can be repeated."
)
@_remote
@server_options
def import_command(
    file: str,
    slug: str,
    create: bool,
    template: str,
    owner: str | None,
    dry_run: bool,
    skip_bad: bool,
    in_parts: bool,
    rejected: Path | None,
    keep_extra: bool,
    pairs: int | None,
    who: str,
    columns: tuple[str, ...],
    remote: bool,
    url: str | None,
    token: str | None,
) -> None:
    """Read FILE (- for standard input) into a project: judgments, or prompts with responses; JSON lines, a JSON array,
    CSV, Parquet or Arrow, plain or gzip, one of them in a zip with the pictures that its rows name, or a folder of such files (`datasets`' save_to_disk among them); ours, or as TRL, hh-rlhf, UltraFeedback, Chatbot Arena, PRISM, Label Studio, Argilla or OpenAI
    write them.

    One wrong row and nothing is written, unless --skip-bad or --in-parts. The same file again adds nothing.
    """
    chosen: dict[str, Any] = {
        "dry_run": dry_run,
        "skip_bad": skip_bad,
        "in_parts": in_parts,
        "columns": columns,
        "who": who,
    }
    if not remote:
        chosen |= {"keep_extra": keep_extra, "pairs_per_prompt": pairs, "rejected": rejected}
        _import_here(file, slug, chosen, new=(template, owner) if create else None)
    elif create or keep_extra or pairs is not None or rejected or file == "-" or Path(file).is_dir():
        raise click.UsageError("--remote takes a file, and neither --create, --keep-extra, --pairs nor --rejected.")
    else:
        remote_import(slug, file, **chosen, url=url, token=token)


def _import_here(file: str, slug: str, chosen: dict[str, Any], *, new: tuple[str, str | None] | None) -> None:
    """Into this machine's database. ``new``: template and owner of a project that is made if there is none."""
    with _attune():
        from annotator.imports.mapping import read_columns
        from annotator.imports.reporting import ImportOptions

        options = ImportOptions(**chosen | {"columns": read_columns(chosen["columns"])})
        report = _take(file, slug, options, maker=_maker(slug, *new) if new else None)
        click.echo(json.dumps(report.as_dict(), indent=2))
        _tell(report)
        if report.bad_rows and not (options.skip_bad or options.in_parts):
            sys.exit(WRONG_DATA)


@click.command("export")
@_project
@click.option(
    "--format",
    "shape",
    default="judgments",
    show_default=True,
    help="judgments, trl (preference rows), pairs (votes and aggregates) or people (figures of each annotator); or the form of"
    " a dataset: preference, implicit, kto, prompts, ranked, sft, reward, rationales, spans, contexts, label_studio, argilla.",
)
@click.option(
    "--type",
    "kind",
    help="jsonl, csv, json, parquet, folder, or zip (judgments with their pictures); by the name of the file unless given.",
)
@click.option(
    "--option",
    "decisions",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of a dataset: ties, both_good, both_bad, flagged, repeats, hindsight, people, failed_checks, simulated, split, held_out, names,"
    " salt.",
)
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
@_remote
@server_options
def export_command(
    slug: str,
    shape: str,
    kind: str | None,
    decisions: tuple[str, ...],
    sides: str,
    revisions: bool,
    out: str,
    remote: bool,
    url: str | None,
    token: str | None,
) -> None:
    """Write a project's judgments to a file, or to a folder that `datasets.load_dataset` opens, under the annotators'
    pseudonyms."""
    asked = dict(_decision(each) for each in decisions)
    dataset = shape not in EXPORTS
    kind = kind or _kind_of(out, dataset=dataset)
    if asked and not dataset:
        raise click.UsageError(f"--option is for datasets, and --format {shape} is none.")
    if remote:
        usual = {"format": shape, "type": kind, "sides": sides, "revisions": revisions or None}
        remote_export(slug, out, {"form": shape, "type": kind, **asked} if dataset else usual, url=url, token=token)
        return
    with _attune():
        if dataset:
            _write_dataset(slug, out, {"form": shape, "type": kind, **asked})
        else:
            _write_export(slug, out, format=shape, type=kind, sides=sides, revisions=revisions)


def _write_export(slug: str, out: str, **options: Any) -> None:
    from annotator.exports.options import ExportOptions, Tally
    from annotator.exports.writing import export_project

    project, tally = _existing(slug), Tally()
    with _sink(out) as sink:
        for piece in export_project(project, ExportOptions(**options), tally):
            sink.write(piece)
    _report(slug, out, tally.rows, dict(tally.left_out))


def _write_dataset(slug: str, out: str, given: dict[str, str]) -> None:
    from annotator.exports.dataset_options import DatasetOptions
    from annotator.exports.datasets import write_dataset, write_folder

    project, options = _existing(slug), DatasetOptions.read(given)
    if options.type == "folder" and out != "-" and not out.endswith(".zip"):
        target = Path(out)
        if target.exists():
            raise click.UsageError(f"{target} is there already; a folder is never written over.")
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            tally = write_folder(project, options, aside).tally
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    else:
        with _sink(out) as sink:
            tally = write_dataset(project, options, sink)
    _report(slug, out, tally.rows, dict(tally.left_out))


def _report(slug: str, out: str, rows: int, left_out: dict[str, int]) -> None:
    report = {"project": slug, "file": out, "rows": rows, "left_out": left_out}
    click.echo(json.dumps(report, indent=2), err=out == "-")


def _decision(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise click.UsageError(f"{given!r} has no value; expected NAME=VALUE.")
    return name, value


def _kind_of(out: str, *, dataset: bool) -> str:
    endings = {".csv": "csv", ".parquet": "parquet", ".json": "json", ".zip": "folder" if dataset else "zip"}
    return endings.get(Path(out).suffix, "jsonl")


def _take(file: str, slug: str, options: "ImportOptions", *, maker: "Callable[[], Project] | None") -> "ImportReport":
    """Import in one transaction with making the project, so that neither is there without the other; in parts it is first."""
    from django.db import transaction

    from annotator.imports.running import run_import
    from annotator.models import Project

    in_parts = options.in_parts and not options.dry_run
    with ExitStack() as whole:
        if not in_parts:
            whole.enter_context(transaction.atomic())
        project = Project.objects.filter(slug=slug).first()
        project = project or (maker() if maker else _existing(slug))
        report = run_import(file, project=project, options=options, on_progress=_progress())
        if not report.written and not in_parts:
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
