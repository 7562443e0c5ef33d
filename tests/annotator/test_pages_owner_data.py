"""Data: upload, look, confirm, watch, cancel, export; pairs and their withdrawal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.imports.batches import run_batch
from annotator.models import Assignment, AuditEntry, ImportBatch, JobState, Judgment, Pair, Role
from tests.annotator.test_pages_owner_overview import say
from tests.factories import ThreePeople, login, make_member

GOOD = [
    {"prompt": "Is rice safe to reheat?", "responses": ["Yes, if it was cooled fast.", "Best not.", "Steam it."]},
    {"prompt": "Rhyme on pear", "responses": ["Bear.", "Hair."]},
]
BAD = {"prompt": "Only one answer", "responses": ["Alone.", ""]}


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def upload(client: Client, people: ThreePeople, content: bytes, name: str = "new.jsonl") -> Any:
    where = reverse("data", args=[people.project.slug])
    return client.post(where, {"file": SimpleUploadedFile(name, content)})


def act(name: str, people: ThreePeople, batch: ImportBatch) -> str:
    return reverse(name, args=[people.project.slug, batch.pk])


@pytest.fixture(autouse=True)
def _uploads(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = settings.STORAGES | {
        "uploads": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    }


def test_a_file_is_looked_at_before_anything_is_stored(people: ThreePeople, owner_client: Client) -> None:
    before = Pair.objects.count()
    response = upload(owner_client, people, lines(*GOOD, BAD))
    batch = ImportBatch.objects.get()
    assert response["Location"] == act("import", people, batch)
    page = owner_client.get(response["Location"]).content.decode()
    assert "Is rice safe to reheat?" in page
    assert "Would add 2 prompts, 5 responses, 4 pairs. 1 row is rejected." in page
    assert "1 row has a problem" in page
    assert "responses" in page
    assert Pair.objects.count() == before
    assert storages["uploads"].exists(batch.path)


def test_confirmed_it_goes_to_a_worker_and_says_how_far(people: ThreePeople, owner_client: Client) -> None:
    upload(owner_client, people, lines(*GOOD))
    batch = ImportBatch.objects.get()
    assert owner_client.post(act("import_confirm", people, batch)).status_code == 302
    batch.refresh_from_db()
    assert batch.confirmed_at
    headers = {"HX-Request": "true", "HX-Target": "import-state"}
    waiting = owner_client.get(act("import", people, batch), headers=headers)
    assert waiting.status_code == 200
    assert "Waiting for a worker" in waiting.content.decode()
    assert "every 2s" in waiting.content.decode()

    run_batch(batch_id=batch.pk)
    done = owner_client.get(act("import", people, batch), headers=headers)
    assert done.status_code == 286, "htmx stops asking"
    assert "Added 2 prompts, 5 responses, 4 pairs." in done.content.decode()
    assert "every 2s" not in done.content.decode()
    assert Pair.objects.filter(prompt__text="Rhyme on pear").count() == 1
    assert {entry.what for entry in AuditEntry.objects.all()} == {"import started", "import written"}
    again = owner_client.post(act("import_confirm", people, batch))
    assert again.status_code == 409


def test_progress_is_shown(people: ThreePeople, owner_client: Client) -> None:
    upload(owner_client, people, lines(*GOOD))
    ImportBatch.objects.update(
        state=JobState.RUNNING, confirmed_at=timezone.now(), progress={"rows": 12_345, "position": 50, "size": 100}
    )
    page = owner_client.get(act("import", people, ImportBatch.objects.get())).content.decode()
    assert "12,345 rows read" in page
    assert '<progress value="50" max="100"' in page


def test_bad_rows_stop_all_or_are_kept_aside(people: ThreePeople, owner_client: Client) -> None:
    upload(owner_client, people, lines(*GOOD, BAD))
    batch = ImportBatch.objects.get()
    owner_client.post(act("import_confirm", people, batch))
    run_batch(batch_id=batch.pk)
    page = owner_client.get(act("import", people, batch)).content.decode()
    assert "Nothing was imported" in page
    assert "Try again" in page
    assert owner_client.get(act("import_rejected", people, batch)).status_code == 404

    owner_client.post(act("import_confirm", people, batch), {"skip_bad": "on"})
    run_batch(batch_id=batch.pk)
    rejected = owner_client.get(act("import_rejected", people, batch))
    assert rejected["Content-Disposition"].startswith("attachment")
    row = json.loads(b"".join(rejected.streaming_content))  # type: ignore[attr-defined]
    assert row["row"] == BAD
    assert row["line"] == 3
    assert "Rejected rows" in owner_client.get(reverse("data", args=[people.project.slug])).content.decode()


def test_a_cancelled_file_is_forgotten(people: ThreePeople, owner_client: Client) -> None:
    upload(owner_client, people, lines(*GOOD))
    batch = ImportBatch.objects.get()
    path = batch.path
    assert owner_client.post(act("import_cancel", people, batch)).status_code == 302
    batch.refresh_from_db()
    assert batch.state == JobState.CANCELLED
    assert not storages["uploads"].exists(path)
    assert "Nothing of the file is in the project" in owner_client.get(act("import", people, batch)).content.decode()
    assert owner_client.post(act("import_confirm", people, batch)).status_code == 409


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "empty.jsonl", "The file is empty"),
        (b'["a", "list"', "list.json", "the array does not end"),
        (b"\x00\xff\xfe", "noise.csv", "noise.csv"),
        (b"\x1f\x8bnot really gzip", "broken.jsonl.gz", "broken.jsonl.gz"),
    ],
)
def test_files_that_are_none_are_refused_with_the_reason(
    content: bytes, name: str, reason: str, people: ThreePeople, owner_client: Client
) -> None:
    response = upload(owner_client, people, content, name)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not ImportBatch.objects.exclude(state=JobState.CANCELLED).exists()
    assert not ImportBatch.objects.exclude(path="").exists(), "what can't be read is not kept"


def test_without_a_file_nothing_happens(people: ThreePeople, owner_client: Client) -> None:
    response = owner_client.post(reverse("data", args=[people.project.slug]), {})
    assert response.status_code == 422
    assert "Choose a file first" in response.content.decode()


def test_a_file_over_the_bound_is_refused_unread(people: ThreePeople, owner_client: Client, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1_000
    small = upload(owner_client, people, lines(*GOOD) * 20)
    assert small.status_code == 422
    assert "At most 1,000 bytes" in small.content.decode()
    large = upload(owner_client, people, b"x" * 200_000)
    assert large.status_code == 413
    assert "larger than" in large.content.decode()
    assert not ImportBatch.objects.exists()


def test_an_upload_needs_the_forms_token(people: ThreePeople) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.owner)
    assert upload(client, people, lines(*GOOD)).status_code == 403
    assert not ImportBatch.objects.exists()


def test_only_owners_import_and_viewers_look(people: ThreePeople, annotator_client: Client) -> None:
    upload(login(people.owner), people, lines(*GOOD))
    batch = ImportBatch.objects.get()
    viewer = login(make_member(people.project, role=Role.VIEWER))
    stranger = login(people.stranger)
    page = viewer.get(act("import", people, batch)).content.decode()
    assert "Is rice safe" in page
    assert "Forget the file" not in page
    for name in ("import_confirm", "import_cancel"):
        found = [client.post(act(name, people, batch)).status_code for client in (viewer, annotator_client, stranger)]
        assert found == [403, 403, 404]
    assert upload(viewer, people, lines(*GOOD)).status_code == 403
    assert upload(stranger, people, lines(*GOOD)).status_code == 404
    elsewhere = reverse("import", args=[people.elsewhere.slug, batch.pk])
    assert stranger.get(elsewhere).status_code == 404, "another project's file is not theirs"


@pytest.mark.parametrize(
    ("data", "kind", "first"),
    [
        ({"format": "judgments", "type": "jsonl"}, "application/jsonl", '"preference":"a"'),
        ({"format": "judgments", "type": "csv"}, "text/csv", "annotator,simulated"),
        ({"format": "trl", "type": "jsonl"}, "application/jsonl", '"chosen":[{"role":"assistant"'),
    ],
)
def test_exports_stream_and_are_written_down(
    data: dict[str, str], kind: str, first: str, people: ThreePeople, owner_client: Client
) -> None:
    say(people.project.pairs.earliest("id"), people.judge, "a")
    response = owner_client.post(reverse("export", args=[people.project.slug]), data)
    body = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    assert response["Content-Type"].startswith(kind)
    assert f"{people.project.slug}-{data['format']}.{data['type']}" in response["Content-Disposition"]
    assert first in body
    assert people.judge.ref in body
    assert people.annotator.email not in body
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.about["format"], entry.by) == ("exported", data["format"], people.owner)


def test_unknown_formats_are_refused_by_name(people: ThreePeople, owner_client: Client) -> None:
    response = owner_client.post(reverse("export", args=[people.project.slug]), {"format": "parquet", "type": "jsonl"})
    assert response.status_code == 422
    assert "“parquet” is not one of" in response.content.decode()
    assert not AuditEntry.objects.exists()


def test_who_may_export(people: ThreePeople, annotator_client: Client) -> None:
    where = reverse("export", args=[people.project.slug])
    viewer = login(make_member(people.project, role=Role.VIEWER))
    found = [client.post(where).status_code for client in (viewer, annotator_client, login(people.stranger))]
    assert found == [200, 403, 404]


def test_pairs_are_found_opened_withdrawn_and_restored(people: ThreePeople, owner_client: Client) -> None:
    pair = people.project.pairs.select_related("prompt").earliest("id")
    say(pair, people.judge, "b", strength=2)
    assignment = Assignment.objects.create(
        project=people.project, pair=pair, annotator=people.judge, lease_until=timezone.now(), occasion=1
    )
    where = reverse("pairs", args=[people.project.slug])
    found = owner_client.get(where, {"q": pair.prompt.text}).content.decode()
    assert "1 pair<" in found
    assert "1 of 3<" in found
    assert "0 of 3<" not in found
    assert "No prompt says" in owner_client.get(where, {"q": "zebra\x00"}).content.decode()
    page = owner_client.get(reverse("pair", args=[people.project.slug, pair.pk])).content.decode()
    assert '<b class="is-b">B</b> clearly' in page

    change = reverse("pair_withdraw", args=[people.project.slug, pair.pk])
    owner_client.post(change, {"withdraw": "on"})
    pair.refresh_from_db()
    assignment.refresh_from_db()
    assert pair.withdrawn_at
    assert assignment.state == Assignment.State.RELEASED
    assert Judgment.objects.filter(pair=pair).exists()
    owner_client.post(change, {"withdraw": "off"})
    pair.refresh_from_db()
    assert pair.withdrawn_at is None
    assert [entry.what for entry in AuditEntry.objects.all()] == ["pair restored", "pair withdrawn"]
    assert login(people.annotator).post(change).status_code == 403


def test_another_projects_pair_is_out_of_reach(people: ThreePeople) -> None:
    pair = people.project.pairs.earliest("id")
    where = reverse("pair", args=[people.elsewhere.slug, pair.pk])
    assert login(people.stranger).get(where).status_code == 404
