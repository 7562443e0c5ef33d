"""What an export holds, and that an import gives the same judgments back."""

from __future__ import annotations

import csv
import io
import json
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from annotator.cells import guarded, unguarded
from annotator.errors import Invalid
from annotator.exports.options import ExportOptions, Tally
from annotator.exports.rows import JUDGMENT_COLUMNS
from annotator.exports.writing import export_project
from annotator.imports.rows import JUDGMENT_FIELDS
from annotator.imports.running import run_import
from annotator.models import Annotator, Judgment, Project
from tests.annotator.importing import row, said, take
from tests.factories import make_annotator, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(slug="tea")


def export(project: Project, tally: Tally | None = None, **options: Any) -> bytes:
    return b"".join(export_project(project, ExportOptions(**options), tally))


def rows(project: Project, **options: Any) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in export(project, **options).splitlines()]


FULL = row(
    annotator="ann",
    prompt_id="p1",
    response_a_id="r1",
    response_b_id="r2",
    model_a="small",
    model_b="large",
    topic="causes",
    strength=2,
    rationale="It says why.",
    tags=[{"tag": "clear", "side": "a", "good": True}],
    spans=[{"side": "b", "start": 0, "end": 3, "quote": "Who", "good": False, "tag": "clear", "comment": "ç"}],
    flag={"kind": "broken", "about": "a", "note": "Cut off."},
    aspects={"tone": "b", "honest": {"a": 4, "b": None}},
    part="context",
    slices=["random"],
    source="crowd",
    judged_at="2026-08-01T10:00:00+00:00",
    seconds=4.5,
    page_version="7",
    client_key="6d0d1de1-7d2c-4b3a-9a58-0f33bb0d2e10",
    extra={"mood": "fine"},
)


def test_a_judgment_comes_out_as_it_went_in(project: Project) -> None:
    take(project, FULL)
    rest = {"simulated": False, "swapped": False, "occasion": 0, "revision": 1, "withdrawn": False, "skip_reason": ""}
    assert rows(project) == [{**FULL, **rest}]
    others = {"after", "kind"}  # what went on the same way after both; what tells a ranking or rating from a pair
    assert set(JUDGMENT_COLUMNS) | others == JUDGMENT_FIELDS


def test_pair_terms_and_as_shown(project: Project) -> None:
    """The pair's b was on the left and preferred: ``b``, swapped, in the pair's terms; ``a`` as it was shown."""
    tags = [{"tag": "clear", "side": "b", "good": True}]
    others = {
        "spans": [
            {"side": "b", "start": 4, "end": 9, "quote": "knows", "good": True, "tag": "", "comment": ""},
            {"side": "a", "start": 0, "end": 2, "quote": "Be", "good": False, "tag": "", "comment": ""},
        ],
        "flag": {"kind": "unsafe", "about": "b", "note": ""},
        "aspects": {"tone": "a", "honest": {"a": 2, "b": 7}, "style": "tie"},
    }
    take(project, row(swapped=True, preference="b", strength=1, model_a="m1", model_b="m2", tags=tags, **others))
    (pair,), (shown,) = rows(project), rows(project, sides="shown")
    assert [pair[name] for name in ("response_a", "model_a", "preference", "swapped")] == ["Because.", "m1", "b", True]
    assert [shown[name] for name in ("response_a", "model_a", "preference", "swapped")] == [
        "Who knows?",
        "m2",
        "a",
        False,
    ]
    assert (pair["tags"], shown["tags"]) == (tags, [{**tags[0], "side": "a"}])
    assert (pair["spans"], pair["flag"]) == (others["spans"], others["flag"])
    assert [span["side"] for span in shown["spans"]] == ["a", "b"]
    assert pair["aspects"] == others["aspects"]
    assert shown["aspects"] == {"tone": "b", "honest": {"a": 7, "b": 2}, "style": "tie"}
    assert shown["flag"] == {"kind": "unsafe", "about": "a", "note": ""}


def test_changed_and_withdrawn_judgments_are_left_out_unless_asked_for(project: Project) -> None:
    take(
        project,
        row(),
        row(revision=2, preference="b"),
        row(annotator="x"),
        row(annotator="x", revision=2, withdrawn=True),
    )
    assert [(each["annotator"], each["revision"]) for each in rows(project)] == [("ann", 2)]
    everything = rows(project, revisions=True)
    assert [(each["annotator"], each["revision"], each["withdrawn"]) for each in everything] == [
        ("ann", 1, False),
        ("ann", 2, False),
        ("x", 1, False),
        ("x", 2, True),
    ]
    other = make_project()
    take(other, *everything)
    assert rows(other) == rows(project)


def test_nothing_of_another_project(project: Project) -> None:
    take(make_project(), row())
    assert export(project) == b""
    assert export(project, type="csv").splitlines() == [",".join(JUDGMENT_COLUMNS).encode()]


