"""Rankings and ratings in files: out, in, and out again; what is wrong with a row is said."""

from __future__ import annotations

import io
import json
import uuid
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.dataset_rows import dataset_rows
from annotator.exports.options import ExportOptions, Tally
from annotator.exports.writing import export_project
from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.imports.running import run_import
from annotator.models import HINDSIGHT, Judgment, Lineup, Project, Response
from annotator.services.answers import Answer, FlagRaised, Tag
from annotator.services.asking import next_task
from annotator.services.judging import record, revise
from annotator.services.marks import Mark
from tests.factories import make_annotator, make_lineup, make_pair, make_project

pytestmark = pytest.mark.django_db

RANKED: dict[str, Any] = {
    "kind": "ranking",
    "annotator": "p-1",
    "prompt": "Why is tea bitter?",
    "responses": ["Too hot.", "Steeped too long.", {"id": "r-3", "text": "It is the leaf.", "source": "small"}],
    "choice": "ranked",
    "ranking": [[3], [1, 2]],
}


def read(project: Project, *rows: dict[str, Any], **options: Any) -> ImportReport:
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    return run_import(io.BytesIO(lines), project=project, options=ImportOptions(**options))


def exported(project: Project, **options: Any) -> bytes:
    return b"".join(export_project(project, ExportOptions(**options)))


def judged(project: Project) -> None:
    """A pair, a ranking that was revised, and a rating, as people give them."""
    for task_of, kind, said in (
        (lambda: make_lineup(project, 4), "ranking", Answer(choice="ranked", ranking=(("2",), ("4", "1"), ("3",)))),
        (lambda: make_lineup(project, 1), "rating", Answer(choice="rated", rating=4, text="It says why.")),
    ):
        annotator = make_annotator(project)
        task_of()
        task = next_task(annotator=annotator, kind=kind)
        assert task
        first = next(iter(task.shown.values()))
        place = next(iter(task.shown))
        full = Answer(
            choice=said.choice,
            ranking=said.ranking,
            rating=said.rating,
            text=said.text or "In my own words",
            tags=(Tag("clear", place, good=True),),
            marks=(Mark(place, 0, 6, first.text[:6], good=False, comment="hm"),),
            flag=FlagRaised("other", place, "look"),
        )
        stored = record(annotator=annotator, assignment_key=task.key, client_key=uuid.uuid4(), answer=full).judgment
        revise(annotator=annotator, judgment_id=stored.pk, client_key=uuid.uuid4(), answer=full)


@pytest.mark.parametrize("options", [{}, {"revisions": True}, {"sides": "shown"}])
def test_out_in_and_out_again_is_the_same(options: dict[str, Any]) -> None:
    project, other = (make_project(kinds=["pair", "ranking", "rating"]) for _ in range(2))
    make_pair(project)
    judged(project)
    first = exported(project, **options)
    assert first.count(b"\n") == (4 if options.get("revisions") else 2)
    report = run_import(io.BytesIO(first), project=other)
    assert report.written, report.problems
    again = exported(other, **options)
    assert [without_source(line) for line in again.splitlines()] == [
        without_source(line) for line in first.splitlines()
    ]
    third = make_project(kinds=["pair", "ranking", "rating"])
    run_import(io.BytesIO(again), project=third)
    assert exported(third, **options) == again
    assert run_import(io.BytesIO(again), project=third).duplicates == again.count(b"\n")
    assert exported(third, **options) == again


def without_source(line: bytes) -> dict[str, Any]:
    """An import says in ``source`` where a judgment came from before."""
    return {name: value for name, value in json.loads(line).items() if name != "source"}


def test_numbers_follow_the_responses_that_are_there() -> None:
    """The file lists them in another order than the database has them."""
    project = make_project(kinds=["ranking"])
    read(project, RANKED)
    texts = {row.pk: row.text for row in Response.objects.all()}
    turned = RANKED | {
        "annotator": "p-2",
        "responses": RANKED["responses"][::-1],
        "ranking": [[1], [2, 3]],
        "shown": [3, 1, 2],
    }
    report = read(project, turned)
    assert report.written, report.problems
    assert report.new["judgments"] == 1
    assert Lineup.objects.count() == 1
    one, two = Judgment.objects.order_by("pk")
    assert one.ranking == two.ranking
    best = one.ranking[0][0]
    assert one.lineup
    assert texts[one.lineup.responses[best - 1]] == "It is the leaf."
    assert two.shown != one.shown


