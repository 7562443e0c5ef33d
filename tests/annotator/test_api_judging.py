"""The API for people who bring their own page: the next pair, judgments, taking them back."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from annotator.models import Annotator, Assignment, IdempotencyRecord, Judgment, Pair, Project, Role, User
from annotator.services.leases import expire_leases
from annotator.services.tokens import issue_token
from tests.factories import ThreePeople, make_annotator, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


class Api(Client):
    """A program with a token of ``user``."""

    def __init__(self, user: User, project: Project) -> None:
        _, plain = issue_token(user=user, name="test", scopes=["read", "write"])
        super().__init__(headers={"Authorization": f"Bearer {plain}"})
        self.where = f"/api/v1/projects/{project.slug}"

    def next(self, ref: str | None = None) -> Any:
        return self.get(f"{self.where}/next", {"annotator": ref} if ref is not None else {})

    def judge(self, body: dict[str, Any] | bytes, key: str | None = None) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"Idempotency-Key": str(uuid4()) if key is None else key}
        return self.post(f"{self.where}/judgments", data, content_type="application/json", headers=headers)

    def withdraw(self, pk: int, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self.post(f"{self.where}/judgments/{pk}/withdraw", "", content_type="application/json", headers=headers)


@pytest.fixture
def owner(people: ThreePeople) -> Api:
    return Api(people.owner, people.project)


@pytest.fixture
def annotator(people: ThreePeople) -> Api:
    return Api(people.annotator, people.project)


@pytest.fixture
def stranger(people: ThreePeople) -> Api:
    return Api(people.stranger, people.project)


def is_problem(response: Any, status: int, code: str, *fields: str) -> bool:
    body = response.json()
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), body
    assert (body["status"], body["code"], set(body.get("fields", ()))) == (status, code, set(fields)), body
    assert body["detail"]
    return True


# --- projects -------------------------------------------------------------------------------------------------------


def test_everybody_sees_their_own_projects(people: ThreePeople, owner: Api, annotator: Api, stranger: Api) -> None:
    expected = {owner: (people.project, "owner"), annotator: (people.project, "annotator")}
    for api, (project, role) in {**expected, stranger: (people.elsewhere, "owner")}.items():
        rows = api.get("/api/v1/projects").json()["results"]
        assert [(row["slug"], row["role"]) for row in rows] == [(project.slug, role)]


def test_one_project(people: ThreePeople, owner: Api, stranger: Api) -> None:
    body = owner.get(owner.where).json()
    assert body["counts"] == {"pairs": 5, "judgments": 0, "annotators": 1}
    assert body["reason_tags"] == [
        {"key": "clear", "label": "Clear", "only": ""},
        {"key": "warm", "label": "Warm", "only": ""},
    ]
    assert is_problem(stranger.get(stranger.where), 404, "not_found")


# --- next -----------------------------------------------------------------------------------------------------------


def test_next_shows_the_texts_on_their_sides_and_no_source(people: ThreePeople, annotator: Api) -> None:
    response = annotator.next()
    body = response.json()
    assignment = Assignment.objects.select_related("pair__prompt").get()
    sides = [assignment.pair.response_a.text, assignment.pair.response_b.text]
    bare: dict[str, object] = {"picture": None, "after": [], "consequence": ""}
    shown = [{"text": text, **bare} for text in (sides[::-1] if assignment.swapped else sides)]
    assert [body["a"], body["b"]] == shown
    assert body["prompt"] == {"ref": assignment.pair.prompt.ref, "messages": assignment.pair.prompt.messages}
    assert (body["assignment"], body["annotator"]) == (str(assignment.key), people.judge.ref)
    assert "guess" not in body
    assert annotator.next().json() == body


def test_the_owner_asks_people_by_reference(people: ThreePeople, owner: Api) -> None:
    first = owner.next("anna 1").json()
    assert Annotator.objects.get(project=people.project, ref="anna 1").user is None
    assert owner.next("anna 1").json() == first
    assert owner.next("ben").json()["assignment"] != first["assignment"]


def test_annotators_ask_for_themselves_only(people: ThreePeople, annotator: Api, stranger: Api) -> None:
    make_annotator(people.project, ref="ben")
    assert annotator.next(people.judge.ref).status_code == 200
    assert is_problem(annotator.next("ben"), 404, "not_found")
    assert is_problem(annotator.next("nobody"), 404, "not_found")
    assert is_problem(stranger.next(), 404, "not_found")
    assert Annotator.objects.filter(project=people.project).count() == 2


def test_viewers_judge_nothing(people: ThreePeople) -> None:
    viewer = Api(make_member(people.project, role=Role.VIEWER), people.project)
    assert is_problem(viewer.next(), 403, "forbidden")


@pytest.mark.parametrize("ref", ["", " ", "a\x00b", "x" * 201])
def test_impossible_references(owner: Api, ref: str) -> None:
    assert is_problem(owner.next(ref), 422, "invalid", "annotator")


def test_nothing_left(people: ThreePeople, annotator: Api) -> None:
    Pair.objects.update(withdrawn_at=timezone.now())
    response = annotator.next()
    assert (response.status_code, response.content) == (204, b"")


# --- judgments ------------------------------------------------------------------------------------------------------


def test_a_judgment_in_screen_terms_is_stored_in_the_pairs(annotator: Api) -> None:
    pair = annotator.next().json()
    Assignment.objects.update(swapped=True, guess=0.25)
    body = {
        "assignment": pair["assignment"],
        "choice": "a",
        "strength": 3,
        "tags": [{"tag": "clear", "side": "a", "good": True}],
        "rationale": " Keeps  its blanks.\n",
        "seconds": 3,
    }
    response = annotator.judge(body)
    judgment = Judgment.objects.get()
    assert (judgment.choice, judgment.strength, judgment.swapped, judgment.source) == ("b", 3, True, "api")
    assert (judgment.rationale.text, judgment.seconds) == (" Keeps  its blanks.\n", 3.0)
    assert judgment.rationale.tags == [{"tag": "clear", "side": "b", "good": True}]
    assert response.status_code == 201
    answer = response.json()
    assert (answer["id"], answer["choice"], answer["guess"]) == (judgment.pk, "a", 0.75)


def test_the_guess_stays_hidden_where_the_project_says_so(people: ThreePeople, annotator: Api) -> None:
    Project.objects.update(show_guess=False)
    pair = annotator.next().json()
    Assignment.objects.update(guess=0.25)
    assert annotator.judge({"assignment": pair["assignment"], "choice": "tie"}).json()["guess"] is None


def test_spans(annotator: Api) -> None:
    pair = annotator.next().json()
    text = pair["b"]["text"]
    span = {"side": "b", "start": 2, "end": 6, "quote": text[2:6], "good": False, "tag": "warm"}
    assert annotator.judge({"assignment": pair["assignment"], "choice": "b", "spans": [span]}).status_code == 201
    stored = Judgment.objects.get().spans.get()
    assert (stored.response.text, stored.quote) == (text, text[2:6])
    pair = annotator.next().json()
    wrong = {"assignment": pair["assignment"], "choice": "b", "spans": [span | {"quote": "zzzz"}]}
    assert is_problem(annotator.judge(wrong), 422, "invalid", "spans")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["assignment", "choice"]),
        ({"choice": "left"}, ["choice"]),
        ({"choice": "a", "verdict": 1, "Strength": 2}, ["verdict", "Strength"]),
        ({"choice": "a", "strength": 4}, ["strength"]),
        ({"choice": "a", "strength": "2"}, ["strength"]),
        ({"choice": "a", "strength": True}, ["strength"]),
        ({"choice": "a", "strength": 10**30}, ["strength"]),
        ({"choice": "tie", "strength": 1}, ["strength"]),
        ({"choice": "skip", "strength": 1}, ["strength"]),
        ({"choice": "a", "skip_reason": "no"}, ["skip_reason"]),
        ({"choice": "a", "rationale": 7}, ["rationale"]),
        ({"choice": "a", "rationale": None}, ["rationale"]),
        ({"choice": "a", "rationale": "a\x00b"}, ["rationale"]),
        ({"choice": "a", "rationale": "\ud800"}, ["rationale"]),
        ({"choice": "a", "rationale": "x" * 10_001}, ["rationale"]),
        ({"choice": "a", "seconds": -1}, ["seconds"]),
        ({"choice": "a", "seconds": "3"}, ["seconds"]),
        ({"choice": "a", "tags": {}}, ["tags"]),
        ({"choice": "a", "tags": ["clear"]}, ["tags.0"]),
        ({"choice": "a", "tags": [{"tag": "clear", "side": "c", "good": 1}]}, ["tags.0.side", "tags.0.good"]),
        ({"choice": "a", "tags": [{"tag": "bogus", "side": "a", "good": True}]}, ["tags"]),
        (
            {"choice": "a", "tags": [{"tag": "warm", "side": "a", "good": good} for good in (True, False)]},
            ["tags"],
        ),
        ({"choice": "a", "tags": [{"tag": "warm", "side": "a", "good": True, "why": ""}]}, ["tags.0.why"]),
        (
            {"choice": "a", "spans": [{"side": "a", "start": -1, "end": 2, "quote": "x", "good": True}]},
            ["spans.0.start"],
        ),
    ],
)
def test_wrong_bodies_name_the_field(annotator: Api, body: dict[str, Any], fields: list[str]) -> None:
    pair = annotator.next().json()
    response = annotator.judge({"assignment": pair["assignment"], **body} if body else {})
    assert is_problem(response, 422, "invalid", *fields)
    assert not Judgment.objects.exists()
    assert annotator.judge({"assignment": pair["assignment"], "choice": "a"}).status_code == 201


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"choice": "\xff"}', "not UTF-8: byte 13 is 0xff"),
        (b'{"choice": ', "not JSON: line 1"),
        (b'{"seconds": NaN}', "NaN is not JSON"),
        (b'{"choice": "a", "choice": "b"}', "“choice” is given twice"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_bodies_that_are_no_json(annotator: Api, body: bytes, problem: str) -> None:
    response = annotator.judge(body)
    assert is_problem(response, 400, "parse_error")
    assert problem in response.json()["detail"]


def test_bodies_that_are_no_object(annotator: Api) -> None:
    assert is_problem(annotator.judge(b"[1]"), 422, "invalid", "body")
    assert is_problem(annotator.judge(b"null"), 422, "invalid", "body")
    assert is_problem(annotator.judge(b""), 422, "invalid", "assignment", "choice")


def test_five_megabytes(annotator: Api) -> None:
    pair = annotator.next().json()
    body = {"assignment": pair["assignment"], "choice": "a", "rationale": "x" * 5_000_000}
    assert is_problem(annotator.judge(body), 422, "invalid", "rationale")
    body["rationale"] = "x" * 6_000_000
    assert is_problem(annotator.judge(body), 413, "too_large")


def test_a_form_is_no_json(annotator: Api) -> None:
    response = annotator.post(f"{annotator.where}/judgments", {"choice": "a"}, headers={"Idempotency-Key": "k"})
    assert is_problem(response, 415, "unsupported_media_type")


def test_others_assignments_do_not_exist(people: ThreePeople, owner: Api, annotator: Api, stranger: Api) -> None:
    of_ben = owner.next("ben").json()
    body = {"assignment": of_ben["assignment"], "choice": "a"}
    assert is_problem(annotator.judge(body), 404, "not_found")
    assert is_problem(stranger.judge(body), 404, "not_found")
    elsewhere = Api(people.stranger, people.elsewhere)
    assert is_problem(elsewhere.judge(body), 404, "not_found")
    assert is_problem(annotator.judge({"assignment": str(uuid4()), "choice": "a"}), 404, "not_found")
    assert owner.judge(body).json()["annotator"] == "ben"


def test_a_lost_lease(people: ThreePeople, owner: Api, annotator: Api) -> None:
    Pair.objects.update(cap=1)
    pair = annotator.next().json()
    Assignment.objects.update(lease_until=timezone.now())
    expire_leases()
    owner.next("ben")
    assert is_problem(annotator.judge({"assignment": pair["assignment"], "choice": "a"}), 409, "lease_lost")


# --- once -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", " ", "k" * 201])
def test_every_write_needs_a_key(annotator: Api, key: str) -> None:
    pair = annotator.next().json()
    assert is_problem(annotator.judge({"assignment": pair["assignment"], "choice": "a"}, key=key), 400, "parse_error")


def test_a_repeated_write_gets_the_first_answer(annotator: Api) -> None:
    body = {"assignment": annotator.next().json()["assignment"], "choice": "a"}
    first = annotator.judge(body, key="one")
    Project.objects.update(rationales="required")
    again = annotator.judge(dict(reversed(body.items())), key="one")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert "Idempotent-Replayed" not in first
    assert Judgment.objects.count() == 1


def test_a_key_with_another_payload(annotator: Api) -> None:
    body = {"assignment": annotator.next().json()["assignment"], "choice": "a"}
    annotator.judge(body, key="one")
    assert is_problem(annotator.judge(body | {"choice": "b"}, key="one"), 422, "idempotency_key_reused")
    assert is_problem(annotator.withdraw(Judgment.objects.get().pk, key="one"), 422, "idempotency_key_reused")


def test_the_same_judgment_with_another_key(annotator: Api) -> None:
    body = {"assignment": annotator.next().json()["assignment"], "choice": "a"}
    annotator.judge(body)
    assert is_problem(annotator.judge(body), 409, "conflict")


def test_keys_are_each_users_own(people: ThreePeople, owner: Api, annotator: Api) -> None:
    for api, ref in ((owner, "ben"), (annotator, None)):
        body = {"assignment": api.next(ref).json()["assignment"], "choice": "a"}
        assert api.judge(body, key="one").status_code == 201
    assert Judgment.objects.count() == 2


def test_an_error_is_not_kept(annotator: Api) -> None:
    body = {"assignment": str(uuid4()), "choice": "a"}
    assert annotator.judge(body, key="one").status_code == 404
    assert not IdempotencyRecord.objects.exists()
    body["assignment"] = annotator.next().json()["assignment"]
    assert annotator.judge(body, key="one").status_code == 201


# --- taking back, and reading ---------------------------------------------------------------------------------------


def test_withdraw(people: ThreePeople, annotator: Api, stranger: Api) -> None:
    stored = annotator.judge({"assignment": annotator.next().json()["assignment"], "choice": "a"}).json()
    assert is_problem(stranger.withdraw(stored["id"]), 404, "not_found")
    assert is_problem(Api(people.stranger, people.elsewhere).withdraw(stored["id"]), 404, "not_found")
    response = annotator.withdraw(stored["id"], key="back")
    assert (response.status_code, response.json()["withdrawn"], response.json()["revision"]) == (200, True, 2)
    assert response.json()["choice"] == stored["choice"]
    assert annotator.withdraw(stored["id"], key="back").json() == response.json()
    assert Judgment.objects.count() == 2
    for unknown in (10**6, 10**30):
        assert is_problem(annotator.withdraw(unknown), 404, "not_found")


def test_the_list_pages_through_what_stands(people: ThreePeople, owner: Api, annotator: Api, stranger: Api) -> None:
    said = []
    for _ in range(4):
        body = {"assignment": annotator.next().json()["assignment"], "choice": "a", "strength": 1, "rationale": "Ja."}
        said.append(annotator.judge(body).json()["id"])
    annotator.withdraw(said[0])
    first = owner.get(f"{owner.where}/judgments", {"limit": 2}).json()
    second = owner.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == said[1:]
    assert (first["previous"], second["next"]) == (None, None)
    row, judgment = first["results"][0], Judgment.objects.get(pk=said[1])
    assert (row["annotator"], row["prompt"]) == (people.judge.ref, judgment.pair and judgment.pair.prompt.ref)
    assert row["response_b"] == (judgment.pair and judgment.pair.response_b.ref)
    assert (row["choice"], row["swapped"], row["strength"]) == (judgment.choice, judgment.swapped, 1)
    assert (row["rationale"], row["repeat"], row["source"]) == ("Ja.", False, "api")
    assert owner.get(f"{owner.where}/judgments", {"annotator": "nobody"}).json()["results"] == []
    assert owner.get(f"{owner.where}/judgments", {"annotator": "\x00"}).json()["results"] == []
    assert is_problem(annotator.get(f"{owner.where}/judgments"), 403, "forbidden")
    assert is_problem(stranger.get(f"{owner.where}/judgments"), 404, "not_found")
    assert is_problem(owner.get(f"{owner.where}/judgments", {"cursor": "zzz"}), 404, "not_found")


def statements(act: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        act()
    return sum("SAVEPOINT" not in query["sql"] for query in queries)


def test_query_counts(people: ThreePeople, owner: Api, annotator: Api) -> None:
    annotator.get(annotator.where)  # the token's use is noted
    owner.get(owner.where)
    assert statements(lambda: annotator.next()) == 6  # token, access, annotator, find, claim, aspects
    body = {"assignment": str(Assignment.objects.get().key), "choice": "a", "rationale": "Why."}
    assert statements(lambda: annotator.judge(body)) <= 10
    for _ in range(3):
        annotator.judge({"assignment": annotator.next().json()["assignment"], "choice": "a"})
    assert statements(lambda: owner.get(f"{owner.where}/judgments")) == 4
    assert statements(lambda: owner.get("/api/v1/projects")) == 2


def test_a_broker_that_is_away_does_not_matter(annotator: Api, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    body = {"assignment": annotator.next().json()["assignment"], "choice": "a"}
    assert annotator.judge(body).status_code == 201


def test_the_schema_is_right_and_without_warnings(people: ThreePeople) -> None:
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.validation import validate_schema

    GENERATOR_STATS.reset()
    schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    ours = [path for path in schema["paths"] if path.startswith("/api/v1/projects")]
    assert {"/api/v1/projects/{slug}/next", "/api/v1/projects/{slug}/judgments"} <= set(ours)
    post = schema["paths"]["/api/v1/projects/{slug}/judgments"]["post"]
    assert {"name": "Idempotency-Key", "in": "header", "required": True}.items() <= post["parameters"][0].items()
    assert post["security"] == [{"Bearer": []}, {"Basic": []}]
    assert set(post["responses"]) == {"201", "400", "401", "403", "404", "409", "413", "422"}
    assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)


def test_empty_project(people: ThreePeople) -> None:
    project = make_project()
    owner = Api(make_member(project, role=Role.OWNER), project)
    assert owner.next("anna").status_code == 204
