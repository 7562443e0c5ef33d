"""Starting, stopping and taking up policy runs. What a run does is in ``training.policy_execution``."""

from __future__ import annotations

from collections.abc import Mapping

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, JobState, Project, User
from annotator.services import audit, jobs
from attune.errors import AttuneError
from attune.policies.settings import PolicySettings
from attune.policies.tiny import TINY
from training.errors import NothingToLearn
from training.models import ModelVersion, PolicyEvent, PolicyRun, PolicyVersion, Scope, Snapshot
from training.policy_selectors import policy_for
from training.runs import ACTIVE, DECIDED, check_trainable, lock_project
from training.snapshots import usable_judgments

LEAST_PERSONAL = 20
"""Decided judgments that a personal policy needs; with fewer, the group's serves its annotator."""
MOST_GROUPS = 12


def start_policy_run(
    *,
    project: Project,
    by: User | None = None,
    scope: str = Scope.EVERYONE,
    prototype: int | None = None,
    annotator: Annotator | None = None,
    groups: int = 3,
    chosen: Mapping[str, object] | None = None,
    snapshot: Snapshot | None = None,
    start_from: PolicyVersion | None = None,
    judge: ModelVersion | None = None,
    opinions: str = "",
    send: bool = True,
) -> PolicyRun:
    """Write the run's row, then tell a worker; where the broker is away the sweep tells one later.

    A personal adapter starts from the group's, or else from everyone's, unless ``start_from`` names another of the same base.
    ``opinions`` is the stored folder of what the preference model ``judge`` said, learnt in place of people's judgments. Raises
    ``Invalid`` for a setting or scope that does not fit, ``NothingToLearn``, and ``Conflict`` while the same is in work.
    """
    run = PolicyRun(
        project=project,
        scope=scope,
        prototype=prototype,
        annotator=annotator,
        groups=groups,
        settings=_settings(_with_encoder(project, chosen or {})),
        snapshot=snapshot,
        judge=judge,
        opinions=opinions,
        by=by,
    )
    _check_scope(run)
    if snapshot:
        check_trainable(project, snapshot)
    if not opinions:
        _check_judgments(run)
    if start_from is None and not opinions and scope != Scope.EVERYONE and run.settings["adapter"] == "lora":
        start_from = _group_policy(run)
    run.start_from = start_from
    with transaction.atomic():
        lock_project(project)
        _check_alone(run)
        run.number = (project.policy_runs.values_list("number", flat=True).first() or 0) + 1
        run.save()
        audit.record(project=project, by=by, what="policy run started", run=run.number, whose=run.whose)
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_policy_run(run.pk), what=str(run))
    return run


def cancel_policy_run(*, run: PolicyRun, by: User | None = None) -> None:
    """Stop a waiting run at once; a running one writes a checkpoint first. One that is over stays as it is."""
    with transaction.atomic():
        jobs.cancel(job=run)
        audit.record(project=run.project, by=by, what="policy run cancelled", run=run.number)
    run.refresh_from_db()


def continue_policy_run(*, run: PolicyRun, by: User | None = None, send: bool = True) -> None:
    """Put a run that was stopped or has failed back, to go on from its last checkpoint. Raises ``Conflict`` for others, and where
    somebody was erased whose judgments its preference model knew."""
    if run.judge and run.judge.erased:
        said = _(
            "Somebody whose judgments %(model)s learnt from was erased since. Train it again and start a new round."
        )
        raise Conflict(said % {"model": run.judge.label})
    with transaction.atomic():
        ended = PolicyRun.objects.filter(pk=run.pk, state__in=(JobState.CANCELLED, JobState.FAILED))
        if not ended.update(
            state=JobState.WAITING, cancel_requested=False, worker="", finished_at=None, queued_at=None, attempt=0
        ):
            known = {"number": run.number, "state": run.get_state_display().lower()}
            raise Conflict(_("Policy run %(number)s is %(state)s; expected one that was stopped.") % known)
        audit.record(project=run.project, by=by, what="policy run continued", run=run.number)
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_policy_run(run.pk), what=str(run))
    run.refresh_from_db()


def queue_policy_run(run_id: int) -> None:
    """Send the run's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("training.tasks.fit_policy", (run_id,), queue="train")
    PolicyRun.objects.filter(pk=run_id).update(queued_at=timezone.now())


def note_policy(run: PolicyRun, text: str) -> None:
    """Add a line to the run's log."""
    PolicyEvent.objects.create(run=run, data={"note": text, "attempt": run.attempt})


def retire_policy(*, version: PolicyVersion, by: User | None = None, reason: str = "") -> None:
    """Withdraw a policy for good."""
    with transaction.atomic():
        if PolicyVersion.objects.filter(pk=version.pk, retired=False).update(retired=True):
            audit.record(project=version.project, by=by, what="policy retired", version=version.label, reason=reason)
    version.refresh_from_db()


