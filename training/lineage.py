"""Which snapshots, models and policies somebody's judgments went into, and how they are taken out of it.

A frozen snapshot is a copy of what people said, so whoever is erased goes out of it: it is written anew without them and has another
digest (decision 12). What was learnt from it can't be unlearnt; it is flagged, and learnt again where an owner asks.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Annotator, Erasure, Project, User
from annotator.services import audit, jobs
from attune.data import Judgment, Response, iterate_judgments, iterate_responses, write_snapshot
from training import store
from training.errors import StoreError
from training.models import ModelVersion, PolicyRun, PolicyVersion, Run, Snapshot, SnapshotPerson, TextVector
from training.policy_execution import run_folder
from training.policy_runs import start_policy_run
from training.runs import ACTIVE, start_run
from training.snapshots import COUNTED_AS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where an annotator's judgments are: snapshots with how many, and what was trained from these."""

    snapshots: list[tuple[Snapshot, int]]
    versions: list[ModelVersion]
    policies: list[PolicyVersion]
    personal: list[PolicyVersion]
    """Policies of this person alone."""

    @property
    def live(self) -> ModelVersion | None:
        return next((each for each in self.versions if each.state == ModelVersion.State.LIVE), None)


def footprint_of(annotator: Annotator) -> Footprint:
    """As far as their judgments have gone. Snapshots of before anybody kept count of people are read, once."""
    for snapshot in Snapshot.objects.filter(project=annotator.project_id, people=None, counts__annotators__gt=0):
        _count_people(snapshot)
    within = (
        SnapshotPerson.objects.filter(annotator=annotator).select_related("snapshot__project").order_by("-snapshot")
    )
    snapshots = [(each.snapshot, each.judgments) for each in within]
    ids = [snapshot.pk for snapshot, _ in snapshots]
    versions = ModelVersion.objects.filter(run__snapshot__in=ids).select_related("run")
    learnt = Q(run__snapshot__in=ids) | Q(run__judge__run__snapshot__in=ids)
    policies = _with_heirs(PolicyVersion.objects.filter(learnt)).select_related("run", "annotator")
    return Footprint(
        snapshots,
        list(versions),
        list(policies.exclude(annotator=annotator)),
        list(PolicyVersion.objects.filter(annotator=annotator)),
    )


def flag(*, erasure: Erasure, footprint: Footprint, by: User | None) -> dict[str, Any]:
    """Mark what holds their judgments, and stop what learns from them now. Call it in the erasure's transaction.

    Returns what is to be done in files, for ``take_out``.
    """
    now = timezone.now().astimezone(UTC).isoformat()
    for snapshot, judgments in footprint.snapshots:
        entry = {"erasure": str(erasure.key), "at": now, "was": None, "judgments": judgments}
        snapshot.erased = [*snapshot.erased, entry]
        snapshot.save(update_fields=["erased"])
    ModelVersion.objects.filter(pk__in=[each.pk for each in footprint.versions]).update(erased=F("erased") + 1)
    PolicyVersion.objects.filter(pk__in=[each.pk for each in footprint.policies]).update(erased=F("erased") + 1)
    _forget_member(erasure)
    ids = [snapshot.pk for snapshot, _ in footprint.snapshots]
    learnt = Q(snapshot__in=ids) | Q(judge__run__snapshot__in=ids)
    stopped: list[Run | PolicyRun] = [
        *Run.objects.filter(snapshot__in=ids, state__in=ACTIVE),
        *PolicyRun.objects.filter(learnt, state__in=ACTIVE),
    ]
    for run in stopped:
        jobs.cancel(job=run)
        audit.record(project=run.project, by=by, what="stopped for an erasure", run=run.number)
    unfinished = PolicyRun.objects.filter(learnt & Q(version=None) | Q(annotator=erasure.number))
    opinions = PolicyRun.objects.filter(annotator=erasure.number).exclude(opinions="")
    return {
        "snapshots": ids,
        "folders": [*(each.path for each in footprint.personal), *opinions.values_list("opinions", flat=True)],
        "policy_runs": list(unfinished.values_list("pk", flat=True)),
    }


def forget_vectors(digests: set[str]) -> int:
    """Delete vectors of texts that nothing has any more. Returns how many."""
    from annotator.models import Response as Stored

    kept = set(Stored.objects.filter(digest__in=digests).values_list("digest", flat=True))
    return TextVector.objects.filter(digest__in=digests - kept).delete()[0]


def take_out(*, erasure: Erasure, todo: dict[str, Any]) -> None:
    """Write snapshots anew without them and remove files that were theirs alone. Again is harmless. Raises ``StoreError``."""
    import shutil

    for snapshot in Snapshot.objects.filter(pk__in=todo["snapshots"]).select_related("project"):
        _reduce(snapshot, str(erasure.key), str(erasure.number))
    for path in todo["folders"]:
        _remove(path)
    for pk in todo["policy_runs"]:
        shutil.rmtree(run_folder(PolicyRun(pk=pk)), ignore_errors=True)


