"""What happens by itself: lost runs go on, projects get their first model, and models are fitted anew on new evidence."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Exists, F, Max, OuterRef, Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotator.errors import AnnotatorError
from annotator.models import JobState, Project
from annotator.services import jobs
from training.models import ModelVersion, PolicyRun, PolicyTrial, Run
from training.policy_runs import queue_policy_run
from training.policy_trials import queue_trial
from training.runs import ACTIVE, DECIDED, queue_run, start_run
from training.snapshots import usable_judgments

log = logging.getLogger(__name__)

FIRST_MODEL_AT = 100
"""Decided judgments that a project's first model needs."""
RESEND_AFTER = timedelta(minutes=10)
"""A waiting run's message is taken for lost after this long; a doubled one is harmless."""


def sweep_runs() -> None:
    """One round. Each part stands alone: a broker that is away does not keep rows from being written."""
    jobs.requeue_expired(model=Run)
    jobs.requeue_expired(model=PolicyRun)
    jobs.requeue_expired(model=PolicyTrial)
    start_first_models()
    start_refits()
    send_waiting()


def send_waiting() -> None:
    """Send the messages of runs that have none: it was lost, or there was no broker, or their worker fell silent."""
    now = timezone.now()
    unsent = Q(queued_at=None) | Q(queued_at__lt=now - RESEND_AFTER) | Q(started_at__gt=F("queued_at"))
    queues = ((Run.objects, queue_run), (PolicyRun.objects, queue_policy_run), (PolicyTrial.objects, queue_trial))
    for rows, send in queues:
        for run_id in rows.filter(unsent, state=JobState.WAITING).order_by("pk").values_list("pk", flat=True):
            try:
                send(run_id)
            except (OperationalError, OSError) as error:
                log.warning("no message for run %s (%s); the next sweep will send it", run_id, error)
                return


def start_first_models() -> None:
    """Fit and promote a model for every project that has enough judgments and never had a run."""
    for project in Project.objects.filter(archived_at=None, runs=None):
        decided = usable_judgments(project).filter(choice__in=DECIDED)
        if decided.order_by()[:FIRST_MODEL_AT].count() >= FIRST_MODEL_AT:
            _start(project, Run.Trigger.FIRST)


def start_refits() -> None:
    """Fit anew where ``refit_every`` judgments have come since the last run; promoted only if it is not worse."""
    live = ModelVersion.objects.filter(project=OuterRef("pk"), state=ModelVersion.State.LIVE)
    active = Run.objects.filter(project=OuterRef("pk"), state__in=ACTIVE)
    due = Project.objects.filter(Exists(live), ~Exists(active), archived_at=None, refit_every__gt=0)
    for project in due:
        if _new_judgments(project) >= project.refit_every:
            _start(project, Run.Trigger.EVIDENCE)


def _new_judgments(project: Project) -> int:
    """Judgments that no run has seen, counted up to ``refit_every``. A run that failed counts as having seen its time's."""
    seen = project.runs.aggregate(judgment=Max("snapshot__last_judgment"), at=Max("created_at"))
    new = usable_judgments(project).filter(pk__gt=seen["judgment"] or 0, created_at__gt=seen["at"])
    return new.order_by()[: project.refit_every].count()


def _start(project: Project, trigger: Run.Trigger) -> None:
    try:
        run = start_run(project=project, trigger=trigger, promote_when_done=True)
    except AnnotatorError as error:
        log.warning("no %s run for %s: %s", trigger, project, error)
    else:
        log.info("started %s of %s: %s", run, project, run.get_trigger_display())
