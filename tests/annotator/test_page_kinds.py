"""The pages of rankings and ratings without a browser: the plain form, the set-up, history, the owner's lists."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Assignment, Draft, Flag, Judgment, Lineup, Project
from annotator.services.answers import answer_of
from annotator.services.aspects import AspectAsked, Rated, set_aspects
from annotator.services.layouts import layout_of
from annotator.services.lineups import withdraw_lineup
from annotator.services.settings import settings_version
from tests.annotator.test_pages_owner_setup import as_is, page_of
from tests.factories import ThreePeople, login, make_lineup, make_people, make_project, make_prompt, make_response


def people_of(kind: str, count: int = 2, **fields: Any) -> ThreePeople:
    project = make_project(kinds=[kind], **fields)
    for _ in range(count):
        make_lineup(project, 4 if kind == "ranking" else 1)
    return make_people(project)


def form_of(client: Client, people: ThreePeople, **fields: Any) -> dict[str, Any]:
    """What a browser without scripts would send."""
    page = client.get(address(people)).content.decode()
    held = Assignment.objects.filter(state="open").latest("pk")
    assert str(held.key) in page
    kind = people.project.kinds[0]
    ranks = {f"rank:{each}": "" for each in "vwxy"} if kind == "ranking" else {}
    return {"assignment": held.key, "client_key": uuid.uuid4(), "kind": kind, **ranks, **fields}


def address(people: ThreePeople) -> str:
    return reverse("judge", args=[people.project.slug])


@pytest.mark.django_db
def test_a_ranking_by_the_plain_form() -> None:
    people = people_of("ranking")
    client = login(people.annotator)
    places = {"rank:v": "2", "rank:w": "4", "rank:x": "2", "rank:y": "1"}
    form = form_of(client, people, **places, x_good=["clear"], w_bad=["warm"], rationale="Y is shortest")
    assert client.post(address(people), form).status_code == 302
    judgment = Judgment.objects.get()
    layout = layout_of(judgment)
    of = dict(zip("vwxy", layout.own, strict=True))
    assert judgment.ranking == [[int(of["y"])], sorted([int(of["v"]), int(of["x"])]), [int(of["w"])]]
    assert judgment.rationale.tags == [
        {"tag": "warm", "side": of["w"], "good": False},
        {"tag": "clear", "side": of["x"], "good": True},
    ]


@pytest.mark.django_db
def test_what_is_missing_is_said_and_what_was_entered_stays() -> None:
    people = people_of("ranking")
    client = login(people.annotator)
    form = form_of(client, people, **{"rank:v": "1", "rank:w": "2", "rationale": "not done"})
    answer = client.post(address(people), form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Give every response a place first" in page
    assert "not done" in page
    assert page.count('<option value="1" selected>') == 1
    assert not Judgment.objects.exists()


@pytest.mark.django_db
def test_a_rating_by_the_plain_form() -> None:
    people = people_of("rating", scale="0-10", scale_low="useless", critique_min=10)
    client = login(people.annotator)
    page = client.get(address(people)).content.decode()
    assert page.count('name="rating"') == 12
    assert "useless" in page
    assert "at least 10 characters" in page
    short = client.post(address(people), form_of(client, people, rating="10", rationale="Good."))
    assert short.status_code == 422
    assert "at least 10 characters; there are 5" in short.content.decode()
    assert client.post(address(people), form_of(client, people, rating="99")).status_code == 422
    assert client.post(address(people), form_of(client, people, rating="x")).status_code == 422
    form = form_of(client, people, rating="10", rationale="Good, and short.", y_good=["clear"], flag_kind="other")
    assert client.post(address(people), form).status_code == 302
    judgment = Judgment.objects.get()
    assert (judgment.rating, judgment.scale) == (10, "0-10")
    assert Flag.objects.get().about == "both"


@pytest.mark.django_db
def test_a_lineup_withdrawn_while_it_was_open() -> None:
    people = people_of("ranking")
    client = login(people.annotator)
    form = form_of(client, people, **{f"rank:{each}": "1" for each in "vwxy"}, rationale="kept")
    withdraw_lineup(lineup=Lineup.objects.get(assignments__key=form["assignment"]), by=people.owner)
    answer = client.post(address(people), form)
    assert answer.status_code == 409
    assert "withdrew" in answer.content.decode()
    assert Draft.objects.get().values["rank:v"] == "1"
    history = client.get(reverse("history", args=[people.project.slug])).content.decode()
    assert "kept" in history


@pytest.mark.django_db
def test_history_finds_edits_and_withdraws() -> None:
    people = people_of("ranking")
    client = login(people.annotator)
    client.post(
        address(people), form_of(client, people, **{f"rank:{each}": str(n) for n, each in enumerate("wxyv", 1)})
    )
    judgment = Judgment.objects.get()
    assert judgment.lineup
    words = judgment.lineup.prompt.text
    history = client.get(
        reverse("history", args=[people.project.slug]), {"q": words, "choice": "ranked"}
    ).content.decode()
    assert "W › X › Y › V" in history
    edit = reverse("history_revise", args=[people.project.slug, judgment.pk])
    page = client.get(edit).content.decode()
    assert page.count(" selected>") == 4
    sent = {"client_key": uuid.uuid4(), "kind": "ranking", **{f"rank:{each}": "1" for each in "vwxy"}}
    assert client.post(edit, sent).status_code == 302
    assert Judgment.objects.get(current=True).ranking == [[1, 2, 3, 4]]
    withdraw = reverse("history_withdraw", args=[people.project.slug, Judgment.objects.get(current=True).pk])
    assert client.post(withdraw, {"client_key": uuid.uuid4()}).status_code == 302
    assert Judgment.objects.get(current=True).withdrawn
    back = client.get(reverse("history_revise", args=[people.project.slug, Judgment.objects.get(current=True).pk]))
    assert back.content.decode().count(" selected>") == 4
    assert client.get(reverse("me", args=[people.project.slug])).status_code == 200
    sent_back = client.get(reverse("my_data", args=[people.project.slug]))
    packed = zipfile.ZipFile(io.BytesIO(b"".join(sent_back.streaming_content)))  # type: ignore[arg-type]
    judgments = json.loads(packed.read("judgments.json"))
    assert [each["ranking"] for each in judgments][1] == [[1, 2, 3, 4]]


@pytest.mark.django_db
def test_the_owner_chooses_kinds(people: ThreePeople, owner_client: Client) -> None:
    prompt = make_prompt(people.project)
    for _ in range(3):
        make_response(prompt)
    chosen = as_is(people.project) | {"kinds": ["rating", "pair", "ranking"], "scale": "1-7", "scale_high": "perfect"}
    preview = owner_client.post(page_of(people.project), chosen | {"act": "preview"}).content.decode()
    assert "mini-order" in preview
    assert "perfect" in preview
    assert owner_client.post(page_of(people.project), chosen).status_code == 302
    project = Project.objects.get(pk=people.project.pk)
    assert (project.kinds, project.scale, project.scale_high) == (["pair", "ranking", "rating"], "1-7", "perfect")
    assert Lineup.objects.filter(kind="ranking").count() == 1
    none = as_is(project) | {"kinds": [], "version": settings_version(project)}
    refused = owner_client.post(page_of(project), none)
    assert refused.status_code == 422
    assert "Choose at least one kind" in refused.content.decode()


@pytest.mark.django_db
def test_the_owners_lists() -> None:
    people = people_of("ranking", overlap=3)
    client, owner = login(people.annotator), login(people.owner)
    form = form_of(
        client,
        people,
        **{f"rank:{each}": str(n) for n, each in enumerate("wxyv", 1)},
        flag_kind="broken",
        flag_about="w",
    )
    client.post(address(people), form)
    listed = owner.get(reverse("lineups", args=[people.project.slug])).content.decode()
    assert "1 of 3" in listed
    lineup = Judgment.objects.get().lineup
    assert lineup
    page = reverse("lineup", args=[people.project.slug, lineup.pk])
    shown = owner.get(page).content.decode()
    assert "place 1" in shown
    assert "Broken" in shown
    owner.post(reverse("lineup_seen", args=[people.project.slug, lineup.pk]))
    assert Flag.objects.get().seen_by == people.owner
    owner.post(reverse("lineup_withdraw", args=[people.project.slug, lineup.pk]), {"withdraw": "on"})
    lineup.refresh_from_db()
    assert lineup.withdrawn_at
    owner.post(reverse("lineup_withdraw", args=[people.project.slug, lineup.pk]), {"withdraw": "off"})
    for name in ("lineups", "lineup"):
        args = [people.project.slug] if name == "lineups" else [people.project.slug, lineup.pk]
        assert login(people.stranger).get(reverse(name, args=args)).status_code == 404


@pytest.mark.django_db
def test_a_rated_response_is_asked_about_aspects_with_a_scale() -> None:
    people = people_of("rating", count=1)
    asked = [AspectAsked("Tone", "compare"), AspectAsked("Honest", "rate", 4)]
    set_aspects(project=people.project, by=people.owner, asked=asked)
    client = login(people.annotator)
    page = client.get(address(people)).content.decode()
    assert "aspect:tone" not in page
    assert 'name="aspect:honest:y" value="4"' in page
    wrong = form_of(client, people, **{"rating": "4", "aspect:tone": "b"})
    assert "Aspects are compared of pairs only" in client.post(address(people), wrong).content.decode()
    form = form_of(client, people, **{"rating": "4", "aspect:honest:y": "3"})
    assert client.post(address(people), form).status_code == 302
    judgment = Judgment.objects.get()
    (response,) = judgment.lineup.responses if judgment.lineup else ()
    assert judgment.aspect_ratings.values_list("aspect__key", "response", "value").get() == ("honest", response, 3)
    assert answer_of(judgment).aspects == (Rated("honest", "1", 3),)
    undo = client.post(reverse("judge_undo", args=[people.project.slug]), {"client_key": uuid.uuid4()}, follow=True)
    assert 'name="aspect:honest:y" value="3" checked' in undo.content.decode()
