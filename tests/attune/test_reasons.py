"""Why people say what they say: what tags and words are learnt to speak of, and that they help where they mean something."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune import artifact
from attune.data import Judgment, Snapshot
from attune.evaluate import comparisons, recovery
from attune.rewards.base import Comparison
from attune.rewards.context import Context
from attune.rewards.ensemble import Ensemble
from attune.rewards.hybrid import Hybrid
from attune.rewards.reasons import LEAST_PEOPLE, learn_why, reasons_of, spoken
from attune.simulate import Simulation, StyledPrompt, load_starter, simulate

QUICK = {"ranks": [6], "class_sizes": [6], "rounds": 12, "last_rounds": 4, "strengths": "weights"}


@pytest.fixture(scope="module")
def prompts() -> Sequence[StyledPrompt]:
    return load_starter()


@pytest.fixture(scope="module")
def world(prompts: Sequence[StyledPrompt]) -> Simulation:
    return simulate(prompts, seed=2)


@pytest.fixture(scope="module")
def newcomers(prompts: Sequence[StyledPrompt], world: Simulation) -> Simulation:
    return simulate(prompts, annotators=18, judgments=18 * 16, seed=102, quality=world.quality)


@pytest.fixture(scope="module")
def hybrid(world: Simulation) -> Hybrid:
    return fitted(world, world.judgments)


@pytest.fixture(scope="module")
def context(newcomers: Simulation, hybrid: Hybrid) -> list[Comparison]:
    name = next(iter(newcomers.people))
    said = comparisons(hybrid, [each for each in newcomers.judgments if each.annotator == name])
    assert any(each.reason for each in said)
    return said


def fitted(world: Simulation, judgments: Sequence[Judgment]) -> Hybrid:
    features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
    model = Hybrid(**QUICK)
    model.fit(Snapshot(world.responses, judgments), features, encoder="true styles")
    return model


def without_reasons(world: Simulation) -> Simulation:
    return replace(world, judgments=tuple(replace(each, tags=(), rationale="") for each in world.judgments))


def test_tags_speak_for_the_side_that_they_praise_and_words_for_what_was_chosen() -> None:
    said = spoken("b", ("a+tone", "a-length", "b-layout", "odd"), "It is warm. Warm!")
    assert said == pytest.approx(
        {"#tone": 1, "#length": -1, "#layout": 1, "it": -(3**-0.5), "is": -(3**-0.5), "warm": -(3**-0.5)}
    )
    assert spoken("tie", ("b+tone",), "Both are fine.") == {"#tone": -1}


def test_words_of_few_people_are_not_learnt() -> None:
    said = [(f"u{n}", {"#tone": 1.0, "clear": 0.5} if n % 20 < LEAST_PEOPLE - 1 else {"#tone": 1.0}) for n in range(60)]
    few = [(name if name < "u2" else "u0", reason) for name, reason in said]
    words, given = reasons_of(said)
    assert words == ("#tone", "clear") and given is not None and given.shape == (60, 2)
    assert reasons_of([(f"u{n % (LEAST_PEOPLE - 1)}", reason) for n, (_, reason) in enumerate(few)]) == ((), None)
    assert reasons_of(said[:30]) == ((), None)  # fewer than can teach anything


def test_what_a_tag_speaks_of_is_found() -> None:
    rng = np.random.default_rng(0)
    taste, apart = rng.standard_normal((400, 3)), rng.standard_normal((400, 3)).astype(np.float32)
    outcome = np.where((taste * apart).sum(axis=1) > 0, 1, -1)
    apart *= outcome[:, None]
    why_row = np.argmax(taste * apart, axis=1)  # the coordinate that spoke most for the choice is the reason given
    words, given = reasons_of([(f"u{n}", {f"#{axis}": 1.0}) for n, axis in enumerate(why_row)])
    assert given is not None
    why = learn_why(words, given, apart, np.ones(400, np.int64), taste)
    for axis in range(3):
        found = why.alike[words.index(f"#{axis}")]
        assert np.unravel_index(np.argmax(found), (3, 3)) == (axis, axis)


def test_reasons_help_to_know_newcomers(hybrid: Hybrid, newcomers: Simulation) -> None:
    assert hybrid.reads_reasons
    told = recovery(hybrid, newcomers, (8, 16))
    untold = recovery(hybrid, without_reasons(newcomers), (8, 16))
    assert told["8"] > untold["8"] + 0.03
    assert told["16"] > untold["16"] + 0.01


def test_reasons_that_mean_nothing_are_left_alone(world: Simulation) -> None:
    rng = np.random.default_rng(0)
    given = [(each.tags, each.rationale) for each in world.judgments if each.tags]
    shuffled = [given[n] for n in rng.permutation(len(given))]
    judgments = []
    for each in world.judgments:
        tags, rationale = shuffled.pop() if each.tags else ((), "")
        judgments.append(
            replace(each, tags=tuple(rng.choice(["a", "b"]) + tag[1:] for tag in tags), rationale=rationale)
        )
    model = fitted(world, judgments)
    assert not model.reads_reasons
    assert "words_of_reasons" not in model.state()[1]


def test_a_kept_model_reads_reasons_as_before(
    hybrid: Hybrid, context: list[Comparison], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("kept") / "model"
    artifact.save(hybrid, folder, {})
    again = artifact.load(folder)
    np.testing.assert_allclose(again.adapt(context).mean, hybrid.adapt(context).mean, atol=1e-5)
    silent = hybrid.adapt([replace(each, reason={}) for each in context])
    assert np.abs(hybrid.adapt(context).mean - silent.mean).max() > 0.05
    assert hybrid.adapt(context).n == silent.n == len(context)


def test_reasons_read_one_by_one_are_as_all_at_once(hybrid: Hybrid, context: list[Comparison]) -> None:
    grown = Context()
    for each in context:
        grown = grown.plus([each])
        last = hybrid.adapt(grown)
    np.testing.assert_allclose(last.mean, hybrid.adapt(context).mean, atol=2e-3)
    np.testing.assert_allclose(last.mean, hybrid.adapt(context[::-1]).mean, atol=2e-3)


def test_words_nobody_taught_change_nothing(hybrid: Hybrid, context: list[Comparison]) -> None:
    silent = [replace(each, reason={}) for each in context]
    strange = [replace(each, reason={"#unheard": 1.0, "xylophone": 0.5}) for each in context]
    np.testing.assert_allclose(hybrid.adapt(strange).mean, hybrid.adapt(silent).mean, atol=1e-6)


def test_members_of_an_ensemble_read_reasons(world: Simulation) -> None:
    features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
    model = Ensemble(members=["hybrid", "mixture"])
    model.fit(Snapshot(world.responses, world.judgments[:2500]), features, encoder="true styles")
    said = comparisons(model, [each for each in world.judgments if each.annotator == "simulated-01"][:12])
    silent = [replace(each, reason={}) for each in said]
    assert np.abs(model.adapt(said).mean - model.adapt(silent).mean).max() > 0.01


def test_one_more_reason_is_taken_in_at_once(hybrid: Hybrid, context: list[Comparison]) -> None:
    known = Context(context * 12)
    hybrid.adapt(known)
    told = [each for each in context if each.reason]
    took = []
    for number in range(30):
        known = known.plus([told[number % len(told)]])
        begin = time.process_time()
        hybrid.adapt(known)
        took.append(time.process_time() - begin)
    assert np.median(took) < 0.01
