"""Adding prompts, responses and pairs one at a time."""

from __future__ import annotations

import pytest

from annotator.errors import Conflict, Invalid
from annotator.models import Pair, Project, Prompt, Response
from annotator.services.content import NewResponse, add_pairs, add_prompt, add_responses
from attune.data import content_digest
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(overlap=5)


def test_a_prompt_with_responses_and_pairs(project: Project) -> None:
    responses = [
        NewResponse("One.", ref="1", source="small", about={"style": {"warm": 1}}),
        NewResponse("Two."),
        NewResponse("Three."),
    ]
    prompt = add_prompt(project=project, prompt="Why?", topic="causes", responses=responses)
    one, two, three = Response.objects.filter(prompt=prompt).order_by("pk")
    assert (prompt.messages, prompt.topic) == ([{"role": "user", "content": "Why?"}], "causes")
    assert (one.ref, one.source, one.about) == ("1", "small", {"style": {"warm": 1}})
    assert two.digest == content_digest("Why?", "Two.")
    assert two.ref == two.digest[:16]
    pairs = Pair.objects.filter(prompt=prompt).order_by("pk").values_list("response_a", "response_b", "cap")
    assert sorted(pairs) == [(one.pk, two.pk, 5), (one.pk, three.pk, 5), (two.pk, three.pk, 5)]


def test_more_responses_and_pairs_later(project: Project) -> None:
    prompt = add_prompt(project=project, prompt="Why?", responses=[NewResponse("One."), NewResponse("Two.")])
    add_responses(prompt=prompt, responses=[NewResponse("Three.")])
    add_pairs(prompt=prompt, responses=list(prompt.responses.all()))
    assert Pair.objects.filter(prompt=prompt).count() == 3


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "a\x00"}, "prompt"),
        ({"ref": "x" * 201}, "ref"),
        ({"topic": "\ud800"}, "topic"),
    ],
)
def test_texts_that_can_not_be_stored(project: Project, changed: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        add_prompt(project=project, **{"prompt": "Why?", **changed})  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]
    assert not Prompt.objects.exists()


def test_a_wrong_response_takes_the_prompt_back(project: Project) -> None:
    with pytest.raises(Invalid):
        add_prompt(project=project, prompt="Why?", responses=[NewResponse("One."), NewResponse("")])
    with pytest.raises(Conflict):
        add_prompt(project=project, prompt="Why?", responses=[NewResponse("One."), NewResponse("One.")])
    assert not Prompt.objects.exists()


def test_an_id_is_taken_once(project: Project) -> None:
    prompt = add_prompt(project=project, prompt="Why?", ref="p", responses=[NewResponse("One.", ref="1")])
    with pytest.raises(Conflict, match="“p”"):
        add_prompt(project=project, prompt="How?", ref="p")
    with pytest.raises(Conflict, match="“1”"):
        add_responses(prompt=prompt, responses=[NewResponse("Two.", ref="1")])
