from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from annotator.models import JobState, Project
from annotator.services import jobs
from attune import artifact
from attune.rewards.bradley_terry import BradleyTerry
from tests.factories import make_annotator, make_pair, make_user
from tests.training.makers import judge, make_tasteful_project
from training import store
from training.endings import explain
from training.execution import execute_run
from training.models import ModelVersion, Promotion, Run, Snapshot, TextVector
from training.runs import cancel_run, start_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db: None) -> Project:
    return make_tasteful_project()


def test_a_run_becomes_a_version_with_its_figures(project: Project) -> None:
    owner = make_user()
    run = execute_run(start_run(project=project, by=owner, model_name="bradley_terry", seed=3).pk)

    assert run
    assert (run.state, run.error, run.attempt) == (JobState.DONE, "", 1)
    version = ModelVersion.objects.get(run=run)
    assert (version.label, version.state, version.encoder) == ("bradley_terry@1", "candidate", "style")
    assert version.metrics == run.metrics
    assert 0 <= version.metrics["pooled_accuracy"] <= 1
    assert version.metrics["pooled_annotators"] == 2
    described = artifact.describe(store.fetch_folder(version.path))
    assert described["digest"] == version.digest
    assert described["about"]["snapshot"] == run.snapshot.digest  # type: ignore[union-attr]
    assert described["about"]["metrics"] == version.metrics
    assert described["about"]["seed"] == 3
    assert described["about"]["counts"]["annotators"] == 12


def test_each_text_is_encoded_once(project: Project) -> None:
    execute_run(start_run(project=project, model_name="bradley_terry").pk)
    encoded = TextVector.objects.filter(encoder="style").count()
    assert encoded == 40

    judge(make_annotator(project), make_pair(project))
    execute_run(start_run(project=project, model_name="bradley_terry").pk)

    assert TextVector.objects.filter(encoder="style").count() == encoded + 2
    assert [each.label for each in project.versions.all()] == ["bradley_terry@2", "bradley_terry@1"]


def test_figures_and_phases_are_logged(project: Project) -> None:
    run = execute_run(start_run(project=project, model_name="bradley_terry").pk)

    assert run
    assert run.progress == {"phase": "done"}
    figures = [each.data for each in run.events.all() if "pooled_accuracy" in each.data]
    assert figures
    assert all(each["phase"] == "fitting" and each["attempt"] == 1 for each in figures)


def test_a_run_is_carried_out_once(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    assert execute_run(run.pk)
    assert execute_run(run.pk) is None
    assert ModelVersion.objects.filter(project=project).count() == 1


def test_promotion_can_come_with_the_run(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry", promote_when_done=True)
    execute_run(run.pk)

    version = ModelVersion.objects.get(run=run)
    assert version.state == "live"
    assert Promotion.objects.get(project=project).version == version
    assert "Promoted." in [each.data.get("note") for each in run.events.all()]


def test_a_cancelled_run_leaves_no_version(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    fit = BradleyTerry.fit

    def cancelled_meanwhile(self: BradleyTerry, *args: object, **kwargs: object) -> object:
        cancel_run(run=run)
        return fit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(BradleyTerry, "fit", cancelled_meanwhile)
    ended = execute_run(run.pk)

    assert ended
    assert ended.state == JobState.CANCELLED
    assert ended.finished_at is not None
    assert not ModelVersion.objects.exists()


def test_a_run_that_was_taken_over_registers_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease ran out while it fitted, another worker claimed the run: only that one may write."""
    run = start_run(project=project, model_name="bradley_terry")
    fit = BradleyTerry.fit

    def taken_over_meanwhile(self: BradleyTerry, *args: object, **kwargs: object) -> object:
        Run.objects.filter(pk=run.pk).update(worker="another")
        kwargs["progress"] = None
        return fit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(BradleyTerry, "fit", taken_over_meanwhile)
    ended = execute_run(run.pk)

    assert ended
    assert (ended.state, ended.worker) == (JobState.RUNNING, "another")
    assert not ModelVersion.objects.exists()


def test_every_attempt_fits_the_same_snapshot(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(BradleyTerry, "fit", _raise(MemoryError()))
        failed = execute_run(run.pk)
    assert failed
    assert failed.snapshot
    judge(make_annotator(project), make_pair(project))

    Run.objects.filter(pk=run.pk).update(state=JobState.WAITING)
    ended = execute_run(run.pk)

    assert ended
    assert (ended.state, ended.snapshot, ended.error) == (JobState.DONE, failed.snapshot, "")
    assert Snapshot.objects.filter(project=project).count() == 1
    notes = [each.data["note"] for each in ended.events.all() if "note" in each.data]
    assert notes == ["Attempt 2 of 3: the worker of the last one stopped answering."]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "The worker ran out of memory"),
        (ModuleNotFoundError("No module named 'sentence_transformers'"), "A package .* is missing .*sentence_trans"),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on the worker’s disk"),
        (ZeroDivisionError("division by zero"), "The program failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_went_wrong_is_on_the_row(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(BradleyTerry, "fit", _raise(error))
    run = execute_run(start_run(project=project, model_name="bradley_terry").pk)

    assert run
    assert run.state == JobState.FAILED
    assert run.error == explain(error)
    assert re.search(said, run.error)
    assert not ModelVersion.objects.exists()


def test_a_full_disk_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    run = execute_run(start_run(project=project, model_name="bradley_terry").pk)

    assert run
    assert run.state == JobState.FAILED
    assert "no space left on the disk" in run.error


def test_an_encoder_that_is_gone_is_said(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    Run.objects.filter(pk=run.pk).update(encoder="word2vec")

    ended = execute_run(run.pk)

    assert ended
    assert ended.state == JobState.FAILED
    assert "'word2vec' is not known" in ended.error


def test_a_changed_snapshot_is_said(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(BradleyTerry, "fit", _raise(MemoryError()))
        execute_run(run.pk)
    run.refresh_from_db()
    (store.fetch_folder(run.snapshot.path) / "judgments.jsonl.gz").write_bytes(b"")  # type: ignore[union-attr]
    Run.objects.filter(pk=run.pk).update(state=JobState.WAITING)

    ended = execute_run(run.pk)

    assert ended
    assert ended.state == JobState.FAILED
    assert "has changed since it was written" in ended.error or "cannot be read" in ended.error


def test_a_run_in_another_workers_hands_is_left_alone(project: Project) -> None:
    run = start_run(project=project, model_name="bradley_terry")
    assert jobs.claim(model=Run, job_id=run.pk)
    assert execute_run(run.pk) is None
    assert not ModelVersion.objects.exists()


def _raise(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
