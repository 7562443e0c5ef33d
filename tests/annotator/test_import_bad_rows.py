"""Each thing that can be wrong with a row: line, field, reason, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from annotator.imports.errors import REASONS
from annotator.imports.reading import MAX_LINE_BYTES
from annotator.imports.reporting import MAX_PROBLEMS
from annotator.models import Annotator, Judgment, Pair, Project, Prompt, Response
from annotator.models.content import MAX_TEXT
from tests.annotator.importing import Row, problem_of, row, take
from tests.factories import make_annotator, make_project, make_prompt, make_response

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


SPAN = {"side": "a", "start": 0, "end": 4, "quote": "Beca", "good": True}
WRONG: list[tuple[Row, str, str, str]] = [
    (row(preference="c"), "preference", "wrong_value", "a or b or tie or both_good or both_bad or skip"),
    (row(preference=1), "preference", "wrong_type", "a or b"),
    (row(spans={}), "spans", "wrong_type", "a list of marked"),
    (row(spans=[{"side": "a"}]), "spans[0]", "wrong_type", '"quote"'),
    (row(spans=[SPAN | {"side": "c"}]), "spans[0]", "wrong_value", "side a or b"),
    (row(spans=[SPAN | {"quote": "Best"}]), "spans[0].quote", "wrong_value", "what stands from start to end"),
    (row(spans=[SPAN | {"end": 99}]), "end", "wrong_value", "1 to 8"),
    (row(spans=[SPAN] * 101), "spans", "too_long", "at most 100"),
    (row(flag={"kind": "bad"}), "kind", "wrong_value", "unsafe or broken"),
    (row(flag={"kind": "unsafe", "x": 1}), "flag", "wrong_type", '"kind"'),
    (row(preference=None), "preference", "missing", "a or b"),
    (row(annotator=None), "annotator", "missing", "a text"),
    (row(annotator=7), "annotator", "wrong_type", "a text"),
    (row(annotator=" "), "annotator", "empty", "not blank"),
    (row(annotator="x" * 201), "annotator", "too_long", "at most 200"),
    (row(prompt=""), "prompt", "empty", "not blank"),
    (row(prompt={"text": "Why?"}), "prompt", "wrong_type", "a text"),
    (row(prompt=[]), "prompt", "wrong_value", "1 to 500 messages"),
    (row(prompt=[{"role": "user"}]), "prompt[0]", "wrong_type", "role and content"),
    (row(prompt=[{"role": "robot", "content": "x"}]), "prompt[0].role", "wrong_value", "system or user or assistant"),
    (row(prompt=[{"role": "user", "content": ["x"]}]), "prompt[0].content", "wrong_type", "a text"),
    (row(prompt=[{"role": "assistant", "content": "x"}]), "prompt", "wrong_value", "last turn is the user's"),
    (row(response_a=""), "response_a", "empty", "not blank"),
    (row(response_b="\n\t "), "response_b", "empty", "not blank"),
    (row(response_b="x" * (MAX_TEXT + 1)), "response_b", "too_long", "at most 200,000"),
    (row(response_b="y" * 5_000_000), "response_b", "too_long", "it has 5,000,000"),
    (row(response_a="a\x00b"), "response_a", "nul", "character 2"),
    (row(rationale="\x00"), "rationale", "nul", "character 1"),
    (row(response_b="Because."), "response_b", "same_responses", "ids that differ"),
    (row(response_b="Because.", response_a_id="1"), "response_b", "same_responses", "ids that differ"),
    (row(response_a_id="1", response_b_id="1"), "response_b_id", "same_responses", "another id"),
    (row(strength=4), "strength", "wrong_value", "1 to 3"),
    (row(strength="2"), "strength", "wrong_type", "whole number"),
    (row(strength=True), "strength", "wrong_type", "whole number"),
    (row(strength=1.5), "strength", "wrong_type", "whole number"),
    (row(preference="tie", strength=1), "strength", "wrong_value", "none, because the preference is 'tie'"),
    (row(seconds=-1), "seconds", "wrong_value", "not negative"),
    (row(seconds="fast"), "seconds", "wrong_type", "a number"),
    (row(swapped="yes"), "swapped", "wrong_type", "true or false"),
    (row(judged_at="yesterday"), "judged_at", "wrong_value", "2026-08-01T12:00:00Z"),
    (row(judged_at=1_700_000_000), "judged_at", "wrong_type", "2026-08-01T12:00:00Z"),
    (row(judged_at="0001-01-01T00:00:00+14:00"), "judged_at", "wrong_value", "2026-08-01T12:00:00Z"),
    (row(tags="clear"), "tags", "wrong_type", "a list"),
    (row(tags=[{"tag": "clear"}]), "tags[0]", "wrong_type", '{"tag", "side", "good"}'),
    (row(tags=["fine", {"tag": "clear", "side": "c", "good": True}]), "tags[1]", "wrong_value", "side a or b"),
    (row(tags=["x" * 41]), "tags[0]", "too_long", "at most 40"),
    (row(slices=["random", 1]), "slices", "wrong_type", "a list of texts"),
    (row(part="train"), "part", "wrong_value", "context or test"),
    (row(skip_reason="dull"), "skip_reason", "wrong_value", "none, because"),
    (row(client_key="1"), "client_key", "wrong_value", "a UUID"),
    (row(client_key=["x"]), "client_key", "wrong_value", "a UUID"),
    (row(occasion=-1), "occasion", "wrong_value", "0 to 100"),
    (row(revision=0), "revision", "wrong_value", "1 to 10000"),
    (row(extra=["x"]), "extra", "wrong_type", "a JSON object"),
    (row(extra={"x": "\x00"}), "extra", "nul", "no U+0000"),
    (row(extra={"x": "y" * 200_001}), "extra", "too_long", "at most 200,000 bytes"),
    (row(choice="a"), "choice", "unknown_field", "did you mean 'preference'?"),
    (row(respones_a="x"), "respones_a", "unknown_field", "did you mean 'response_a'?"),
    (row(zzz="x"), "zzz", "unknown_field", "--keep-extra"),
]


@pytest.mark.parametrize(("wrong", "field", "reason", "expected"), WRONG)
def test_a_wrong_row(project: Project, wrong: Row, field: str, reason: str, expected: str) -> None:
    problem = problem_of(project, row(annotator="before"), wrong)
    assert (problem.line, problem.field, problem.reason) == (2, field, reason)
    assert expected in problem.expected
    assert len(problem.value) <= 80
    assert reason in REASONS
    assert str(problem).startswith(f"line 2, {field}: ")


LINES: list[tuple[bytes, str, str]] = [
    (b'{"annotator": "x",', "not_json", "one JSON object a line"),
    (b"[1, 2]", "not_an_object", "one JSON object a line"),
    (b'"text"', "not_an_object", "one JSON object a line"),
    (b'{"seconds": NaN}', "not_json", "one JSON object a line"),
    (b'{"prompt": "\\ud800"}', "not_json", "surrogate"),
    (b'{"prompt": "caf\xe9 is latin-1"}', "not_utf8", "byte 16 of the line is 0xe9"),
    (b'{"prompt": "a\x00b"}', "not_json", "one JSON object a line"),
    (b'{"annotator": "x", "annotator": "y"}', "duplicate_field", "each field once"),
    (b'{"annotator": "x", "annotator"  : "y"}', "duplicate_field", "each field once"),
    (b'{"extra": {"x": 1, "x": 2}}', "duplicate_field", "each field once"),
]


@pytest.mark.parametrize(("line", "reason", "expected"), LINES)
def test_a_wrong_line(project: Project, line: bytes, reason: str, expected: str) -> None:
    problem = problem_of(project, row(), line)
    assert (problem.line, problem.reason) == (2, reason)
    assert expected in problem.expected


def test_text_that_looks_like_a_repeated_key_is_text(project: Project) -> None:
    assert take(project, row(rationale='{"annotator": "x", "annotator" : "y"}')).written


def test_a_line_beyond_the_limit_is_one_bad_row(project: Project) -> None:
    report = take(project, row(), row(rationale="x" * MAX_LINE_BYTES), row(annotator="after"))
    assert report.rejected == {"line_too_long": 1}
    assert (report.rows, report.problems[0].line) == (3, 2)


def test_an_id_stands_for_one_text(project: Project) -> None:
    first = row(prompt_id="p", response_a_id="a")
    other_response = row(annotator="x", prompt_id="p", response_a="Since.", response_a_id="a")
    other_prompt = row(annotator="x", prompt="How?", prompt_id="p")
    for wrong, field in ((other_response, "response_a_id"), (other_prompt, "prompt_id")):
        problem = problem_of(project, first, wrong)
        assert (problem.line, problem.field, problem.reason) == (2, field, "id_reused")
    take(project, first)
    for wrong in (other_response, other_prompt):
        assert take(project, wrong).rejected == {"id_reused": 1}


def test_an_id_that_is_another_texts_digest_is_refused(project: Project) -> None:
    prompt = make_prompt(project, "Why?")
    because = make_response(prompt, "Because.")
    because.ref = because.digest[:16]
    because.text = "Something else."
    because.digest = "0" * 64
    because.save()
    assert take(project, row()).rejected == {"id_reused": 1}


def test_a_second_judgment_of_a_pair_is_refused_unless_it_says_the_same(project: Project) -> None:
    turned = row(response_a="Who knows?", response_b="Because.", preference="b")
    assert take(project, row(), turned, row(), dry_run=True).duplicates == 2
    for wrong in ({**turned, "preference": "a"}, row(strength=2), row(rationale="Now I know."), row(tags=["clear"])):
        problem = problem_of(project, row(), wrong)
        assert (problem.line, problem.reason) == (2, "second_judgment")
    take(project, row())
    report = take(project, {**turned, "preference": "a"})
    assert report.rejected == {"second_judgment": 1}
    assert "'b'" in report.problems[0].expected


def test_one_client_key_is_one_judgment(project: Project) -> None:
    key = "6d0d1de1-7d2c-4b3a-9a58-0f33bb0d2e10"
    problem = problem_of(project, row(client_key=key), row(annotator="x", client_key=key))
    assert (problem.line, problem.field, problem.reason) == (2, "client_key", "key_reused")
    take(project, row(client_key=key))
    assert take(project, row(annotator="x", client_key=key)).rejected == {"key_reused": 1}


def test_real_and_simulated_judgments_do_not_mix_under_one_name(project: Project) -> None:
    make_annotator(project, ref="real")
    problem = problem_of(project, row(annotator="real", simulated=True))
    assert (problem.field, problem.reason) == ("simulated", "simulated_differs")


def test_every_problem_is_counted_and_the_first_fifty_are_told(project: Project) -> None:
    report = take(project, *(row(annotator=f"ann {n}", preference="c" if n % 2 else "a") for n in range(200)))
    assert report.rejected == {"wrong_value": 100}
    assert len(report.problems) == MAX_PROBLEMS
    assert report.summary() == "Nothing was written: 100 of 200 rows are wrong."
    told = report.as_dict()
    assert (told["rejected"], told["rejected_by_reason"]) == (100, {"wrong_value": 100})
    assert orjson.dumps(told)


def test_skip_bad_writes_the_good_rows_and_puts_the_others_beside(project: Project, tmp_path: Path) -> None:
    rejected = tmp_path / "rejected.jsonl"
    bad = row(annotator="x", preference="c")
    report = take(
        project, row(), bad, b'{"caf\xe9', row(strength=3), row(annotator="y"), skip_bad=True, rejected=rejected
    )
    assert report.written
    assert set(Judgment.objects.values_list("annotator__ref", flat=True)) == {"ann", "y"}
    assert report.rejected_file == str(rejected)
    kept = [orjson.loads(line) for line in rejected.read_bytes().splitlines()]
    assert sorted((each["line"], each["reason"]) for each in kept) == [
        (2, "wrong_value"),
        (3, "not_utf8"),
        (4, "second_judgment"),
    ]
    by_line: dict[int, Any] = {each["line"]: each["row"] for each in kept}
    assert by_line[2] == bad
    assert by_line[3] == '{"caf\\xe9'


def test_a_rejected_row_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    take(project, row(prompt_id="p", response_a_id="a"))
    bad = row(annotator="nobody", prompt_id="p", response_a="Since.", response_a_id="a", response_b="Who can say?")
    before = [model.objects.count() for model in (Prompt, Response, Pair, Annotator)]
    report = take(project, bad, skip_bad=True, rejected=tmp_path / "rejected.jsonl")
    assert report.bad_rows == 1
    assert [model.objects.count() for model in (Prompt, Response, Pair, Annotator)] == before


def test_without_bad_rows_there_is_no_rejected_file(project: Project, tmp_path: Path) -> None:
    report = take(project, row(), skip_bad=True, rejected=tmp_path / "rejected.jsonl")
    assert report.rejected_file == ""
    assert list(tmp_path.iterdir()) == []
