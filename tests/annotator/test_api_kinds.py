"""Rankings and ratings through the API."""

from __future__ import annotations

from typing import Any

import pytest

from annotator.models import Judgment, Lineup, Project
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople, make_lineup, make_pair, make_people, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> ThreePeople:
    project = make_project(kinds=["pair", "ranking", "rating"], scale="1-7", scale_high="perfect", critique_min=5)
    for _ in range(2):
        make_pair(project)
        make_lineup(project, 3)
        make_lineup(project, 1)
    return make_people(project)


@pytest.fixture
def owner(people: ThreePeople) -> Program:
    return Program(people.owner, people.project)


def lent(program: Program, kind: str) -> dict[str, Any]:
    task: dict[str, Any] = program.ok("GET", f"/next?annotator=p-1&kind={kind}")
    assert task["kind"] == kind
    return task


def test_a_ranking_from_the_first_request_to_the_list(owner: Program) -> None:
    task = lent(owner, "ranking")
    assert (task["a"], task["scale"], len(task["responses"])) == (None, None, 3)
    tags = [{"tag": "clear", "side": "2", "good": True}]
    quote = task["responses"][2]["text"][:6]
    spans = [{"side": "3", "start": 0, "end": 6, "quote": quote, "good": False}]
    body = {
        "assignment": task["assignment"],
        "choice": "ranked",
        "ranking": [[2], [1, 3]],
        "tags": tags,
        "spans": spans,
    }
    body["flag"] = {"kind": "broken", "about": "1"}
    stored = owner.ok("POST", "/judgments", body, status=201, key="once")
    assert (stored["kind"], stored["ranking"], stored["rating"], stored["guess"]) == (
        "ranking",
        [[2], [1, 3]],
        None,
        None,
    )
    assert owner.ok("POST", "/judgments", body, status=201, key="once") == stored
    judgment = Judgment.objects.get()
    (listed,) = owner.ok("GET", "/judgments")["results"]
    shown = listed["shown"]
    assert listed["ranking"] == [[shown[1]], sorted([shown[0], shown[2]])] == judgment.ranking
    assert listed["tags"] == [{"tag": "clear", "side": str(shown[1]), "good": True}]
    assert listed["spans"][0]["response"] == str(shown[2])
    assert listed["flag"]["about"] == str(shown[0])
    assert len(listed["responses"]) == 3
    assert (listed["response_a"], listed["scale"]) == (None, "")
    revised = owner.ok(
        "POST", f"/judgments/{stored['id']}/revise", {"choice": "ranked", "ranking": [[1, 2, 3]]}, status=201
    )
    assert revised["revision"] == 2
    owner.ok("POST", f"/judgments/{stored['id']}/withdraw")
    detail = owner.ok("GET", f"/judgments/{stored['id']}")
    assert [each["withdrawn"] for each in detail["revisions"]] == [False, False, True]
    assert owner.ok("GET", "/judgments")["results"] == []


def test_a_rating_says_its_scale(owner: Program) -> None:
    task = lent(owner, "rating")
    assert task["scale"] == {"low": 1, "high": 7, "low_label": "", "high_label": "perfect", "critique_min": 5}
    body = {"assignment": task["assignment"], "choice": "rated", "rating": 8, "rationale": "Long enough."}
    assert "1 to 7" in refused(owner.send("POST", "/judgments", body), 422, "rating")["detail"]
    refused(owner.send("POST", "/judgments", body | {"rating": 3, "rationale": "No."}), 422, "rationale")
    stored = owner.ok("POST", "/judgments", body | {"rating": 3}, status=201)
    assert (stored["kind"], stored["rating"]) == ("rating", 3)
    (listed,) = owner.ok("GET", "/judgments")["results"]
    assert (listed["rating"], listed["scale"], listed["shown"]) == (3, "1-7", [1])


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"choice": "ranked", "ranking": [[1], [2]]}, "ranking"),
        ({"choice": "ranked", "ranking": [[1], [2], [3], [4]]}, "ranking"),
        ({"choice": "a"}, "choice"),
        ({"choice": "ranked", "ranking": [[1, 2, 3]], "rating": 2}, "rating"),
        ({"choice": "ranked", "ranking": [[1, 2, 3]], "comparisons": [{"aspect": "x", "better": "a"}]}, "aspects"),
    ],
)
def test_what_does_not_fit_is_refused(owner: Program, said: dict[str, Any], field: str) -> None:
    task = lent(owner, "ranking")
    refused(owner.send("POST", "/judgments", {"assignment": task["assignment"], **said}), 422, field)
    assert not Judgment.objects.exists()