def test_a_rating_and_a_revision() -> None:
    project = make_project(kinds=["rating"])
    rated = {"kind": "rating", "annotator": "p-1", "prompt": "Tea?", "responses": ["Yes."], "choice": "rated"}
    rows = [rated | {"rating": 7, "scale": "1-7"}, rated | {"rating": 2, "scale": "1-7", "revision": 2}]
    assert read(project, *rows).new["judgments"] == 2
    current = Judgment.objects.get(current=True)
    assert (current.rating, current.revision, current.source) == (2, 2, "import")
    assert read(project, rated | {"rating": 3, "scale": "1-7", "revision": 2}).problems[0].reason == "second_judgment"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ranking": [[1], [2]]}, "ranking"),
        ({"ranking": [[1, 2, 3, 3]]}, "ranking"),
        ({"ranking": [[1, 2], []]}, "ranking"),
        ({"ranking": "1>2>3"}, "ranking"),
        ({"choice": "skip"}, "ranking"),
        ({"choice": "a"}, "choice"),
        ({"kind": "song"}, "kind"),
        ({"rating": 3}, "rating"),
        ({"responses": ["one", "two"]}, "responses"),
        ({"shown": [1, 2]}, "shown"),
        ({"tags": [{"tag": "clear", "side": "a", "good": True}]}, "tags[0]"),
        ({"spans": [{"side": "1", "start": 0, "end": 3, "quote": "???", "good": True}]}, "spans[0].quote"),
        ({"flag": {"kind": "other", "about": "4"}}, "about"),
        ({"order": 1}, "order"),
    ],
)
def test_a_wrong_row_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    project = make_project(kinds=["ranking"])
    report = read(project, RANKED, RANKED | change | {"annotator": "p-2"})
    assert not report.written
    assert [(each.line, each.field) for each in report.problems] == [(2, field)]
    assert not Judgment.objects.exists()


def test_beside_judgments_of_pairs_and_left_out_of_preferences() -> None:
    project = make_project(kinds=["pair", "ranking"])
    pair = {"annotator": "p-1", "prompt": "Tea?", "response_a": "Yes.", "response_b": "No.", "preference": "a"}
    report = read(project, pair, RANKED, pair | {"annotator": "p-2"})
    assert report.written, report.problems
    assert report.new["judgments"] == 3
    tally = Tally()
    rows = b"".join(export_project(project, ExportOptions(format="trl"), tally)).splitlines()
    assert len(rows) == 2
    assert tally.left_out == {"rankings": 1}


def test_csv_has_its_columns_only_where_there_are_some() -> None:
    project = make_project(kinds=["pair", "ranking"])
    read(project, {"annotator": "p", "prompt": "Tea?", "response_a": "Yes.", "response_b": "No.", "preference": "a"})
    assert b"ranking" not in exported(project, type="csv").splitlines()[0]
    read(project, RANKED)
    header, *rows = exported(project, type="csv").splitlines()
    assert b"ranking" in header
    assert b"[[1],[2,3]]" in rows[-1]  # the one with an id is stored first


def test_an_import_makes_lineups_for_the_kinds_that_are_asked() -> None:
    project = make_project(kinds=["ranking"])
    report = read(project, {"prompt": "Tea?", "responses": ["a", "b", "c"]})
    assert report.new["lineups"] == 1
    assert Lineup.objects.get().kind == "ranking"


def test_the_ranked_dataset_has_rankings_as_they_were_given() -> None:
    project = make_project(kinds=["ranking"])
    read(project, RANKED, RANKED | {"annotator": "p-2", "choice": "skip", "ranking": []})
    tally = Tally()
    (row,) = dataset_rows(project, DatasetOptions(form="ranked"), tally)
    assert row["completions"] == ["It is the leaf.", "Too hot.", "Steeped too long."]
    assert (row["ranks"], row["wins"], row["consistent"]) == ([1, 2, 2], [2.0, 0.5, 0.5], True)
    assert tally.left_out == {"skipped": 1}


