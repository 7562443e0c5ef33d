"""Files in parts: what is in stays in, what was cut short goes on, nothing is doubled, and nothing half a part is left."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.test import Client

from annotator.imports import batches, running
from annotator.imports.errors import BadFile
from annotator.imports.reporting import ImportOptions, ImportReport, Progress
from annotator.imports.running import run_import
from annotator.imports.tasks import read_batch
from annotator.models import ImportBatch, ImportMark, JobState, Judgment, Project, Role
from attune.cli import main
from tests.annotator.importing import lines, row
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db(transaction=True)
STOPPED = Path(__file__).with_name("stopped_import.py")


class Killed(Exception):
    """Stands for whatever cuts an import short."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PART_ROWS", 300)
    monkeypatch.setattr(running, "BATCH_ROWS", 100)


@pytest.fixture
def project() -> Project:
    return make_project(slug="tea")


def rows(count: int, *, bad: frozenset[int] = frozenset()) -> bytes:
    """Judgments of 40 people; the bad ones have no answer."""
    return lines(
        *(
            row(annotator=f"p{n % 40}", prompt=f"Why {n}?", **({"preference": "c"} if n in bad else {}))
            for n in range(count)
        )
    )


def in_parts(path: Path, project: Project, *, until: int | None = None, **options: Any) -> ImportReport:
    def watch(progress: Progress) -> None:
        if until is not None and progress.rows >= until:
            raise Killed

    asked = ImportOptions(in_parts=True, rejected=path.with_suffix(".rejected"), **options)
    return run_import(path, project=project, options=asked, on_progress=watch)


def judgments(project: Project) -> int:
    return Judgment.objects.filter(project=project).count()


def test_it_goes_on_where_it_was_cut_short(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(1_050, bad=frozenset({10, 299, 610, 1_000})))
    with pytest.raises(Killed):
        in_parts(path, project, until=500)
    assert judgments(project) == 298, "one part, without its two bad rows; nothing of the second"
    assert not path.with_suffix(".rejected").exists()
    with pytest.raises(Killed):
        in_parts(path, project, until=900)
    assert judgments(project) == 897, "the third part was committed before it was told"
    done = in_parts(path, project)
    assert (done.written, done.rows, done.resumed_after, done.bad_rows) == (True, 1_050, 900, 4)
    assert (done.new["judgments"], done.new["annotators"], done.duplicates) == (1_046, 40, 0)
    assert "Went on after row 900." in done.summary()
    rejected = [json.loads(line) for line in path.with_suffix(".rejected").read_bytes().splitlines()]
    assert [each["line"] for each in rejected] == [11, 300, 611, 1_001]
    assert [each.line for each in done.problems] == [11, 300, 611, 1_001]
    assert not ImportMark.objects.exists()
    assert judgments(project) == 1_046


def test_the_same_as_in_one_piece(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(700, bad=frozenset({5})))
    whole = make_project(slug="whole")
    one = run_import(path, project=whole, options=ImportOptions(skip_bad=True, rejected=tmp_path / "one"))
    with pytest.raises(Killed):
        in_parts(path, project, until=650)
    two = in_parts(path, project)
    assert one.new == two.new
    said = [
        list(Judgment.objects.filter(project=each).order_by("pk").values_list("annotator__ref", "choice", "seconds"))
        for each in (whole, project)
    ]
    assert said[0] == said[1]
    assert (tmp_path / "one").read_bytes() == path.with_suffix(".rejected").read_bytes()
    again = in_parts(path, project)
    assert (again.new["judgments"], again.duplicates, again.resumed_after) == (0, 699, 0)


