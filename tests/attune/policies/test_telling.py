"""Reasons told to a policy: whose are told, which pairs come of it, and that a run that goes on has the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attune.data import Snapshot
from attune.errors import BadData, Cancelled
from attune.policies.examples import Example, Examples
from attune.policies.prompts import SAID, Message, reasons_prompt
from attune.policies.saving import describe
from attune.policies.settings import PolicySettings
from attune.policies.telling import MOST_REASONS, TOLD_FILE, asked_again, pairs_told, with_told
from attune.policies.trainer import fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's


def example(number: int, annotator: str, rationale: str = "", **more: object) -> Example:
    asked: tuple[Message, ...] = ({"role": "user", "content": f"Question {number}?"},)
    return replace(Example(asked, "Yes.", "No.", annotator, rationale=rationale), **more)  # type: ignore[arg-type]


LEARNT = [
    *(example(n, "anna", f"Because of {n}.") for n in range(6)),
    *(example(n, "bert", "It is short." if n == 7 else "") for n in range(6, 9)),
    *(example(n, "carl") for n in range(9, 12)),
    example(12, "anna", "Both alike.", target=0.5),
]


def echo(conversations: Sequence[Sequence[Message]]) -> list[str | None]:
    """Answers that show what was in the prompt."""
    return [f"As {each[-1]['content']}" for each in conversations]


def test_everybody_is_told_their_own_reasons_and_only_theirs() -> None:
    asked = asked_again(LEARNT, 2.0, seed=0)
    assert len(asked) == 2 * 9  # carl gave no reason, and a tie prefers nothing
    assert {each.example.annotator for each in asked} == {"anna", "bert"}
    for each in asked:
        own = {other.rationale for other in LEARNT if other.annotator == each.example.annotator}
        assert 1 <= len(each.reasons) <= MOST_REASONS
        assert set(each.reasons) <= own - {""}
    assert asked == asked_again(LEARNT, 2.0, seed=0)
    assert len(asked_again(LEARNT, 0.5, seed=0)) == round(0.5 * 9)
    assert asked_again([each for each in LEARNT if each.annotator == "carl"], 1.0, seed=0) == []


def test_what_is_said_with_reasons_is_chosen() -> None:
    asked = asked_again(LEARNT, 1.0, seed=0)
    pairs = list(pairs_told(asked, echo, 0.5))
    assert len(pairs) == len(asked)
    for each, pair in zip(asked, pairs, strict=True):
        assert pair.conversation == each.example.conversation
        assert pair.chosen == f"As {reasons_prompt(pair.conversation, each.reasons)[-1]['content']}"
        assert all(f"- {reason}" in pair.chosen for reason in each.reasons)
        assert SAID not in pair.rejected
        assert (pair.annotator, pair.weight, pair.rationale) == (each.example.annotator, 0.5, "")


def test_answers_that_were_cut_off_or_are_alike_are_left_out() -> None:
    asked = asked_again(LEARNT, 1.0, seed=0)
    assert list(pairs_told(asked, lambda talks: ["The same."] * len(talks), 1.0)) == []
    assert list(pairs_told(asked, lambda talks: [None] * len(talks), 1.0)) == []
    assert list(pairs_told(asked, lambda talks: [""] * len(talks), 1.0)) == []


def test_they_are_kept_for_a_run_that_goes_on(tmp_path: Path) -> None:
    examples = Examples(LEARNT, [example(20, "anna", "A secret.")], ("A note.",))
    how = {"share": 1.0, "weight": 0.5, "seed": 0, "asked_to_stop": lambda: False}
    first = with_told(examples, echo, tmp_path, **how)  # type: ignore[arg-type]
    assert len(first.train) == len(LEARNT) + 9
    assert first.held_out == examples.held_out
    assert not any("A secret." in each.chosen for each in first.train)
    assert first.notes[1].startswith("9 pairs of the policy's own answers")

    def silent(_talks: Sequence[Sequence[Message]]) -> list[str | None]:
        raise AssertionError("nothing is asked twice")

    assert with_told(examples, silent, tmp_path, **how) == first  # type: ignore[arg-type]


def test_a_stop_is_heard_between_answers_and_leaves_nothing(tmp_path: Path) -> None:
    answered: list[int] = []

    def counted(talks: Sequence[Sequence[Message]]) -> list[str | None]:
        answered.append(len(talks))
        return echo(talks)

    with pytest.raises(Cancelled, match="answered with reasons"):
        with_told(
            Examples(LEARNT, []), counted, tmp_path, share=2.0, weight=1.0, seed=0, asked_to_stop=lambda: bool(answered)
        )
    assert answered
    assert not (tmp_path / TOLD_FILE).exists()


def test_a_run_learns_them_beside_the_judgments(micro: Path, judged: Snapshot, tmp_path: Path) -> None:
    said = [replace(each, rationale="It is short.") for each in judged.judgments]
    settings = PolicySettings(
        base=str(micro), epochs=1, batch=4, rank=4, samples=0, held_out=0.2, rationales="told", told=1.0
    )
    reports = [
        fit_policy(
            replace(judged, judgments=tuple(said)), settings, out=tmp_path / each, work=tmp_path / f"{each}.work"
        )
        for each in ("one", "two")
    ]
    told = (tmp_path / "one.work" / TOLD_FILE).read_text().splitlines()
    assert told
    assert (tmp_path / "two.work" / TOLD_FILE).read_text().splitlines() == told
    described = describe(tmp_path / "one", reports[0].digest)
    alone = fit_policy(judged, replace(settings, rationales="off"), out=tmp_path / "off", work=tmp_path / "off.work")
    learnt = describe(tmp_path / "off", alone.digest)["counts"]["train"]
    assert described["counts"]["train"] == learnt + len(told)
    assert any(note.startswith(f"{len(told)} pairs of the policy's own answers") for note in described["notes"])
    assert reports[0].metrics["held_out_margin"] == pytest.approx(reports[1].metrics["held_out_margin"], abs=1e-6)


def test_without_reasons_the_run_says_so(micro: Path, judged: Snapshot, tmp_path: Path) -> None:
    settings = PolicySettings(base=str(micro), epochs=1, batch=4, rank=4, samples=0, rationales="told")
    silent = replace(judged, judgments=tuple(replace(each, rationale="", tags=()) for each in judged.judgments))
    report = fit_policy(silent, settings, out=tmp_path / "policy", work=tmp_path / "work")
    assert "No judgment has a rationale, so the run is the same as without." in report.notes
    assert not (tmp_path / "work" / TOLD_FILE).exists()


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(BadData, match=r"told is 21; expected a number 0\.0 to 20\.0"):
        PolicySettings(told=21)
    with pytest.raises(BadData, match="rationales is 'loud'; expected 'off' or 'nll' or 'published' or 'told'"):
        PolicySettings(rationales="loud")  # type: ignore[arg-type]
