"""Whole files: packed, cut off, damaged, in CSV, from standard input, and a disk without room."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import random
import resource
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db import connection

from annotator.imports.errors import BadFile
from annotator.imports.reading import MAX_RATIO, Opened
from annotator.imports.rejected import CannotReject
from annotator.imports.reporting import ImportOptions, ImportReport, Progress
from annotator.imports.running import run_import
from annotator.models import Judgment, Project, Prompt
from tests.annotator.importing import Row, lines, row
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def read(project: Project, data: bytes, **options: Any) -> ImportReport:
    return run_import(io.BytesIO(data), project=project, options=ImportOptions(**options))


def table(*rows: Row, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for each in rows for name in each)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def test_a_packed_file_by_its_path(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "judgments.jsonl.gz"
    path.write_bytes(gzip.compress(lines(row(), row(annotator="x"))))
    told: list[Progress] = []
    report = run_import(path, project=project, on_progress=told.append)
    assert (report.source, report.rows, report.new["judgments"]) == ("judgments.jsonl.gz", 2, 2)
    assert [(each.rows, each.position, each.size) for each in told] == [(2, path.stat().st_size, path.stat().st_size)]


def test_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(lines(row())))))
    report = run_import("-", project=project)
    assert (report.source, report.new["judgments"]) == ("standard input", 1)


def test_blank_lines_a_byte_order_mark_and_a_missing_last_newline(project: Project) -> None:
    data = b"\xef\xbb\xbf\n" + lines(row()) + b"  \r\n\n" + orjson.dumps(row(preference="c"))
    report = read(project, data, dry_run=True)
    assert report.new["judgments"] == 1
    assert report.problems[0].line == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"[\n" + lines(row()), "the array does not end"),
        (b"annotator\nx\n", "neither a JSON object nor a CSV header"),
        (b"\x89PNG\r\n\x1a\n\x00", "neither JSON nor a CSV header in UTF-8"),
        (json.dumps(row()).encode("utf-16"), "is UTF-16"),
        (b"\x1f\x8b" + b"not gzip at all", "is damaged"),
        (gzip.compress(lines(*[row(annotator=str(n)) for n in range(9)]), mtime=0)[:-9], "is cut off"),
        (gzip.compress(lines(row()), mtime=0)[:-8] + b"12345678", "is damaged"),
    ],
)
def test_a_file_that_is_not_one(project: Project, data: bytes, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        read(project, data, skip_bad=True, rejected=Path("unused"))
    assert not Judgment.objects.exists()


def test_a_file_that_is_not_there(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"nowhere\.jsonl cannot be read: No such file"):
        run_import(tmp_path / "nowhere.jsonl", project=project)
    with pytest.raises(BadFile, match="holds no"):
        run_import(tmp_path, project=project)


def test_what_was_read_before_the_file_broke_off_is_not_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.running.BATCH_ROWS", 2)
    noise = random.Random(0)
    rows = [row(annotator=str(n), rationale=noise.randbytes(3000).hex()) for n in range(600)]
    packed = gzip.compress(lines(*rows))
    with pytest.raises(BadFile, match="is cut off"):
        read(project, packed[: len(packed) * 3 // 4])
    assert not Prompt.objects.exists()


def test_a_compressed_bomb_is_stopped_early(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.reading.RATIO_FLOOR", 3_000_000)
    file = io.BytesIO(gzip.compress(b" " * 50_000_000))
    with pytest.raises(BadFile, match=f"more than {MAX_RATIO} times"):
        run_import(file, project=project)


def test_an_endless_line_is_read_in_bounded_memory(project: Project) -> None:
    class Endless(io.RawIOBase):
        left = 400_000_000

        def read(self, size: int = -1, /) -> bytes:
            self.left -= size
            return b"{" + b" " * (size - 1) if self.left > 0 else b""

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = run_import(Endless(), project=project)
    assert report.rejected == {"line_too_long": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(project: Project, delimiter: str) -> None:
    rows = [
        row(response_a='Two\n\nparagraphs, "quoted"', strength="2", seconds="1.5", swapped="true", tags="clear; warm"),
        row(prompt="How?", strength="", seconds="", swapped="", tags='[{"tag": "clear", "side": "b", "good": false}]'),
    ]
    report = read(project, table(*rows, delimiter=delimiter))
    assert (report.format, report.new["judgments"]) == ("csv", 2)
    first, second = Judgment.objects.order_by("id")
    assert first.pair is not None
    assert first.pair.response_a.text == 'Two\n\nparagraphs, "quoted"'
    assert (first.strength, first.seconds, first.swapped) == (2, 1.5, True)
    assert [tag["tag"] for tag in first.rationale.tags] == ["clear", "warm"]
    assert (second.strength, second.seconds, second.swapped) == (None, None, False)
    assert second.rationale.tags == [{"tag": "clear", "side": "b", "good": False}]


def test_csv_prompts_may_be_conversations(project: Project) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    read(project, table(row(prompt=json.dumps(turns))))
    assert Prompt.objects.get().messages == turns


def test_csv_cells_guarded_against_formulas_come_back(project: Project) -> None:
    read(project, table(row(response_a="'=1+1", response_b="''-x", prompt="it's")))
    assert {each.text for each in Prompt.objects.get().responses.all()} == {"=1+1", "'-x"}
    assert Prompt.objects.get().text == "it's"


@pytest.mark.parametrize(
    ("data", "line", "field", "reason"),
    [
        (table(row(), row(strength="four")), 3, "strength", "wrong_type"),
        (table(row(), row(seconds="fast")), 3, "seconds", "wrong_type"),
        (table(row(), row(swapped="perhaps")), 3, "swapped", "wrong_type"),
        (table(row(response_b="one\ntwo"), row(preference="c")), 4, "preference", "wrong_value"),
        (table(row(), row(tags="[clear]")), 3, "tags", "wrong_type"),
        (table(row(), row()) + b"x,y\r\n", 4, "", "bad_csv"),
        (table(row(), row()) + b'"x"y,Why?,A,B,a\r\n', 4, "", "bad_csv"),
        (table(row(), row()) + b"x,Why?,caf\xe9,B,a\r\n", 4, "response_a", "not_utf8"),
        (table(row(), row()) + b"x,Why?,A\x00,B,a\r\n", 4, "response_a", "nul"),
    ],
)
def test_a_wrong_csv_row(project: Project, data: bytes, line: int, field: str, reason: str) -> None:
    report = read(project, data)
    assert [(each.line, each.field, each.reason) for each in report.problems] == [(line, field, reason)]
    assert not report.written


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"annotator,prompt,response_a,response_b,preference,prompt\n", "stands twice"),
        (b"annotator,prompt,response_a,response_b\n", "no column 'preference'"),
        (b"annotator,prompt,response_a,response_b,preference,mood\n", "unknown column 'mood'"),
        (b"annotator,prompt,response_a,response_b,preference,choice\n", "did you mean 'preference'"),
        (table(row()) + b'x,"Why?,A,B,a\r\nx,y', "a quote that opens on line 3 is never closed"),
    ],
)
def test_a_csv_file_that_is_wrong_as_a_whole(project: Project, data: bytes, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        read(project, data)


def test_csv_columns_beside_the_known_ones_are_kept_if_asked(project: Project) -> None:
    read(project, table(row(mood="fine")), keep_extra=True)
    assert Judgment.objects.get().about == {"extra": {"mood": "fine"}}


def test_the_rejected_rows_lie_beside_the_file(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "judgments.csv"
    path.write_bytes(table(row(), row(annotator="x", preference="c")))
    report = run_import(path, project=project, options=ImportOptions(skip_bad=True))
    assert report.rejected_file == f"{path}.rejected.jsonl"
    kept = orjson.loads(Path(report.rejected_file).read_bytes())
    assert kept["row"]["preference"] == "c"
    assert (
        kept["message"]
        == "line 3, preference: a wrong value, 'c'; expected a or b or tie or both_good or both_bad or skip"
    )


def test_no_room_for_the_rejected_rows_and_nothing_is_committed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, as far as the process can tell: a limit on the size of files it writes, raised as ENOSPC is."""
    rows = [row(annotator=f"ann {n}", preference="c" if n % 2 else "a") for n in range(400)]
    rejected = tmp_path / "rejected.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(CannotReject, match="nothing of the file was written"):
            read(project, lines(*rows), skip_bad=True, rejected=rejected)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not Judgment.objects.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_for_the_rejected_rows(project: Project) -> None:
    with pytest.raises(CannotReject, match="No space left on device"):
        read(project, lines(row(), row(preference="c")), skip_bad=True, rejected=Path("/dev/full"))
    assert not Judgment.objects.exists()
    assert Path("/dev/full").is_char_device()


