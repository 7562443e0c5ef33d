"""Work that is done once: claim, heartbeat, finish, fail, cancel, requeue, for every table built on ``Job``.

Each step is one conditional update on the row, so that of two workers exactly one goes on. A queue only carries ids;
whatever it loses, ``requeue_expired`` and ``waiting_ids`` find again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import F, Manager, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from kombu.exceptions import OperationalError

from annotator.errors import AnnotatorError
from annotator.models import Job, JobState, User

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""How long a worker may be silent before its job goes to another."""
BEAT_SECONDS = 20.0
MAX_ERROR = 4_000

AnyJob = TypeVar("AnyJob", bound=Job)


class ClaimLost(AnnotatorError):
    """The job is no longer this worker's: its lease ran out, or it is over. Whatever it was about to write must not be."""

    code = "claim_lost"
    status = 409


class Cancelled(AnnotatorError):
    """Somebody asked for the job to be stopped."""

    code = "cancelled"
    status = 409


def claim(*, model: type[AnyJob], job_id: int, lease: timedelta = LEASE) -> AnyJob | None:
    """Take a waiting job: the row, running and ours. None where it is not waiting, so that a doubled message is harmless."""
    now = timezone.now()
    token = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex}"
    taken = _jobs(model).filter(pk=job_id, state=JobState.WAITING, cancel_requested=False)
    if not taken.update(
        state=JobState.RUNNING,
        worker=token,
        attempt=F("attempt") + 1,
        lease_until=now + lease,
        heartbeat_at=now,
        started_at=now,
        progress={},
        error="",
    ):
        return None
    return _jobs(model).get(pk=job_id, worker=token)


def heartbeat(*, job: Job, progress: Mapping[str, object] | None = None, lease: timedelta = LEASE) -> None:
    """Renew the lease and show progress. Raises ``ClaimLost`` or ``Cancelled``; the worker then stops."""
    now = timezone.now()
    fields: dict[str, object] = {"heartbeat_at": now, "lease_until": now + lease}
    if progress is not None:
        fields["progress"] = dict(progress)
    _update_ours(job, **fields)
    if _jobs(type(job)).filter(pk=job.pk, cancel_requested=True).exists():
        raise Cancelled(f"{job} was cancelled.")


def release(*, job: Job, progress: Mapping[str, object], **fields: object) -> None:
    """Let others have the worker: the job waits again, with what it has done, and this was no attempt. Send it another message.

    Raises ``ClaimLost`` or ``Cancelled``, as ``heartbeat`` does.
    """
    going_on = _ours(job).filter(cancel_requested=False)
    waits = {"state": JobState.WAITING, "worker": "", "lease_until": None, "attempt": F("attempt") - 1}
    if not going_on.update(**fields, **waits, progress=dict(progress)):
        heartbeat(job=job)


def finish(*, job: Job, **fields: object) -> None:
    """Write the end, with the results' own ``fields``. Call it in the transaction that writes the results.

    Raises ``ClaimLost`` where the job is another's by now, which rolls the results back.
    """
    _update_ours(job, **fields, **_end(JobState.DONE))


def fail(*, job: Job, error: str, retry: bool = False, **fields: object) -> None:
    """Write why it failed; with ``retry`` and attempts left the job waits again. No error where it is not ours any more."""
    end = _end(JobState.FAILED)
    if retry and job.attempt < job.max_attempts:
        end = {"state": JobState.WAITING, "worker": "", "lease_until": None}
    _ours(job).update(**fields, **end, error=error[:MAX_ERROR])


def cancel(*, job: Job) -> None:
    """Stop a waiting job at once; ask a running one to stop at its next heartbeat. Ended ones stay as they are."""
    rows = _jobs(type(job)).filter(pk=job.pk)
    with transaction.atomic():
        if not rows.filter(state=JobState.WAITING).update(cancel_requested=True, **_end(JobState.CANCELLED)):
            rows.filter(state=JobState.RUNNING).update(cancel_requested=True)