@pytest.mark.parametrize(
    ("options", "orders", "left_out"),
    [
        ({}, ["123", "321"], {"hidden repeats": 1, "second looks with hindsight": 1}),
        (
            {"hindsight": "hindsight"},
            ["321", "231"],
            {"hidden repeats": 1, "first looks that were judged again with hindsight": 1},
        ),
        ({"hindsight": "both", "repeats": "keep"}, ["123", "321", "213", "231"], {}),
    ],
)
def test_the_ranked_dataset_counts_second_looks(
    options: dict[str, Any], orders: list[str], left_out: dict[str, int]
) -> None:
    """Two rankings: one judged again without saying so, and again with hindsight; the second look at the other was taken back."""
    project = make_project(kinds=["ranking"])
    one, other, annotator = make_lineup(project, 3), make_lineup(project, 3), make_annotator(project)
    for lineup, order, occasion in (
        (one, "123", 0),
        (other, "321", 0),
        (one, "213", 1),
        (one, "231", HINDSIGHT),
        (other, "132", HINDSIGHT),
    ):
        Judgment.objects.create(
            project=project,
            annotator=annotator,
            lineup=lineup,
            kind="ranking",
            choice="ranked",
            ranking=[[int(number)] for number in order],
            occasion=occasion,
            withdrawn=order == "132",
            client_key=uuid.uuid4(),
        )
    tally = Tally()
    texts = {text: str(n) for each in (one, other) for n, text in enumerate(texts_of(each), start=1)}
    found = list(dataset_rows(project, DatasetOptions(form="ranked", **options), tally))
    assert ["".join(texts[text] for text in row["completions"]) for row in found] == orders
    assert (tally.left_out, tally.rows) == (left_out, len(orders))


def texts_of(lineup: Lineup) -> list[str]:
    return list(Response.objects.filter(pk__in=lineup.responses).order_by("pk").values_list("text", flat=True))


NASTY = (
    "=1+1",
    "-2",
    "'quoted'",
    'said "so", then\r\nleft',
    "@here;",
    "[1, 2]",
    '{"a": 1}',
    "007",
    "true",
    "né ｅ 👍",
    " x ",
    "1-5",
)
texts_in_cells = st.one_of(st.sampled_from(NASTY), st.text(min_size=1, max_size=20).filter(lambda text: storable(text)))


def storable(text: str) -> bool:
    return bool(text.strip()) and "\x00" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


@st.composite
def lineup_judgments(draw: st.DrawFn) -> dict[str, Any]:
    """Any ranking or rating that a file may hold."""
    count = draw(st.one_of(st.just(1), st.integers(3, 8)))
    numbers = draw(st.permutations(range(1, count + 1)))
    row: dict[str, Any] = {
        "kind": "rating" if count == 1 else "ranking",
        "annotator": draw(st.sampled_from(["p-1", "=p-2", "p, 3"])),
        "prompt": draw(texts_in_cells),
        "responses": draw(st.lists(texts_in_cells, min_size=count, max_size=count, unique=True)),
        "rationale": draw(st.one_of(st.just(""), texts_in_cells)),
        "shown": draw(st.permutations(range(1, count + 1))),
        "seconds": draw(st.one_of(st.none(), st.floats(0, 1000))),
        "occasion": draw(st.integers(0, 1)),
    }
    if draw(st.booleans()) and draw(st.booleans()):
        return row | {"choice": "skip", "skip_reason": draw(texts_in_cells)}
    if count == 1:
        scale = draw(st.sampled_from(["1-5", "1-7", "0-10"]))
        low, high = map(int, scale.split("-"))
        aspects = draw(
            st.dictionaries(st.sampled_from(["tone", "true-to-it"]), st.one_of(st.none(), st.integers(1, 5)))
        )
        return row | {"choice": "rated", "rating": draw(st.integers(low, high)), "scale": scale, "aspects": aspects}
    ends = sorted(draw(st.sets(st.integers(1, count - 1), max_size=count - 1)) | {0, count})
    tiers = [sorted(numbers[begin:end]) for begin, end in pairwise(ends)]
    return row | {"choice": "ranked", "ranking": tiers}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(lineup_judgments(), min_size=8, max_size=24))
@pytest.mark.parametrize("type_", ["csv", "jsonl"])
def test_whatever_was_ranked_and_rated_comes_back_from_a_file(type_: str, rows: list[dict[str, Any]]) -> None:
    def said_in(project: Project) -> list[dict[str, Any]]:
        return [without_source(line) for line in exported(project, revisions=True).splitlines()]

    fields = {"kinds": ["pair", "ranking", "rating"]}
    project, other = make_project(**fields), make_project(**fields)
    report = read(project, *(row | {"annotator": f"{row['annotator']} {n}"} for n, row in enumerate(rows)))
    assert report.written, report.problems
    written = exported(project, revisions=True, type=type_)
    report = run_import(io.BytesIO(written), project=other)
    assert report.written, report.problems
    assert said_in(other) == said_in(project)
