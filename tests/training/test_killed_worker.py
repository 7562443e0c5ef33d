"""A worker that is killed with signal 9, at the places where most could go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from annotator.models import JobState
from tests.training.makers import make_tasteful_project
from training import runs
from training.execution import execute_run
from training.models import ModelVersion, Run, Snapshot
from training.runs import start_run
from training.sweeping import sweep_runs

WORKER = Path(__file__).with_name("stopped_worker.py")
PATIENCE = 60.0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["freezing", "fitting", "registering"])
def test_a_later_attempt_finishes_what_a_killed_worker_left(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "queue_run", lambda run_id: None)
    project = make_tasteful_project(annotators=6, prompts=8, each=8, reward_model="bradley_terry")
    run = start_run(project=project, promote_when_done=True)

    _kill_at(run, place)
    run.refresh_from_db()
    assert (run.state, run.attempt) == (JobState.RUNNING, 1), "nobody knows yet"
    assert execute_run(run.pk) is None, "its lease still holds"
    assert not ModelVersion.objects.exists(), "half a registration is none"
    _sweep_until_waiting(run)
    done = execute_run(run.pk)

    assert done
    assert (done.state, done.attempt, done.error) == (JobState.DONE, 2, "")
    version = ModelVersion.objects.get(project=project)
    assert (version.number, version.run, version.state) == (1, run, "live")
    assert Snapshot.objects.filter(project=project).count() == 1


def _kill_at(run: Run, place: str) -> None:
    """Start a worker in a process of its own, wait until it is there, kill it."""
    settings = connection.settings_dict
    address = f"{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    worker = subprocess.Popen(
        [sys.executable, str(WORKER), str(run.pk), place],
        env={**os.environ, "DATABASE_URL": f"postgres://{address}", "PYTHONPATH": str(WORKER.parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdout
        assert worker.stdout.readline().strip() == place
    finally:
        worker.kill()
        worker.communicate()


def _sweep_until_waiting(run: Run) -> None:
    deadline = time.monotonic() + PATIENCE
    while run.state == JobState.RUNNING and time.monotonic() < deadline:
        time.sleep(0.2)
        sweep_runs()
        run.refresh_from_db()
    assert run.state == JobState.WAITING
