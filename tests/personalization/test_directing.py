"""A direction chosen by hand orders the answers, with scripts and without."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from annotator.access import project_for
from attune.direction import ASPECTS
from personalization.directing import directed
from personalization.policy_ranking import rank_replies
from tests.annotator.api import Program, refused
from tests.personalization.conftest import World
from tests.personalization.test_policy_playground import answered, make_policy, where
from tests.personalization.worlds import judge
from training.models import PolicyTrial, PolicyVersion
from training.policy_trials import replies_of

pytestmark = pytest.mark.django_db

SHORT, LONG = (
    "Boil it.",
    "Boil it for ten minutes with vinegar, wait for an hour, and then rinse it well with cold water.",
)
OTHER = "somebody/model"
"""A base model that reads no directions."""
DETAILED = ASPECTS.index("concise–detailed")


@pytest.fixture
def trial(world: World) -> PolicyTrial:
    judge(world.judge, world.pairs[0], "a")
    policy: PolicyVersion = make_policy(world.project)
    return answered(world, policy, [SHORT, LONG])


def order(world: World, trial: PolicyTrial, **given: str) -> list[str]:
    access = project_for(world.people.owner, world.project.slug)
    ranked = rank_replies(access=access, trial=trial, replies=replies_of(trial))
    found = directed(project=world.project, ranked=ranked, given=given)
    assert found
    assert sum(each.share**2 for each in found.sliders) == pytest.approx(1.0)
    assert [each.reward for each in found.order] == sorted((each.reward for each in found.order), reverse=True)
    return [each.letter for each in found.order]


def test_a_trait_turned_round_turns_the_order_round(world: World, trial: PolicyTrial) -> None:
    slider = f"d{DETAILED}"
    assert order(world, trial, **{slider: "100"}) == ["Z", "Y"]
    assert order(world, trial, **{slider: "-3"}) == ["Y", "Z"]
    assert order(world, trial, **{slider: "-1e999"}) == order(world, trial, **{slider: "x"}) == order(world, trial)


def test_the_form_works_without_a_script(world: World, trial: PolicyTrial, owner_client: Client) -> None:
    page = owner_client.get(f"{where(world.project)}{trial.pk}/?d{DETAILED}=80").content.decode()
    section = page[page.index('id="direction"') :]
    assert f'name="d{DETAILED}" type="range" min="-100" max="100" value="80"' in section
    letters = re.findall(r'data-aspects="[^"]+"><span class="cand-k">(\w)', section)
    assert letters == ["Z", "Y"]
    [aspects] = re.findall(r'data-aspects="([^"]+)"', section)[:1]
    assert len(aspects.split()) == len(ASPECTS)


def test_one_answer_has_no_order(world: World) -> None:
    judge(world.judge, world.pairs[0], "a")
    trial = answered(world, make_policy(world.project), [SHORT, ""])
    access = project_for(world.people.owner, world.project.slug)
    ranked = rank_replies(access=access, trial=trial, replies=replies_of(trial))
    assert directed(project=world.project, ranked=ranked, given={}) is None


@pytest.fixture
def follower(world: World) -> PolicyVersion:
    """A policy that learnt to read directions, of a base model that does not."""
    judge(world.judge, world.pairs[0], "a")
    policy = make_policy(world.project, base=OTHER)
    policy.run.settings["directions"] = 4
    policy.run.save()
    return policy


def test_the_same_prompt_is_asked_again_in_the_direction(
    world: World, follower: PolicyVersion, owner_client: Client
) -> None:
    first = answered(world, follower, [SHORT, LONG], temperature=0.7)
    page = owner_client.get(f"{where(world.project)}{first.pk}/").content.decode()
    assert "Ask again in this direction" in page
    steer = f"{where(world.project)}{first.pk}/steer/"
    sent = owner_client.post(steer, {"act": "speak", f"d{DETAILED}": "-80", "d0": "x"})
    again = PolicyTrial.objects.get(pk__gt=first.pk)
    assert sent["Location"].endswith(f"/{again.pk}/?d0=0&d1=-80&d2=0&d3=0&d4=0&d5=0&d6=0#direction")
    assert (again.prompt, again.seed, again.temperature) == (first.prompt, first.seed, 0.7)
    assert again.direction == [0, -80, 0, 0, 0, 0, 0]
    assert [reply.directed for reply in replies_of(again)] == [False, True]
    page = owner_client.get(f"{where(world.project)}{again.pk}/").content.decode()
    assert page.count("asked in the direction") == page.count("asked without a direction") == 1


def test_sliders_without_a_script_only_order(world: World, follower: PolicyVersion, owner_client: Client) -> None:
    trial = answered(world, follower, [SHORT, LONG])
    sent = owner_client.post(f"{where(world.project)}{trial.pk}/steer/", {"act": "order", f"d{DETAILED}": "5"})
    assert f"/{trial.pk}/?d0=0&d1=5&" in sent["Location"]
    assert PolicyTrial.objects.count() == 1


def test_a_direction_needs_a_policy_that_reads_one(world: World, owner_client: Client) -> None:
    judge(world.judge, world.pairs[0], "a")
    trial = answered(world, make_policy(world.project, base=OTHER), [SHORT, LONG])
    page = owner_client.get(f"{where(world.project)}{trial.pk}/").content.decode()
    assert "Ask again in this direction" not in page
    refused = owner_client.post(f"{where(world.project)}{trial.pk}/steer/", {"act": "speak", "d1": "5"}, follow=True)
    assert "None of the policies reads a direction" in refused.content.decode()
    assert PolicyTrial.objects.count() == 1


def test_the_tiny_model_reads_directions_whatever_its_policies_learnt(world: World, trial: PolicyTrial) -> None:
    trial.direction = [0, -80, 0, 0, 0, 0, 0]
    trial.save()
    assert [reply.directed for reply in replies_of(trial)] == [True] * trial.replies.count()


def test_the_spoken_direction_stands_on_the_sliders(world: World, follower: PolicyVersion) -> None:
    trial = answered(world, follower, [SHORT, LONG], direction=[0, -50, 0, 0, 0, 0, 0])
    access = project_for(world.people.owner, world.project.slug)
    ranked = rank_replies(access=access, trial=trial, replies=replies_of(trial))
    found = directed(project=world.project, ranked=ranked, given={}, spoken=trial.direction)
    assert found
    assert [each.value for each in found.sliders] == trial.direction
    assert (found.speaks, found.spoken, found.order[0].letter) == (True, True, "Y")
    turned = directed(project=world.project, ranked=ranked, given={"d1": "50"}, spoken=trial.direction)
    assert turned
    assert (turned.spoken, turned.order[0].letter) == (False, "Z")


def test_trials_through_the_api(world: World, follower: PolicyVersion) -> None:
    program = Program(world.people.owner, world.project)
    body = {"prompt": "Why?", "policies": [follower.number], "direction": {"concise–detailed": -80}, "seed": 3}
    made = program.ok("POST", "/policies/trials", body, status=201)
    assert made["direction"] == {"concise–detailed": -80}
    assert [each["directed"] for each in made["replies"]] == [False, True]
    assert program.ok("GET", f"/policies/trials/{made['id']}")["state"] == "waiting"
    for field, wrong, words in (
        ("direction", {"direction": {"funny": 1}}, "is no aspect"),
        ("direction", {"direction": {"overall": 101}}, "7 weights from"),
        ("direction", {"direction": {"overall": 0}}, "which is none"),
        ("policies", {"policies": []}, "Choose 1 to 4 policies"),
    ):
        answer = program.send("POST", "/policies/trials", body | wrong)
        refused(answer, 422, field)
        assert words in answer.content.decode()
    follower.run.settings["directions"] = 0
    follower.run.save()
    refused(program.send("POST", "/policies/trials", body), 422, "direction")
    assert PolicyTrial.objects.count() == 1