def test_preference_rows_for_trainers(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
    take(
        project,
        row(
            prompt=turns,
            preference="b",
            strength=3,
            rationale="So.",
            tags=["clear"],
            model_b="large",
            response_b_id="r2",
        ),
        row(annotator="x", preference="tie"),
        row(annotator="y", preference="both_bad"),
        row(annotator="z", preference="skip"),
        row(annotator="v", occasion=1),
        row(annotator="w"),
    )
    Annotator.objects.filter(ref="w").update(in_training=False)
    tally = Tally()
    with caplog.at_level(logging.INFO):
        data = export(project, tally, format="trl")
    (only,) = [orjson.loads(line) for line in data.splitlines()]
    assert only["prompt"] == turns
    assert only["chosen"] == [{"role": "assistant", "content": "Who knows?"}]
    assert only["rejected"] == [{"role": "assistant", "content": "Because."}]
    assert (only["annotator"], only["strength"], only["rationale"], only["tags"]) == ("ann", 3, "So.", ["clear"])
    assert (only["chosen_id"], only["chosen_source"], only["rejected_source"]) == ("r2", "large", "")
    assert (tally.rows, sum(tally.left_out.values())) == (1, 5)
    assert (
        "1 rows; left out: 1 both bad, 1 by annotators who are not in training, 1 hidden repeats, 1 skipped, 1 ties"
        in caplog.text
    )


def test_csv_cells_are_guarded_against_formulas(project: Project) -> None:
    take(project, row(response_a="=cmd|' /C calc'!A0", response_b="@SUM(1)", rationale="-1+1", annotator="+ann"))
    cells = next(csv.DictReader(io.StringIO(export(project, type="csv").decode())))
    assert cells["response_a"] == "'=cmd|' /C calc'!A0"
    assert (cells["response_b"], cells["rationale"], cells["annotator"]) == ("'@SUM(1)", "'-1+1", "'+ann")
    preferences = next(csv.DictReader(io.StringIO(export(project, type="csv", format="trl").decode())))
    assert json.loads(preferences["chosen"])[0]["content"] == "=cmd|' /C calc'!A0"
    assert preferences["rationale"] == "'-1+1"


@given(st.text())
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(tuple("=+-@\t\r\n＝＋－＠"))


@pytest.mark.parametrize(("name", "value"), [("format", "parquet"), ("type", "xlsx"), ("sides", "left")])
def test_options_that_are_none(name: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        ExportOptions(**{name: value})
    assert value in refused.value.fields[name]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40).filter(
    lambda text: not text.isspace()
)
JUDGED = st.fixed_dictionaries(
    {
        "annotator": st.sampled_from(["ann", "=b", "çé"]),
        "prompt": st.one_of(
            TEXT,
            st.just(
                [
                    {"role": "user", "content": "[{"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            ),
        ),
        "response_a": TEXT,
        "response_b": TEXT,
        "preference": st.sampled_from(["a", "b", "tie", "both_bad"]),
        "swapped": st.booleans(),
        "rationale": st.one_of(st.just(""), TEXT),
        "tags": st.lists(
            st.fixed_dictionaries({"tag": TEXT, "side": st.sampled_from("ab"), "good": st.booleans()}), max_size=2
        ),
        "slices": st.lists(TEXT, max_size=2),
        "topic": st.one_of(st.just(""), TEXT),
        "seconds": st.one_of(st.none(), st.floats(0, 1e6)),
        "simulated": st.none(),
        "judged_at": st.datetimes().map(lambda at: at.isoformat()),
    }
)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(judged=st.lists(JUDGED, min_size=1, max_size=6))
def test_export_and_import_into_an_empty_project_is_the_same(
    tmp_path: Path, kind: str, judged: list[dict[str, Any]]
) -> None:
    """Files with sides as shown come out byte for byte. In pairs' terms a and b may trade places; what was said stays."""
    first = make_project()
    given_fields = [{name: value for name, value in each.items() if value is not None} for each in judged]
    assume(take(first, *given_fields, skip_bad=True, rejected=tmp_path / "rejected.jsonl").new["judgments"])
    for sides in ("shown", "pair"):
        second = make_project()
        report = run_import(io.BytesIO(export(first, type=kind, sides=sides)), project=second)
        assert report.written, report.problems
        assert export(second, type=kind, sides="shown") == export(first, type=kind, sides="shown")
        assert said(_judgments(second)) == said(_judgments(first))


def _judgments(project: Project) -> Any:
    return (
        Judgment.objects.filter(project=project)
        .select_related("annotator", "pair__prompt", "pair__response_a", "pair__response_b")
        .order_by("id")
    )


def test_memory_stays_flat(project: Project) -> None:
    take(project, *(row(annotator=str(n), rationale="x" * 20_000) for n in range(1_500)))
    tracemalloc.start()
    size = sum(len(piece) for piece in export_project(project, ExportOptions()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 30_000_000
    assert peak < 15_000_000


def test_annotators_appear_under_their_pseudonym_only(project: Project) -> None:
    annotator = make_annotator(project, ref="ann", name="Anna Annotator")
    take(project, row())
    assert annotator.name.encode() not in export(project)
    assert annotator.name.encode() not in export(project, format="trl")