def _with_encoder(project: Project, chosen: Mapping[str, object]) -> Mapping[str, object]:
    """The project's, where a reward model is to foretell something."""
    return {"encoder": project.encoder, **chosen} if chosen.get("foretold") else chosen


def _settings(values: Mapping[str, object]) -> dict[str, object]:
    try:
        found = PolicySettings.from_mapping(values)
    except AttuneError as error:
        raise Invalid(str(error)) from error
    base = f"{found.base}@{found.revision}" if found.revision else found.base
    if base not in (TINY, *settings.ATTUNE_POLICY_BASES):
        allowed = ", ".join((TINY, *settings.ATTUNE_POLICY_BASES))
        known = {"base": base, "allowed": allowed}
        raise Invalid(_("The base model is “%(base)s”; expected one that this server offers: %(allowed)s.") % known)
    return found.as_mapping()


def _check_scope(run: PolicyRun) -> None:
    if run.scope not in Scope.values:
        known = {"scope": run.scope, "known": ", ".join(Scope.values)}
        raise Invalid(_("The scope is “%(scope)s”; expected %(known)s.") % known)
    if not 2 <= run.groups <= MOST_GROUPS:
        raise Invalid(
            _("There shall be %(n)s groups; expected 2 to %(most)s.") % {"n": run.groups, "most": MOST_GROUPS}
        )
    if (run.scope == Scope.PROTOTYPE) != (run.prototype is not None):
        raise Invalid(_("A group’s policy needs the group’s number, and no other policy takes one."))
    if (run.scope == Scope.ANNOTATOR) != (run.annotator is not None):
        raise Invalid(_("A personal policy needs an annotator, and no other policy takes one."))
    if run.prototype is not None and not 1 <= run.prototype <= run.groups:
        raise Invalid(_("The group is %(n)s; expected 1 to %(most)s.") % {"n": run.prototype, "most": run.groups})
    if run.annotator is not None and run.annotator.project_id != run.project_id:
        raise Invalid(_("The annotator is not of this project."))
    needs_groups = run.scope == Scope.PROTOTYPE or run.settings["maxmin"]
    if needs_groups and not run.project.versions.filter(state=ModelVersion.State.LIVE).exists():
        raise Invalid(_("Groups of like-minded annotators come from the live reward model, and there is none yet."))


def _check_judgments(run: PolicyRun) -> None:
    decided = usable_judgments(run.project).filter(choice__in=DECIDED)
    if run.annotator is None:
        if not decided.exists():
            known = {"name": run.project.name}
            raise NothingToLearn(_("“%(name)s” has no judgment yet that prefers one response over the other.") % known)
        return
    count = decided.filter(annotator=run.annotator).order_by()[:LEAST_PERSONAL].count()
    if count < LEAST_PERSONAL:
        serving, _why = policy_for(run.annotator)
        figures = {"who": str(run.annotator), "count": str(count), "least": str(LEAST_PERSONAL)}
        said = (
            _("%(who)s has %(count)s judgments that prefer a response, and a personal policy needs %(least)s.")
            % figures
        )
        if serving:
            said += " " + _("Until then %(policy)s (%(whose)s) serves them.") % {
                "policy": serving.label,
                "whose": serving.whose,
            }
        raise NothingToLearn(said)


def _check_alone(run: PolicyRun) -> None:
    """Raises ``Conflict`` while another run that is not over trains the same; without a snapshot, of whichever snapshot."""
    same = run.project.policy_runs.filter(
        state__in=ACTIVE,
        scope=run.scope,
        prototype=run.prototype,
        annotator=run.annotator,
        settings=run.settings,
        opinions=run.opinions,
    )
    if found := (same.filter(snapshot=run.snapshot) if run.snapshot else same).first():
        known = {"number": found.number, "state": found.get_state_display().lower()}
        raise Conflict(_("Policy run %(number)s already trains this and is %(state)s.") % known)


def _group_policy(run: PolicyRun) -> PolicyVersion | None:
    """What the adapter starts from: of the same base and rank, the group's before everyone's; none that knew somebody erased."""
    usable = run.project.policies.filter(retired=False, erased=0, base=run.settings["base"])
    candidates = [
        each
        for each in usable.exclude(scope=Scope.ANNOTATOR).select_related("run")
        if each.run.settings["adapter"] == "lora" and each.run.settings["rank"] == run.settings["rank"]
    ]
    mine = [
        each
        for each in candidates
        if each.scope == Scope.PROTOTYPE and run.annotator_id is not None and str(run.annotator_id) in each.members
    ]
    everyone = [each for each in candidates if each.scope == Scope.EVERYONE]
    return next(iter([*mine, *everyone]), None)
