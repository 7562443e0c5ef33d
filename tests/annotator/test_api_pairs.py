"""Pins, known answers and decisions through the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotator.models import Adjudication, Assignment, Pair, Response
from annotator.services.tokens import issue_token
from tests.factories import ThreePeople, make_annotator, make_lineup

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(people: ThreePeople) -> Pair:
    return Pair.objects.filter(project=people.project).earliest("pk")


def put(people: ThreePeople, what: str, user: Any = None, **body: object) -> Any:
    _, token = issue_token(user=user or people.owner, name="t", scopes=["write"], project=None)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    return client.put(f"/api/v1/projects/{people.project.slug}/{what}", body, content_type="application/json")


def named(pair: Pair, *, turned: bool = False) -> dict[str, str]:
    a, b = pair.response_a.ref, pair.response_b.ref
    return {"prompt": pair.prompt.ref, "response_a": b if turned else a, "response_b": a if turned else b}


def test_pins(people: ThreePeople, pair: Pair) -> None:
    make_annotator(people.project, ref="p-2")
    reply = put(people, "pins", **named(pair), annotators=["p-2", people.judge.ref, "p-2"])
    assert (reply.status_code, reply.json()) == (200, {"pinned": 2, "had_it": []})
    again = put(people, "pins", **named(pair, turned=True), annotators=["p-2"])
    assert again.json() == {"pinned": 0, "had_it": ["p-2"]}
    assert Assignment.objects.filter(state="pinned", pair=pair).count() == 2
    unknown = put(people, "pins", **named(pair), annotators=["p-2", "nobody"])
    assert (unknown.status_code, unknown.json()["fields"]) == (422, {"annotators": "“nobody” is nobody here."})
    assert put(people, "pins", **named(pair), annotators=[""]).status_code == 422


@pytest.mark.parametrize(("turned", "kept"), [(False, "a"), (True, "b")])
def test_known_answers_in_the_order_of_the_request(people: ThreePeople, pair: Pair, turned: bool, kept: str) -> None:
    reply = put(people, "gold", **named(pair, turned=turned), answer="a", qualifying=True)
    assert (reply.status_code, reply.json()["answer"]) == (200, "a")
    pair.refresh_from_db()
    assert (pair.gold_choice, pair.qualifying) == (kept, True)
    assert put(people, "gold", **named(pair), answer=None).status_code == 200
    pair.refresh_from_db()
    assert (pair.gold_choice, pair.qualifying) == ("", False)


def test_decisions_and_the_same_again(people: ThreePeople, pair: Pair) -> None:
    for _ in range(2):
        assert put(people, "decisions", **named(pair, turned=True), answer="b", note="So it says.").status_code == 200
    decided = Adjudication.objects.get()
    assert (decided.choice, decided.note, decided.by) == ("a", "So it says.", people.owner)
    for _ in range(2):
        assert put(people, "decisions", **named(pair), answer=None).status_code == 200
    assert list(Adjudication.objects.order_by("pk").values_list("choice", "current")) == [("a", False), ("", True)]


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("gold", {"answer": "left"}, 422),
        ("gold", {"answer": "a", "qualifying": "yes"}, 422),
        ("gold", {}, 422),
        ("pins", {"annotators": []}, 422),
        ("decisions", {"answer": "tie", "note": 3}, 422),
        ("decisions", {"answer": "tie", "why": "x"}, 422),
    ],
)
def test_what_is_refused(people: ThreePeople, pair: Pair, what: str, body: dict[str, object], status: int) -> None:
    reply = put(people, what, **named(pair), **body)
    assert reply.status_code == status, reply.content
    assert reply.json()["fields"]
    assert not Adjudication.objects.exists() and not Assignment.objects.exists()


def test_no_such_pair_and_not_the_callers(people: ThreePeople, pair: Pair) -> None:
    other = Pair.objects.filter(project=people.project).latest("pk")
    mixed = named(pair) | {"response_b": other.response_b.ref}
    assert put(people, "gold", **mixed, answer="a").status_code == 404
    assert put(people, "gold", **named(pair) | {"response_b": pair.response_a.ref}, answer="a").status_code == 404
    assert put(people, "gold", user=people.annotator, **named(pair), answer="a").status_code == 403
    assert put(people, "gold", user=people.stranger, **named(pair), answer="a").status_code == 404


def test_rankings_are_pinned_known_and_decided(people: ThreePeople) -> None:
    lineup = make_lineup(people.project, 3)
    one, two, three = Response.objects.filter(pk__in=lineup.responses).order_by("pk").values_list("ref", flat=True)
    where = f"lineups/{lineup.pk}"
    assert put(people, f"{where}/pin", annotators=[people.judge.ref]).json() == {"pinned": 1, "had_it": []}
    for nobody in ("", "nobody"):
        refused = put(people, f"{where}/pin", annotators=[nobody])
        assert (refused.status_code, list(refused.json()["fields"])) == (422, ["annotators"])
    reply = put(people, f"{where}/gold", ranking=[[three], [two, one]])
    assert (reply.status_code, reply.json()["gold"]) == (200, True)
    lineup.refresh_from_db()
    assert lineup.gold_ranking == [[3], [1, 2]]
    for wrong in ([[one]], [["", two], [three]], [[one, two, three]]):
        refused = put(people, f"{where}/gold", ranking=wrong)
        assert (refused.status_code, list(refused.json()["fields"])) == (422, ["ranking"])
    for _ in range(2):
        assert put(people, f"{where}/decision", ranking=[[two], [one], [three]], note="So it is.").status_code == 200
    assert Adjudication.objects.get().ranking == [[2], [1], [3]]
    assert put(people, f"{where}/decision").status_code == 200
    assert Adjudication.objects.get(current=True).choice == ""
    assert put(people, f"{where}/gold").json()["gold"] is False
    assert put(people, f"{where}/gold", user=people.annotator, ranking=[[one], [two], [three]]).status_code == 403


def test_the_right_ratings_come_as_two_ends(people: ThreePeople) -> None:
    rated = make_lineup(people.project, 1)
    assert put(people, f"lineups/{rated.pk}/gold", lowest=4).status_code == 422
    assert put(people, f"lineups/{rated.pk}/gold", lowest=4, highest=5).json()["gold"] is True
    assert put(people, f"lineups/{rated.pk}/decision", rating=4).status_code == 200
    assert Adjudication.objects.get().rating == 4
