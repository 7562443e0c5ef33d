"""How a job of training ends: whatever happened, its row says it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.utils.translation import gettext as _

from annotator.errors import AnnotatorError
from annotator.models import Job
from annotator.services import jobs
from attune.errors import AttuneError

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 6


def beating(job: Job, lease: timedelta) -> AbstractContextManager[jobs.Beat]:
    """Keep the job's lease while it is worked on."""
    return jobs.beating(job=job, every=lease.total_seconds() / BEATS_PER_LEASE, lease=lease)


@contextmanager
def ends_on_its_row(job: Job, *, stopped: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Put down that the job was cancelled (then ``stopped`` is called) or has failed, and why. Nothing gets past it.

    Meanwhile the language is that of whoever started the job, who will read the reason.
    """
    with jobs.speaking_to_starter(job):
        try:
            yield
        except jobs.Cancelled:
            jobs.mark_cancelled(job=job)
            stopped()
        except jobs.ClaimLost:
            log.warning("%s (row %s) is another worker's by now; nothing was registered", job, job.pk)
        except Exception as error:  # the boundary of a job: whatever it was, the row must say so
            log.exception("%s (row %s) failed", job, job.pk)
            jobs.fail(job=job, error=explain(error))


def explain(error: BaseException) -> str:
    """What went wrong and what to do, for the run's page."""
    if isinstance(error, AnnotatorError | AttuneError):
        return str(error)
    if isinstance(error, MemoryError):
        return _("The worker ran out of memory. Give it more, or fit fewer judgments or a smaller model.")
    if isinstance(error, ImportError):
        why = _("A package that this model or encoder needs is missing (%(which)s). Install it where the worker runs.")
        return why % {"which": error}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _("There is no space left on the worker’s disk. Free some and start again.")
    if isinstance(error, SoftTimeLimitExceeded):
        return _("The run took longer than a worker may. Fit fewer judgments or a smaller model.")
    known = {"kind": type(error).__name__, "error": error}
    return _("The program failed: %(kind)s: %(error)s. The worker’s log says where.") % known
