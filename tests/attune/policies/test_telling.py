"""What is known of people told to a policy: whose is told, which pairs come of it, and that a run that goes on has the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from attune.data import Snapshot
from attune.errors import BadData, Cancelled
from attune.policies import own_answers, telling
from attune.policies.examples import Example, Examples
from attune.policies.generate import Sample
from attune.policies.own_answers import PLAIN, Asked, halves, pairs_told
from attune.policies.prompts import Message, few_shot_prompt, reasons_prompt
from attune.policies.saving import describe
from attune.policies.settings import PolicySettings
from attune.policies.telling import MOST_REASONS, NOTHING_KNOWN, TOLD_FILE, Known, asked_again, known_of, with_told
from attune.policies.trainer import fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's


def example(number: int, annotator: str, rationale: str = "", **more: object) -> Example:
    asked: tuple[Message, ...] = ({"role": "user", "content": f"Question {number}?"},)
    return replace(Example(asked, "Yes.", "No.", annotator, rationale=rationale), **more)  # type: ignore[arg-type]


def reasons(train: Sequence[Example]) -> Known:
    return known_of(train, reasons=True, profiles=False, given={})


LEARNT = [
    *(example(n, "anna", f"Because of {n}.") for n in range(6)),
    *(example(n, "bert", "It is short." if n == 7 else "") for n in range(6, 9)),
    *(example(n, "carl") for n in range(9, 12)),
    example(12, "anna", "Both alike.", target=0.5),
]


@dataclass
class Parrot:
    """Answers with what was in the prompt, numbered; a text is the likelier after a prompt, the more often the prompt holds the
    text's number."""

    said: int = 0
    asked: list[int] = field(default_factory=list)

    def answer(self, conversations: Sequence[Sequence[Message]]) -> list[Sample]:
        self.asked.append(len(conversations))
        found = []
        for each in conversations:
            self.said += 1
            found.append(sample(f"{self.said % 7} {each[-1]['content']}"))
        return found

    def log_probs(self, conversations: Sequence[Sequence[Message]], samples: Sequence[Sample]) -> list[float]:
        return [
            float(talk[-1]["content"].count(each.text[0])) for talk, each in zip(conversations, samples, strict=True)
        ]


def sample(text: str, finished: bool = True) -> Sample:
    return Sample(text, 1.0, finished, (1, 2))


class Fixed(Parrot):
    """Always gives one answer."""

    def __init__(self, text: str, finished: bool = True) -> None:
        super().__init__()
        self.text = sample(text, finished)

    def answer(self, conversations: Sequence[Sequence[Message]]) -> list[Sample]:
        return [self.text] * len(conversations)


def test_everybody_is_told_their_own_reasons_and_only_theirs() -> None:
    asked = asked_again(LEARNT, reasons(LEARNT), 2.0, seed=0)
    assert len(asked) == 2 * 9  # carl gave no reason, and a tie prefers nothing
    assert {each.example.annotator for each in asked} == {"anna", "bert"}
    for each in asked:
        own = {other.rationale for other in LEARNT if other.annotator == each.example.annotator}
        assert len(each.reasons) == min(MOST_REASONS, len(own - {""}))
        assert set(each.reasons) <= own - {""}
    assert asked == asked_again(LEARNT, reasons(LEARNT), 2.0, seed=0)
    assert len(asked_again(LEARNT, reasons(LEARNT), 0.5, seed=0)) == round(0.5 * 9)
    assert len(asked_again(LEARNT, reasons(LEARNT), 2.0, seed=0, most=5)) == 5
    silent = [each for each in LEARNT if each.annotator == "carl"]
    assert asked_again(silent, reasons(silent), 1.0, seed=0) == []


def test_what_people_like_is_told_in_words_where_it_is_asked_for() -> None:
    """Anna likes what is long; bert is described by the snapshot; of carl two judgments that contradict each other say nothing."""
    long, short = "This is a long answer, and it goes on and on about the matter. " * 3, "Short."
    learnt = [
        *(example(n, "anna", "Since it is long.", chosen=long, rejected=short) for n in range(24)),
        *(example(n, "bert", chosen=long, rejected=short) for n in range(6)),
        example(6, "carl", chosen=long, rejected=short),
        example(7, "carl", chosen=short, rejected=long),
    ]
    known = known_of(learnt, reasons=False, profiles=True, given={"bert": "likes answers that are prose"})
    assert set(known.readers) == {"anna", "bert"}
    assert "detailed" in known.readers["anna"]
    asked = asked_again(learnt, known, 1.0, seed=0)
    assert len(asked) == 30
    for each in asked:
        reader = known.readers[each.example.annotator]
        assert (each.reasons, each.reader) == ((), reader)
        assert each.told == few_shot_prompt(each.example.conversation, (), reader)

    both = known_of(learnt, reasons=True, profiles=True, given={})
    told = [each for each in asked_again(learnt, both, 4.0, seed=0) if each.example.annotator == "anna"]
    assert {bool(each.reader) for each in told} == {True, False}
    assert all(bool(each.reader) != bool(each.reasons) for each in told)


def test_answers_that_go_better_with_what_is_known_are_preferred() -> None:
    """Of answers 1 (told) and 2 to 4 (plain) the reasons name 3 three times, 1 twice, and 4, as the question does, once more than without."""
    asked = [Asked(example(4, "anna"), ("As in 3, 3 and 3.", "Rather 1 and 1 than 4."))]
    first, second = pairs_told(asked, Parrot(), 0.5)
    assert (first.chosen, first.rejected) == ("3 Question 4?", "4 Question 4?")
    assert (second.chosen, second.rejected) == (f"1 {asked[0].told[-1]['content']}", "2 Question 4?")
    for pair in (first, second):
        assert (pair.conversation, pair.annotator) == (asked[0].example.conversation, "anna")
        assert (pair.weight, pair.rationale, pair.target) == (0.5, "", 1.0)


