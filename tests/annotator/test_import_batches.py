"""An uploaded file on its way through a worker: confirmed, read once, cancelled, lost and found."""

from __future__ import annotations

import io
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone
from django.utils.translation import get_language
from kombu.exceptions import OperationalError

from annotator.errors import Conflict, Invalid
from annotator.imports import batches
from annotator.imports.errors import BadFile
from annotator.imports.reporting import Progress
from annotator.imports.running import run_import
from annotator.imports.tasks import read_batch
from annotator.models import AuditEntry, ImportBatch, JobState, Judgment, Project, User
from annotator.services import jobs
from tests.annotator.importing import lines, row
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db


class Broker:
    """Stands where the broker's socket is: takes messages, or is away."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.away = False

    def delay(self, batch_id: int) -> None:
        if self.away:
            raise OperationalError("connection refused")
        self.sent.append(batch_id)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(read_batch, "delay", broker.delay)
    return broker


@pytest.fixture
def project() -> Project:
    return make_project()


def upload(project: Project, *rows: Any) -> ImportBatch:
    return batches.store_upload(
        project=project, by=make_member(project), file=ContentFile(lines(*rows), name="new.jsonl")
    )


def confirm(batch: ImportBatch, callbacks: Any, **options: Any) -> None:
    assert batch.by is not None
    with callbacks(execute=True):
        batches.start_import(batch=batch, by=batch.by, **options)


def test_looked_at_confirmed_and_read(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    batch = upload(project, row(), row(annotator="x"))
    preview = batches.preview_batch(batch=batch)
    assert preview.report.new["judgments"] == 2
    assert not Judgment.objects.exists()
    confirm(batch, django_capture_on_commit_callbacks)
    assert broker.sent == [batch.pk]
    read_batch(batch.pk)
    path = batch.path
    batch.refresh_from_db()
    assert (batch.state, batch.report["new"]["judgments"], batch.report["source"]) == (JobState.DONE, 2, "new.jsonl")
    assert Judgment.objects.count() == 2
    assert (batch.path, storages["uploads"].exists(path)) == ("", False)
    assert AuditEntry.objects.filter(what="import written", about__judgments=2).exists()


def test_nothing_is_read_before_it_is_confirmed(project: Project) -> None:
    batch = upload(project, row())
    read_batch(batch.pk)
    batches.sweep_imports()
    assert not Judgment.objects.exists()


def test_a_doubled_message_reads_once(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    batch = upload(project, row())
    confirm(batch, django_capture_on_commit_callbacks)
    read_batch(batch.pk)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt) == (JobState.DONE, 1)
    with pytest.raises(Conflict):
        confirm(batch, django_capture_on_commit_callbacks)


def test_what_is_wrong_with_a_file_is_said_in_the_language_of_whoever_confirmed_it(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    """Whatever thread finds it: one reads ahead, and finds what is no JSON, and another one checks rows."""
    batch = upload(project, row(), b"{nonsense", row(annotator="x", preference="c"))
    User.objects.filter(pk=batch.by_id).update(language="it")
    confirm(batch, django_capture_on_commit_callbacks)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.error == "Non è stato scritto nulla: di 3 righe 2 sono sbagliate."
    torn, wrong = batch.report["problems"]
    assert torn["message"].startswith("riga 2: non è JSON: '{nonsense'; serve un oggetto JSON per riga (")
    assert (
        wrong["message"] == "riga 3, preference: valore sbagliato: 'c'; serve a o b o tie o both_good o both_bad o skip"
    )
    assert (torn["reason"], wrong["reason"]) == ("not_json", "wrong_value")
    assert get_language() == "en"


def test_bad_rows_stop_all_and_the_owner_may_try_again_without_them(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    batch = upload(project, row(), row(annotator="x", preference="c"))
    confirm(batch, django_capture_on_commit_callbacks)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.error) == (JobState.FAILED, "Nothing was written: 1 of 2 rows is wrong.")
    assert batch.report["problems"][0]["line"] == 2
    assert not Judgment.objects.exists()
    confirm(batch, django_capture_on_commit_callbacks, skip_bad=True)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, Judgment.objects.count()) == (JobState.DONE, 1)
    with storages["uploads"].open(batch.report["rejected_file"]) as rejected:
        assert b'"preference":"c"' in rejected.read()
    assert batches.stored_files(project) == [batch.report["rejected_file"]]


def test_a_file_that_can_not_be_read_says_why(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    batch = upload(project, b"[")
    with pytest.raises(BadFile):
        batches.preview_batch(batch=batch)
    confirm(batch, django_capture_on_commit_callbacks)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, "the array does not end" in batch.error) == (JobState.FAILED, True)


def test_a_broker_that_is_away_delays_the_file_and_loses_nothing(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    broker.away = True
    batch = upload(project, row())
    confirm(batch, django_capture_on_commit_callbacks)
    broker.away = False
    ImportBatch.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        batches.sweep_imports()
    assert broker.sent == [batch.pk]


def test_a_worker_that_died_is_followed_by_another(
    project: Project, broker: Broker, django_capture_on_commit_callbacks: Any
) -> None:
    batch = upload(project, row())
    confirm(batch, django_capture_on_commit_callbacks)
    assert jobs.claim(model=ImportBatch, job_id=batch.pk)
    ImportBatch.objects.update(
        lease_until=timezone.now() - timedelta(seconds=1), created_at=timezone.now() - timedelta(minutes=1)
    )
    with django_capture_on_commit_callbacks(execute=True):
        batches.sweep_imports()
    assert broker.sent == [batch.pk, batch.pk]
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt) == (JobState.DONE, 2)


def test_cancelled_before_it_was_confirmed(project: Project) -> None:
    batch = upload(project, row())
    batches.cancel_import(batch=batch)
    assert not storages["uploads"].exists(batch.path)
    batch.refresh_from_db()
    assert (batch.state, batch.path) == (JobState.CANCELLED, "")


@pytest.mark.django_db(transaction=True)
def test_cancelled_while_it_is_read(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker hears of it at a heartbeat, between two batches of rows, and takes back what it wrote."""
    monkeypatch.setattr(batches, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr("annotator.imports.running.BATCH_ROWS", 1)
    project = make_project()
    batch = upload(project, *(row(annotator=str(n)) for n in range(3_000)))
    assert batch.by is not None
    batches.start_import(batch=batch, by=batch.by)
    monkeypatch.setattr(jobs.Beat, "check", _cancel_then(jobs.Beat.check, batch))
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.path) == (JobState.CANCELLED, "")
    assert not Judgment.objects.exists()


