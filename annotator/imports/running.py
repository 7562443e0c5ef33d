"""One file into one project, in one transaction: all of it or nothing, or with ``skip_bad`` its good rows; or in parts."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

from django.db import connection, transaction
from django.utils.translation import activate, get_language
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.imports.detecting import detected, detected_folder
from annotator.imports.errors import BadFile, BadRow
from annotator.imports.lineups import LineupRow, check_lineup
from annotator.imports.parts import PART_ROWS, Mark, alone
from annotator.imports.pictures import Pictures
from annotator.imports.reading import NOTHING_USED, Opened, OpenedFolder, RawRow, Source, opened
from annotator.imports.rejected import RejectedFile
from annotator.imports.reporting import FIRST_ROWS, ImportOptions, ImportPreview, ImportReport, OnProgress, Progress
from annotator.imports.rows import Checker, JudgmentRow, PromptRow, Raw
from annotator.imports.writing import Outcome, Writer
from annotator.models import Annotator, Judgment, Pair, Project, Prompt, Rationale, Response
from annotator.services.lineups import make_lineups

BATCH_ROWS = 2_500
BATCH_BYTES = 8_000_000
"""A batch ends at whichever comes first, so that rows of any length fit into the same memory."""
_LOCK = 0x417474  # "Att": the class of the advisory locks that imports take, one for each project

Said = JudgmentRow | LineupRow
Row = TypeVar("Row", Said, PromptRow)
Item = TypeVar("Item")
Check = Callable[[int, Raw, Mapping[str, object]], Row]
AtEnd = Callable[[ImportReport], None]


def run_import(
    source: Source,
    *,
    project: Project,
    options: ImportOptions | None = None,
    on_progress: OnProgress | None = None,
    at_end: AtEnd | None = None,
) -> ImportReport:
    """Read a file of judgments, or of prompts with responses, into a project.

    One bad row and nothing is written (the report says which), unless ``options.skip_bad``. A dry run does everything
    and takes it back. Raises ``BadFile`` for a file that can't be read to its end, ``CannotReject`` where the rejected
    rows find no room, ``Conflict`` where others write into the project meanwhile; nothing is written then. With
    ``options.in_parts``, outside of a transaction, the parts before stay, and the same call goes on behind them.
    ``at_end`` is called in the transaction that writes the last of it.
    """
    return _Import(project, options or ImportOptions(), on_progress, at_end).run(source)


def preview_import(
    source: Source, *, project: Project, options: ImportOptions | None = None, on_progress: OnProgress | None = None
) -> ImportPreview:
    """What ``run_import`` would do, and how the first rows read. Writes nothing. Raises ``BadFile``, ``Conflict``."""
    work = _Import(project, replace(options or ImportOptions(), dry_run=True), on_progress)
    report = work.run(source)
    return ImportPreview(report, [_shown(row) for row in work.first_rows])


class _Import:
    def __init__(
        self,
        project: Project,
        options: ImportOptions,
        on_progress: OnProgress | None,
        at_end: AtEnd | None = None,
    ) -> None:
        self._project = project
        self._options = replace(options, skip_bad=options.skip_bad or options.in_parts)
        self._on_progress = on_progress
        self._at_end = at_end
        self._mark: Mark | None = None
        self._part = ExitStack()
        self._lock_of = (_LOCK, project.pk % 2**31)
        self._rejected: RejectedFile | None = None
        self._report = ImportReport(source="", dry_run=options.dry_run)
        self.first_rows: list[Said | PromptRow] = []

    def run(self, source: Source) -> ImportReport:
        started = time.monotonic()
        with _uncollected(), opened(source) as file, ExitStack() as held:
            self._report.source = file.name
            if self._options.skip_bad and not self._options.dry_run:
                self._rejected = RejectedFile(self._options.rejected or _beside(source))
            try:
                if self._options.in_parts and not self._options.dry_run:
                    held.enter_context(alone(self._lock_of))
                    self._go_on(source)
                with self._part:
                    self._begin(file)
                    self._read(file)
                    self._end()
            except BaseException as error:
                if self._rejected:
                    self._rejected.discard()
                if self._mark and self._mark.rows and isinstance(error, BadFile):
                    before = str(error).removesuffix(f" {_(NOTHING_USED)}")
                    raise BadFile(
                        _("%(before)s The %(rows)s rows before are in to stay.")
                        % {"before": before, "rows": f"{self._mark.rows:,}"}
                    ) from error
                raise
        self._report.seconds = round(time.monotonic() - started, 3)
        return self._report

    def _go_on(self, source: Source) -> None:
        """From where an earlier attempt was, if there was one."""
        if connection.in_atomic_block:
            raise ValueError("a file can't be imported in parts within a transaction")
        self._mark = Mark(self._project, source, self._options)
        self._mark.restore(self._report)
        if self._rejected and self._mark.rejected:
            self._rejected.add(self._mark.rejected)

    def _begin(self, file: Opened | OpenedFolder) -> None:
        """A transaction, and a writer that remembers nothing from the one before."""
        self._part.enter_context(transaction.atomic())
        self._lock()
        _check_references("IMMEDIATE")  # statement by statement, beside the reading, not all at the end
        self._writer = Writer(self._project, pairs_per_prompt=self._options.pairs_per_prompt)
        self._writer.pictures = Pictures(self._project, file.archive, dry_run=self._options.dry_run)

    def _turn(self, file: Opened | OpenedFolder) -> None:
        """Where a part is full: it stays, and another one begins."""
        if self._mark and self._report.rows - self._mark.rows >= PART_ROWS:
            self._mark.move(self._report)
            self._part.close()
            self._begin(file)

    def _lock(self) -> None:
        """One import at a time into a project, so that each sees what the other wrote. Nobody waits to look, though."""
        with connection.cursor() as cursor:
            if not self._options.dry_run:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", self._lock_of)
                return
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", self._lock_of)
            if cursor.fetchone() == (False,):
                raise Conflict(_("Another file is being read into this project; look again when that is done."))

    def _read(self, file: Opened | OpenedFolder) -> None:
        options, report = self._options, self._report
        look = detected_folder if isinstance(file, OpenedFolder) else detected
        found = look(file, keep_extra=options.keep_extra, who=options.who, columns=options.columns)  # type: ignore[arg-type]
        report.format, report.shape, report.names = found.format, found.shape, found.names
        report.columns, report.who = dict(options.columns), options.who
        checker = Checker(keep_extra=self._options.keep_extra)
        batches = _batches(islice(found.rows, self._report.resumed_after, self._options.max_rows))
        if found.shape == "judgments":
            check = partial(_said, checker, options.keep_extra)
            self._write(file, batches, check, lambda rows: self._writer.write_said(rows))
        else:
            self._write(file, batches, checker.prompt, lambda rows: self._writer.write_prompts(rows))
        report.complete = report.rows != self._options.max_rows
        if made := make_lineups(project=self._project):
            report.new["lineups"] = report.new.get("lineups", 0) + made

    def _write(
        self,
        file: Opened | OpenedFolder,
        batches: Iterable[Sequence[RawRow]],
        check: Check[Row],
        write: Callable[[Sequence[Row]], Outcome],
    ) -> None:
        """Batch by batch; the next one is read and checked while the database works on the last."""
        with closing(_one_ahead(_checked(batch, check) for batch in batches)) as checked:
            for good, bad in checked:
                self._report.rows += len(good) + len(bad)
                self.first_rows += good[: FIRST_ROWS - len(self.first_rows)]
                for raw, why in bad:
                    self._reject(raw.line, raw.raw, why)
                self._add_up(write(good))
                self._turn(file)
                if self._on_progress:
                    written = self._mark.rows if self._mark else 0
                    self._on_progress(Progress(self._report.rows, file.position, file.size, written))

    def _add_up(self, outcome: Outcome) -> None:
        for kind, count in outcome.new.items():
            self._report.new[kind] = self._report.new.get(kind, 0) + count
        self._report.duplicates += outcome.duplicates
        for row, bad in outcome.refused:
            self._reject(row.line, row.raw, bad)

    def _reject(self, line: int, raw: Raw, bad: BadRow) -> None:
        problem = bad.on(line)
        self._report.reject(problem)
        if self._rejected:
            written = self._rejected.write(problem, raw)
            if self._mark:
                self._mark.reject(written)

    def _end(self) -> None:
        """Keep or take back. The rejected rows are safe on the disk before the good ones are committed."""
        report, options = self._report, self._options
        report.written = not options.dry_run and (options.skip_bad or not report.bad_rows)
        if not report.written:
            transaction.set_rollback(True)
            return
        _check_references("DEFERRED")
        if Annotator.objects.filter(project=self._project, simulated=True).exists():
            Project.objects.filter(pk=self._project.pk).update(simulated=True)
        if self._rejected:
            report.rejected_file = self._rejected.keep()
        if report.rows >= BATCH_ROWS:
            _learn_sizes()
        if self._mark:
            self._mark.remove()
        if self._at_end:
            self._at_end(report)


def _learn_sizes() -> None:
    """Tell the planner how large the tables have become, rather than have it guess until the next autovacuum.

    Last of all, as it holds off other imports' own until the commit.
    """
    tables = ", ".join(model._meta.db_table for model in (Annotator, Prompt, Response, Pair, Judgment, Rationale))  # noqa: SLF001
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")


def _check_references(when: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL {when}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles: rows make none, and looking for some takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _checked(batch: Sequence[RawRow], check: Check[Row]) -> tuple[list[Row], list[tuple[RawRow, BadRow]]]:
    """The rows of a batch that are right by themselves, and those that are not, with the reason."""
    good: list[Row] = []
    bad: list[tuple[RawRow, BadRow]] = []
    for raw in batch:
        if isinstance(raw.data, BadRow):
            bad.append((raw, raw.data))
            continue
        try:
            good.append(check(raw.line, raw.raw, raw.data))
        except BadRow as why:
            bad.append((raw, why.with_traceback(None)))
    return good, bad


def _one_ahead(items: Iterable[Item]) -> Generator[Item]:
    """The items, each made by another thread while the one before is worked on."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "reading", activate, (get_language(),)) as pool:
        ahead = pool.submit(next, iterator, end)
        while (item := ahead.result()) is not end:
            ahead = pool.submit(next, iterator, end)
            yield cast(Item, item)


