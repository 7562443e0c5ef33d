"""An annotator's deletion, through all apps: rows at once, files by a worker, and a report that says what remains.

The order is such that whatever stops it half-way is carried on: the tombstone first, then one transaction for the database, then
the files, as a job whose row is the truth.
"""

from __future__ import annotations

import logging
from datetime import UTC
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from kombu.exceptions import OperationalError

from annotator.errors import AnnotatorError, Conflict, NotFound
from annotator.models import Annotator, AuditEntry, Erasure, JobState, Judgment, User
from annotator.services import jobs
from annotator.services.leaving import begin_erasure, finish_erasure, remove_person
from annotator.services.tombstones import come_back, drop_tombstone, put_tombstone
from personalization.contexts import forget
from training.lineage import Footprint, flag, footprint_of, forget_vectors, take_out

log = logging.getLogger(__name__)

MOST_DOWNLOADS = 50
DOWNLOADS = ("exported", "dataset exported", "profile exported")


def erase_annotator(
    *, annotator: Annotator, by: User | None, by_themselves: bool = False, reapplied: bool = False, send: bool = True
) -> Erasure:
    """Delete an annotator and everything of theirs. What is done in files is done by a worker, or by ``carry_out``.

    Raises ``NotFound`` where they are gone already, ``Conflict`` where the artifacts storage does not take the tombstone; then
    nothing has happened.
    """
    number, slug = annotator.pk, annotator.project.slug
    erasure = begin_erasure(annotator=annotator, by=by, by_themselves=by_themselves, reapplied=reapplied)
    try:
        put_tombstone(erasure)
    except OSError as error:
        raise Conflict(
            _("Nothing was erased: the artifacts storage does not take the tombstone (%(error)s).") % {"error": error}
        ) from error
    try:
        with transaction.atomic():
            if not Annotator.objects.select_for_update().filter(pk=number).exists():
                raise NotFound(_("This annotator is gone already."))
            footprint = footprint_of(annotator)
            report = _report(annotator, footprint)
            erasure.save()
            todo = flag(erasure=erasure, footprint=footprint, by=None if by_themselves else by)
            removed, digests = remove_person(erasure=erasure, annotator=annotator)
            if vectors := forget_vectors(digests):
                removed["vectors of texts"] = vectors
            erasure.report = {**report, "removed": removed, "todo": todo}
            erasure.save()
            if send:
                jobs.enqueue_on_commit(send=lambda: queue_erasure(erasure.pk), what=str(erasure))
    except BaseException:
        drop_tombstone(erasure)
        raise
    forget(number)
    log.info("%s of %s: rows are gone, files follow", erasure, slug)
    return erasure


def queue_erasure(erasure_id: int) -> None:
    """Send the job's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("personalization.tasks.finish_erasure", (erasure_id,), queue="train")


def carry_out(erasure_id: int) -> None:
    """Take them out of files, then forget who it was. Harmless where it is over or in another worker's hands."""
    erasure = jobs.claim(model=Erasure, job_id=erasure_id)
    if erasure is None:
        return
    todo = erasure.report.get("todo")
    try:
        with jobs.beating(job=erasure):
            if todo:
                take_out(erasure=erasure, todo=todo)
    except AnnotatorError as error:
        jobs.fail(job=erasure, error=str(error), retry=True)
        raise
    erasure.report = {name: value for name, value in erasure.report.items() if name != "todo"}
    finish_erasure(erasure=erasure)


def sweep_erasures() -> None:
    """Send the messages of those that wait, whose worker fell silent, or whose storage was away."""
    jobs.requeue_expired(model=Erasure)
    Erasure.objects.filter(state=JobState.FAILED).update(state=JobState.WAITING, attempt=0)
    for pk in Erasure.objects.filter(state=JobState.WAITING).values_list("pk", flat=True):
        try:
            queue_erasure(pk)
        except (OperationalError, OSError) as error:
            log.warning("no message for erasure %s (%s)", pk, error)
            return


def reapply() -> list[Erasure]:
    """Erase again whom a restored backup has brought back, files too. Idle where nobody has come back."""
    again = []
    for annotator in come_back():
        erasure = erase_annotator(annotator=annotator, by=None, reapplied=True, send=False)
        carry_out(erasure.pk)
        erasure.refresh_from_db()
        again.append(erasure)
    return again


def remains(erasure: Erasure) -> list[str]:
    """What is left of them and why, in sentences, from the report."""
    report, left = erasure.report, []
    models = [*report.get("models", ()), *report.get("policies", ())]
    if models:
        left.append(
            _(
                "What was learnt from their judgments among others’: %(models)s. Shared weights can’t be unlearnt in part. They are flagged, and can be trained again without them."
            )
            % {"models": ", ".join(models)}
        )
    if downloads := report.get("downloads", 0):
        left.append(
            ngettext(
                "%(n)s file that was downloaded while they were here. What has left this server is beyond its reach.",
                "%(n)s files that were downloaded while they were here. What has left this server is beyond its reach.",
                downloads,
            )
            % {"n": downloads}
        )
    left.append(
        _(
            "Backups of the database, until they run out. A salted hash outside the database sees to it that they are erased again after a restore."
        )
    )
    left.append(
        _(
            "Messages that webhooks have delivered, which are with their receivers; and lines in the servers’ logs, which hold numbers and no names, until they are rotated."
        )
    )
    if report.get("account"):
        left.append(_("Their login, which may be used in other projects."))
    left.append(_("In the log of the project: that somebody was erased, when, and how many judgments they had."))
    return left


def _report(annotator: Annotator, footprint: Footprint) -> dict[str, Any]:
    first = (
        Judgment.objects.filter(annotator=annotator).order_by("created_at").values_list("created_at", flat=True).first()
    )
    since = first or annotator.created_at
    downloads = AuditEntry.objects.filter(project=annotator.project_id, what__in=DOWNLOADS, at__gte=since)
    return {
        "at": timezone.now().astimezone(UTC).isoformat(),
        "snapshots": [
            {"name": each.name, "was": each.digest, "judgments": count} for each, count in footprint.snapshots
        ],
        "models": [each.label for each in footprint.versions],
        "live": footprint.live.label if footprint.live else None,
        "policies": [each.label for each in footprint.policies],
        "own_policies": [each.label for each in footprint.personal],
        "downloads": downloads.count(),
        "account": annotator.user_id is not None,
    }