def retrain(*, version: ModelVersion | PolicyVersion, by: User | None, send: bool = True) -> Run | PolicyRun:
    """Learn the same again from the same snapshot, without those who were erased from it; a live model's heir goes live.

    Raises as ``start_run`` and ``start_policy_run`` do.
    """
    if isinstance(version, ModelVersion):
        run = version.run
        return start_run(
            project=version.project,
            by=by,
            model_name=run.model_name,
            options=run.options,
            doubtful=run.doubtful,
            seed=run.seed,
            snapshot=run.snapshot,
            promote_when_done=version.state == ModelVersion.State.LIVE,
            send=send,
        )
    earlier = version.run
    if earlier.judge:
        raise Conflict(
            _(
                "%(policy)s learnt from opinions of %(model)s, which knew who was erased. Train that model again, then let it judge a new round."
            )
            % {"policy": version.label, "model": earlier.judge.label}
        )
    return start_policy_run(
        project=version.project,
        by=by,
        scope=earlier.scope,
        prototype=earlier.prototype,
        annotator=earlier.annotator,
        groups=earlier.groups,
        chosen=earlier.settings,
        snapshot=earlier.snapshot,
        send=send,
    )


def flagged(project: Project) -> tuple[list[ModelVersion], list[PolicyVersion]]:
    """What learnt from people who were erased since, and is not retired."""
    versions = project.versions.filter(erased__gt=0).exclude(state=ModelVersion.State.RETIRED)
    return list(versions), list(project.policies.filter(erased__gt=0, retired=False))


def _with_heirs(policies: QuerySet[PolicyVersion]) -> QuerySet[PolicyVersion]:
    """The policies, and those whose training began with the weights of one of them, and so on."""
    found = new = set(policies.values_list("pk", flat=True))
    while new:
        heirs = PolicyVersion.objects.filter(run__start_from__in=new).exclude(pk__in=found)
        new = set(heirs.values_list("pk", flat=True))
        found = found | new
    return PolicyVersion.objects.filter(pk__in=found)


def _forget_member(erasure: Erasure) -> None:
    """Lists of group members name people by their number."""
    who = str(erasure.number)
    for policy in PolicyVersion.objects.filter(project=erasure.project_id, members__contains=[who]):
        policy.members = [each for each in policy.members if each != who]
        policy.save(update_fields=["members"])


def _count_people(snapshot: Snapshot) -> None:
    try:
        counts = Counter(each.annotator for each in iterate_judgments(store.fetch_folder(snapshot.path)))
    except StoreError as error:
        log.warning("%s of %s can't be read to know who is in it: %s", snapshot, snapshot.project, error)
        return
    there = set(Annotator.objects.filter(pk__in=[int(who) for who in counts]).values_list("pk", flat=True))
    rows = (SnapshotPerson(snapshot=snapshot, annotator_id=pk, judgments=counts[str(pk)]) for pk in sorted(there))
    SnapshotPerson.objects.bulk_create(rows, ignore_conflicts=True)


def _reduce(snapshot: Snapshot, key: str, who: str) -> None:
    """The snapshot without them, under its new digest; the row changes once the new folder is there."""
    entry = next(each for each in snapshot.erased if each["erasure"] == key)
    if entry["was"] is not None:
        return
    before = snapshot.path
    try:
        folder = store.fetch_folder(before)
    except StoreError:  # a database was restored, and this snapshot's files were not
        log.warning("%s of %s has no files to take anybody out of", snapshot, snapshot.project)
        entry["was"] = snapshot.digest
        snapshot.save(update_fields=["erased"])
        return
    with store.work_folder() as work:
        digest, counts = _without(folder, work / "snapshot", who, snapshot)
        path = f"snapshots/{snapshot.project_id}/{digest}"
        store.put_folder(work / "snapshot", path)
    entry["was"] = snapshot.digest
    snapshot.digest, snapshot.path, snapshot.counts = digest, path, {**snapshot.counts, **counts}
    snapshot.save(update_fields=["digest", "path", "counts", "erased"])
    if not Snapshot.objects.filter(path=before).exists():
        transaction.on_commit(lambda: _remove(before))


def _without(folder: Path, target: Path, who: str, snapshot: Snapshot) -> tuple[str, dict[str, int]]:
    """A copy of the folder without one annotator, and without responses that only they judged; its digest and counts."""
    tally: Counter[str] = Counter()
    people: set[str] = set()
    named: set[str] = set()
    for each in iterate_judgments(folder):
        if each.annotator != who:
            people.add(each.annotator)
            named.update((each.a, each.b))
            tally.update(("judgments", COUNTED_AS[each.choice]))
    prompts: set[str] = set()

    def responses() -> Iterator[Response]:
        for each in iterate_responses(folder):
            if each.id in named:
                prompts.add(each.prompt)
                yield each

    def judgments() -> Iterator[Judgment]:
        return (each for each in iterate_judgments(folder) if each.annotator != who)

    about = {"project": snapshot.project.slug, "last_judgment": snapshot.last_judgment, "erased": len(snapshot.erased)}
    digest = write_snapshot(target, responses(), judgments(), about)
    counts = {name: tally[name] for name in ("judgments", "decided", "ties", "both_bad")}
    return digest, {**counts, "responses": len(named), "annotators": len(people), "prompts": len(prompts)}


def _remove(path: str) -> None:
    """Now, whatever its age."""
    try:
        store.remove_folder(path, older_than=timezone.now() + timedelta(days=1))
    except (StoreError, FileNotFoundError) as error:
        log.warning("%s was not removed (%s); cleaning will, as no row names it", path, error)