def _batches(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    batch: list[RawRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.raw) if isinstance(row.raw, bytes) else sum(len(str(cell)) for cell in row.raw.values())
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _beside(source: Source) -> Path:
    if not isinstance(source, str | Path):
        raise ValueError("skip_bad with an open file needs options.rejected, a path for the rejected rows")
    return Path("stdin.rejected.jsonl") if str(source) == "-" else Path(f"{source}.rejected.jsonl")


def _said(checker: Checker, keep: bool, line: int, raw: Raw, row: Mapping[str, object]) -> Said:
    """A judgment of whatever kind the row says it is."""
    if row.get("kind") in (None, "", "pair"):
        return checker.judgment(line, raw, row)
    return check_lineup(line, raw, row, keep=keep)


def _shown(row: Said | PromptRow) -> dict[str, object]:
    """A row as it was understood, for a person to compare with the file."""
    shown: dict[str, object] = {"line": row.line, "prompt": row.prompt.text, "topic": row.prompt.topic}
    texts = [response.text for response in row.responses]
    if isinstance(row, PromptRow):
        return {**shown, "responses": texts}
    if isinstance(row, LineupRow):
        ranking = " › ".join(" = ".join(map(str, tier)) for tier in row.ranking)
        said = ranking or (row.choice if row.rating is None else str(row.rating))
        first, *others = texts
        sides = {"response_a": first, "response_b": " · ".join(others), "preference": said}
        return {**shown, "annotator": row.annotator, **sides, "rationale": row.rationale}
    return {
        **shown,
        "annotator": row.annotator,
        "response_a": texts[0],
        "response_b": texts[1],
        "preference": row.preference,
        "strength": row.strength,
        "rationale": row.rationale,
        "tags": [tag["tag"] for tag in row.tags],
    }
