from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotator.models import Annotator, JobState, Project
from annotator.services import jobs
from tests.factories import make_annotator, make_pair
from tests.training.makers import judge, judge_some, make_tasteful_project, make_version
from training import sweeping
from training.execution import execute_run
from training.models import ModelVersion, Run
from training.promotion import worse_than
from training.registry import promote
from training.runs import start_run
from training.sweeping import send_waiting, start_first_models, start_refits, sweep_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db: None) -> Project:
    return make_tasteful_project(reward_model="bradley_terry", refit_every=20)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of runs whose message would be sent, where there is a broker."""
    ids: list[int] = []

    def send(run_id: int) -> None:
        ids.append(run_id)
        Run.objects.filter(pk=run_id).update(queued_at=timezone.now())

    monkeypatch.setattr(sweeping, "queue_run", send)
    return ids


def test_a_first_model_is_fitted_and_promoted(project: Project) -> None:
    start_first_models()

    run = Run.objects.get(project=project)
    assert (run.trigger, run.promote_when_done, run.by) == (Run.Trigger.FIRST, True, None)
    execute_run(run.pk)
    assert ModelVersion.objects.get(project=project).state == "live"
    start_first_models()
    assert project.runs.count() == 1


def test_ninety_nine_judgments_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_tasteful_project(annotators=9, prompts=11, each=11, ties=0.0, reward_model="bradley_terry")
    start_first_models()
    assert not Run.objects.exists()

    judge(make_annotator(project), make_pair(project))
    start_first_models()
    assert Run.objects.filter(project=project).count() == 1


def test_an_archived_project_is_left_alone(project: Project) -> None:
    project.archived_at = timezone.now()
    project.save()
    start_first_models()
    assert not Run.objects.exists()


def test_enough_new_evidence_starts_a_refit(project: Project) -> None:
    promote(version=make_version(project))
    _judge_more(project, 19)
    start_refits()
    assert project.runs.count() == 1

    _judge_more(project, 1)
    start_refits()

    run = project.runs.get(number=2)
    assert (run.trigger, run.promote_when_done) == (Run.Trigger.EVIDENCE, True)
    start_refits()
    assert project.runs.count() == 2, "not another one while it waits"


@pytest.mark.parametrize("end", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_a_refit_is_not_repeated_without_new_evidence(project: Project, end: JobState) -> None:
    """Also where it failed before it had a snapshot: nothing is gained by failing every ten seconds."""
    promote(version=make_version(project))
    _judge_more(project, 20)
    start_refits()
    Run.objects.filter(number=2).update(state=end)

    start_refits()

    assert project.runs.count() == 2
    _judge_more(project, 20)
    start_refits()
    assert project.runs.count() == 3


def test_no_refit_without_a_live_model_or_where_it_is_switched_off(project: Project) -> None:
    version = make_version(project)
    _judge_more(project, 20)
    start_refits()
    assert project.runs.count() == 1

    promote(version=version)
    Project.objects.update(refit_every=0)
    start_refits()
    assert project.runs.count() == 1


def test_a_refit_that_is_not_worse_is_promoted(project: Project) -> None:
    promote(version=make_version(project))
    run = _refit(project)

    version = ModelVersion.objects.get(run=run)
    assert version.state == "live"
    assert "Promoted in place of bradley_terry@1: not worse on held-out people." in _notes(run)


def test_a_refit_that_is_worse_is_not_promoted_and_says_why() -> None:
    project = make_tasteful_project(annotators=40, each=12, reward_model="bradley_terry", refit_every=20)
    promote(version=make_version(project, pooled_log_loss=0.0, pooled_log_loss_se=0.0))
    run = _refit(project)

    assert ModelVersion.objects.get(run=run).state == "candidate"
    assert ModelVersion.objects.get(project=project, state="live").number == 1
    (why,) = [each for each in _notes(run) if each.startswith("Not promoted: ")]
    assert "and that of bradley_terry@1 0.000; chance alone makes at most" in why


FIGURES = {
    "accuracy": 0.7,
    "accuracy_se": 0.02,
    "log_loss": 0.6,
    "log_loss_se": 0.01,
    "ece": 0.02,
    "annotators": 20.0,
    "judgments": 300.0,
}
LIVE = {f"personal_8_{name}": value for name, value in FIGURES.items()}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ({}, ""),
        ({"personal_8_accuracy": 0.65}, ""),
        (
            {"personal_8_accuracy": 0.64},
            "right about 64.0% of the rest, and hybrid@3 about 70.0%; chance .* 5.9 points",
        ),
        ({"personal_8_log_loss": 0.62}, ""),
        ({"personal_8_log_loss": 0.635}, "log-loss is 0.635, and that of hybrid@3 0.600; chance .* 0.030"),
        ({"personal_8_accuracy": 0.9, "personal_8_log_loss": 0.4}, ""),
        ({"personal_8_accuracy": 0.2, "personal_8_annotators": 4.0}, ""),
    ],
)
def test_worse_means_by_more_than_noise(new: dict[str, float], why: str) -> None:
    found = worse_than("hybrid@3", LIVE, LIVE | new)
    assert bool(found) == bool(why)
    assert re.search(why, found)


def test_what_cannot_be_compared() -> None:
    assert "could not be tried on held-out people" in worse_than("hybrid@3", LIVE, {})
    assert worse_than("hybrid@3", {}, LIVE) == ""
    assert worse_than("hybrid@3", {}, {}) == ""


def test_a_pooled_model_is_compared_by_its_one_figure() -> None:
    pooled = {f"pooled_{name}": value for name, value in FIGURES.items()}
    assert worse_than("bradley_terry@1", pooled, LIVE) == ""
    assert "right about 50.0%" in worse_than("bradley_terry@1", pooled, LIVE | {"personal_8_accuracy": 0.5})


def test_a_message_that_was_never_sent_is_sent(project: Project, sent: list[int]) -> None:
    run = start_run(project=project)
    send_waiting()
    send_waiting()
    assert sent == [run.pk], "once, not at every sweep"

    Run.objects.update(queued_at=timezone.now() - sweeping.RESEND_AFTER - timedelta(seconds=1))
    send_waiting()
    assert sent == [run.pk, run.pk]


def test_a_silent_workers_run_is_sent_again(project: Project, sent: list[int]) -> None:
    run = start_run(project=project)
    send_waiting()
    assert jobs.claim(model=Run, job_id=run.pk)
    sweep_runs()
    assert sent == [run.pk], "its worker is not silent yet"

    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep_runs()
    sweep_runs()

    assert sent == [run.pk, run.pk]
    again = execute_run(run.pk)
    assert again
    assert (again.state, again.attempt) == (JobState.DONE, 2)


def test_attempts_are_capped(project: Project, sent: list[int]) -> None:
    run = start_run(project=project)
    for _ in range(run.max_attempts):
        assert jobs.claim(model=Run, job_id=run.pk)
        Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        sweep_runs()

    run.refresh_from_db()
    assert (run.state, run.attempt) == (JobState.FAILED, 3)
    assert "The worker stopped answering in each attempt" in run.error


def test_without_a_broker_the_row_stays(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """The tests have none."""
    run = start_run(project=project)
    with caplog.at_level(logging.WARNING):
        sweep_runs()
    run.refresh_from_db()
    assert (run.state, run.queued_at) == (JobState.WAITING, None)
    assert f"no message for run {run.pk}" in caplog.text


def test_a_quiet_sweep_asks_little(project: Project, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    promote(version=make_version(project))
    with django_assert_max_num_queries(12):
        sweep_runs()


def _judge_more(project: Project, count: int) -> None:
    annotator = Annotator.objects.create(project=project, ref=f"later-{project.annotators.count()}")
    judge_some(annotator, list(project.pairs.all())[:count])


def _refit(project: Project) -> Run:
    _judge_more(project, 20)
    start_refits()
    run = execute_run(project.runs.get(number=2).pk)
    assert run
    return run


def _notes(run: Run) -> list[str]:
    return [each.data["note"] for each in run.events.all() if "note" in each.data]
