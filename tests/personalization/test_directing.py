"""A direction chosen by hand orders the answers, with scripts and without."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from annotator.access import project_for
from attune.direction import ASPECTS
from personalization.directing import directed
from personalization.policy_ranking import rank_replies
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
