"""Preference strength by voting: slips are found, unusual tastes are not, and the three options do what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Judgment, Response, Snapshot
from attune.errors import BadData
from attune.rewards import create
from attune.rewards.factors import FactorConfig, FactorFit, FactorTrainer
from attune.rewards.indexing import Comparisons, index_snapshot
from attune.rewards.pooled import fit_pooled
from attune.simulate import Simulation, StyledPrompt, simulate
from attune.strength import (
    OTHER,
    Strengths,
    adaptive_margins,
    flipped,
    soft_targets,
    suspects,
    vote,
    with_margins,
)
from tests.attune.conftest import style_features

VOTES = Strengths(np.array([[2.0, -2.0, -3.0, np.nan, -4.0], [1.0, -1.0, -2.0, np.nan, 0.5]], np.float32))


def test_strengths_by_hand() -> None:
    assert VOTES.mean[:3] == pytest.approx([1.5, -1.5, -2.5])
    assert VOTES.spread[0] == pytest.approx(0.5)
    assert list(suspects(VOTES)) == [2, 1]  # P(opposite) is .92 and .82; the last judgment's voters are not of one mind
    assert list(suspects(VOTES, at_least=0.9)) == [2]
    assert soft_targets(VOTES, trust=0.5)[[1, 3]] == pytest.approx([0.5 + 0.5 / (1 + np.exp(1.5)), 1])
    assert adaptive_margins(VOTES, most=2.0)[[0, 2, 3]] == pytest.approx([1.5, -2, 0])


def test_flipping_turns_only_those_rows() -> None:
    said = (Judgment("u", "x", "y", "a", strength=3, tags=("a+tone",), rationale="kind"), Judgment("u", "y", "x", "b"))
    turned = flipped(Snapshot({}, said, digest="d"), [0])
    assert turned.judgments == (Judgment("u", "x", "y", "b"), said[1])
    assert turned.digest == ""


@pytest.mark.parametrize(("name", "options"), [("bradley_terry", {}), ("bradley_terry", {"hidden": 4, "steps": 60})])
def test_a_margin_is_aimed_at_and_a_doubted_judgment_hardly_counts(name: str, options: dict[str, object]) -> None:
    responses = {key: Response(key, "Which?", key) for key in "xyz"}
    features = {key: np.eye(3, dtype=np.float32)[n] for n, key in enumerate("xyz")}
    said = [
        Judgment(f"u{n}", *pair, choice) for n in range(30) for pair, choice in ((("x", "y"), "a"), (("y", "z"), "b"))
    ]
    said += [Judgment(f"u{n}", "x", "y", "b") for n in range(10)]  # against the thirty

    def lead(margins: Sequence[float]) -> float:
        votes = Strengths(np.array([margins], np.float32))
        model = create(name, **options)
        model.fit(with_margins(Snapshot(responses, said), votes), features, encoder="none")
        x, y = model.items(["x", "y"])
        return float(model.margin(model.prior(), x[None], y[None])[0][0])

    plain = lead([0.0] * len(said))
    assert lead([2.0] * 60 + [-2.0] * 10) > plain + 0.5
    assert lead([-2.0] * 60 + [2.0] * 10) < plain - 0.5


def test_item_vectors_aim_at_margins_on_either_side(prompts: Sequence[StyledPrompt]) -> None:
    world = simulate(prompts, annotators=12, judgments=480, seed=3)
    snapshot = Snapshot(world.responses, world.judgments)
    flat = np.array([[2.0 if each.choice in ("a", "b") else 0.0 for each in world.judgments]], np.float32)
    swapped = [replace(each, a=each.b, b=each.a, choice=OTHER[each.choice]) for each in world.judgments]
    fits = []
    for said in (world.judgments, swapped):
        _, columns = index_snapshot(with_margins(replace(snapshot, judgments=said), Strengths(flat)))
        fits.append(fit_factors(columns, len(world.responses)))
    _, columns = index_snapshot(snapshot)
    plain = fit_factors(columns, len(world.responses))
    np.testing.assert_allclose(np.abs(fits[0].vectors), np.abs(fits[1].vectors), atol=1e-3)  # a mirror changes nothing
    assert np.linalg.norm(fits[0].vectors) > 1.2 * np.linalg.norm(plain.vectors)


def fit_factors(columns: Comparisons, responses: int) -> FactorFit:
    mapped = np.zeros((responses, 1), np.float32)
    columns = replace(columns, side=np.zeros(len(columns), np.float32))
    trainer = FactorTrainer(mapped, fit_pooled(columns, mapped), FactorConfig(rank=2))
    return trainer.run(columns, 8, lambda _round, _loss: None)


def test_slips_are_found_and_unusual_tastes_are_not(prompts: Sequence[StyledPrompt]) -> None:
    world: Simulation = simulate(prompts, annotators=24, judgments=24 * 48, seed=5)
    slipped = np.random.default_rng(0).random(len(world.judgments)) < 0.08
    judgments = [
        replace(each, choice=OTHER[each.choice]) if turned else each
        for each, turned in zip(world.judgments, slipped, strict=True)
    ]
    decided = np.array([each.choice in ("a", "b") for each in judgments])
    snapshot, features = Snapshot(world.responses, judgments), style_features(world)
    found = vote(snapshot, features, encoder="truth", rounds=2)
    assert np.isnan(found.mean[~decided]).all()
    assert np.isfinite(found.mean[decided]).all()
    assert found.mean[decided & slipped].mean() < -0.2 < 0.2 < found.mean[decided & ~slipped].mean()
    rows = suspects(found, at_least=0.7)
    assert len(rows) > 5
    assert slipped[rows].mean() > 3 * slipped[decided].mean()


def test_any_model_can_vote_and_the_votes_repeat_with_the_seed(prompts: Sequence[StyledPrompt]) -> None:
    world: Simulation = simulate(prompts, annotators=6, judgments=120, seed=6)
    told: list[Mapping[str, float | int | str]] = []
    votes = [
        vote(
            Snapshot(world.responses, world.judgments),
            style_features(world),
            encoder="truth",
            model="bradley_terry",
            folds=3,
            progress=told.append,
        ).votes
        for _ in range(2)
    ]
    assert votes[0].shape == (3, 120)
    assert np.array_equal(votes[0], votes[1], equal_nan=True)
    assert told[0] == {"stage": "voting", "step": 0, "steps": 9}


def test_too_little_to_vote_on_is_said() -> None:
    with pytest.raises(BadData, match="2 decided judgments are too few"):
        vote(Snapshot({}, [Judgment("u", "x", "y", "a")] * 2), {}, encoder="none")
    with pytest.raises(BadData, match="expected at least 1 and 2"):
        vote(Snapshot({}, []), {}, encoder="none", folds=1)
