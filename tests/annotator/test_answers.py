from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import Invalid
from annotator.models import Project
from annotator.services.answers import (
    Answer,
    Mark,
    Tag,
    as_shown,
    check_answer,
    in_pair_terms,
    on_scale,
    plausible_seconds,
    tags_in_own_terms,
)
from annotator.services.layouts import pair_layout


def project(**fields: object) -> Project:
    return Project(reason_tags=[{"key": "clear", "label": "Clear"}, {"key": "warm", "label": "Warm"}], **fields)


def problems(answer: Answer, texts: dict[str, str] | None = None, **fields: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        check_answer(answer, project(**fields), texts)  # type: ignore[arg-type]
    return caught.value.fields


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (1, ("left", 3)),
        (2, ("left", 2)),
        (3, ("left", 1)),
        (4, ("tie", None)),
        (5, ("right", 1)),
        (6, ("right", 2)),
        (7, ("right", 3)),
    ],
)
def test_seven_steps(position: int, said: tuple[str, int | None]) -> None:
    assert on_scale(position) == said
    choice, strength = on_scale(position)
    assert Answer(choice=choice, strength=strength).position == position


@pytest.mark.parametrize("position", [0, 8, -1])
def test_no_other_step(position: int) -> None:
    with pytest.raises(Invalid, match=f"{position} is not on it"):
        on_scale(position)


def test_left_is_a_unless_swapped() -> None:
    assert in_pair_terms("left", swapped=False) == "a"
    assert in_pair_terms("left", swapped=True) == "b"
    assert in_pair_terms("right", swapped=False) == "b"
    assert in_pair_terms("right", swapped=True) == "a"
    for same in ("tie", "both_bad", "skip"):
        assert in_pair_terms(same, swapped=True) == same  # type: ignore[arg-type]


@given(st.sampled_from(["left", "right", "tie", "both_bad", "skip"]), st.booleans())
def test_there_and_back(choice: str, swapped: bool) -> None:
    assert as_shown(in_pair_terms(choice, swapped=swapped), swapped=swapped) == choice  # type: ignore[arg-type]


def test_tags_follow_the_response() -> None:
    tags = [Tag("clear", "left", True), Tag("warm", "right", False), Tag("clear", "left", True)]
    assert tags_in_own_terms(tags, pair_layout(1, 2, swapped=True)) == [
        {"tag": "clear", "side": "b", "good": True},
        {"tag": "warm", "side": "a", "good": False},
    ]


def test_a_good_answer_passes() -> None:
    tags = (Tag("clear", "left", True), Tag("clear", "right", False))
    marks = (Mark("right", 0, 5, "naïve", good=False, tag="warm", comment="🙂"),)
    answer = Answer(choice="left", strength=2, tags=tags, text="Because.", marks=marks, seconds=3.5)
    check_answer(answer, project(), {"left": "", "right": "naïve 🙂"})


@pytest.mark.parametrize("choice", ["tie", "both_bad", "skip"])
def test_only_a_preference_has_a_strength(choice: str) -> None:
    assert "Only a preference" in problems(Answer(choice=choice, strength=1))["strength"]  # type: ignore[arg-type]


@pytest.mark.parametrize("strength", [0, 4, -1])
def test_strength_is_one_to_three(strength: int) -> None:
    assert problems(Answer(choice="left", strength=strength)) == {"strength": f"Strength is 1, 2 or 3, not {strength}."}


def test_unknown_choice() -> None:
    assert "“best” is none of" in problems(Answer(choice="best"))["choice"]  # type: ignore[arg-type]


def test_unknown_tag() -> None:
    assert problems(Answer(choice="tie", tags=(Tag("bogus", "left", True),))) == {
        "tags": "“bogus” is not a reason tag of this project (clear, warm)."
    }


def test_contradictory_tag() -> None:
    tags = (Tag("clear", "left", True), Tag("clear", "left", False))
    assert "both good and bad" in problems(Answer(choice="tie", tags=tags))["tags"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\x00b", "Character 2 is NUL"),
        ("a\ud800", "Character 2 is half of a surrogate pair (U+D800)"),
        ("x" * 10_001, "10,001 characters; at most 10,000"),
    ],
)
def test_texts_that_cannot_be_stored(text: str, problem: str) -> None:
    assert problem in problems(Answer(choice="tie", text=text))["rationale"]


def test_every_wrong_field_is_named() -> None:
    answer = Answer(choice="tie", strength=1, skip_reason="why", text="\x00", seconds=-1.0)
    assert set(problems(answer)) == {"strength", "skip_reason", "rationale", "seconds"}


@pytest.mark.parametrize(
    ("policy", "answer", "asked"),
    [
        ("required", Answer(choice="left", strength=1), True),
        ("required", Answer(choice="left", strength=1, text="  \n "), True),
        ("required", Answer(choice="left", strength=1, text="Short."), False),
        ("required", Answer(choice="tie", tags=(Tag("clear", "left", True),)), False),
        ("required", Answer(choice="skip"), False),
        ("strong", Answer(choice="left", strength=3), True),
        ("strong", Answer(choice="left", strength=2), False),
        ("optional", Answer(choice="left", strength=3), False),
        ("off", Answer(choice="left", strength=3), False),
    ],
)
def test_rationale_policy(policy: str, answer: Answer, asked: bool) -> None:
    if asked:
        assert "give a reason" in problems(answer, rationales=policy)["rationale"]
    else:
        check_answer(answer, project(rationales=policy))


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        (Mark("left", 0, 99, "Boil", good=True), "not within the response of 8 characters"),
        (Mark("left", 4, 4, "", good=True), "not within"),
        (Mark("left", 0, 4, "Fry ", good=True), "not what was quoted"),
        (Mark("left", 0, 4, "Boil", good=True, tag="bogus"), "“bogus” is not a reason tag"),
        (Mark("left", 0, 4, "Boil", good=True, comment="\x00"), "NUL"),
    ],
)
def test_marks_are_checked_against_the_text(mark: Mark, problem: str) -> None:
    assert problem in problems(Answer(choice="tie", marks=(mark,)), {"left": "Boil it.", "right": ""})["spans"]


@pytest.mark.parametrize(
    ("seconds", "kept"), [(12.5, 12.5), (0.0, 0.0), (-3.0, None), (float("nan"), None), (1e9, None), (None, None)]
)
def test_wrong_clocks_of_browsers(seconds: float | None, kept: float | None) -> None:
    assert plausible_seconds(seconds) == kept