def test_halves() -> None:
    assert list(halves("abcd")) == [("a", "c"), ("b", "d")]
    assert list(halves("abc")) == [("a", "c")]
    assert list(halves("ab")) == [("a", "b")]
    assert list(halves("a")) == []


def test_one_answer_is_told_the_reasons_and_the_others_are_not() -> None:
    asked = asked_again(LEARNT, reasons(LEARNT), 1.0, seed=0)
    heard: list[str] = []

    class Listener(Parrot):
        def answer(self, conversations: Sequence[Sequence[Message]]) -> list[Sample]:
            heard.extend(each[-1]["content"] for each in conversations)
            return super().answer(conversations)

    list(pairs_told(asked, Listener(), 1.0))
    for each in asked:
        conversation = each.example.conversation
        assert heard.count(reasons_prompt(conversation, each.reasons)[-1]["content"]) >= 1
        assert heard.count(conversation[-1]["content"]) == PLAIN
    assert len(heard) == (1 + PLAIN) * len(asked)


@pytest.mark.parametrize("speaker", [Fixed("The same."), Fixed("Cut", finished=False), Fixed("")])
def test_answers_that_were_cut_off_or_are_alike_are_left_out(speaker: Parrot) -> None:
    assert list(pairs_told(asked_again(LEARNT, reasons(LEARNT), 1.0, seed=0), speaker, 1.0)) == []


def test_they_are_kept_for_a_run_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Examples(LEARNT, [example(20, "anna", "A secret.")], ("A note.",))
    monkeypatch.setattr(telling, "AT_ONCE", 4)
    lines: list[Mapping[str, object]] = []
    how = {"share": 1.0, "most": 512, "weight": 0.5, "seed": 0, "tell": lines.append, "asked_to_stop": lambda: False}
    first = with_told(examples, Parrot(), tmp_path, reasons(LEARNT), **how)  # type: ignore[arg-type]
    assert lines == [{"stage": "told", "step": step, "steps": 9} for step in (0, 4, 8)]
    told = (tmp_path / TOLD_FILE).read_text().splitlines()
    assert len(first.train) == len(LEARNT) + len(told)
    assert 9 <= len(told) <= 18
    assert first.held_out == examples.held_out
    assert not any("A secret." in each.chosen for each in first.train)
    assert first.notes[1].startswith(f"{len(told)} pairs of the policy's own answers")

    class Silent(Parrot):
        def answer(self, conversations: Sequence[Sequence[Message]]) -> list[Sample]:
            raise AssertionError(f"nothing is asked twice, not even {conversations}")

    assert with_told(examples, Silent(), tmp_path, reasons(LEARNT), **how) == first  # type: ignore[arg-type]


def test_a_stop_is_heard_between_answers_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "AT_ONCE", 4)
    parrot = Parrot()
    with pytest.raises(Cancelled, match="answered with what is known of people"):
        with_told(
            Examples(LEARNT, []),
            parrot,
            tmp_path,
            reasons(LEARNT),
            share=2.0,
            most=512,
            weight=1.0,
            seed=0,
            tell=lambda _: None,
            asked_to_stop=lambda: bool(parrot.asked),
        )
    assert parrot.asked == [4, 4 * PLAIN]
    assert not (tmp_path / TOLD_FILE).exists()


def test_a_run_learns_them_beside_the_judgments(
    micro: Path, judged: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_answers, "LONGEST", 48)  # of a context of 256
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
    assert (described["counts"]["train"], described["counts"]["made"]) == (learnt, len(told))
    assert any(note.startswith(f"{len(told)} pairs of the policy's own answers") for note in described["notes"])
    assert reports[0].metrics["held_out_margin"] == pytest.approx(reports[1].metrics["held_out_margin"], abs=1e-6)


@pytest.mark.parametrize("told", [{"rationales": "told"}, {"profiles": "told"}])
def test_where_nothing_is_known_the_run_says_so(
    told: dict[str, str], micro: Path, judged: Snapshot, tmp_path: Path
) -> None:
    settings = PolicySettings(base=str(micro), epochs=1, batch=4, rank=4, samples=0, **told)  # type: ignore[arg-type]
    few = judged.judgments[:8]
    silent = replace(judged, judgments=tuple(replace(each, rationale="", tags=()) for each in few))
    report = fit_policy(silent, settings, out=tmp_path / "policy", work=tmp_path / "work")
    assert NOTHING_KNOWN in report.notes
    assert not (tmp_path / "work" / TOLD_FILE).exists()


def test_reasons_that_nobody_gave_cannot_be_learnt_as_texts(micro: Path, judged: Snapshot, tmp_path: Path) -> None:
    settings = PolicySettings(base=str(micro), epochs=1, batch=4, rank=4, samples=0, rationales="nll")
    silent = tuple(replace(each, rationale="", tags=()) for each in judged.judgments[:8])
    report = fit_policy(replace(judged, judgments=silent), settings, out=tmp_path / "policy", work=tmp_path / "work")
    assert "No judgment has a rationale, so the run is the same as without." in report.notes


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(BadData, match=r"told is 21; expected a number 0\.0 to 20\.0"):
        PolicySettings(told=21)
    with pytest.raises(BadData, match="profiles is 'loud'; expected 'off' or 'told'"):
        PolicySettings(profiles="loud")  # type: ignore[arg-type]
    with pytest.raises(BadData, match="rationales is 'loud'; expected 'off' or 'nll' or 'published' or 'told'"):
        PolicySettings(rationales="loud")  # type: ignore[arg-type]
