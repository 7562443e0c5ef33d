"""The playground: the API's scores, for several people at once."""

from __future__ import annotations

import html
import json
import re
import shlex

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from annotator.access import project_for
from annotator.models import Role
from personalization.latents import find_person_by_ref
from personalization.playground import letters_of, rank
from tests.factories import login, make_annotator, make_member
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import judge

pytestmark = pytest.mark.django_db


def where(world: World) -> str:
    return f"/projects/{world.project.slug}/playground/"


def posted(world: World, **fields: object) -> dict[str, object]:
    pair = world.pairs[0]
    return {
        "act": "rank",
        "prompt": pair.prompt.text,
        "response": [pair.response_a.text, pair.response_b.text],
        "person": [world.judge.ref, ""],
        "everybody": "on",
    } | fields


def test_letters_stay_away_from_the_sides() -> None:
    assert letters_of(4) == "WXYZ"
    assert letters_of(0) == ""


def test_the_orders_are_those_of_the_api(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[0], "b", strength=3)
    pair = world.pairs[0]
    texts = [pair.response_a.text, pair.response_b.text]
    access = project_for(world.people.owner, world.project.slug)
    ranking = rank(access=access, prompt=pair.prompt.text, texts=texts, refs=[world.judge.ref], everybody=True)
    for order, user in zip(ranking.orders, (None, world.judge.ref), strict=True):
        body = {"project": world.project.slug, "user": user, "prompt": pair.prompt.text, "completions": texts}
        answer = owner_api.score(body | {"normalize": "percentile"}).json()["data"]
        raw = owner_api.score(body).json()["data"]
        by_letter = dict(zip("YZ", answer, strict=True))
        assert [place.score for place in order.places] == [
            round(100 * by_letter[place.letter]["score"]) for place in order.places
        ]
        best = max(range(2), key=lambda index: raw[index]["score"])
        assert order.places[0].letter == "YZ"[best]
        assert 0.5 <= order.sure <= 1
    assert ranking.scores == 4
    assert ranking.encoded == 0


def test_the_page_shows_orders_and_the_call_that_gives_the_same(world: World, owner_client: Client) -> None:
    judge(world.judge, world.pairs[0], "a")
    page = owner_client.post(where(world), posted(world)).content.decode()
    assert "2 orders" in page
    assert "Everybody" in page
    assert "4 scores in" in page
    assert "style=" not in page.replace("style-", "")
    call, answer = (html.unescape(each) for each in re.findall(r"<code>(.*?)</code>", page, re.DOTALL))
    arguments = shlex.split(call.replace("\\\n", " "))
    assert arguments[-3] == "http://testserver/api/v1/score"
    api = Api(world.people.owner)
    again = api.score(json.loads(arguments[-1])).json()
    shown = json.loads(answer)
    assert shown["data"] == again["data"]
    assert shown["personalization"] == {"n_judgments": 1, "fallback": False}


def test_it_opens_with_a_prompt_of_the_project_and_who_judged_most(world: World, owner_client: Client) -> None:
    busy = make_annotator(world.project, ref="busy", simulated=True)
    judge(busy, world.pairs[1], "a")
    page = owner_client.get(where(world), {"prompt": world.pairs[1].prompt.pk}).content.decode()
    assert html.escape(world.pairs[1].response_b.text) in page
    assert "2 orders" not in page
    assert "3 orders" in page  # everybody, busy, and the other annotator
    assert "Simulated" in page
    assert owner_client.get(where(world), {"prompt": "9" * 30, "person": "busy"}).status_code == 200


def test_another_field_without_a_script(world: World, owner_client: Client) -> None:
    page = owner_client.post(where(world), posted(world, act="add")).content.decode()
    assert page.count('name="response"') == 3
    assert "Nothing ranked yet" in page
    assert html.escape(world.pairs[0].response_a.text) in page


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"prompt": " "}, 422, "Write a prompt."),
        ({"response": ["", ""]}, 422, "Write 1 to 8 responses."),
        ({"response": ["x" * 20_001]}, 422, "at most 20,000"),
        ({"person": [], "everybody": ""}, 200, "One order"),
        ({"person": ["who"]}, 404, "There is no annotator “who”"),
        ({"response": ["new"]}, 503, "no scorer is configured"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    world: World, owner_client: Client, settings: Settings, fields: dict[str, object], status: int, words: str
) -> None:
    settings.SCORER_URL = ""
    answer = owner_client.post(where(world), posted(world, **fields))
    assert answer.status_code == status
    page = answer.content.decode()
    assert words in html.unescape(page)
    kept = str(dict(posted(world, **fields))["prompt"])
    assert html.escape(kept) in page


def test_the_three_people(
    world: World, annotator_client: Client, owner_client: Client, stranger_client: Client
) -> None:
    viewer = login(make_member(world.project, role=Role.VIEWER))
    clients = (owner_client, viewer, annotator_client, stranger_client)
    assert [client.get(where(world)).status_code for client in clients] == [200, 200, 403, 404]
    assert [client.post(where(world), posted(world)).status_code for client in clients] == [200, 200, 403, 404]
    assert find_person_by_ref(served=world.version, project_id=world.project.pk, ref=world.judge.ref) is not None
