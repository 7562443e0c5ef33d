"""A question about one's own taste: when it comes, what it does, and that it comes once."""

from __future__ import annotations

import numpy as np
import pytest
from django.urls import reverse

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, Pair, Project
from annotator.services.asking import next_task
from attune.rewards.corrections import ASKED_WORTH, WORTH, Word
from attune.style_features import TRAITS
from personalization.latents import find_person
from personalization.models import TraitStatement
from personalization.questions import answer_question, question_for
from personalization.statements import state, stated_by
from tests.factories import ThreePeople, login, make_people, make_project
from tests.personalization.worlds import judge, make_pairs, make_version, responses_of, say_again
from training.serving import live_version

pytestmark = pytest.mark.django_db
LENGTH = next(iter(TRAITS))


@pytest.fixture
def people() -> ThreePeople:
    return make_people(make_project(choosing=Project.Choosing.INFORMATION))


@pytest.fixture
def pairs(people: ThreePeople) -> list[Pair]:
    found = make_pairs(people.project, 8)
    make_version(people.project, responses_of(found))
    return found


@pytest.fixture
def annotator(people: ThreePeople) -> Annotator:
    return Annotator.objects.get(project=people.project, user=people.annotator)


SLOW, QUICK = 600.0, 0.2
"""Seconds that a pair takes: with the first a question tells more in its time, with the second it does not."""


def lend(annotator: Annotator) -> None:
    assert next_task(annotator=annotator) is not None


def test_it_comes_where_it_tells_more_per_second_than_the_pair_at_hand(annotator: Annotator, pairs: list[Pair]) -> None:
    said = judge(annotator, pairs[0], "a", seconds=SLOW)
    assert question_for(annotator) is None  # no pair is lent, so nothing says what an answer costs
    lend(annotator)
    found = question_for(annotator)
    assert found is not None and found.tells > found.pair_tells > 0
    assert [value for value, _words in found.answers] == ["-1", "-0.5", "0", "0.5", "1"]
    say_again(said, "a", seconds=QUICK)
    assert question_for(annotator) is None


def test_it_comes_rarely_and_only_where_the_model_chooses(annotator: Annotator, pairs: list[Pair]) -> None:
    lend(annotator)
    came = []
    for pair in pairs[:5]:
        came.append(question_for(annotator) is not None)
        judge(annotator, pair, "a", seconds=SLOW)
    assert came == [True, True, True, False, True]  # after 0, 1, 2 and 4 judgments
    for pair in pairs[5:]:
        judge(annotator, pair, "b", seconds=SLOW)
    annotator.project.choosing = Project.Choosing.RANDOM
    assert question_for(annotator) is None


def test_an_answer_moves_the_model_at_once_and_counts_less_than_a_correction(
    annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a")
    served = live_version(annotator.project_id)
    assert served is not None
    before = find_person(served=served, pk=annotator.pk)
    answer_question(annotator=annotator, trait=LENGTH, value=1.0)
    after = find_person(served=served, pk=annotator.pk)
    assert before and after and not np.array_equal(before.latent.mean, after.latent.mean)
    assert stated_by(annotator.pk) == {LENGTH: Word(1.0, ASKED_WORTH)}
    state(annotator=annotator, values={LENGTH: 1.3})
    assert stated_by(annotator.pk) == {LENGTH: Word(1.3, WORTH)}


def test_nothing_is_asked_twice(annotator: Annotator, pairs: list[Pair]) -> None:
    lend(annotator)
    asked: list[str] = []
    for pair in pairs[:5]:
        if found := question_for(annotator):
            asked.append(found.trait)
            answer_question(annotator=annotator, trait=found.trait, value=None if len(asked) % 2 else 0.5)
        assert question_for(annotator) is None
        judge(annotator, pair, "a", seconds=SLOW)
    assert len(asked) == len(set(asked)) > 2
    answer_question(annotator=annotator, trait=asked[0], value=None)
    assert TraitStatement.objects.filter(trait=asked[0]).count() == 1
    with pytest.raises(Conflict, match="answered this before"):
        answer_question(annotator=annotator, trait=asked[0], value=1.0)


@pytest.mark.parametrize(("trait", "value"), [("sweet–sour", 1.0), (LENGTH, 0.3)])
def test_only_what_was_asked_can_be_answered(annotator: Annotator, trait: str, value: float) -> None:
    with pytest.raises(Invalid, match="expected one of"):
        answer_question(annotator=annotator, trait=trait, value=value)
    assert not TraitStatement.objects.exists()


def test_on_the_page(people: ThreePeople, annotator: Annotator, pairs: list[Pair]) -> None:
    client = login(people.annotator)
    address = reverse("my_question", args=[people.project.slug])
    assert client.get(address).status_code == 204
    judge(annotator, pairs[0], "a", seconds=SLOW)
    page = client.get(reverse("judge", args=[people.project.slug])).content.decode()
    assert f'data-question="{address}"' in page
    card = client.get(address).content.decode()
    trait = card.split('name="trait" value="')[1].split('"')[0]
    assert trait in TRAITS and "than others here do?" in card
    htmx = {"HX-Request": "true"}
    assert client.post(address, {"trait": trait, "value": "x"}, headers=htmx).status_code == 422
    assert client.post(address, {"trait": trait, "value": "nan"}, headers=htmx).status_code == 422
    assert client.post(address, {"trait": trait, "value": "0.5"}, headers=htmx).status_code == 204
    assert client.post(address, {"trait": trait, "value": "1"}, headers=htmx).status_code == 409
    assert client.post(address, {"trait": trait, "value": "0.5"}).status_code == 302
    assert stated_by(annotator.pk)[trait].value == 0.5
    assert login(people.stranger).get(address).status_code == 404
