"""Strengths as grades: what a judgment then says by hand, that it helps where strengths mean something, and that it is left alone where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attune import artifact
from attune.data import Judgment, Snapshot
from attune.errors import BadData
from attune.evaluate import comparisons, recovery
from attune.rewards.base import Comparison
from attune.rewards.ensemble import Ensemble
from attune.rewards.hybrid import Hybrid
from attune.rewards.indexing import index_snapshot
from attune.rewards.linear import newton_mode
from attune.rewards.strengths import GRADES, STRENGTH_WEIGHTS, WORTH, grades, strengths_of
from attune.simulate import Simulation, StyledPrompt, load_starter, simulate
from tests.attune.conftest import style_features
from tests.attune.test_hybrid import voting_world

QUICK = {"ranks": [6], "class_sizes": [6], "rounds": 12, "last_rounds": 4}


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(load_starter(), seed=2)


@pytest.fixture(scope="module")
def newcomers(world: Simulation) -> Simulation:
    return simulate(load_starter(), annotators=18, judgments=18 * 16, seed=102, quality=world.quality)


@pytest.fixture(scope="module")
def hybrid(world: Simulation) -> Hybrid:
    return fitted(world, world.judgments)


@pytest.fixture(scope="module")
def context(newcomers: Simulation, hybrid: Hybrid) -> list[Comparison]:
    name = next(iter(newcomers.people))
    return comparisons(hybrid, [each for each in newcomers.judgments if each.annotator == name])


def fitted(world: Simulation, judgments: tuple[Judgment, ...], **options: object) -> Hybrid:
    model = Hybrid(**QUICK, **options)
    model.fit(Snapshot(world.responses, judgments), style_features(world), encoder="true styles")
    return model


def changed(world: Simulation, strength_of: Callable[[Judgment], int]) -> tuple[Judgment, ...]:
    """The same choices with other strengths where there was one."""
    return tuple(replace(each, strength=strength_of(each) if each.strength else None) for each in world.judgments)


def test_grades_by_hand() -> None:
    outcome, strength = np.array([1, -1, 1, -1, 0]), np.array([1, 2, 3, 0, 0])
    weight = np.array([0.5 * STRENGTH_WEIGHTS[each or None] for each in strength], np.float32)
    leaning, weighing = grades(outcome, weight, strength)
    assert leaning == pytest.approx([0.3, -0.8, 0.98, -1, 0], abs=1e-6)
    assert weighing == pytest.approx([0.5 * WORTH] * 3 + [0.5] * 2)


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_said_often_enough_a_margin_is_as_large_as_its_grade(strength: int) -> None:
    count = 4_000
    said = grades(np.ones(count), np.ones(count, np.float32), np.full(count, strength))
    along, nothing = np.ones((count, 1)), np.zeros(count)
    mode, _ = newton_mode(along, nothing, *said, np.zeros(1), -20.0)
    assert mode[0] == pytest.approx(np.log(GRADES[strength] / (1 - GRADES[strength])), abs=0.1)


def test_strengths_help_to_know_newcomers(world: Simulation, hybrid: Hybrid, newcomers: Simulation) -> None:
    assert hybrid.reads_strengths
    weights = fitted(world, world.judgments, strengths="weights")
    assert not weights.reads_strengths
    silent = replace(newcomers, judgments=[replace(each, tags=(), rationale="") for each in newcomers.judgments])
    graded, weighed = (recovery(model, silent, (8, 16)) for model in (hybrid, weights))
    assert graded["8"] > weighed["8"] + 0.03
    assert graded["16"] > weighed["16"] + 0.02


@pytest.mark.parametrize("meaning", ["none", "one for all"])
def test_strengths_that_mean_nothing_are_left_alone(world: Simulation, meaning: str) -> None:
    rng = np.random.default_rng(0)
    said = changed(world, lambda _: int(rng.integers(1, 4)) if meaning == "none" else 1)
    model = fitted(world, said)
    assert not model.reads_strengths
    weights = fitted(world, said, strengths="weights")
    np.testing.assert_array_equal(model.parts.table, weights.parts.table)


def test_without_strengths_nothing_is_asked(world: Simulation) -> None:
    silent = tuple(replace(each, strength=None) for each in world.judgments)
    one, other = (fitted(world, silent, strengths=how) for how in ("learnt", "weights"))
    assert not one.reads_strengths
    np.testing.assert_array_equal(one.parts.table, other.parts.table)


def test_verdicts_have_no_grades(prompts: list[StyledPrompt]) -> None:
    votes = voting_world(prompts)
    said = replace(votes, judgments=tuple(replace(each, strength=3) for each in votes.judgments))
    model = Hybrid(class_sizes=[3], ranks=[4])
    model.fit(said, style_features(simulate(prompts, annotators=1, judgments=4, seed=4)), encoder="truth")
    assert not model.reads_strengths


def test_where_nobody_can_be_held_out_strengths_are_grades(world: Simulation) -> None:
    alone = tuple(each for each in world.judgments if each.annotator == "simulated-01")
    assert fitted(world, alone).reads_strengths


def test_a_kept_model_reads_strengths_as_before(hybrid: Hybrid, context: list[Comparison], tmp_path: Path) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    again = artifact.load(tmp_path / "m")
    np.testing.assert_allclose(again.adapt(context).mean, hybrid.adapt(context).mean, atol=1e-6)


def test_an_artifact_of_before_counts_strengths_as_it_did(hybrid: Hybrid, context: list[Comparison]) -> None:
    tensors, config = hybrid.state()
    community = config["community"]
    assert isinstance(community, dict)
    old = Hybrid.from_state(
        tensors, config | {"community": {name: each for name, each in community.items() if name != "graded"}}
    )
    assert not old.reads_strengths
    equal = [replace(each, strength=2 if each.strength else None) for each in context]
    weighed = [replace(each, weight=STRENGTH_WEIGHTS[each.strength]) for each in equal]
    assert np.abs(old.adapt(context).mean - old.adapt(equal).mean).max() > 1e-3, "weights still count"
    assert np.abs(hybrid.adapt(context).mean - old.adapt(context).mean).max() > 0.05
    np.testing.assert_allclose(old.adapt(weighed).mean, old.adapt(equal).mean, atol=1e-6)


def test_columns_tell_what_comparisons_tell(hybrid: Hybrid, context: list[Comparison]) -> None:
    silent = [replace(each, reason={}) for each in context]
    outcome = np.array([{"a": 1, "b": -1}.get(each.choice, 0) for each in silent])
    columns = (
        np.stack([each.item_a for each in silent]),
        np.stack([each.item_b for each in silent]),
        outcome,
        np.array([-1.0 if each.swapped else 1.0 for each in silent], np.float32),
        np.array([STRENGTH_WEIGHTS[each.strength] for each in silent], np.float32),
    )
    by_columns = hybrid.adapt_arrays(*columns, strength=strengths_of(silent))
    np.testing.assert_allclose(by_columns.mean, hybrid.adapt(silent).mean, atol=1e-5)
    assert np.abs(by_columns.mean - hybrid.adapt_arrays(*columns).mean).max() > 0.01


def test_members_of_an_ensemble_read_strengths(world: Simulation) -> None:
    model = Ensemble(members=["hybrid", "mixture"])
    model.fit(Snapshot(world.responses, world.judgments[:2500]), style_features(world), encoder="true styles")
    assert model.reads_strengths
    said = [
        replace(each, reason={})
        for each in comparisons(model, [each for each in world.judgments if each.annotator == "simulated-01"][:12])
    ]
    sides = zip(
        model.members,
        model._split(np.stack([each.item_a for each in said])),
        model._split(np.stack([each.item_b for each in said])),
        strict=True,
    )
    alone = [
        member.adapt([replace(each, item_a=a, item_b=b) for each, a, b in zip(said, *own, strict=True)])
        for member, *own in sides
    ]
    joined = model.adapt(said)
    np.testing.assert_allclose(joined.mean, np.concatenate([each.mean for each in alone]), atol=1e-5)


def test_a_refit_reads_strengths_as_the_fit_before(world: Simulation, hybrid: Hybrid, tmp_path: Path) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    left = artifact.load_left(tmp_path / "m")
    steps: list[tuple[float | int | str, float | int | str]] = []
    again = Hybrid(**QUICK)
    again.begin_from(artifact.load(tmp_path / "m"), left)
    snapshot = Snapshot(world.responses, world.judgments)
    again.fit(
        snapshot,
        style_features(world),
        encoder="true styles",
        progress=lambda said: steps.append((said["step"], said["steps"])),
    )
    assert again.began and again.reads_strengths
    assert steps[-1][0] == steps[-1][1]
    silent = fitted(world, tuple(replace(each, strength=None) for each in world.judgments)).left()
    of_before = left | {"about": left["about"][:3]}  # as it was kept before strengths were graded
    for before in (silent, of_before):
        anew = Hybrid(**QUICK)
        anew.begin_from(artifact.load(tmp_path / "m"), before)
        anew.fit(snapshot, style_features(world), encoder="true styles")
        assert not anew.began


def test_progress_counts_what_is_tried(world: Simulation) -> None:
    for said in (world.judgments, changed(world, lambda _: 1)):
        steps: list[tuple[int, int]] = []
        Hybrid(**QUICK).fit(
            Snapshot(world.responses, said),
            style_features(world),
            encoder="true styles",
            progress=lambda told, steps=steps: steps.append((int(told["step"]), int(told["steps"]))),
        )
        assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
        assert steps[-1][0] == steps[-1][1]


def test_another_way_to_read_strengths_is_refused() -> None:
    with pytest.raises(BadData, match="strengths"):
        Hybrid(strengths="loud")


def test_strengths_stand_in_columns(world: Simulation) -> None:
    _, said = index_snapshot(Snapshot(world.responses, world.judgments))
    assert said.strength is not None
    assert said.evidence[0] is said.outcome
    leaning, weighing = replace(said, graded=True).evidence
    decided = said.outcome != 0
    assert (np.sign(leaning) == said.outcome).all()
    assert weighing[decided] == pytest.approx(np.full(decided.sum(), WORTH))
    assert (said.take(np.flatnonzero(decided)).strength > 0).all()


def test_a_run_says_how_strengths_were_read_where_it_was_to_find_out(world: Simulation) -> None:
    silent = tuple(replace(each, strength=None) for each in world.judgments)
    for said, how, told in (
        (world.judgments, "learnt", 1.0),
        (world.judgments, "grades", None),
        (silent, "learnt", None),
    ):
        model = Hybrid(**QUICK, strengths=how)
        report = model.fit(Snapshot(world.responses, said), style_features(world), encoder="true styles")
        assert report.metrics.get("strengths_graded") == told
