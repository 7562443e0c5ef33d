"""Policies that read whom they answer, in the playground: a person's judgments, and what they like in words they can correct."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from annotator.models import Annotator, JobState, Role
from personalization.describing import reader_words
from personalization.erasing import carry_out, erase_annotator
from personalization.statements import state
from tests.annotator.api import Program, refused
from tests.factories import login, make_member
from tests.personalization.conftest import World
from tests.personalization.test_policy_playground import QUICK, make_policy, where
from tests.personalization.worlds import judge
from tests.training.makers import make_tasteful_project
from training.models import PolicyReply, PolicyTrial, PolicyVersion
from training.policy_execution import execute_policy_run
from training.policy_runs import start_policy_run
from training.policy_shots import shots_of_annotator
from training.policy_speaking import execute_trial
from training.policy_trials import replies_of, start_trial

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading(world: World) -> PolicyVersion:
    judge(world.judge, world.pairs[0], "a")
    version = make_policy(world.project)
    version.run.settings = {**version.run.settings, "shots": 4, "describe": "given"}
    version.run.save()
    return version


def test_words_follow_what_a_person_says_of_themselves(world: World) -> None:
    judge(world.judge, world.pairs[0], "a")
    assert reader_words(world.judge) == ""
    state(annotator=world.judge, values={"concise–detailed": -1.2})
    concise = reader_words(world.judge)
    assert "concise" in concise
    state(annotator=world.judge, values={"concise–detailed": 1.2})
    assert "concise" not in reader_words(world.judge)


def test_shots_are_the_last_decided_judgments(world: World) -> None:
    for pair, choice in zip(world.pairs[:4], ("a", "tie", "b", "skip"), strict=True):
        judge(world.judge, pair, choice)
    first, third = world.pairs[0], world.pairs[2]
    shots = shots_of_annotator(world.judge, 8)
    assert [(each.preferred, each.other) for each in shots] == [
        (first.response_a.text, first.response_b.text),
        (third.response_b.text, third.response_a.text),
    ]
    assert [each.question for each in shots_of_annotator(world.judge, 1)] == [third.prompt.text]
    Annotator.objects.filter(pk=world.judge.pk).update(in_training=False)
    assert (
        shots_of_annotator(world.judge, 8) == []
    )  # who keeps their judgments out of training keeps them out of prompts


def test_the_form_asks_for_a_reader_where_some_policy_reads(
    world: World, reading: PolicyVersion, owner_client: Client
) -> None:
    asked: dict[str, Any] = {"prompt": "How?", "policy": str(reading.number), "temperature": "1", "most_tokens": "20"}
    page = owner_client.get(where(world.project)).content.decode()
    assert 'name="reader"' in page
    refused = owner_client.post(where(world.project), asked | {"reader": "nobody"})
    assert refused.status_code == 422
    assert "There is no annotator “nobody”" in refused.content.decode()
    state(annotator=world.judge, values={"concise–detailed": -1.2})
    assert owner_client.post(where(world.project), asked | {"reader": world.judge.ref}).status_code == 302
    trial = PolicyTrial.objects.get()
    assert trial.reader == world.judge
    assert "concise" in trial.reader_words
    PolicyReply.objects.filter(trial=trial, version=reading).update(begun=True, reader_words="likes jam")
    shown = owner_client.get(f"{where(world.project)}{trial.pk}/").content.decode()
    assert f"reads what {world.judge} judged" in shown
    assert "likes jam" in shown
    owner_client.post(where(world.project), asked)
    assert PolicyTrial.objects.latest("pk").reader is None  # the policy is everyone's
    reading.run.settings = {**reading.run.settings, "shots": 0}
    reading.run.save()
    assert 'name="reader"' not in owner_client.get(where(world.project)).content.decode()


def test_programs_name_a_reader(world: World, reading: PolicyVersion) -> None:
    program = Program(world.people.owner, world.project)
    asked = {"prompt": "How?", "policies": [reading.number], "reader": world.judge.ref, "reader_words": "likes jam"}
    made = program.ok("POST", "/policies/trials", asked, status=201)
    trial = PolicyTrial.objects.get(pk=made["id"])
    assert (trial.reader, trial.reader_words) == (world.judge, "likes jam")
    assert [each["reader_words"] for each in made["replies"]] == ["", ""]
    refused(program.send("POST", "/policies/trials", asked | {"reader": "nobody"}), 404)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(600)
def test_a_real_policy_answers_its_reader(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.attune.policies.conftest import make_micro

    base = str(make_micro(tmp_path_factory.mktemp("micro")))
    settings.ATTUNE_POLICY_BASES = [base]
    project = make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)
    chosen = QUICK | {"base": base, "epochs": 2, "shots": 1, "describe": "given"}
    done = execute_policy_run(start_policy_run(project=project, chosen=chosen, send=False).pk)
    assert done is not None
    assert done.state == JobState.DONE, done.error
    reader = project.annotators.earliest("pk")
    trial = start_trial(
        project=project, prompt="How?", policies=[1], reader=reader, reader_words="likes jam", most_tokens=8, send=False
    )
    over = execute_trial(trial.pk)
    assert over is not None
    assert (over.state, over.error) == (JobState.DONE, "")
    bare, told = replies_of(over)
    assert (bare.reader_words, told.reader_words) == ("", "likes jam")
    assert told.over
    assert not told.error
    shown = start_trial(project=project, prompt="How?", policies=[1], reader=reader, most_tokens=8, send=False)
    execute_trial(shown.pk)
    assert replies_of(shown)[1].reader_words.startswith("likes answers")
    owner = make_member(project, role=Role.OWNER)
    assert "reads what" in login(owner).get(f"{where(project)}{shown.pk}/").content.decode()
    carry_out(erase_annotator(annotator=reader, by=owner).pk)
    assert not PolicyTrial.objects.filter(pk__in=[trial.pk, shown.pk]).exists()  # what was said to them goes with them
