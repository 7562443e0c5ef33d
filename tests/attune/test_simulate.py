"""The simulated annotators do what their model says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from attune.errors import BadData
from attune.simulate import (
    AXES,
    AXIS_TAGS,
    PROTOTYPES,
    REASON_TAGS,
    REASONS,
    Simulation,
    StyledPrompt,
    load_starter,
    simulate,
    styled_prompt,
)


def test_everybody_judges_alike_often_and_no_pair_twice(world: Simulation) -> None:
    assert set(Counter(each.annotator for each in world.judgments).values()) == {40}
    pairs = Counter((each.annotator, frozenset((each.a, each.b))) for each in world.judgments)
    assert set(pairs.values()) == {1}
    overlap = Counter(frozenset((each.a, each.b)) for each in world.judgments)
    assert (len(overlap), min(overlap.values()), max(overlap.values())) == (96, 16, 17)


def test_the_seed_decides_everything(prompts: Sequence[StyledPrompt]) -> None:
    runs = [simulate(prompts, annotators=5, judgments=50, seed=seed) for seed in (3, 3, 4)]
    assert runs[0] == runs[1]
    assert runs[0].judgments != runs[2].judgments


def test_answers_follow_the_true_reward(world: Simulation) -> None:
    gaps, won = [], []
    for each in world.judgments:
        if each.choice in ("a", "b"):
            gap = world.true_reward(each.annotator, each.a) - world.true_reward(each.annotator, each.b)
            gaps.append(abs(gap))
            won.append((gap > 0) == (each.choice == "a"))
    order = np.argsort(gaps)
    assert 0.7 < np.mean(won) < 0.95
    assert np.mean(np.array(won)[order[: len(order) // 3]]) < np.mean(np.array(won)[order[-len(order) // 3 :]]) - 0.2


def test_true_reward_by_hand(world: Simulation) -> None:
    name, key = next(iter(world.people)), next(iter(world.responses))
    expected = 2.5 * np.dot(world.people[name].taste, world.styles[key]) + world.quality[key]
    assert world.true_reward(name, key) == pytest.approx(expected)


def test_reasons_are_given_only_for_choices_and_fit_them(world: Simulation) -> None:
    known = {tag for tag, _ in REASON_TAGS}
    assert len(known) == len(AXES)
    reasons = [each for each in world.judgments if each.tags]
    assert 0.2 < len(reasons) / len(world.judgments) < 0.4
    for each in reasons:
        assert each.tags[0].startswith(f"{each.choice}+")
        axis = next(number for number, name in enumerate(AXES) if AXIS_TAGS[name][0] == each.tags[0][2:])
        chosen, other = (each.a, each.b) if each.choice == "a" else (each.b, each.a)
        difference = np.array(world.styles[chosen]) - np.array(world.styles[other])
        support = np.array(world.people[each.annotator].taste) * difference
        assert support[axis] == support.max()
        if each.rationale:
            assert each.rationale in REASONS[AXES[axis], 1 if difference[axis] > 0 else -1]


def test_strength_goes_with_the_margin_and_ties_have_none(world: Simulation) -> None:
    sizes: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for each in world.judgments:
        assert (each.strength is None) == (each.choice in ("tie", "both_bad"))
        if each.strength:
            gap = world.true_reward(each.annotator, each.a) - world.true_reward(each.annotator, each.b)
            sizes[each.strength].append(abs(gap))
    means = [np.mean(sizes[strength]) for strength in (1, 2, 3)]
    assert means[0] < means[1] < means[2]


def test_sides_are_shown_evenly_and_the_left_has_a_small_pull(prompts: Sequence[StyledPrompt]) -> None:
    world = simulate(prompts, annotators=40, judgments=3600, seed=0)
    decided = [each for each in world.judgments if each.choice in ("a", "b")]
    assert 0.47 < np.mean([each.swapped for each in decided]) < 0.53
    left = np.mean([(each.choice == "a") != each.swapped for each in decided])
    assert 0.505 < left < 0.56


def test_people_come_from_every_prototype(world: Simulation) -> None:
    assert {person.prototype for person in world.people.values()} == set(PROTOTYPES)
    away = [np.array(person.taste) - PROTOTYPES[person.prototype] for person in world.people.values()]
    assert np.std(away) == pytest.approx(0.25, abs=0.05)


def test_too_many_judgments_are_refused(prompts: Sequence[StyledPrompt]) -> None:
    with pytest.raises(BadData, match="need more than 96 pairs"):
        simulate(prompts, annotators=2, judgments=193, seed=0)


def test_the_starter_is_complete() -> None:
    prompts = load_starter()
    assert len(prompts) >= 60
    assert all(len(prompt.responses) == 4 for prompt in prompts)
    styles = np.array([each.style for prompt in prompts for each in prompt.responses])
    assert (styles.std(axis=0) > 0.3).all()


ROW = {
    "id": "p",
    "topic": "t",
    "prompt": [{"role": "user", "content": "Q"}],
    "responses": [{"id": "p-1", "text": "A", "style": dict.fromkeys(AXES, 0)}],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"topic": None, "responses": [{"id": "x"}]}, r"here: KeyError 'text'"),
        ({"responses": [{"id": "x", "text": " ", "style": dict.fromkeys(AXES, 0)}]}, "'x' has no text"),
        ({"responses": [{"id": "x", "text": "A", "style": dict.fromkeys(AXES, 2)}]}, "a style outside −1…1"),
        ({"prompt": [{"role": "system"}, {"role": "user"}]}, "KeyError 'content'"),
    ],
)
def test_a_bad_starter_line_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(BadData, match=message):
        styled_prompt(json.dumps(ROW | change), "here")
    with pytest.raises(BadData, match="here: JSONDecodeError"):
        styled_prompt("{", "here")