def mark_cancelled(*, job: Job) -> None:
    """The worker's answer to ``Cancelled``: nothing was written, the job is over."""
    _ours(job).update(**_end(JobState.CANCELLED))


def speaking_to_starter(job: Job) -> AbstractContextManager[None]:
    """Meanwhile the language is that of whoever started the job, who will read what it says of itself."""
    by: User | None = getattr(job, "by", None)
    return override((by and by.language) or settings.LANGUAGE_CODE)


def requeue_expired(*, model: type[Job]) -> list[int]:
    """Put jobs whose worker fell silent back; end those that were cancelled or have used up their attempts.

    Returns the ids that wait again and need a message.
    """
    expired = _jobs(model).filter(state=JobState.RUNNING, lease_until__lt=timezone.now())
    if not expired.exists():  # nearly always: one query in place of three
        return []
    expired.filter(cancel_requested=True).update(**_end(JobState.CANCELLED))
    for job in expired.filter(attempt__gte=F("max_attempts")):
        with speaking_to_starter(job):
            why = _("The worker stopped answering in each attempt; see its log.")
        expired.filter(pk=job.pk).update(error=why, **_end(JobState.FAILED))
    again = [
        pk
        for pk in expired.values_list("pk", flat=True)
        if expired.filter(pk=pk).update(state=JobState.WAITING, worker="", lease_until=None)
    ]
    if again:
        log.warning("%s %s go back to waiting: their workers fell silent", model.__name__, again)
    return again


def waiting_ids(*, model: type[Job], older_than: timedelta, **only: object) -> list[int]:
    """Jobs that have waited this long: their message may be lost, so send another; a doubled one is harmless.

    ``only`` are further filters, for tables whose rows may wait for a person too.
    """
    waiting = _jobs(model).filter(state=JobState.WAITING, created_at__lt=timezone.now() - older_than, **only)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


class Beat:
    """A worker's pulse: ``progress`` is what the next heartbeat shows; ``check`` raises once the job must stop."""

    def __init__(self) -> None:
        self.progress: dict[str, object] = {}
        self.stopped: ClaimLost | Cancelled | None = None

    def check(self) -> None:
        """Raises ``ClaimLost`` or ``Cancelled``."""
        if self.stopped:
            raise self.stopped


@contextmanager
def beating(*, job: Job, every: float = BEAT_SECONDS, lease: timedelta = LEASE) -> Iterator[Beat]:
    """Heartbeats from a thread with a connection of its own, for work inside one long transaction."""
    beat, over = Beat(), threading.Event()

    def pulse() -> None:
        try:
            while not over.wait(every):
                _beat_once(beat, job, lease)
        finally:
            connection.close()

    thread = threading.Thread(target=pulse, name=f"beat-{job.pk}", daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        over.set()
        thread.join()


def _beat_once(beat: Beat, job: Job, lease: timedelta) -> None:
    try:
        heartbeat(job=job, progress=beat.progress, lease=lease)
    except (ClaimLost, Cancelled) as stopped:
        beat.stopped = stopped
    except DatabaseError:  # the lease outlives several missed beats
        log.exception("no heartbeat for %s", job)
        connection.close()


def enqueue_on_commit(*, send: Callable[[], object], what: str) -> None:
    """Send a job's message once its row is committed. A broker that is away is logged: the sweep sends it later."""

    def attempt() -> None:
        try:
            send()
        except (OperationalError, OSError) as error:
            log.warning("no message for %s (%s: %s); the sweep will send it", what, type(error).__name__, error)

    transaction.on_commit(attempt)


def _jobs(model: type[AnyJob]) -> Manager[AnyJob]:
    return model._default_manager  # noqa: SLF001 (Django's documented name)


def _ours(job: Job) -> QuerySet[Job]:
    return _jobs(type(job)).filter(pk=job.pk, state=JobState.RUNNING, worker=job.worker)


def _update_ours(job: Job, **fields: object) -> None:
    if not _ours(job).update(**fields):
        raise ClaimLost(f"{job} is no longer this worker's.")


def _end(state: JobState) -> dict[str, object]:
    return {"state": state, "finished_at": timezone.now(), "lease_until": None}