def test_killed_with_signal_9(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(1_000))
    settings = connection.settings_dict
    address = f"{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    process = subprocess.Popen(
        [sys.executable, str(STOPPED), str(path), "tea", "800"],
        env={**os.environ, "DATABASE_URL": f"postgres://{address}", "PYTHONPATH": str(STOPPED.parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline().split() == ["800", "600"]
    finally:
        process.kill()
        process.communicate()
    assert judgments(project) == 600
    done = in_parts(path, project)  # waits until the dead one's lock is gone
    assert (done.resumed_after, done.new["judgments"], done.duplicates) == (600, 1_000, 0)
    assert judgments(project) == 1_000


def test_another_file_or_way_of_reading_begins_at_its_beginning(project: Project, tmp_path: Path) -> None:
    path, other = tmp_path / "rows.jsonl", tmp_path / "other.jsonl"
    path.write_bytes(rows(700))
    other.write_bytes(rows(700) + b"\n")
    with pytest.raises(Killed):
        in_parts(path, project, until=650)
    assert in_parts(other, project).resumed_after == 0
    assert in_parts(path, project, who="somebody").resumed_after == 0
    assert in_parts(path, project).resumed_after == 600


def test_a_file_that_breaks_off_says_what_is_in(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    long = [row(annotator="p", prompt=f"Why {n}?", response_a=f"{n} " * 2_000) for n in range(700)]
    packed = b"".join(gzip.compress(lines(*long[start : start + 50])) for start in range(0, 700, 50))
    path.write_bytes(packed[:-20])
    with pytest.raises(BadFile) as error:
        in_parts(path, project)
    kept = judgments(project)
    assert kept in (300, 600), "however far ahead of the end it was when it found it"
    assert f"The {kept} rows before are in to stay." in str(error.value)
    assert "Nothing of it was used" not in str(error.value)


def test_a_dry_run_writes_nothing_and_leaves_no_mark(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(700))
    assert in_parts(path, project, dry_run=True).new["judgments"] == 700
    assert judgments(project) == ImportMark.objects.count() == 0


def test_not_within_a_transaction_and_not_of_a_pipe(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(10))
    with pytest.raises(ValueError, match="within a transaction"), transaction.atomic():
        in_parts(path, project)
    piped = CliRunner().invoke(main, ["import", "-", "--project", "tea", "--in-parts"], input=rows(10))
    assert piped.exit_code == 1
    assert "Standard input can't be read in parts" in piped.stderr


def test_too_many_bad_rows_end_it(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.parts.MAX_REJECTED", 2_000)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(700, bad=frozenset(range(400, 700))))
    with pytest.raises(BadFile, match="The 300 rows before are in to stay"):
        in_parts(path, project)
    assert judgments(project) == 300


def test_on_the_command_line(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows(700, bad=frozenset({3})))
    with pytest.raises(Killed):
        in_parts(path, project, until=650)
    ran = CliRunner().invoke(main, ["import", str(path), "--project", "tea", "--in-parts"])
    assert ran.exit_code == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["resumed_after"], told["new"]["judgments"], told["rejected"]) == (600, 699, 1)
    assert json.loads(Path(told["rejected_file"]).read_text())["line"] == 4
    made = CliRunner().invoke(
        main, ["import", str(path), "--project", "new-tea", "--create", "--in-parts", "--dry-run"]
    )
    assert made.exit_code == 0, made.stderr
    assert not Project.objects.filter(slug="new-tea").exists()


def test_an_uploaded_file_goes_on_in_the_next_worker(
    project: Project, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(batches, "_send", lambda batch_id: None)
    owner = make_member(project, role=Role.OWNER)
    file = ContentFile(rows(700, bad=frozenset({3})), name="new.jsonl")
    batch = batches.store_upload(project=project, by=owner, file=file)
    batches.preview_batch(batch=batch)
    batches.start_import(batch=batch, by=owner, in_parts=True)
    real = running._Import._turn

    def dies(work: Any, file: Any) -> None:
        real(work, file)
        if work._report.rows >= 400:
            raise RuntimeError("the worker dies")

    monkeypatch.setattr(running._Import, "_turn", dies)
    read_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt, judgments(project)) == (JobState.WAITING, 1, 299)
    monkeypatch.setattr(running._Import, "_turn", real)
    read_batch(batch.pk)
    batch = ImportBatch.objects.get(pk=batch.pk)
    assert (batch.state, batch.report["resumed_after"], batch.report["new"]["judgments"]) == (JobState.DONE, 300, 699)
    assert judgments(project) == 699
    client.force_login(owner)
    assert b"Went on after row 300" in client.get(f"/projects/tea/data/imports/{batch.pk}/").content


def test_what_was_set_aside_can_be_read_from_an_open_file(project: Project) -> None:
    with pytest.raises(ValueError, match="a path for the rejected rows"):
        run_import(io.BytesIO(rows(3)), project=project, options=ImportOptions(in_parts=True))
