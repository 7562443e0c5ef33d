"""Carrying a policy run out: a process of its own trains, this one watches over it, then registers what came of it.

The folder of checkpoints outlives an attempt, so that a worker that dies, a stop or a failure costs the steps since the last
checkpoint and no more. Only the holder of the run's lease can register the version.
"""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from annotator.models import Project
from annotator.services import jobs
from attune import data
from attune.encoders import FileStore, content_digest
from attune.policies.foretelling import VECTORS_FOLDER
from attune.policies.groups import like_minded
from training import store
from training.endings import beating, ends_on_its_row
from training.errors import TrainingError
from training.execution import check_nobody_left, freeze
from training.models import ModelVersion, PolicyEvent, PolicyRun, PolicyVersion, Scope
from training.policy_process import policy_process
from training.policy_rewards import explicit_accuracy
from training.policy_runs import note_policy
from training.reporting import Reporter, Watch
from training.serving import load_model, served
from training.snapshots import load_snapshot
from training.vectors import PostgresVectorStore

log = logging.getLogger(__name__)


def execute_policy_run(run_id: int, *, lease: timedelta = jobs.LEASE, watch: Watch | None = None) -> PolicyRun | None:
    """Train the run's policy and register the version. None where the run is over or another worker's.

    Every end is on the row: done, cancelled (with a checkpoint), or failed with a reason fit to show.
    """
    run = jobs.claim(model=PolicyRun, job_id=run_id, lease=lease)
    if run is None:
        return None

    def stopped() -> None:
        note_policy(run, _("Stopped. It can be continued, from its last checkpoint where it has one."))

    with ends_on_its_row(run, stopped=stopped), beating(run, lease) as beat:
        if run.attempt > 1:
            known = {"n": run.attempt, "most": run.max_attempts}
            note_policy(run, _("Attempt %(n)s of %(most)s: it goes on from the last checkpoint.") % known)
        _carry_out(run, Reporter(run, beat, lease=lease, watch=watch, events=PolicyEvent), beat)
    run.refresh_from_db()
    return run


def run_folder(run: PolicyRun) -> Path:
    """Where a run's plan, progress and checkpoints lie on this machine."""
    return Path(settings.ATTUNE_HOME) / "cache" / "policy-runs" / str(run.pk)


def _carry_out(run: PolicyRun, report: Reporter, beat: jobs.Beat) -> None:
    report.phase("freezing")
    snapshot = None if run.opinions else load_snapshot(freeze(run))
    plan = _plan(run, _groups(run, snapshot) if snapshot else {})
    report.phase("training")
    folder = run_folder(run)
    if snapshot and run.settings.get("foretold"):
        _lend_vectors(run, snapshot, folder / "work")
    with policy_process(folder, _learnt(run), plan) as process:
        for line in process.lines():
            beat.check()
            if line is not None and "step" in line:
                report(line)
        outcome = process.outcome()
    if snapshot:
        outcome["metrics"] |= explicit_accuracy(run, snapshot, plan["whose"]["annotators"])
    report.phase("storing")
    path = f"policies/{run.project_id}/{outcome['digest']}"
    store.put_folder(folder / "out", path)
    _register(run, path, outcome, plan)
    shutil.rmtree(folder, ignore_errors=True)


def _learnt(run: PolicyRun) -> dict[str, Path]:
    """What the process reads, by the name of its option."""
    if run.opinions:
        return {"--opinions": store.fetch_folder(run.opinions)}
    assert run.snapshot, "frozen before"
    return {"--snapshot": store.fetch_folder(run.snapshot.path)}


def _lend_vectors(run: PolicyRun, snapshot: data.Snapshot, work: Path) -> None:
    """What is known of the snapshot's texts already, so that the run encodes only what nobody has."""
    digests = [content_digest(each.prompt, each.text) for each in snapshot.responses.values()]
    known = PostgresVectorStore().get_many(run.settings["encoder"], digests)
    FileStore(work / VECTORS_FOLDER).put_many(run.settings["encoder"], known)


def _groups(run: PolicyRun, snapshot: data.Snapshot) -> dict[str, int]:
    """Like-minded annotators, where the run needs them. The same snapshot and model version give the same groups."""
    if run.scope != Scope.PROTOTYPE and not run.settings["maxmin"]:
        return {}
    live = run.project.versions.filter(state=ModelVersion.State.LIVE).first()
    if live is None:
        raise TrainingError(
            _("Groups of like-minded annotators come from the live reward model, and there is none yet.")
        )
    return like_minded(load_model(served(live)), snapshot, run.groups)


def _plan(run: PolicyRun, groups: dict[str, int]) -> dict[str, Any]:
    """What the training process is told."""
    members = _members(run, groups)
    started = run.start_from
    return {
        "settings": run.settings,
        "whose": {
            "title": f"{run.project.name}: {run.whose}",
            "sentence": f"For {run.whose} of the project “{run.project.name}”.",
            "annotators": members,
            "groups": groups if run.settings["maxmin"] else {},
            "start_from": str(store.fetch_folder(started.path)) if started else None,
            "origin": str(store.fetch_folder(origin.path)) if (origin := began_with(run)) else None,
        },
        "about": {
            "project": run.project.slug,
            "run": run.number,
            "simulated": run.project.simulated,
            "start_from": started.label if started else None,
            "opinions_of": run.judge.label if run.judge else None,
        },
    }


def began_with(run: PolicyRun) -> PolicyVersion | None:
    """The policy with which self-play began: the first before the run that did not come of a model's opinions; None the base."""
    version = run.start_from
    while version is not None and version.run.opinions:
        version = version.run.start_from
    return version


def _members(run: PolicyRun, groups: dict[str, int]) -> list[str] | None:
    if run.annotator_id is not None:
        return [str(run.annotator_id)]
    if run.prototype is None:
        return None
    if run.opinions and run.start_from:  # nobody judged: they are those whom it was for before
        return list(run.start_from.members)
    return [annotator for annotator, group in groups.items() if group == run.prototype - 1]


def _erased_before(run: PolicyRun) -> int:
    """How many were erased whose judgments are in the weights that it began with."""
    if run.start_from is None:
        return 0
    return PolicyVersion.objects.values_list("erased", flat=True).get(pk=run.start_from.pk)


def _register(run: PolicyRun, path: str, outcome: dict[str, Any], plan: dict[str, Any]) -> None:
    """The version and the run's end, both or none. Raises ``ClaimLost`` where the run is another's."""
    described = store.read_json(path, "policy.json")
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
        check_nobody_left(run)
        last = PolicyVersion.objects.filter(project=run.project_id).values_list("number", flat=True).first()
        PolicyVersion.objects.create(
            project=run.project,
            number=(last or 0) + 1,
            scope=run.scope,
            prototype=run.prototype,
            annotator=run.annotator,
            members=plan["whose"]["annotators"] or [],
            base=run.settings["base"],
            path=path,
            digest=outcome["digest"],
            metrics=outcome["metrics"],
            notes=outcome["notes"],
            samples=described["samples"],
            erased=_erased_before(run),
            run=run,
        )
        jobs.finish(job=run, metrics=outcome["metrics"], progress={"phase": "done"})
