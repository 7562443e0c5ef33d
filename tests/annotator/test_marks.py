"""Marked stretches: checked against the source, kept with its words, shown again as they were."""

from __future__ import annotations

import json
import uuid

import pytest
from django.http import QueryDict

from annotator.errors import Invalid
from annotator.models import Assignment, Judgment, Project, Span
from annotator.services.answers import Answer, answer_of, check_answer
from annotator.services.dealing import Dealt, deal
from annotator.services.judging import record, revise
from annotator.services.marks import MAX_SPANS, Mark, Side, with_quotes
from annotator.views.judge_form import answer_from, values_of
from tests.factories import make_annotator, make_pair, make_project

TEXT = "Boil **it slowly** for &lt; ten 👩‍🍳 minutes.\n\n- café\n- done"
PROJECT = Project(reason_tags=[{"key": "clear", "label": "Clear"}])


def seen(start: int, end: int, words: str) -> Mark:
    return Mark("left", start, end, "", good=True, seen=words)


@pytest.mark.parametrize(
    ("mark", "quote"),
    [
        (seen(7, 22, "it slowly for"), "it slowly** for"),
        (seen(23, 31, "< ten"), "&lt; ten"),
        (seen(32, 43, "👩‍🍳 minutes"), "👩‍🍳 minutes"),
        (seen(TEXT.index("café"), len(TEXT), "café\ndone"), "café\n- done"),
        (seen(TEXT.index("café"), len(TEXT), "café  done"), "café\n- done"),
    ],
)
def test_what_a_page_shows_becomes_the_sources_words(mark: Mark, quote: str) -> None:
    texts: dict[Side, str] = {"left": TEXT, "right": ""}
    check_answer(Answer(choice="tie", marks=(mark, mark)), PROJECT, texts)
    assert with_quotes((mark, mark), texts) == (Mark("left", mark.start, mark.end, quote, good=True),)


@pytest.mark.parametrize(
    "mark",
    [
        seen(7, 22, "it quickly for"),
        seen(5, 7, ""),
        seen(5, 7, "**"),
        seen(23, 26, "ten"),
        seen(8, 22, "it slowly for"),
    ],
)
def test_what_the_page_did_not_show_is_refused(mark: Mark) -> None:
    with pytest.raises(Invalid, match="not what was quoted"):
        check_answer(Answer(choice="tie", marks=(mark,)), PROJECT, {"left": TEXT, "right": ""})


def test_too_many() -> None:
    marks = tuple(seen(0, 4, "Boil") for _ in range(MAX_SPANS + 1))
    with pytest.raises(Invalid, match="At most 100 stretches"):
        check_answer(Answer(choice="tie", marks=marks), PROJECT, {"left": TEXT, "right": ""})


@pytest.fixture
def dealt(db: None) -> Dealt:
    project = make_project()
    make_pair(project, a=TEXT, b=f"{TEXT} b")
    found = deal(annotator=make_annotator(project))
    assert found
    return found


def field(dealt: Dealt, side: str, start: int, end: int, words: str, **others: object) -> str:
    said = {"side": side, "start": start, "end": end, "good": True, "tag": "", "comment": "", "seen": words}
    return json.dumps(said | others)


def form(*marks: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data["position"] = "2"
    data.setlist("mark", list(marks))
    return data


def test_overlapping_marks_are_stored_and_come_back_and_can_be_edited(dealt: Dealt) -> None:
    annotator = Assignment.objects.get(pk=dealt.assignment_id).annotator
    marks = [
        field(dealt, "a", 7, 22, "it slowly for", good=False, tag="clear", comment="no 🙂"),
        field(dealt, "a", 10, 31, "slowly for < ten"),
        field(dealt, "b", 0, 4, "Boil"),
    ]
    answer = answer_from(form(*marks))
    judgment = record(annotator=annotator, assignment_key=dealt.key, client_key=uuid.uuid4(), answer=answer).judgment
    quotes = [(span.quote, span.good, span.tag, span.comment) for span in judgment.spans.order_by("pk")]
    assert quotes == [
        ("it slowly** for", False, "clear", "no 🙂"),
        ("slowly** for &lt; ten", True, "", ""),
        ("Boil", True, "", ""),
    ]
    for span in Span.objects.all():
        assert span.response.text[span.start : span.end] == span.quote

    stored = Judgment.objects.select_related("pair", "rationale").get(pk=judgment.pk)
    texts = {"left": dealt.left.text, "right": dealt.right.text}
    shown = values_of(answer_of(stored), texts)["mark"]  # type: ignore[arg-type]
    assert sorted(map(json.loads, shown), key=str) == sorted(map(json.loads, marks), key=str)

    again = answer_from(form(*shown[:1]))
    revised = revise(annotator=annotator, judgment_id=judgment.pk, client_key=uuid.uuid4(), answer=again).judgment
    assert revised.spans.count() == 1
    assert judgment.spans.count() == 3


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"side": "c", "start": 0, "end": 4, "good": true, "tag": "", "comment": "", "seen": "Boil"}',
     '{"side": "a", "start": true, "end": 4, "good": true, "tag": "", "comment": "", "seen": "Boil"}',
     '{"side": "a", "start": 0, "end": 4, "good": 1, "tag": "", "comment": "", "seen": "Boil"}',
     '{"side": "a", "start": 0, "end": 4, "good": true, "tag": "", "comment": "", "seen": "Boil", "more": 1}',
     "[" * 5000],
)  # fmt: skip
def test_a_field_that_is_no_mark_is_named(text: str) -> None:
    with pytest.raises(Invalid, match="is no marked stretch"):
        answer_from(form(text))
