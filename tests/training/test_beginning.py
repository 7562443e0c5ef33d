"""Refits on new evidence begin from the live version; nothing else does, and nothing that knew somebody who was erased."""

from __future__ import annotations

import pytest

from annotator.models import Annotator, Pair, Project
from tests.attune.conftest import SMALL
from tests.training.makers import judge_some, make_tasteful_project
from training.execution import execute_run
from training.models import ModelVersion, Run
from training.registry import promote
from training.runs import start_run

pytestmark = pytest.mark.django_db
BEGAN = "Began from what the live version’s fit had found."


@pytest.fixture
def project() -> Project:
    """With a live hybrid, and somebody new since."""
    made = make_tasteful_project(annotators=20, prompts=16, each=12, ties=0.0)
    promote(version=carried_out(made, Run.Trigger.PERSON).version)
    newcomer = Annotator.objects.create(project=made, ref="newcomer", simulated=True)
    judge_some(newcomer, list(Pair.objects.filter(project=made)[:12]))
    return made


def carried_out(project: Project, trigger: Run.Trigger) -> Run:
    run = start_run(project=project, model_name="hybrid", options=SMALL["hybrid"], trigger=trigger, send=False)
    done = execute_run(run.pk)
    assert done is not None and done.state == "done", done and done.error
    return done


def notes(run: Run) -> list[str]:
    return [event.data["note"] for event in run.events.all() if "note" in event.data]


def test_a_refit_begins_from_the_live_version(project: Project) -> None:
    assert BEGAN in notes(carried_out(project, Run.Trigger.EVIDENCE))
    assert BEGAN not in notes(carried_out(project, Run.Trigger.PERSON))


def test_not_from_one_that_knew_somebody_who_was_erased(project: Project) -> None:
    ModelVersion.objects.filter(project=project, state=ModelVersion.State.LIVE).update(erased=1)
    assert BEGAN not in notes(carried_out(project, Run.Trigger.EVIDENCE))


def test_not_where_somebody_has_taken_back_their_consent(project: Project) -> None:
    Annotator.objects.filter(project=project, ref="sim-0").update(in_training=False)
    assert BEGAN not in notes(carried_out(project, Run.Trigger.EVIDENCE))
