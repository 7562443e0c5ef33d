"""The snapshots' pages and routes: three people, what they show, what they refuse."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotator.models import Judgment
from annotator.services.answers import Answer
from annotator.services.judging import revise
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople, login, make_people
from tests.training.makers import make_tasteful_project, make_version
from training import moments
from training.models import Run, Snapshot
from training.snapshots import take_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> ThreePeople:
    monkeypatch.setattr(moments, "SETTLES_AFTER", timedelta(0))
    return make_people(make_tasteful_project(annotators=4, prompts=8, each=8, reward_model="bradley_terry"))


def address(name: str, people: ThreePeople, *args: object) -> str:
    return reverse(name, args=[people.project.slug, *args])


def test_who_may_see_and_freeze(people: ThreePeople) -> None:
    frozen = take_snapshot(project=people.project)
    ways = [
        address("snapshots", people),
        address("snapshot_diff", people) + f"?before={frozen.digest}&after={frozen.digest}",
    ]
    for user, seen in ((people.owner, 200), (people.annotator, 403), (people.stranger, 404)):
        client = login(user)
        assert [client.get(way).status_code for way in ways] == [seen, seen]
        made = client.post(address("snapshot_new", people), {"name": f"by-{user.pk}"}).status_code
        assert made == (302 if seen == 200 else seen)
        named = client.post(address("snapshot_name", people, frozen.digest), {"name": "x"}).status_code
        assert named == (302 if seen == 200 else seen)
    assert Client().get(ways[0]).status_code == 302
    assert list(people.project.snapshots.values_list("name", flat=True)) == [f"by-{people.owner.pk}"]


def test_freezing_by_the_form(people: ThreePeople) -> None:
    client = login(people.owner)
    sent = {
        "name": "tuesday",
        "repeats": "drop",
        "topics": "topic-1, topic-2",
        "judged_from": "2026-01-05T09:03",
        "simulated": "",
    }
    page = client.post(address("snapshot_new", people), sent, follow=True)
    frozen = Snapshot.objects.get()
    assert frozen.filters == {
        "repeats": "drop",
        "topics": ["topic-1", "topic-2"],
        "judged_from": "2026-01-05T09:03:00+00:00",
    }
    assert frozen.created_by == people.owner
    for word in ("Frozen: tuesday.", frozen.digest[:16], "nothing yet", "topic-1, topic-2"):
        assert word in page.content.decode()
    wrong = client.post(address("snapshot_new", people), {"name": "a b", "as_of": "2020-01-01T00:00"})
    assert wrong.status_code == 422
    assert "can’t be a name" in wrong.content.decode()
    assert 'value="a b"' in wrong.content.decode()
    taken = client.post(address("snapshot_new", people), {"name": "tuesday"})
    assert taken.status_code == 409
    early = client.post(address("snapshot_new", people), {"as_of": "2020-01-01T00:00"})
    assert "none prefers one" in early.content.decode()


def test_training_from_one(people: ThreePeople) -> None:
    version = make_version(people.project)
    frozen = version.run.snapshot
    assert frozen is not None
    client = login(people.owner)
    page = client.get(address("snapshots", people)).content.decode()
    assert reverse("version", args=[people.project.slug, version.number]) in page
    sent = client.post(address("train", people), {"model": "bradley_terry", "snapshot": frozen.digest})
    assert sent.status_code == 302
    assert Run.objects.latest("pk").snapshot == frozen
    client.post(address("train", people), {"snapshot": "0" * 64})
    assert "There is no snapshot" in client.get(address("snapshots", people)).content.decode()


def test_the_difference_on_its_page(people: ThreePeople, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    before = take_snapshot(project=people.project, name="before")
    changed = Judgment.objects.filter(choice="a").select_related("annotator__project")[0]
    revise(
        annotator=changed.annotator,
        judgment_id=changed.pk,
        client_key=uuid.uuid4(),
        answer=Answer(choice="tie", text="<b>No.</b>"),
    )
    take_snapshot(project=people.project, name="after")
    client = login(people.owner)
    with django_assert_max_num_queries(12):
        page = client.get(address("snapshot_diff", people), {"before": "before", "after": "after"}).content.decode()
    for word in ("1 changed", "0 came", "0 went", "31 the same", "&lt;b&gt;No.&lt;/b&gt;", changed.annotator.ref):
        assert word in page
    nothing = client.get(address("snapshot_diff", people), {"before": "before", "after": before.digest[:9]})
    assert "No difference" in nothing.content.decode()
    for wrong, status in (({"kind": "lost"}, 422), ({"before": "nowhere"}, 404), ({"page": "x" * 50}, 200)):
        asked = {"before": "before", "after": "after", **wrong}
        assert client.get(address("snapshot_diff", people), asked).status_code == status


def test_through_the_api(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    at = timezone.now().isoformat()
    first = program.ok("POST", "/snapshots", {"name": "first", "filters": {"repeats": "drop"}}, status=201)
    assert (first["name"], first["filters"], first["counts"]["judgments"]) == ("first", {"repeats": "drop"}, 32)
    changed = Judgment.objects.filter(choice="a").select_related("annotator__project")[0]
    revise(annotator=changed.annotator, judgment_id=changed.pk, client_key=uuid.uuid4(), answer=Answer(choice="right"))
    second = program.ok("POST", "/snapshots", {}, status=201)
    again = program.ok("POST", "/snapshots", {"as_of": at}, status=201)
    assert again["digest"] == first["digest"] != second["digest"]
    assert program.ok("PATCH", f"/snapshots/{second['digest'][:8]}", {"name": "second"})["name"] == "second"
    assert [each["name"] for each in program.ok("GET", "/snapshots")["results"]] == ["first", "second"]
    diff = program.ok("GET", "/snapshots/first/diff/second")
    assert diff["counts"] == {"came": 0, "went": 0, "changed": 1, "same": 31}
    assert diff["rows"][0]["fields"] == ["choice"]
    assert program.ok("GET", "/snapshots/first/diff/second?kind=came&limit=5&first=0")["rows"] == []
    run = program.ok("POST", "/runs", {"snapshot": "first"}, status=201)
    assert run["snapshot"] == first["digest"]
    policy = program.ok("POST", "/policies/runs", {"snapshot": "first"}, status=201)
    assert program.ok("GET", "/snapshots/first")["runs"] == [run["number"]]
    assert policy["number"] == 1


def test_what_the_api_refuses(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    for body, status, fields in (
        ({"name": "../up"}, 422, ["name"]),
        ({"as_of": "yesterday"}, 422, ["as_of"]),
        ({"as_of": "2999-01-01T00:00:00Z"}, 422, ["as_of"]),
        ({"as_of": "2020-01-01T00:00:00Z"}, 422, []),
        ({"filters": {"taste": "good"}}, 422, ["filters.taste"]),
        ({"filters": {"judged_from": "noon"}}, 422, ["judged_from"]),
        ({"note": "x"}, 422, ["note"]),
    ):
        refused(program.send("POST", "/snapshots", body), status, *fields)
    assert not Snapshot.objects.exists()
    refused(program.send("GET", "/snapshots/nowhere"), 404)
    taken = program.ok("POST", "/snapshots", {"name": "taken"}, status=201)["digest"]
    refused(program.send("POST", "/runs", {"snapshot": "nowhere"}), 404)
    refused(program.send("GET", f"/snapshots/{taken}/diff/taken?kind=lost"), 422, "kind")
    refused(program.send("GET", f"/snapshots/{taken}/diff/taken?limit=-1"), 400)
    refused(program.send("GET", f"/snapshots/{taken}/diff/taken?annotator__user__password=x"), 400)
    reading = Program(people.owner, people.project, "read")
    refused(reading.send("POST", "/snapshots", {}), 403)
    for user, status in ((people.annotator, 403), (people.stranger, 404)):
        other = Program(user, people.project)
        for method, path in (
            ("GET", "/snapshots"),
            ("POST", "/snapshots"),
            ("GET", "/snapshots/taken"),
            ("PATCH", "/snapshots/taken"),
            ("GET", "/snapshots/taken/diff/taken"),
        ):
            refused(other.send(method, path, {"name": "mine"} if method == "PATCH" else None), status)
