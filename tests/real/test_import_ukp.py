"""The real file of crowd workers' judgments, taken as it is: every row, in flat memory.

Its time is printed, not asserted: the benchmark has the machine to itself, a test run does not.
"""

from __future__ import annotations

import gzip
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.db.models import Count, F

from annotator.exports.options import ExportOptions
from annotator.exports.writing import export_project
from annotator.imports.running import run_import
from annotator.models import Annotator, Judgment, Pair, Project, Prompt, Rationale, Response
from tests.annotator.importing import said
from tests.factories import make_project

FILE = Path(__file__).parents[3] / "shared" / "data" / "ukp_convarg" / "train.jsonl.gz"
ROWS, ANNOTATORS, SAME_TEXTS = 44_179, 3_197, 45
MORE_MEMORY_KB = 100_000

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not FILE.exists(), reason=f"the real data is not there: {FILE}"),
]


@pytest.fixture
def project() -> Project:
    return make_project(slug="arguments")


def rows() -> Iterator[dict[str, Any]]:
    with gzip.open(FILE) as file:
        yield from map(orjson.loads, file)


def test_the_whole_file(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = run_import(FILE, project=project)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    with capsys.disabled():
        sys.stdout.write(f"\n{ROWS:,} rows imported in {report.seconds:.1f} s, peak memory {grown / 1024:+.0f} MB\n")
    assert report.written
    assert report.new["judgments"] == ROWS == Judgment.objects.filter(project=project, current=True).count()
    assert report.new["annotators"] == ANNOTATORS == Annotator.objects.filter(project=project).count()
    assert grown < MORE_MEMORY_KB
    assert_everything_arrived(project)
    again = run_import(FILE, project=project)
    assert (again.duplicates, sum(again.new.values())) == (ROWS, 0)
    assert_it_comes_out_again(project)


def assert_everything_arrived(project: Project) -> None:
    expected = list(rows())
    texts = {(row["prompt"], row[f"response_{side}_id"]): row[f"response_{side}"] for row in expected for side in "ab"}
    assert Prompt.objects.filter(project=project).count() == len({row["prompt"] for row in expected})
    assert Response.objects.filter(prompt__project=project).count() == len(texts)
    stored = Judgment.objects.filter(project=project).select_related(
        "annotator", "pair__prompt", "pair__response_a", "pair__response_b"
    )
    preferred = {"a": "response_a", "b": "response_b"}
    assert said(stored.order_by("id").iterator(2_000)) == [
        (row["annotator"], row.get(preferred.get(row["preference"], ""), row["preference"]), row["prompt"])
        for row in expected
    ]
    reasons = Counter(Rationale.objects.filter(judgment__project=project).values_list("text", flat=True))
    assert reasons == Counter(row["rationale"] for row in expected if row["rationale"])
    parts = Counter(Judgment.objects.filter(project=project).values_list("about__part", flat=True))
    assert parts == Counter(row["part"] for row in expected)
    same_texts = Judgment.objects.filter(project=project, pair__response_a__text=F("pair__response_b__text"))
    assert same_texts.count() == SAME_TEXTS
    assert not Pair.objects.filter(project=project).exclude(taken=0).exists()
    per_pair = Pair.objects.filter(project=project).annotate(people=Count("judgments__annotator", distinct=True))
    assert not per_pair.filter(people=0).exists()


def assert_it_comes_out_again(project: Project) -> None:
    exported = b"".join(export_project(project, ExportOptions(sides="shown"))).splitlines()
    assert len(exported) == ROWS
    for line, row in zip(exported, rows(), strict=True):
        found = orjson.loads(line)
        assert {name: found[name] for name in row} == row