def test_a_device_may_take_the_rejected_rows_and_stays_one(project: Project) -> None:
    report = read(project, lines(row(), row(preference="c")), skip_bad=True, rejected=Path("/dev/null"))
    assert (report.written, report.bad_rows) == (True, 1)
    assert Path("/dev/null").is_char_device()


def test_no_place_for_the_rejected_rows(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CannotReject, match="No such file"):
        read(project, lines(row(), row(preference="c")), skip_bad=True, rejected=tmp_path / "no" / "such.jsonl")
    assert not Judgment.objects.exists()


def test_a_source_that_fails_while_it_is_read(project: Project) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(BadFile, match="Input/output error"):
        run_import(Broken(), project=project)


def test_an_exception_of_the_caller_takes_everything_back(project: Project, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    options = ImportOptions(skip_bad=True, rejected=tmp_path / "rejected.jsonl")
    with pytest.raises(KeyboardInterrupt):
        run_import(io.BytesIO(lines(row(), row(preference="c"))), project=project, options=options, on_progress=stop)
    assert not Judgment.objects.exists()
    assert list(tmp_path.iterdir()) == []


def test_an_import_leaves_no_temporary_tables_in_the_way_of_the_next(project: Project) -> None:
    read(project, lines(row()))
    read(project, lines(row()), dry_run=True)
    read(project, lines(row(annotator="x")))
    assert connection.in_atomic_block
    assert Judgment.objects.count() == 2


def test_opened_reads_plain_and_packed_alike() -> None:
    data = b"one\ntwo\n"
    for packed in (data, gzip.compress(data), gzip.compress(b"one\n") + gzip.compress(b"two\n")):
        assert list(Opened(io.BytesIO(packed), name="x", size=None).lines()) == [(1, b"one\n"), (2, b"two\n")]
