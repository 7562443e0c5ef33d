"""What a person takes along is all that is kept of them: derived from the models, and held against these."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any, cast

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse

from annotator.models import Annotator, AuditEntry, Judgment, User
from annotator.services.members import pause_annotator
from annotator.services.tokens import issue_token
from personalization.latents import latent_for
from personalization.models import TraitStatement
from personalization.personal_data import SECRETS, WITHHELD, account, archive, logins, tables
from tests.factories import ThreePeople, login, make_people
from tests.training.makers import judge, make_tasteful_project, make_version
from training.serving import served
from training.snapshots import take_snapshot

pytestmark = pytest.mark.django_db


def unpacked(pieces: Iterable[bytes]) -> dict[str, Any]:
    packed = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert packed.testzip() is None
    read = {name: packed.read(name).decode() for name in packed.namelist()}
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in read.items()}


@pytest.fixture
def people() -> ThreePeople:
    found = make_people(make_tasteful_project(annotators=4, prompts=8, each=8, reward_model="bradley_terry"))
    pairs = list(found.project.pairs.all())
    judge(found.judge, pairs[0], "a", strength=2, text="Because.", tags=[{"tag": "clear", "side": "a", "good": True}])
    judge(found.judge, pairs[1], "b", current=False)
    judge(found.judge, pairs[1], "tie", revision=2)
    TraitStatement.objects.create(annotator=found.judge, trait="length", value=-1.0)
    version = make_version(found.project)
    latent_for(annotator_id=found.judge.pk, served=served(version))
    return found


def test_every_table_that_refers_to_an_annotator_or_a_login_is_covered() -> None:
    """Fails for a new foreign key that is in no part of the archive."""
    ours = {each.model for each in tables()}
    to_login = {(model, field.name) for model, field in logins()}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if not isinstance(field, models.ForeignKey | models.ManyToManyField):
                continue
            name = f"{model._meta.label}.{field.name}"
            if field.related_model is Annotator and name != "annotator.Erasure.annotator":  # null once it is over
                assert model in ours, f"{name} is missing in what a person takes along"
            if field.related_model is User:
                assert (model, field.name) in to_login, f"{name} is missing in what a person takes along"
    assert not [
        model
        for model in apps.get_models()
        if model._meta.auto_created and User in _ends(model) and model not in _known()
    ]


def _ends(model: type[models.Model]) -> set[Any]:
    return {field.related_model for field in model._meta.fields if isinstance(field, models.ForeignKey)}


def _known() -> set[Any]:
    return {User.groups.through, User.user_permissions.through}  # who may use the admin pages, by an operator


def test_every_field_of_every_row_is_in_it(people: ThreePeople) -> None:
    take_snapshot(project=people.project)
    found = unpacked(archive(people.judge))
    for table in tables():
        rows = list(table.rows(people.judge))
        assert [row["id"] for row in found[table.file]] == [row.pk for row in rows], table.label
        kept = {field.name for field in table.model._meta.concrete_fields}
        kept -= {name.rpartition(".")[2] for name in WITHHELD if name.startswith(f"{table.label}.")}
        assert all(set(row) == kept for row in found[table.file]), table.label
    assert [len(found[f"tables/{name}.json"]) for name in ("judgment", "rationale", "latent", "snapshotperson")] == [
        3,
        1,
        1,
        1,
    ]
    assert found["tables/latent.json"][0]["mean"] == [] or isinstance(found["tables/latent.json"][0]["mean"][0], float)
    said = found["judgments.json"]
    assert [(each["choice"], each["revision"], each["current"]) for each in said] == [
        ("a", 1, True),
        ("b", 1, False),
        ("tie", 2, True),
    ]
    assert said[0]["rationale"] == {"text": "Because.", "tags": [{"tag": "clear", "side": "a", "good": True}]}
    assert said[0]["response_a"] == people.project.pairs.all()[0].response_a.text
    others = Judgment.objects.exclude(annotator=people.judge).values_list("client_key", flat=True)
    text = json.dumps(found)
    assert not [key for key in others if str(key) in text]


def test_the_login_is_in_it_without_its_secrets(people: ThreePeople) -> None:
    token, plain = issue_token(user=people.annotator, name="mine", scopes=["read"])
    found = account(people.annotator)
    assert found["login"]["email"] == people.annotator.email
    assert [each["name"] for each in found["tables"]["annotator.ApiToken"]] == ["mine"]
    assert [each["role"] for each in found["tables"]["annotator.Membership"]] == ["annotator"]
    assert token.digest not in str(found)
    assert plain not in str(found)
    assert people.annotator.password not in str(found)
    pause_annotator(annotator=people.judge, by=people.owner)
    acted = account(people.owner)["acted"]
    entry = AuditEntry.objects.get(what="annotator paused")
    assert [(each["table"], each["row"]) for each in acted if each.get("what") == entry.what] == [
        ("annotator.AuditEntry", entry.pk)
    ]


def test_the_readme_says_what_is_not_in_it(people: ThreePeople) -> None:
    readme = unpacked(archive(people.judge))["README.txt"]
    for name in (*WITHHELD, *SECRETS, "tables/judgment.json", people.judge.ref):
        assert name in readme
    for name in WITHHELD | SECRETS:
        label, _, field = name.rpartition(".")
        assert apps.get_model(label)._meta.get_field(field)  # each still exists


def test_it_is_streamed_to_its_person_only(people: ThreePeople) -> None:
    address = reverse("my_data", args=[people.project.slug])
    answer = login(people.annotator).get(address)
    assert answer.streaming
    assert answer["Content-Type"] == "application/zip"
    assert "judgments.json" in unpacked(cast(Iterable[bytes], answer))
    assert login(people.stranger).get(address).status_code == 404
    assert login(people.owner).get(address).status_code == 404  # has judged nothing
    assert Client().get(address).status_code == 302


def test_memory_does_not_grow_with_it(people: ThreePeople) -> None:
    """Pieces come as they are made, not at the end."""
    pieces = list(archive(people.judge))
    assert len(pieces) > len(tables())
    assert max(map(len, pieces)) < 100_000
