"""The question that a judge is asked, and how its answer is read."""

from __future__ import annotations

import json

import pytest

from attune.judging import Outcome, Unreadable, Verdict, question, settled, verdict


def answered(content: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"better": "1"}', "first"),
        ('{"better": 2}', "second"),
        ('Let me think. {"better": "1"} No:\n```json\n{"better": "tie"}\n```', "tie"),
        ('{"better": "2"} {"reason": "short"}', "second"),
    ],
)
def test_the_last_verdict_counts(content: str, expected: str) -> None:
    assert verdict(answered(content)) == expected


@pytest.mark.parametrize("content", ["Answer 1.", '{"better": "3"}', '{"better": ', "", None, 7])
def test_what_names_no_better_answer_is_unreadable(content: object) -> None:
    with pytest.raises(Unreadable, match="it replied"):
        verdict(answered(content))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b"<html>"])
def test_what_is_no_completion_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="no chat completion"):
        verdict(body)


@pytest.mark.parametrize(
    ("forward", "backward", "outcome", "swayed"),
    [
        ("first", "second", "a", False),
        ("second", "first", "b", False),
        ("first", "first", "tie", True),
        ("second", "second", "tie", True),
        ("tie", "tie", "tie", False),
        ("tie", "first", "b", False),
        ("first", "tie", "a", False),
    ],
)
def test_both_orders_become_one(forward: Verdict, backward: Verdict, outcome: Outcome, swayed: bool) -> None:
    assert settled(forward, backward) == (outcome, swayed)


def test_the_question_holds_both_answers_in_order_and_what_people_were_told() -> None:
    asked = question("judge-1", "Why?", "Because {x}.", "No idea.", "Prefer the shorter one.")
    content = asked["messages"][1]["content"]
    assert content.index("Because {x}.") < content.index("No idea.") < content.index("Prefer the shorter one.")
    assert (asked["model"], asked["temperature"]) == ("judge-1", 0)
    assert "were told" not in question("judge-1", "Why?", "a", "b")["messages"][1]["content"]
