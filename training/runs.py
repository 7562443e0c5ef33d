"""Starting and stopping runs. What a run does is in ``training.execution``."""

from __future__ import annotations

from collections.abc import Mapping

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import JobState, Project, User
from annotator.services import audit, jobs
from attune import rewards
from attune.encoders import get_encoder
from attune.errors import AttuneError
from training.errors import NothingToLearn
from training.models import Run, RunEvent, Snapshot
from training.snapshots import usable_judgments

ACTIVE = (JobState.WAITING, JobState.RUNNING)
DECIDED = ("a", "b", "ranked", "rated")


def start_run(
    *,
    project: Project,
    by: User | None = None,
    model_name: str | None = None,
    trigger: Run.Trigger = Run.Trigger.PERSON,
    promote_when_done: bool = False,
    options: Mapping[str, object] | None = None,
    doubtful: str = Run.Doubtful.KEEP,
    seed: int = 0,
    snapshot: Snapshot | None = None,
    send: bool = True,
) -> Run:
    """Write the run's row, then tell a worker; where the broker is away the sweep tells one later.

    Without a ``snapshot`` of the project it fits the judgments of the moment in which it begins.

    Without ``send`` no worker is told, for callers that carry it out themselves at once. Raises ``Invalid`` for an unknown model or option, ``NothingToLearn``, and ``Conflict`` while the same is in work.
    """
    run = Run(
        project=project,
        model_name=model_name or project.reward_model,
        encoder=project.encoder,
        seed=seed,
        options=dict(options or {}),
        trigger=trigger,
        doubtful=doubtful,
        promote_when_done=promote_when_done,
        snapshot=snapshot,
        by=by,
    )
    _check(run)
    with transaction.atomic():
        lock_project(project)
        earlier = project.runs.all()
        active = earlier.filter(state__in=ACTIVE, model_name=run.model_name, options=run.options, doubtful=doubtful)
        if same := (active.filter(snapshot=snapshot) if snapshot else active).first():
            known = {"number": same.number, "model": run.model_name, "state": same.get_state_display().lower()}
            raise Conflict(_("Run %(number)s already fits “%(model)s” and is %(state)s.") % known)
        run.number = (earlier.values_list("number", flat=True).first() or 0) + 1
        run.save()
        audit.record(project=project, by=by, what="run started", run=run.number, model=run.model_name, trigger=trigger)
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_run(run.pk), what=str(run))
    return run


def cancel_run(*, run: Run, by: User | None = None) -> None:
    """Stop a waiting run at once, a running one at its next sign of life. One that is over stays as it is."""
    with transaction.atomic():
        jobs.cancel(job=run)
        audit.record(project=run.project, by=by, what="run cancelled", run=run.number)
    run.refresh_from_db()


def queue_run(run_id: int) -> None:
    """Send the run's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("training.tasks.fit", (run_id,), queue="train")
    Run.objects.filter(pk=run_id).update(queued_at=timezone.now())


def note(run: Run, text: str) -> None:
    """Add a line to the run's log."""
    RunEvent.objects.create(run=run, data={"note": text, "attempt": run.attempt})


def _check(run: Run) -> None:
    if run.doubtful not in Run.Doubtful.values:
        known = {"value": run.doubtful, "known": ", ".join(Run.Doubtful.values)}
        raise Invalid(
            _("“%(value)s” is nothing that can be done with doubtful judgments; expected one of %(known)s.") % known
        )
    try:
        rewards.create(run.model_name, **run.options)
        run.encoder = rewards.encoder_for(run.model_name, run.encoder)
        get_encoder(run.encoder)
    except AttuneError as error:
        raise Invalid(str(error)) from error
    if run.doubtful == Run.Doubtful.MARGIN and not rewards.model_class(run.model_name).aims_at_margins:
        known = {"model": run.model_name, "known": _(" or ").join(rewards.names_that_aim_at_margins())}
        raise Invalid(
            _("“%(model)s” does not learn with margins; expected %(known)s, or another choice for doubtful judgments.")
            % known
        )
    if run.snapshot:
        check_trainable(run.project, run.snapshot)
    elif not usable_judgments(run.project).filter(choice__in=DECIDED).exists():
        raise NothingToLearn(
            _(
                "“%(name)s” has no judgment yet that prefers one response over the other, by an annotator whose judgments go into the model. Collect or import some first."
            )
            % {"name": run.project.name}
        )


def check_trainable(project: Project, snapshot: Snapshot) -> None:
    """Raise ``Invalid`` for another project's snapshot, ``NothingToLearn`` for one in which nothing is left to learn from."""
    if snapshot.project_id != project.pk:
        raise Invalid(_("The snapshot is of another project."))
    if not snapshot.counts.get("decided"):
        raise NothingToLearn(
            _("%(snapshot)s holds no judgment any more that prefers one response over the other.")
            % {"snapshot": snapshot}
        )


def lock_project(project: Project) -> None:
    """One start or promotion at a time per project. Judgments, which only refer to the row, do not wait for it."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
