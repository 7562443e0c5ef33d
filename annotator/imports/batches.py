"""A file that an owner uploads: kept, looked at, confirmed, then read by a worker. The ``ImportBatch`` row is the truth."""

from __future__ import annotations

import logging
import tempfile
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import AnnotatorError, Conflict, Invalid
from annotator.imports.errors import WrongHeader
from annotator.imports.mapping import check_columns
from annotator.imports.reporting import ImportOptions, ImportPreview, ImportReport, Progress
from annotator.imports.running import preview_import, run_import
from annotator.models import ImportBatch, ImportMark, JobState, Project, User
from annotator.services import jobs
from annotator.services.audit import record

log = logging.getLogger(__name__)

PREVIEW_ROWS = 5_000
"""Rows looked at before an owner confirms: about a second. The report says where there are more."""
BEAT_SECONDS = 2.0
LOST_AFTER = timedelta(seconds=30)
"""A confirmed file that has waited so long may have lost its message."""
KEPT_FOR = timedelta(days=7)
"""How long a file is kept that nobody confirmed, or that failed."""


def store_upload(*, project: Project, by: User, file: File, name: str = "") -> ImportBatch:  # type: ignore[type-arg]
    """Keep an uploaded file until it is confirmed. Raises ``Invalid`` where it is too large."""
    if file.size > settings.IMPORT_MAX_BYTES:
        most = settings.IMPORT_MAX_BYTES
        raise Invalid(
            _("The file has %(n)s bytes.") % {"n": f"{file.size:,}"},
            fields={
                "file": _("At most %(most)s bytes; import larger ones with `attune import`.") % {"most": f"{most:,}"}
            },
        )
    path = _uploads().save(f"imports/{project.pk}/{uuid.uuid4().hex}", file)
    return ImportBatch.objects.create(project=project, by=by, name=(name or file.name or "file")[:255], path=path)


def preview_batch(
    *, batch: ImportBatch, columns: Mapping[str, str] | None = None, who: str = "imported"
) -> ImportPreview:
    """What importing the file's first rows would do. Writes nothing but the batch's report, where it also keeps how the file
    is to be read: ``columns`` are the file's names that stand for ours, ``who`` judged where rows don't say.

    Raises ``BadFile``, and ``Invalid`` for columns that are none of ours.
    """
    check_columns(columns or {})
    options = ImportOptions(max_rows=PREVIEW_ROWS, columns=columns or {}, who=who)
    try:
        with _uploads().open(batch.path) as file:
            preview = preview_import(file, project=batch.project, options=options)
    except WrongHeader as error:
        unread = {"header_problem": str(error), "names": error.names, "columns": dict(columns or {}), "who": who}
        ImportBatch.objects.filter(pk=batch.pk, confirmed_at=None).update(report=unread)
        raise
    preview.report.source = batch.name
    ImportBatch.objects.filter(pk=batch.pk, confirmed_at=None).update(report=preview.as_dict())
    return preview


def start_import(*, batch: ImportBatch, by: User, skip_bad: bool = False, in_parts: bool = False) -> None:
    """Confirm a file that was looked at, or try one again that failed; a worker reads it. Raises ``Conflict``.

    ``in_parts`` leaves bad rows out, too; a worker that is killed is followed by one that goes on where it was.
    """
    with transaction.atomic():
        rows = ImportBatch.objects.filter(pk=batch.pk)
        fresh = rows.filter(state=JobState.WAITING, confirmed_at=None) | rows.filter(state=JobState.FAILED)
        if not fresh.update(
            state=JobState.WAITING,
            confirmed_at=timezone.now(),
            skip_bad=skip_bad or in_parts,
            in_parts=in_parts,
            attempt=0,
            error="",
            finished_at=None,
        ):
            raise Conflict(_("This file is being imported already, or it is done."))
        record(project=batch.project, by=by, what="import started", name=batch.name, skip_bad=skip_bad)
        _send(batch.pk)


def cancel_import(*, batch: ImportBatch) -> None:
    """Stop it, and forget the file; what a worker has read so far is taken back, or the part that it is at."""
    jobs.cancel(job=batch)
    if ImportBatch.objects.filter(pk=batch.pk, state=JobState.CANCELLED).exists():
        _forget_upload(batch)