def _cancel_then(check: Any, batch: ImportBatch) -> Any:
    """Have another connection cancel the batch at the first check."""

    def cancel() -> None:
        jobs.cancel(job=batch)
        connection.close()

    asked: list[bool] = []

    def checked(beat: jobs.Beat) -> None:
        if not asked:
            asked.append(True)
            other = threading.Thread(target=cancel)
            other.start()
            other.join()
        check(beat)

    return checked


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_to_look_while_a_file_is_read(broker: Broker) -> None:
    """The worker holds the project's lock; a preview in another connection says so at once."""
    project = make_project()
    batch = upload(project, row())
    told: list[str] = []

    def look() -> None:
        try:
            batches.preview_batch(batch=batch)
        except Conflict as busy:
            told.append(str(busy))
        finally:
            connection.close()

    def in_between(_: Progress) -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join()

    run_import(io.BytesIO(lines(row())), project=project, on_progress=in_between)
    assert told == ["Another file is being read into this project; look again when that is done."]


def test_files_that_nobody_confirmed_are_forgotten(project: Project) -> None:
    batch = upload(project, row())
    batches.sweep_imports()
    assert storages["uploads"].exists(batch.path)
    ImportBatch.objects.update(created_at=timezone.now() - timedelta(days=8))
    batches.sweep_imports()
    assert not storages["uploads"].exists(batch.path)


def test_a_file_beyond_the_limit_is_not_stored(project: Project, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 10
    with pytest.raises(Invalid) as refused:
        upload(project, row())
    assert "At most 10 bytes" in refused.value.fields["file"]
    assert not ImportBatch.objects.exists()
