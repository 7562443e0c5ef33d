"""The datasets page: choose, look, download; what it says is what the file is."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from annotator.dataset_form import LABELS
from annotator.exports.dataset_options import CHOICES
from annotator.models import AuditEntry
from tests.factories import ThreePeople, login
from tests.personalization.worlds import judge

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(people: ThreePeople) -> Client:
    first, second, third = people.project.pairs.order_by("pk")[:3]
    judge(people.judge, first, "a", strength=2)
    judge(people.judge, second, "b")
    judge(people.judge, third, "tie")
    return login(people.owner)


def look(client: Client, people: ThreePeople, **given: str) -> str:
    return client.get(reverse("datasets", args=[people.project.slug]), {"look": "1", **given}).content.decode()


def test_every_option_has_its_words() -> None:
    assert {name: set(words) for name, (_, words) in LABELS.items()} == {
        name: set(allowed) for name, allowed in CHOICES.items()
    }


def test_nothing_is_made_before_somebody_looks(owner: Client, people: ThreePeople) -> None:
    page = owner.get(reverse("datasets", args=[people.project.slug])).content.decode()
    assert "sha256" not in page


def test_what_is_shown_is_what_is_downloaded(owner: Client, people: ThreePeople) -> None:
    page = look(owner, people)
    sent = owner.post(reverse("dataset_file", args=[people.project.slug]), {"form": "preference", "type": "jsonl"})
    body = b"".join(sent.streaming_content)  # type: ignore[attr-defined]
    rows = [json.loads(line) for line in body.splitlines()]
    assert len(rows) == 2
    assert hashlib.sha256(body).hexdigest() in page
    assert "&quot;chosen&quot;" in page
    assert sent["Content-Disposition"] == f'attachment; filename="{people.project.slug}-preference.jsonl"'
    entry = AuditEntry.objects.get(what="dataset exported")
    assert entry.by == people.owner


def test_ties_come_in_when_they_are_asked_for(owner: Client, people: ThreePeople) -> None:
    assert "Left out: tie" in look(owner, people)
    page = look(owner, people, ties="both")
    assert "Left out: tie" not in page


def test_a_folder_has_its_card(owner: Client, people: ThreePeople) -> None:
    sent = owner.post(reverse("dataset_file", args=[people.project.slug]), {"type": "folder", "split": "prompt"})
    with zipfile.ZipFile(io.BytesIO(b"".join(sent.streaming_content))) as folder:  # type: ignore[attr-defined]
        assert {"README.md", "croissant.json"} <= set(folder.namelist())


def test_what_can_not_be_is_said_at_its_field(owner: Client, people: ThreePeople) -> None:
    page = look(owner, people, form="argilla", type="csv")
    assert "This form has json and jsonl." in page
    assert "sha256" not in page
    assert "held_out" in page
    refused = owner.post(reverse("dataset_file", args=[people.project.slug]), {"type": "nonsense"})
    assert refused.status_code == 422


def test_datasets_are_for_owners_and_viewers(owner: Client, people: ThreePeople) -> None:
    where = reverse("datasets", args=[people.project.slug])
    asked = {user: login(user).get(where).status_code for user in (people.annotator, people.stranger)}
    assert asked == {people.annotator: 403, people.stranger: 404}
