"""Exports of pairs and of people, and the report over the API."""

from __future__ import annotations

import csv
import io
from uuid import uuid4

import orjson
import pytest
from django.test import Client

from annotator.exports.options import ExportOptions, Tally
from annotator.exports.quality_rows import PAIR_COLUMNS, PEOPLE_COLUMNS
from annotator.exports.writing import export_project
from annotator.models import Judgment, Pair, Project
from annotator.services.adjudicating import adjudicate
from annotator.services.assessing import assess
from annotator.services.gold import set_gold
from annotator.services.tokens import issue_token
from tests.factories import ThreePeople, make_annotator, make_project


def rows_of(project: Project, shape: str) -> list[dict[str, object]]:
    content = b"".join(export_project(project, ExportOptions(format=shape)))  # type: ignore[arg-type]
    return [orjson.loads(line) for line in content.splitlines()]


@pytest.fixture
def judged(people: ThreePeople) -> ThreePeople:
    """Three people on four of the five pairs; of the first pair two of them say a."""
    for n in range(3):
        annotator = make_annotator(people.project, ref=f"p-{n}", name="Never exported")
        for k, pair in enumerate(Pair.objects.filter(project=people.project)[:4]):
            Judgment.objects.create(
                project=people.project,
                annotator=annotator,
                pair=pair,
                choice="b" if (n == 0) == (k == 0) else "a",
                client_key=uuid4(),
                seconds=30,
            )
    return people


def test_pairs_with_aggregates_and_the_last_word(judged: ThreePeople) -> None:
    first, second, *_, untouched = Pair.objects.filter(project=judged.project)
    assess(project=judged.project)
    adjudicate(pair=first, choice="tie", note="Both cite the source.", by=judged.owner)
    adjudicate(pair=second, choice="a", by=judged.owner)
    adjudicate(pair=second, choice="", by=judged.owner)
    set_gold(pair=second, choice="b", by=None)
    rows = rows_of(judged.project, "pairs")
    assert [tuple(row) for row in rows] == [PAIR_COLUMNS] * 5
    row = rows[0]
    assert (row["votes_a"], row["votes_b"], row["votes_tie"], row["votes_both_bad"]) == (2, 1, 0, 0)
    assert (row["majority"], row["majority_p"]) == ("a", 0.6667)
    assert row["dawid_skene"] in ("a", "b") and 0.25 <= row["mace_p"] <= 1  # type: ignore[operator]
    assert (row["adjudicated"], row["adjudication_note"]) == ("tie", "Both cite the source.")
    assert (rows[1]["adjudicated"], rows[1]["gold"]) == ("", "b")
    assert rows[4]["response_a"] == untouched.response_a.text
    assert rows[4]["votes_a"] is rows[4]["mace"] is rows[4]["computed_at"] is None
    # The individuals' rows are untouched.
    assert sorted(str(row["preference"]) for row in rows_of(judged.project, "judgments")).count("tie") == 0


def test_people_under_pseudonyms_with_effort_and_peer_prediction(judged: ThreePeople) -> None:
    assess(project=judged.project)
    rows = rows_of(judged.project, "people")
    assert [tuple(row) for row in rows] == [PEOPLE_COLUMNS] * 3
    assert [row["annotator"] for row in rows] == ["p-0", "p-1", "p-2"]
    assert "Never exported" not in str(rows)
    row = rows[1]
    assert (row["judgments"], row["minutes"], row["others_of"], row["earned_of"]) == (4, 2.0, 4, 4)
    assert row["earned_low"] <= row["earned"] <= row["earned_high"]  # type: ignore[operator]
    assert (row["gold"], row["gold_of"]) == (None, 0)


@pytest.mark.parametrize("shape", ["pairs", "people"])
def test_as_tables(judged: ThreePeople, shape: str) -> None:
    assess(project=judged.project)
    tally = Tally()
    content = b"".join(export_project(judged.project, ExportOptions(format=shape, type="csv"), tally)).decode()  # type: ignore[arg-type]
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == tally.rows == len(rows_of(judged.project, shape))


def test_before_anything_was_computed(db: None) -> None:
    project = make_project(pairs=2)
    assert [row["majority"] for row in rows_of(project, "pairs")] == [None, None]
    assert rows_of(project, "people") == []


def test_the_report_over_the_api(judged: ThreePeople) -> None:
    _, token = issue_token(user=judged.owner, name="t", scopes=["read"], project=judged.project)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    where = f"/api/v1/projects/{judged.project.slug}/quality"
    assert client.get(where).status_code == 404
    assess(project=judged.project)
    body = client.get(where).json()
    assert body["simulated"] is None
    assert (body["people"]["annotators"], body["people"]["nominal"]["units"]) == (3, 4)
    assert body["people"]["gold"] is None
    export = client.get(f"/api/v1/projects/{judged.project.slug}/export", {"format": "people", "type": "csv"})
    assert b"".join(export.streaming_content).startswith(b"annotator,simulated,")  # type: ignore[attr-defined]
    _, theirs = issue_token(user=judged.annotator, name="t", scopes=["read"], project=judged.project)
    assert Client(headers={"Authorization": f"Bearer {theirs}"}).get(where).status_code == 403