def stored_files(project: Project) -> list[str]:
    """What the project's imports keep in the uploads storage: files not yet read, and rejected rows."""
    batches = ImportBatch.objects.filter(project=project).values_list("path", "report__rejected_file")
    return [path for paths in batches for path in paths if path]


def delete_uploads(paths: list[str]) -> None:
    """Remove files from the uploads storage."""
    for path in paths:
        _uploads().delete(path)


def run_batch(*, batch_id: int) -> None:
    """Read a confirmed file, in the worker. A doubled message, or a batch in other hands, is left alone."""
    if not ImportBatch.objects.filter(pk=batch_id, confirmed_at__isnull=False).exists():
        return
    batch = jobs.claim(model=ImportBatch, job_id=batch_id)
    if batch is None:
        return
    with jobs.speaking_to_starter(batch):
        _read_to_its_end(batch)


def _read_to_its_end(batch: ImportBatch) -> None:
    try:
        _carry_out(batch)
    except jobs.Cancelled:
        jobs.mark_cancelled(job=batch)
        _forget_upload(batch)
    except jobs.ClaimLost:
        log.warning("import %s went to another worker; nothing was written by this one", batch.pk)
    except AnnotatorError as error:
        jobs.fail(job=batch, error=str(error))
    except Exception as error:
        log.exception("import %s failed", batch.pk)
        jobs.fail(job=batch, error=f"{type(error).__name__}: {error}", retry=True)


def sweep_imports() -> None:
    """Find confirmed files again whose worker or message was lost; forget files that nobody came back for."""
    jobs.requeue_expired(model=ImportBatch)
    for batch_id in jobs.waiting_ids(model=ImportBatch, older_than=LOST_AFTER, confirmed_at__isnull=False):
        _send(batch_id)
    old = ImportBatch.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).exclude(path="")
    for batch in old.filter(state=JobState.WAITING, confirmed_at=None) | old.filter(state=JobState.FAILED):
        jobs.cancel(job=batch)
        _forget_upload(batch)
    ImportMark.objects.filter(updated_at__lt=timezone.now() - KEPT_FOR).delete()


def _carry_out(batch: ImportBatch) -> None:
    """The end of the job is written with the last of the file."""

    def finish(report: ImportReport) -> None:
        report.source = batch.name
        if report.rejected_file:
            with Path(report.rejected_file).open("rb") as rejected:
                report.rejected_file = _uploads().save(f"{batch.path}.rejected.jsonl", File(rejected))
        beat.check()
        record(project=batch.project, by=batch.by, what="import written", name=batch.name, **report.new)
        jobs.finish(job=batch, report=report.as_dict())

    with jobs.beating(job=batch, every=BEAT_SECONDS) as beat, tempfile.TemporaryDirectory() as folder:
        report = _read(batch, beat, Path(folder), finish)
    if report.written:
        _forget_upload(batch)
    else:
        jobs.fail(job=batch, error=report.summary(), report=report.as_dict())


def _read(batch: ImportBatch, beat: jobs.Beat, folder: Path, finish: Callable[[ImportReport], None]) -> ImportReport:
    def tell(progress: Progress) -> None:
        beat.progress = {
            "rows": progress.rows,
            "position": progress.position,
            "size": progress.size,
            "written": progress.written,
        }
        beat.check()

    options = ImportOptions(
        skip_bad=batch.skip_bad,
        in_parts=batch.in_parts,
        rejected=folder / "rejected.jsonl",
        columns=batch.report.get("columns", {}),
        who=batch.report.get("who", "imported"),
    )
    with _uploads().open(batch.path) as file:
        report = run_import(file, project=batch.project, options=options, on_progress=tell, at_end=finish)
    report.source = batch.name
    return report


def _send(batch_id: int) -> None:
    from annotator.imports.tasks import read_batch  # the task is a shell around this module

    jobs.enqueue_on_commit(send=lambda: read_batch.delay(batch_id), what=f"import {batch_id}")


def _forget_upload(batch: ImportBatch) -> None:
    _uploads().delete(batch.path)
    ImportBatch.objects.filter(pk=batch.pk).update(path="")


def _uploads() -> Storage:
    return storages["uploads"]
