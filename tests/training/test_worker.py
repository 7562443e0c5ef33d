"""A real broker, real workers, a real beat: a run whose message was never sent is found, fitted and promoted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from annotator.models import JobState
from config.local.folders import CHECKOUT
from config.local.valkey import EmbeddedValkey
from tests.training.makers import make_tasteful_project
from training.models import ModelVersion, Run
from training.runs import start_run

PATIENCE = 100.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedValkey(tmp_path / "broker", log=tmp_path / "valkey.log")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def worker(transactional_db: None, broker: str, tmp_path: Path) -> Iterator[Path]:
    """A worker for each queue as ``attune up`` starts them, one with the sweep's clock; yields their log.

    One for both would renew its child after each of the clock's tasks, which takes seconds, and on a busy machine get to nothing else.
    """
    log = tmp_path / "worker.log"
    celery = (sys.executable, "-m", "celery", "--app", "config.celery:app", "worker", "--concurrency", "1")
    queues = {
        "default": ("--beat", "--schedule", str(tmp_path / "beat")),
        "train": ("--max-tasks-per-child", "1"),
    }
    with log.open("ab") as output:
        children = [
            subprocess.Popen(
                [*celery, "--queues", queue, "--hostname", f"{queue}@%h", "--loglevel", "INFO", *options],
                env=os.environ | _surroundings(broker),
                cwd=CHECKOUT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            for queue, options in queues.items()
        ]
    yield log
    for child in children:
        child.terminate()
    for child in children:
        child.wait(30)


@pytest.mark.timeout(200)
def test_a_run_without_a_message_is_carried_out(worker: Path) -> None:
    project = make_tasteful_project(annotators=4, prompts=5, each=5, reward_model="bradley_terry")
    run = start_run(project=project, promote_when_done=True)

    deadline = time.monotonic() + PATIENCE
    while not run.over and time.monotonic() < deadline:
        time.sleep(0.3)
        run.refresh_from_db()

    assert run.state == JobState.DONE, worker.read_text()
    assert run.queued_at is not None, "the sweep sent it"
    assert Run.objects.count() == 1
    assert ModelVersion.objects.get(run=run).state == "live"
    text = worker.read_text()
    assert "Task training.tasks.fit" in text
    assert "Traceback" not in text


def _surroundings(broker: str) -> dict[str, str]:
    database = connection.settings_dict
    address = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "ATTUNE_HOME": str(settings.ATTUNE_HOME),
        "DATABASE_URL": f"postgres://{address}",
        "BROKER_URL": broker,
    }
