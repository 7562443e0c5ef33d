"""Prompts with responses: what they become, and which pairs are made."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

import pytest

from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.imports.running import run_import
from annotator.models import Pair, Project, Prompt, Response
from annotator.services.content import pair_order
from tests.annotator.importing import lines, problem_of, row, take
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(overlap=2)


def prompt(**changed: Any) -> dict[str, Any]:
    fields = {"id": "why", "prompt": "Why?", "responses": ["One.", "Two.", "Three.", "Four."]}
    return {name: value for name, value in {**fields, **changed}.items() if value is not None}


def test_a_prompt_with_responses_in_all_pairs(project: Project) -> None:
    styled = {"id": "r1", "text": "One.", "source": "small", "style": {"formal": 1.0}}
    report = take(project, prompt(topic="causes", style={"x": 1}, responses=[styled, "Two.", "Three."]))
    assert report.shape == "prompts"
    assert report.new == {"prompts": 1, "responses": 3, "pairs": 3, "annotators": 0, "judgments": 0}
    stored = Prompt.objects.get()
    first, second, third = stored.responses.order_by("pk")
    assert (stored.ref, stored.topic, stored.about) == ("why", "causes", {"style": {"x": 1}})
    assert (first.ref, first.text, first.source, first.about) == ("r1", "One.", "small", {"style": {"formal": 1.0}})
    assert (second.ref, second.text, second.about) == (second.digest[:16], "Two.", {})
    pairs = [(first.pk, second.pk), (first.pk, third.pk), (second.pk, third.pk)]
    assert sorted(Pair.objects.values_list("response_a", "response_b")) == pairs
    assert set(Pair.objects.values_list("cap", "taken", "gold_choice")) == {(2, 0, "")}


def test_a_few_pairs_per_prompt_and_again(project: Project) -> None:
    assert take(project, prompt(), pairs_per_prompt=2).new["pairs"] == 2
    assert len({pk for pair in Pair.objects.values_list("response_a", "response_b") for pk in pair}) == 4
    again = take(project, prompt(), pairs_per_prompt=2)
    assert (again.duplicates, sum(again.new.values())) == (1, 0)
    assert take(project, prompt()).new["pairs"] == 4


def test_more_responses_to_a_known_prompt(project: Project) -> None:
    take(project, prompt(responses=["One.", "Two."]))
    report = take(project, prompt(responses=["Three.", "One."]))
    assert (report.new["prompts"], report.new["responses"], report.new["pairs"]) == (0, 1, 1)


def test_judgments_may_follow_that_name_no_ids(project: Project) -> None:
    take(project, prompt(responses=[{"id": "r1", "text": "Because."}, {"id": "r2", "text": "Who knows?"}]))
    report = take(project, row())
    assert report.new == {"prompts": 0, "responses": 0, "pairs": 0, "annotators": 1, "judgments": 1}


def test_csv_with_numbered_columns(project: Project) -> None:
    data = b"id,topic,prompt,response_1,response_2,response_3\nwhy,causes,Why?,One.,Two.,\nhow,,How?,So.,'=So.,Like this.\n"
    report = run_import(io.BytesIO(data), project=project)
    assert (report.format, report.shape, report.new["responses"], report.new["pairs"]) == ("csv", "prompts", 5, 4)
    assert Response.objects.filter(text="=So.").exists()


def test_csv_with_a_list_of_responses(project: Project) -> None:
    data = b'prompt,responses\nWhy?,"[""One."", {""text"": ""Two."", ""source"": ""x""}]"\n'
    report = run_import(io.BytesIO(data), project=project)
    assert report.new["responses"] == 2
    assert Response.objects.get(text="Two.").source == "x"


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        (prompt(responses=None), "responses", "missing"),
        (prompt(responses="One."), "responses", "wrong_type"),
        (prompt(responses=[]), "responses", "wrong_value"),
        (prompt(responses=["x"] * 65), "responses", "wrong_value"),
        (prompt(responses=["One.", 2]), "responses[1]", "wrong_type"),
        (prompt(responses=["One.", " "]), "responses[1].text", "empty"),
        (prompt(responses=["One.", {"id": "x"}]), "responses[1].text", "missing"),
        (prompt(responses=["One.", {"text": "x", "mood": 1}]), "responses[1].mood", "unknown_field"),
        (prompt(responses=["One.", "One."]), "responses[1].text", "same_responses"),
        (prompt(responses=["One.", {"id": "1", "text": "One."}]), "responses[1].text", "same_responses"),
        (prompt(responses=[{"id": "1", "text": "x"}, {"id": "1", "text": "y"}]), "responses[1].id", "same_responses"),
        (prompt(style="formal"), "style", "wrong_type"),
        (prompt(annotator="x"), "annotator", "unknown_field"),
        (prompt(prompt="How?"), "id", "id_reused"),
        (prompt(responses=["Two.", {"id": "r", "text": "x"}]), "responses[1].id", "id_reused"),
    ],
)
def test_a_wrong_prompt(project: Project, wrong: dict[str, Any], field: str, reason: str) -> None:
    report = take(project, prompt(responses=["One.", {"id": "r", "text": "Two."}]), wrong)
    assert [(each.line, each.field, each.reason) for each in report.problems] == [(2, field, reason)]
    assert not Prompt.objects.exists()


def test_equal_texts_with_ids_are_taken(project: Project) -> None:
    report = take(project, prompt(responses=[{"id": "1", "text": "One."}, {"id": "2", "text": "One."}]))
    assert (report.new["responses"], report.new["pairs"]) == (2, 1)


def test_the_shape_is_seen_behind_broken_first_rows(project: Project) -> None:
    report: ImportReport = run_import(
        io.BytesIO(b"{broken\n" + lines(prompt())), project=project, options=ImportOptions(dry_run=True)
    )
    assert (report.shape, report.rejected, report.new["prompts"]) == ("prompts", {"not_json": 1}, 1)


@pytest.mark.parametrize("responses", range(8))
def test_pair_order_is_every_pair_once_and_spreads_evenly(responses: int) -> None:
    pairs = pair_order(responses)
    assert sorted(pairs) == sorted(combinations(range(responses), 2))
    for limit in range(len(pairs)):
        played = [sum(place in pair for pair in pair_order(responses, limit)) for place in range(responses)]
        assert max(played) - min(played) <= 2


def test_known_answers_come_with_their_pair(project: Project) -> None:
    report = take(
        project,
        prompt(responses=["One.", "Two."], gold="a"),
        prompt(id="how", prompt="How?", responses=["Three.", "Four."], gold="both_bad", qualifying=True),
        prompt(id="who", prompt="Who?", responses=["Five.", "Six."]),
    )
    assert report.new["known answers"] == 2
    assert "2 known answers" in report.summary()
    gold, qualifying, plain = Pair.objects.order_by("pk")
    assert (gold.gold_choice, gold.qualifying, gold.cap > 1000) == ("a", False, True)
    assert (qualifying.gold_choice, qualifying.qualifying) == ("both_bad", True)
    assert (plain.gold_choice, plain.cap) == ("", 2)
    again = take(project, prompt(responses=["One.", "Two."], gold="a"))
    assert sum(again.new.values()) == 0


def test_a_known_answer_is_in_the_files_order(project: Project) -> None:
    take(project, prompt(responses=["One.", "Two."]))
    take(project, prompt(responses=["Two.", "One."], gold="a"))
    pair = Pair.objects.get()
    assert (pair.response_b.text, pair.gold_choice) == ("Two.", "b")


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"gold": "a"}, "gold", "wrong_value"),  # four responses
        ({"gold": "One.", "responses": ["One.", "Two."]}, "gold", "wrong_value"),
        ({"qualifying": True, "responses": ["One.", "Two."]}, "qualifying", "wrong_value"),
        ({"gold": "b", "qualifying": "yes", "responses": ["One.", "Two."]}, "qualifying", "wrong_type"),
    ],
)
def test_known_answers_that_can_not_be(project: Project, changed: dict[str, Any], field: str, reason: str) -> None:
    problem = problem_of(project, prompt(**changed))
    assert (problem.field, problem.reason) == (field, reason)


def test_a_known_answer_is_not_overwritten_by_a_file(project: Project) -> None:
    take(project, prompt(responses=["One.", "Two."], gold="a"))
    for rows in (
        [prompt(responses=["Two.", "One."], gold="a")],
        [prompt(id="x", prompt="X?", responses=["P.", "Q."], gold=gold) for gold in "ab"],
    ):
        assert problem_of(project, *rows).reason == "gold_differs"
    assert Pair.objects.get().gold_choice == "a"


def test_known_answers_in_a_table(project: Project) -> None:
    data = b"prompt,response_1,response_2,gold,qualifying\nWhy?,One.,Two.,b,yes\nHow?,So.,Not so.,,\n"
    assert run_import(io.BytesIO(data), project=project).new["known answers"] == 1
    assert list(Pair.objects.order_by("pk").values_list("gold_choice", "qualifying")) == [("b", True), ("", False)]
