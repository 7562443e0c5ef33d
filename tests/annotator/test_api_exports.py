"""The export through the API: who may have it, and what it answers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client

from annotator.models import AuditEntry, Role, User
from annotator.services.tokens import issue_token
from tests.annotator.importing import row, take
from tests.factories import ThreePeople, make_member

pytestmark = pytest.mark.django_db


def ask(user: User, people: ThreePeople, *, scopes: tuple[str, ...] = ("read",), **query: Any) -> Any:
    _, plain = issue_token(user=user, name="test", scopes=scopes)
    headers = {"Authorization": f"Bearer {plain}", "Accept": "text/csv"}
    return Client(headers=headers).get(f"/api/v1/projects/{people.project.slug}/export", query)


def test_streamed_as_a_file(people: ThreePeople) -> None:
    take(people.project, row(), row(annotator="x", preference="tie"))
    answer = ask(people.owner, people)
    assert (answer.status_code, answer.streaming) == (200, True)
    assert answer["Content-Type"] == "application/jsonl; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{people.project.slug}-judgments.jsonl"'
    lines = b"".join(answer.streaming_content).splitlines()
    assert [orjson.loads(line)["preference"] for line in lines] == ["a", "tie"]
    assert AuditEntry.objects.filter(project=people.project, by=people.owner, what="exported").exists()


def test_every_parameter(people: ThreePeople) -> None:
    take(people.project, row(swapped=True), row(revision=2, preference="tie"))
    trl = ask(people.owner, people, format="trl", type="csv")
    assert trl["Content-Type"] == "text/csv; charset=utf-8"
    assert len(b"".join(trl.streaming_content).splitlines()) == 1
    shown = b"".join(ask(people.owner, people, sides="shown", revisions="true").streaming_content).splitlines()
    assert [orjson.loads(line)["preference"] for line in shown] == ["b", "tie"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"format": "parquet"}, "format"),
        ({"type": "exe"}, "type"),
        ({"sides": "up"}, "sides"),
        ({"revisions": "1"}, "revisions"),
    ],
)
def test_wrong_parameters(people: ThreePeople, query: dict[str, str], field: str) -> None:
    answer = ask(people.owner, people, **query)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert field in answer.json()["fields"]


def test_owners_and_viewers_only(people: ThreePeople) -> None:
    assert ask(make_member(people.project, role=Role.VIEWER), people).status_code == 200
    assert ask(people.annotator, people).status_code == 403
    assert ask(people.stranger, people).status_code == 404
    assert ask(people.owner, people, scopes=("score", "write")).status_code == 403
    assert Client().get(f"/api/v1/projects/{people.project.slug}/export").status_code == 401
