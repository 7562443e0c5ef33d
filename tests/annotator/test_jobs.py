"""Of two workers exactly one goes on, and what a dead worker leaves is found again."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotator.models import ImportBatch, JobState, Project
from annotator.services import jobs
from tests.factories import make_user


@pytest.fixture
def batch(db: None) -> ImportBatch:
    project = Project.objects.create(slug="p", name="P")
    return ImportBatch.objects.create(project=project, name="file.jsonl", path="file.jsonl")


def claim(batch: ImportBatch) -> ImportBatch | None:
    return jobs.claim(model=ImportBatch, job_id=batch.pk)


def claimed(batch: ImportBatch) -> ImportBatch:
    row = claim(batch)
    assert row is not None
    return row


def fall_silent(batch: ImportBatch) -> None:
    ImportBatch.objects.filter(pk=batch.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_only_one_worker_claims(batch: ImportBatch) -> None:
    first = claimed(batch)
    assert (first.state, first.attempt) == (JobState.RUNNING, 1)
    assert claim(batch) is None


def test_heartbeat_renews_and_shows_progress(batch: ImportBatch) -> None:
    job = claimed(batch)
    fall_silent(batch)
    jobs.heartbeat(job=job, progress={"rows": 7})
    batch.refresh_from_db()
    assert batch.progress == {"rows": 7}
    assert batch.lease_until is not None and batch.lease_until > timezone.now()


def test_a_lost_claim_stops_the_first_worker_and_rolls_its_results_back(batch: ImportBatch) -> None:
    first = claimed(batch)
    fall_silent(batch)
    assert jobs.requeue_expired(model=ImportBatch) == [batch.pk]
    second = claimed(batch)
    with pytest.raises(jobs.ClaimLost):
        write_results(first)
    jobs.finish(job=second, report={"by": "second"})
    batch.refresh_from_db()
    assert (batch.state, batch.attempt, batch.report) == (JobState.DONE, 2, {"by": "second"})
    assert Project.objects.get().name == "P"


def test_fail_retries_until_the_attempts_are_used_up(batch: ImportBatch) -> None:
    for _ in range(batch.max_attempts - 1):
        jobs.fail(job=claimed(batch), error="no luck", retry=True)
        batch.refresh_from_db()
        assert batch.state == JobState.WAITING
    jobs.fail(job=claimed(batch), error="no luck", retry=True)
    batch.refresh_from_db()
    assert (batch.state, batch.error) == (JobState.FAILED, "no luck")


def test_a_job_that_kills_its_workers_ends(batch: ImportBatch) -> None:
    for _ in range(batch.max_attempts):
        claimed(batch)
        fall_silent(batch)
        again = jobs.requeue_expired(model=ImportBatch)
    batch.refresh_from_db()
    assert again == []
    assert batch.state == JobState.FAILED
    assert "stopped answering" in batch.error


def test_why_a_job_ended_is_said_in_the_language_of_whoever_started_it(batch: ImportBatch) -> None:
    batch.by = make_user(language="it")
    batch.save()
    for _ in range(batch.max_attempts):
        claimed(batch)
        fall_silent(batch)
        jobs.requeue_expired(model=ImportBatch)
    batch.refresh_from_db()
    assert batch.error.startswith("A ogni tentativo il processo ha smesso di rispondere")


def test_cancelling_a_waiting_job_ends_it(batch: ImportBatch) -> None:
    jobs.cancel(job=batch)
    batch.refresh_from_db()
    assert batch.state == JobState.CANCELLED
    assert claim(batch) is None


def test_cancelling_a_running_job_stops_it_at_the_next_heartbeat(batch: ImportBatch) -> None:
    job = claimed(batch)
    jobs.cancel(job=batch)
    with pytest.raises(jobs.Cancelled):
        jobs.heartbeat(job=job)
    jobs.mark_cancelled(job=job)
    batch.refresh_from_db()
    assert batch.state == JobState.CANCELLED


def test_a_cancelled_job_whose_worker_died_is_not_run_again(batch: ImportBatch) -> None:
    claimed(batch)
    jobs.cancel(job=batch)
    fall_silent(batch)
    assert jobs.requeue_expired(model=ImportBatch) == []
    batch.refresh_from_db()
    assert batch.state == JobState.CANCELLED


def test_waiting_ids_finds_jobs_whose_message_was_lost(batch: ImportBatch) -> None:
    assert jobs.waiting_ids(model=ImportBatch, older_than=timedelta(0)) == [batch.pk]
    assert jobs.waiting_ids(model=ImportBatch, older_than=timedelta(minutes=1)) == []
    assert jobs.waiting_ids(model=ImportBatch, older_than=timedelta(0), confirmed_at__isnull=False) == []


@pytest.mark.django_db(transaction=True)
def test_the_pulse_is_seen_from_outside_a_long_transaction() -> None:
    project = Project.objects.create(slug="p", name="P")
    batch = ImportBatch.objects.create(project=project, name="file.jsonl", path="file.jsonl")
    job = claimed(batch)
    with jobs.beating(job=job, every=0.01) as beat, transaction.atomic():
        beat.progress = {"rows": 3}
        wait_for(lambda: ImportBatch.objects.get(pk=batch.pk).progress == {"rows": 3})
        jobs.cancel(job=batch)  # commits with the work's transaction, like any other write of it
    assert ImportBatch.objects.get(pk=batch.pk).cancel_requested


@pytest.mark.django_db(transaction=True)
def test_the_pulse_tells_the_worker_to_stop() -> None:
    project = Project.objects.create(slug="p", name="P")
    batch = ImportBatch.objects.create(project=project, name="file.jsonl", path="file.jsonl")
    job = claimed(batch)
    with jobs.beating(job=job, every=0.01) as beat:
        beat.check()
        jobs.cancel(job=batch)
        wait_for(lambda: beat.stopped is not None)
        with pytest.raises(jobs.Cancelled):
            beat.check()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_does_not_undo_the_row(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    with transaction.atomic():
        Project.objects.create(slug="p", name="P")
        jobs.enqueue_on_commit(send=away, what="import 1")
    assert Project.objects.filter(slug="p").exists()
    assert "the sweep will send it" in caplog.text


def write_results(job: ImportBatch) -> None:
    with transaction.atomic():
        Project.objects.filter(pk=job.project_id).update(name="written by the first")
        jobs.finish(job=job, report={"by": "first"})


def wait_for(true: object, seconds: float = 5.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
