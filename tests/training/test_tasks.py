from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection

from annotator.models import JobState
from config.celery import app
from tests.training.makers import make_tasteful_project
from training import tasks
from training.models import Run
from training.runs import queue_run, start_run


@pytest.fixture
def broker() -> Iterator[Connection]:
    """A broker in this process's memory, and our application's queues on it."""
    ours = Celery("test", broker="memory://", set_as_current=False)
    ours.conf.update(task_queues=app.conf.task_queues)
    ours.set_current()
    with ours.connection() as connection:
        yield connection
    app.set_current()


@pytest.mark.django_db
def test_a_run_is_sent_where_fits_are_done(broker: Connection) -> None:
    """The message really lies in the queue of the workers that fit, and in no other."""
    project = make_tasteful_project(annotators=2, prompts=3, each=3, reward_model="bradley_terry")
    run = start_run(project=project)
    queue_run(run.pk)

    found = {queue.name: queue.bind(broker.default_channel).get() for queue in app.conf.task_queues}

    assert found["default"] is None
    assert found["train"].headers["task"] == "training.tasks.fit"
    assert found["train"].headers["argsrepr"] == f"({run.pk},)"
    run.refresh_from_db()
    assert run.queued_at is not None


def test_time_limits_are_shorter_than_the_brokers_patience() -> None:
    """A message that is not acknowledged in time is given to another worker as well."""
    patience = app.conf.broker_transport_options["visibility_timeout"]
    assert tasks.fit.soft_time_limit < tasks.fit.time_limit < patience


@pytest.mark.django_db
def test_the_task_carries_the_run_out() -> None:
    project = make_tasteful_project(annotators=4, prompts=5, each=5, reward_model="bradley_terry")
    run = start_run(project=project)
    tasks.fit(run.pk)
    assert Run.objects.get(pk=run.pk).state == JobState.DONE


@pytest.mark.django_db
def test_the_sweep_starts_first_models() -> None:
    project = make_tasteful_project(reward_model="bradley_terry")
    tasks.sweep()
    assert project.runs.get().trigger == Run.Trigger.FIRST
