from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from pytest_django import DjangoCaptureOnCommitCallbacks

from annotator.errors import Conflict, Invalid
from annotator.models import AuditEntry, JobState, Project
from tests.factories import make_annotator, make_pair, make_project, make_user
from tests.training.makers import judge, make_tasteful_project
from training import runs
from training.errors import NothingToLearn
from training.execution import execute_run
from training.models import ModelVersion, Run
from training.runs import cancel_run, start_run


@pytest.fixture
def project(db: None) -> Project:
    project = make_project(reward_model="bradley_terry", encoder="style")
    judge(make_annotator(project), make_pair(project))
    return project


def test_a_run_takes_the_projects_model_and_encoder(project: Project) -> None:
    owner = make_user()
    run = start_run(project=project, by=owner)

    assert (run.number, run.state, run.model_name, run.encoder) == (1, JobState.WAITING, "bradley_terry", "style")
    assert (run.trigger, run.by, run.promote_when_done) == (Run.Trigger.PERSON, owner, False)
    entry = AuditEntry.objects.get(project=project)
    assert (entry.what, entry.by, entry.about["run"]) == ("run started", owner, 1)


def test_numbers_go_on_within_the_project(project: Project) -> None:
    start_run(project=project)
    other = make_project(encoder="style")
    judge(make_annotator(other), make_pair(other))
    assert start_run(project=project, options={"item": 2.0}).number == 2
    assert start_run(project=other, model_name="bradley_terry").number == 1


def test_the_same_is_not_fitted_twice_at_once(project: Project) -> None:
    run = start_run(project=project)
    with pytest.raises(Conflict, match="Run 1 already fits “bradley_terry” and is waiting"):
        start_run(project=project)

    cancel_run(run=run)
    assert start_run(project=project).number == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model_name": "oracle"}, "model 'oracle' is not known; expected one of bradley_terry, hybrid"),
        ({"options": {"sharpness": 3}}, "does not take these options"),
    ],
)
def test_what_cannot_be_fitted_is_refused_at_once(project: Project, given: dict[str, object], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        start_run(project=project, **given)  # type: ignore[arg-type]
    assert not Run.objects.exists()


def test_an_unknown_encoder_is_refused_at_once(project: Project) -> None:
    project.encoder = "word2vec"
    with pytest.raises(Invalid, match="'word2vec' is not known"):
        start_run(project=project)


def test_nothing_to_learn_from_is_refused_at_once(db: None) -> None:
    project = make_project(name="Eggs", reward_model="bradley_terry", encoder="style")
    judge(make_annotator(project), make_pair(project), "tie")
    with pytest.raises(NothingToLearn, match="“Eggs” has no judgment yet"):
        start_run(project=project)


def test_a_broker_that_is_away_leaves_the_row_waiting(
    project: Project, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    """The tests have no broker: the message fails, the row stays, and nobody is bothered."""
    with django_capture_on_commit_callbacks(execute=True):
        run = start_run(project=project)

    run.refresh_from_db()
    assert (run.state, run.queued_at) == (JobState.WAITING, None)


def test_cancelling_a_waiting_run_ends_it(project: Project) -> None:
    run = start_run(project=project)
    cancel_run(run=run, by=make_user())

    assert run.state == JobState.CANCELLED
    assert execute_run(run.pk) is None
    assert AuditEntry.objects.filter(project=project, what="run cancelled").exists()


def test_cancelling_a_run_that_is_over_changes_nothing(project: Project) -> None:
    run = start_run(project=project)
    Run.objects.filter(pk=run.pk).update(state=JobState.DONE)
    cancel_run(run=run)
    assert (run.state, run.cancel_requested) == (JobState.DONE, False)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_start_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "queue_run", lambda run_id: None)
    project = make_tasteful_project(annotators=2, prompts=3, each=3, reward_model="bradley_terry")

    def click(_: int) -> bool:
        try:
            start_run(project=project)
        except Conflict:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(click, range(4))) == [False, False, False, True]


@pytest.mark.django_db(transaction=True)
def test_two_workers_carry_it_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "queue_run", lambda run_id: None)
    project = make_tasteful_project(annotators=4, prompts=5, each=5, reward_model="bradley_terry")
    run = start_run(project=project)

    def work(_: int) -> bool:
        done = execute_run(run.pk)
        connections.close_all()
        return done is not None

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(work, range(3))) == [False, False, True]
    assert ModelVersion.objects.filter(project=project).count() == 1
