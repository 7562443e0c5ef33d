"""Carrying a run out, from its claim to a registered version. Called in a worker's child, or by the command line.

Whatever stops it, also kill -9 at any moment, leaves either nothing or the whole version: files are stored under their
digest before the one transaction that registers them, and only the holder of the run's lease can commit that.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.models import Project
from annotator.services import jobs
from attune import artifact, data, rewards
from attune.dissection import dissect
from attune.encoders import encode_cached
from attune.rewards.base import FitReport, RewardModel
from training import store
from training.beginning import begin_from_live
from training.doubts import doubting
from training.endings import beating, ends_on_its_row
from training.errors import TrainingError
from training.models import ModelVersion, PolicyRun, Run, Snapshot
from training.promotion import promote_if_due
from training.reporting import Reporter, Watch
from training.runs import note
from training.snapshots import load_snapshot, take_snapshot
from training.vectors import PostgresVectorStore

log = logging.getLogger(__name__)


def execute_run(run_id: int, *, lease: timedelta = jobs.LEASE, watch: Watch | None = None) -> Run | None:
    """Fit the run's model and register the version. None where the run is over or another worker's.

    ``watch`` is told the progress whenever the row is. Every end is on the row: done, cancelled, or failed with a reason fit to show.
    """
    run = jobs.claim(model=Run, job_id=run_id, lease=lease)
    if run is None:
        return None
    with ends_on_its_row(run), beating(run, lease) as beat:
        if run.attempt > 1:
            known = {"n": run.attempt, "most": run.max_attempts}
            note(run, _("Attempt %(n)s of %(most)s: the worker of the last one stopped answering.") % known)
        _carry_out(run, Reporter(run, beat, lease=lease, watch=watch))
    run.refresh_from_db()
    return run


def _carry_out(run: Run, report: Reporter) -> None:
    report.phase("freezing")
    row = freeze(run)
    snapshot = load_snapshot(row)
    report.phase("encoding")
    texts = {each.id: (each.prompt, each.text) for each in snapshot.responses.values()}
    features = encode_cached(run.encoder, texts, PostgresVectorStore(), report)
    snapshot = doubting(run, snapshot, features, report)
    report.phase("fitting")
    model = rewards.create(run.model_name, **run.options)
    begin_from_live(run, model)
    fitted = model.fit(snapshot, features, encoder=run.encoder, seed=run.seed, progress=report)
    _check_finite(fitted.metrics)
    if model.began:
        note(run, _("Began from what the live version’s fit had found."))
    report.phase("storing")
    path, digest = _keep(run, row, snapshot, model, fitted)
    _register(run, path, digest, fitted.metrics, _dissected(run, snapshot))


def freeze(run: Run | PolicyRun) -> Snapshot:
    """Every attempt of a run fits the same snapshot."""
    if run.snapshot is None:
        run.snapshot = take_snapshot(project=run.project, by=run.by)
        run.save(update_fields=["snapshot"])
    return run.snapshot


def _dissected(run: Run, snapshot: data.Snapshot) -> dict[str, Any]:
    """What moves the project's people and its programs; empty where too little is known."""
    machines = run.project.annotators.filter(simulated=True).values_list("pk", flat=True)
    found = dissect(snapshot, machines={str(pk) for pk in machines}, seed=run.seed)
    return found.as_json() if found else {}


def _check_finite(metrics: Mapping[str, float]) -> None:
    if diverged := [name for name, value in metrics.items() if not isfinite(value)]:
        known = {"name": diverged[0], "value": metrics[diverged[0]]}
        raise TrainingError(
            _("The fit diverged: %(name)s is %(value)s, expected a finite number. Try other options.") % known
        )


def _keep(run: Run, row: Snapshot, snapshot: data.Snapshot, model: RewardModel, fitted: FitReport) -> tuple[str, str]:
    """Store the artifact; its path and digest."""
    about = {
        "project": run.project.slug,
        "run": run.number,
        "seed": run.seed,
        "options": run.options,
        "snapshot": snapshot.digest,
        "counts": row.counts,
        "metrics": dict(fitted.metrics),
        "fit_seconds": round(fitted.seconds, 3),
    }
    with store.work_folder() as work:
        digest = artifact.save(model, work / "model", about)
        path = f"models/{run.project_id}/{digest}"
        store.put_folder(work / "model", path)
    return path, digest


def check_nobody_left(run: Run | PolicyRun) -> None:
    """Raise where somebody was erased from what the run has learnt from: it must not be registered."""
    if isinstance(run, PolicyRun) and run.judge:
        if run.judge.erased != ModelVersion.objects.values_list("erased", flat=True).get(pk=run.judge.pk):
            raise TrainingError(_("Somebody whose judgments its preference model learnt from was erased meanwhile."))
        return
    assert run.snapshot
    if run.snapshot.erased != Snapshot.objects.values_list("erased", flat=True).get(pk=run.snapshot.pk):
        raise TrainingError(_("Somebody whose judgments it learnt from was erased meanwhile. Start it again."))


def _register(run: Run, path: str, digest: str, metrics: Mapping[str, float], dissection: dict[str, Any]) -> None:
    """The version, the run's end and the promotion, all or none. Raises ``ClaimLost`` where the run is another's."""
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
        check_nobody_left(run)
        last = ModelVersion.objects.filter(project=run.project_id).values_list("number", flat=True).first()
        version = ModelVersion.objects.create(
            project=run.project,
            number=(last or 0) + 1,
            model_name=run.model_name,
            encoder=run.encoder,
            path=path,
            digest=digest,
            metrics=dict(metrics),
            dissection=dissection,
            run=run,
        )
        jobs.finish(job=run, metrics=dict(metrics), progress={"phase": "done"})
        if run.promote_when_done:
            promote_if_due(version)
