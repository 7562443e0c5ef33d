"""One prompt to several policies: a real process answers, the page shows what is there, people's rewards rank it."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from annotator.access import project_for
from annotator.errors import Invalid, NotFound
from annotator.models import JobState, Project, Role
from personalization.policy_ranking import rank_replies
from tests.factories import login, make_member
from tests.personalization.conftest import World
from tests.training.makers import make_tasteful_project
from training.cleaning import TRIALS_KEPT, remove_old_trials
from training.execution import freeze
from training.models import PolicyReply, PolicyTrial, PolicyVersion, Scope
from training.policy_execution import execute_policy_run
from training.policy_runs import start_policy_run
from training.policy_speaking import execute_trial
from training.policy_trials import replies_of, start_trial

pytestmark = pytest.mark.django_db

QUICK: dict[str, Any] = {"epochs": 8, "batch": 8, "rank": 4, "samples": 1, "learning_rate": 0.05, "max_length": 256}


def make_policy(project: Project, **fields: Any) -> PolicyVersion:
    """A row as a run leaves it, without its files."""
    run = start_policy_run(project=project, send=False)
    freeze(run)
    run.state = JobState.DONE
    run.save()
    number = project.policies.count() + 1
    values = {"base": "tiny", "path": f"policies/none-{number}", "digest": "d" * 64} | fields
    return PolicyVersion.objects.create(project=project, number=number, run=run, **values)


def where(project: Project) -> str:
    return f"/projects/{project.slug}/policies/playground/"


@pytest.fixture
def policy(world: World) -> PolicyVersion:
    from tests.personalization.worlds import judge

    judge(world.judge, world.pairs[0], "a")
    return make_policy(world.project)


def answered(world: World, policy: PolicyVersion, texts: list[str], **fields: Any) -> PolicyTrial:
    """A trial that is over, as if base and policy had said these texts."""
    trial = start_trial(
        project=world.project,
        by=world.people.owner,
        prompt=world.pairs[0].prompt.text,
        policies=[policy.number],
        send=False,
        **fields,
    )
    for reply, text in zip(replies_of(trial), texts, strict=True):
        PolicyReply.objects.filter(pk=reply.pk).update(text=text, begun=True, over=True, tokens=9)
    PolicyTrial.objects.filter(pk=trial.pk).update(state=JobState.DONE)
    trial.refresh_from_db()
    return trial


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(600)
def test_a_real_policy_answers_beside_its_base(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, client: Client
) -> None:
    from tests.attune.policies.conftest import make_micro

    base = str(make_micro(tmp_path_factory.mktemp("micro")))
    settings.ATTUNE_POLICY_BASES = [base]
    project = make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)
    done = execute_policy_run(
        start_policy_run(project=project, chosen=QUICK | {"base": base, "learning_rate": 0.05}, send=False).pk
    )
    assert done is not None
    assert done.state == JobState.DONE, done.error
    assert {"held_out_ranking", "held_out_ideal", "learnt_accuracy", "entanglement"} <= done.metrics.keys()
    assert done.metrics["explicit_learnt"] > 0.7  # nine of ten judgments are by length
    owner = make_member(project, role=Role.OWNER)
    page = login(owner).get(f"/projects/{project.slug}/policies/runs/1/").content.decode()
    assert "Explicit reward" in page
    assert "before" in page

    lost = make_policy(project, base=base)
    lost.run.settings = done.settings
    lost.run.save()
    trial = start_trial(
        project=project, prompt="How do I do it?", policies=[1, lost.number], most_tokens=24, seed=2, send=False
    )
    over = execute_trial(trial.pk)
    assert over is not None
    assert (over.state, over.error) == (JobState.DONE, "")
    bare, trained, gone = replies_of(over)
    assert (bare.version, trained.version, gone.version) == (None, done.version, lost)
    for reply in (bare, trained):
        assert reply.over
        assert 1 <= reply.tokens <= 24
        assert not reply.error
    assert bare.text != trained.text
    assert "has no folder" in gone.error
    assert execute_trial(trial.pk) is None
    again = start_trial(
        project=project, prompt="How do I do it?", policies=[1], most_tokens=24, seed=over.seed, send=False
    )
    execute_trial(again.pk)
    assert [each.text for each in replies_of(again)] == [bare.text, trained.text]

    long = start_trial(project=project, prompt="Why? " * 200, policies=[1], most_tokens=24, send=False)
    refused = execute_trial(long.pk)
    assert refused is not None
    assert "Write a shorter prompt" in replies_of(refused)[0].error


def test_rewards_rank_what_was_answered(world: World, policy: PolicyVersion) -> None:
    pair = world.pairs[0]
    trial = answered(world, policy, [pair.response_a.text, pair.response_b.text], people=[world.judge.ref])
    access = project_for(world.people.owner, world.project.slug)
    ranked = rank_replies(access=access, trial=trial, replies=replies_of(trial))
    assert [letter for letter, _ in ranked.lettered] == ["Y", "Z"]
    assert [order.name for order in ranked.orders] == ["Everybody", str(world.judge)]
    assert all(sorted(place.letter for place in order.places) == ["Y", "Z"] for order in ranked.orders)
    PolicyReply.objects.filter(trial=trial, place=0).update(over=False)
    [only] = rank_replies(access=access, trial=trial, replies=replies_of(trial)).orders[0].places
    assert only.letter == "Z"


def test_the_page_says_what_keeps_it_from_ranking(
    world: World, policy: PolicyVersion, owner_client: Client, settings: Settings
) -> None:
    settings.SCORER_URL = ""
    trial = answered(world, policy, ["Something <b>new</b>.", ""])
    page = owner_client.get(f"{where(world.project)}{trial.pk}/").content.decode()
    assert "no scorer is configured" in page
    assert "<b>new</b>" not in page
    assert "It said nothing." in page


def test_the_form_starts_a_trial_that_is_watched_and_stopped(
    world: World, policy: PolicyVersion, owner_client: Client
) -> None:
    mine = make_policy(world.project, scope=Scope.ANNOTATOR, annotator=world.judge)
    page = owner_client.get(where(world.project)).content.decode()
    assert all(f'name="policy" value="{each.number}" checked' in page for each in (policy, mine))
    form = {"prompt": "How?", "policy": [policy.number, mine.number], "temperature": "0.7", "most_tokens": "64"}
    sent = owner_client.post(where(world.project), form)
    first = PolicyTrial.objects.get()
    assert sent["Location"] == f"{where(world.project)}{first.pk}/"
    assert (first.temperature, first.most_tokens, first.people) == (0.7, 64, [world.judge.ref])
    assert [each.name for each in replies_of(first)] == ["tiny", policy.label, mine.label]
    live = owner_client.get(f"{where(world.project)}{first.pk}/live/").content.decode()
    assert "every 1s" in live
    assert "waiting for a worker" in live

    owner_client.post(where(world.project), form)
    first.refresh_from_db()
    assert first.state == JobState.CANCELLED
    second = PolicyTrial.objects.first()
    assert second is not None
    owner_client.post(f"{where(world.project)}{second.pk}/stop/")
    live = owner_client.get(f"{where(world.project)}{second.pk}/live/").content.decode()
    assert "every 1s" not in live
    assert "It did not come to answer." in live


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"prompt": " "}, 422, "Write a prompt."),
        ({"policy": []}, 422, "Choose 1 to 4 policies."),
        ({"policy": ["9"]}, 404, "There is no policy 9"),
        ({"temperature": "hot"}, 422, "temperature is “hot”"),
        ({"temperature": "nan"}, 422, "temperature is “nan”"),
        ({"temperature": "3"}, 422, "expected 0 to 2"),
        ({"most_tokens": "100000"}, 422, "expected 1 to 1024"),
        ({"person": "who"}, 422, "There is no annotator “who”"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    world: World, policy: PolicyVersion, owner_client: Client, fields: dict[str, Any], status: int, words: str
) -> None:
    form: dict[str, Any] = {"prompt": "How then?", "policy": [policy.number]} | fields
    answer = owner_client.post(where(world.project), form)
    assert answer.status_code == status
    page = html.unescape(answer.content.decode())
    assert words in page
    assert str(form["prompt"]) in page
    assert not PolicyTrial.objects.exists()


def test_retired_and_others_policies_do_not_answer(world: World, policy: PolicyVersion) -> None:
    other = make_tasteful_project(annotators=1, prompts=2, each=2)
    with pytest.raises(NotFound):
        start_trial(project=other, prompt="How?", policies=[policy.number], send=False)
    PolicyVersion.objects.filter(pk=policy.pk).update(retired=True)
    with pytest.raises(NotFound, match="not retired"):
        start_trial(project=world.project, prompt="How?", policies=[policy.number], send=False)
    with pytest.raises(Invalid, match="NUL"):
        start_trial(project=world.project, prompt="a\0b", policies=[policy.number], send=False)


def test_the_three_people(
    world: World, policy: PolicyVersion, owner_client: Client, annotator_client: Client, stranger_client: Client
) -> None:
    trial = answered(world, policy, ["One.", "Two."])
    viewer = login(make_member(world.project, role=Role.VIEWER))
    clients = (owner_client, viewer, annotator_client, stranger_client)
    for path in ("", f"{trial.pk}/", f"{trial.pk}/live/"):
        assert [each.get(where(world.project) + path).status_code for each in clients] == [200, 200, 403, 404], path
    assert viewer.post(f"{where(world.project)}{trial.pk}/stop/").status_code == 403
    assert owner_client.get(f"{where(world.project)}{trial.pk + 1}/").status_code == 404


def test_old_trials_are_forgotten(world: World, policy: PolicyVersion) -> None:
    kept = answered(world, policy, ["One.", "Two."])
    old = answered(world, policy, ["One.", "Two."])
    PolicyTrial.objects.filter(pk=old.pk).update(created_at=timezone.now() - 2 * TRIALS_KEPT)
    remove_old_trials()
    assert list(PolicyTrial.objects.all()) == [kept]
