"""Aspects: set up by the owner, answered beside the choice, ordered by each annotator."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.errors import Invalid
from annotator.models import Aspect, AspectComparison, AspectImportance, AspectRating, Judgment, Project
from annotator.services.answers import Answer, answer_of, check_answer
from annotator.services.aspects import (
    AspectAsked,
    Compared,
    Rated,
    aspects_of,
    importance_of,
    set_aspects,
    set_importance,
)
from tests.annotator.test_page_judge import HTMX, address, form_of, get_form
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db
ASKED = [AspectAsked("Tone", "compare"), AspectAsked("Honest", "rate", 4), AspectAsked("Helpful", "rate", 5)]
SAID = {"aspect:tone": "b", "aspect:honest:a": "4", "aspect:honest:b": "na"}


@pytest.fixture
def people(people: ThreePeople) -> ThreePeople:
    set_aspects(project=people.project, by=people.owner, asked=ASKED)
    return people


def test_they_are_stored_in_the_pairs_own_terms_and_shown_again(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    assert annotator_client.post(address(people), form | SAID | {"position": "2"}, headers=HTMX).status_code == 200
    judgment = Judgment.objects.select_related("pair").get()
    pair = judgment.pair
    assert pair
    left, right = (pair.response_a_id, pair.response_b_id)[:: -1 if judgment.swapped else 1]
    assert AspectComparison.objects.get().choice == ("a" if judgment.swapped else "b")
    ratings = {r.response_id: r.value for r in AspectRating.objects.filter(aspect__key="honest")}
    assert ratings == {left: 4, right: None}
    said = {Compared("tone", "right"), Rated("honest", "left", 4), Rated("honest", "right", None)}
    assert set(answer_of(judgment).aspects) == said
    undo = reverse("judge_undo", args=[people.project.slug])
    html = annotator_client.post(undo, {"client_key": str(uuid.uuid4())}, headers=HTMX).content.decode()
    for field in ('name="aspect:tone" value="b" checked', 'name="aspect:honest:b" value="na" checked'):
        assert field in html


def test_the_history_reads_them_in_as_many_queries_however_many_there_are(
    people: ThreePeople, annotator_client: Client
) -> None:
    history = reverse("history", args=[people.project.slug])
    counts = []
    for _ in range(3):
        form = get_form(annotator_client, people)
        annotator_client.post(address(people), form | SAID | {"position": "2"}, headers=HTMX)
        with CaptureQueriesContext(connection) as queries:
            annotator_client.get(history)
        counts.append(len(queries))
    assert Judgment.objects.count() == 3
    assert len(set(counts)) == 1, counts


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Compared("bogus", "left"), "“bogus” is not an aspect of this project (tone, honest, helpful)"),
        (Compared("honest", "left"), "rated on a scale"),
        (Rated("tone", "left", 2), "compared, not rated"),
        (Rated("honest", "left", 5), "goes from 1 to 4; 5 is not on it"),
        (Rated("honest", "left", 0), "goes from 1 to 4"),
        (Compared("tone", "both"), "is none of left"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_said(people: ThreePeople, said: Rated | Compared, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_answer(Answer(choice="tie", aspects=(said,)), people.project)
    assert problem in caught.value.fields["aspects"]
    twice = Rated("honest", "left", 1)
    with pytest.raises(Invalid, match="twice"):
        check_answer(Answer(choice="tie", aspects=(twice, twice)), people.project)


@pytest.mark.parametrize("field", [{"aspect:tone": "left"}, {"aspect:honest:c": "1"}, {"aspect:honest:a": "1.5"}])
def test_a_field_that_is_no_answer(people: ThreePeople, annotator_client: Client, field: dict[str, str]) -> None:
    form = get_form(annotator_client, people) | {"position": "2"} | field
    reply = annotator_client.post(address(people), form, headers=HTMX)
    assert reply.status_code == 422
    assert "no answer to the aspect" in reply.content.decode()


def test_they_cost_no_statement_where_they_are_not_answered(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people) | {"position": "2", "a_good": "clear"}
    with CaptureQueriesContext(connection) as queries:
        annotator_client.post(address(people), form, headers=HTMX)
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 8


def test_setting_up(people: ThreePeople, owner_client: Client, annotator_client: Client) -> None:
    page = reverse("setup_aspects", args=[people.project.slug])
    html = owner_client.get(page).content.decode()
    assert 'value="Honest"' in html
    rows = {"key": ["", "tone", ""], "name": ["Brief", "Tone of voice", ""], "way": ["rate", "compare", "rate"]}
    assert owner_client.post(page, rows | {"steps": ["3", "5", "5"]}).status_code == 302
    assert [(a.key, a.name, a.steps) for a in aspects_of(Project.objects.get(pk=people.project.pk))] == [
        ("brief", "Brief", 3),
        ("tone", "Tone of voice", 5),
    ]
    assert Aspect.objects.filter(retired_at=None).count() == 2
    reply = owner_client.post(page, {"key": [""], "name": ["Long"], "way": ["rate"], "steps": ["99"]})
    assert reply.status_code == 422
    assert "A scale has 2 to 10 steps, not 99." in reply.content.decode()
    assert annotator_client.get(page).status_code == 403


def test_an_aspect_with_answers_keeps_its_way(people: ThreePeople, annotator_client: Client) -> None:
    annotator_client.post(address(people), get_form(annotator_client, people) | SAID | {"position": "2"})
    with pytest.raises(Invalid, match="its way of asking stays"):
        set_aspects(project=people.project, by=people.owner, asked=[AspectAsked("Tone", "rate", 5, "tone")])
    set_aspects(project=people.project, by=people.owner, asked=[AspectAsked("Tone", "rate", 5)])
    assert [aspect.key for aspect in aspects_of(people.project)] == ["tone-2"]
    assert AspectComparison.objects.count() == 1


def test_importance(people: ThreePeople, annotator_client: Client, stranger_client: Client) -> None:
    page = reverse("importance", args=[people.project.slug])
    html = annotator_client.get(page).content.decode()
    assert html.index("Tone") < html.index("Honest")
    order = {"order": ["tone", "honest", "helpful"], "up": "helpful"}
    headers = {"HX-Request": "true", "HX-Target": "order"}
    assert "Helpful: more important" in annotator_client.post(page, order, headers=headers).content.decode()
    assert [aspect.key for aspect in importance_of(people.judge)] == ["tone", "helpful", "honest"]
    assert annotator_client.post(page, {"order": ["tone"]}).status_code == 422
    assert annotator_client.post(page, order | {"up": "bogus"}).status_code == 422
    assert stranger_client.get(page).status_code == 404
    set_importance(annotator=people.judge, keys=["honest", "tone", "helpful"])
    assert list(AspectImportance.objects.values_list("aspect__key", "place")) == [
        ("honest", 1),
        ("tone", 2),
        ("helpful", 3),
    ]


def test_the_database_refuses_what_makes_no_sense(people: ThreePeople) -> None:
    set_importance(annotator=people.judge, keys=["honest", "tone", "helpful"])
    row = AspectImportance.objects.get(place=2)
    for changed in ({"place": 0}, {"place": 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AspectImportance.objects.filter(pk=row.pk).update(**changed)
    with pytest.raises(IntegrityError), transaction.atomic():
        Aspect.objects.update(way="guess")


def test_a_project_without_any_shows_none(db: None, annotator_client: Client, people: ThreePeople) -> None:
    set_aspects(project=people.project, by=people.owner, asked=[])
    assert "aspect:" not in annotator_client.get(address(people)).content.decode()
    assert form_of(annotator_client.get(address(people)).content.decode())