def test_shapes_that_are_no_ranking(owner: Program) -> None:
    task = lent(owner, "ranking")
    for wrong in ([["1"]], [1], "1", [[0]], [[9]], [[]]):
        answer = owner.send(
            "POST", "/judgments", {"assignment": task["assignment"], "choice": "ranked", "ranking": wrong}
        )
        assert answer.status_code == 422, wrong
        assert next(iter(answer.json()["fields"])).startswith("ranking")
    refused(
        owner.send("POST", "/judgments", {"assignment": task["assignment"], "choice": "skip", "order": []}),
        422,
        "order",
    )


def test_any_kind_comes_and_only_those_that_are_asked_for(owner: Program, people: ThreePeople) -> None:
    kinds = set()
    for n in range(12):
        kinds.add(owner.ok("GET", f"/next?annotator=q-{n}")["kind"])
    assert len(kinds) > 1
    Project.objects.filter(pk=people.project.pk).update(kinds=["pair"])
    refused(owner.send("GET", "/next?kind=rating"), 422, "kind")


def test_many_at_once(owner: Program) -> None:
    ranking, rating = lent(owner, "ranking"), lent(owner, "rating")
    rows = [
        {"assignment": ranking["assignment"], "choice": "ranked", "ranking": [[3], [2], [1]]},
        {"assignment": rating["assignment"], "choice": "rated", "rating": 0, "rationale": "Too low a place."},
    ]
    results = owner.ok("POST", "/judgments/bulk", {"judgments": rows})["results"]
    assert [each["status"] for each in results] == [201, 422]
    assert results[0]["judgment"]["ranking"] == [[3], [2], [1]]


def test_lineups_are_listed_withdrawn_and_brought_back(owner: Program, people: ThreePeople) -> None:
    listed = owner.ok("GET", "/lineups?kind=ranking")["results"]
    assert [each["kind"] for each in listed] == ["ranking", "ranking"]
    assert len(listed[0]["responses"]) == 3
    refused(owner.send("GET", "/lineups?kind=song"), 422, "kind")
    pk = listed[0]["id"]
    assert owner.ok("POST", f"/lineups/{pk}/withdraw")["withdrawn"]
    assert Lineup.objects.get(pk=pk).withdrawn_at
    assert not owner.ok("POST", f"/lineups/{pk}/restore")["withdrawn"]
    assert owner.send("POST", "/lineups/999999/withdraw").status_code == 404
    stranger = Program(people.stranger, people.elsewhere)
    stranger.slug = people.project.slug
    assert stranger.send("GET", "/lineups").status_code == 404
    assert Program(people.annotator, people.project).send("POST", f"/lineups/{pk}/withdraw").status_code in (403, 404)


def test_kinds_are_part_of_the_set_up(owner: Program) -> None:
    etag = owner.send("GET", "").headers["ETag"]
    changed = owner.ok("PATCH", "", {"kinds": ["ranking"], "scale": "0-10"}, If_Match=etag)
    assert (changed["kinds"], changed["scale"]) == (["ranking"], "0-10")
    refused(owner.send("PATCH", "", {"kinds": ["rating", "pair"]}, If_Match="*"), 422, "kinds")
