"""Who judges contrary to everybody: the evidence by hand, the share of such people, and what becomes of them, of others and of coins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from attune import artifact
from attune.data import Judgment
from attune.evaluate import FLIPPED, Subject, comparisons, predict, subjects_of
from attune.rewards.base import Array, Comparison, Latent
from attune.rewards.context import Context
from attune.rewards.contrarians import PRIOR_PEOPLE, contrary_odds, infer, learn_share
from attune.rewards.hybrid import CONTRARY, Hybrid
from attune.rewards.linear import Floats
from attune.rewards.tastes import Community, Reader
from attune.rewards.trust import default_trust
from attune.worlds import World, minority

COMMUNITY = Community(
    verdicts=False,
    base=1.0,
    base_spread=1e-3,
    cov=np.array([[2.0]], np.float32),
    position=0.4,
    position_spread=1e-3,
    threshold_spread=0.7,
    log_nu=-20.0,
    tie_spread=1e-3,
    class_weights=np.array([[1.5, -1.0]], np.float32),
    class_center=np.array([[0.2, 0.2]], np.float32),
    class_log_prior=np.log(np.array([0.7, 0.3], np.float32)),
    class_model=np.array([0, 0]),
    memory=0.5,
    doubt=0.0,
)


def pairs(count: int, seed: int = 0) -> tuple[Array, Array, Floats, Array, Array]:
    """Items of both sides, outcomes, sides and weights of some pairs of different responses."""
    rng = np.random.default_rng(seed)
    a, b = np.zeros((2, count, 5), np.float32)
    a[:, 1:3], b[:, 1:3] = rng.normal(0, 1, (2, count, 2))
    a[:, 0], b[:, 0] = a[:, 1], b[:, 1]
    a[:, -1], b[:, -1] = 1 + np.arange(count), 1 + count + np.arange(count)
    outcome = np.where(rng.random(count) < 0.6, 1.0, -1.0)
    return a, b, outcome, np.where(rng.random(count) < 0.5, 1, -1).astype(np.float32), np.ones(count, np.float32)


@pytest.mark.parametrize("contrary", [False, True])
def test_the_evidence_is_the_integral_over_tastes(contrary: bool) -> None:
    a, b, outcome, side, weight = pairs(6)
    found = Reader(COMMUNITY).gaussian(Reader(COMMUNITY).told(a, b, outcome, side, weight), contrary=contrary)
    tastes = np.linspace(-12, 12, 4001)
    apart = (a - b).astype(float)
    margin = (-1 if contrary else 1) * apart[:, 1][:, None] + 0.4 * side[:, None] + apart[:, 2][:, None] * tastes
    likely = np.exp(-np.logaddexp(0, -outcome[:, None] * margin).sum(axis=0))
    density = np.exp(-(tastes**2) / 4) / np.sqrt(4 * np.pi)
    assert found.evidence == pytest.approx(np.log(np.trapezoid(likely * density, tastes)), abs=0.05)


def test_whoever_says_the_opposite_of_everything_is_read_as_their_mirror_image() -> None:
    a, b, outcome, side, weight = pairs(12)
    reader, trust = Reader(COMMUNITY), default_trust()
    one = infer(reader, trust, reader.told(a, b, outcome, side, weight), 12)
    other = infer(reader, trust, reader.told(a, b, -outcome, -side, weight), 12, contrary=True)
    assert other.mean[:-2] == pytest.approx(-one.mean[:-2], abs=1e-4)
    assert other.cov == pytest.approx(one.cov, abs=1e-4)
    assert other.odds == pytest.approx(one.odds, abs=1e-4)
    assert other.evidence == pytest.approx(
        one.evidence, abs=0.05
    )  # but for the pull of the left side, which is the same for all
    assert {key: -value for key, value in other.remembered.items()} == pytest.approx(one.remembered, abs=1e-3)


def test_evidence_for_being_contrary_adds_up_as_judgments_come_in() -> None:
    a, b, outcome, side, weight = pairs(10)
    reader, trust = Reader(COMMUNITY), default_trust()
    first, rest = (
        reader.told(*(column[rows] for column in (a, b, outcome, side, weight))) for rows in (slice(4), slice(4, None))
    )
    at_once = contrary_odds(reader, trust, reader.told(a, b, outcome, side, weight), 10)
    assert contrary_odds(reader, trust, first.followed_by(rest), 10) == pytest.approx(at_once, abs=1e-4)


def test_the_share_is_that_of_held_out_people_and_small_where_there_are_few() -> None:
    assert learn_share([]) == pytest.approx(0.5 / PRIOR_PEOPLE)
    assert learn_share([0.0] * 10) == pytest.approx(learn_share([]), abs=1e-4)  # who says nothing changes nothing
    assert learn_share([-8.0] * 900) < 0.001
    assert learn_share([-8.0] * 900 + [9.0] * 100) == pytest.approx(0.1, abs=0.01)


@cache
def of_one_mind() -> tuple[World, Hybrid, list[Subject]]:
    """Everybody prefers the same, so that no taste explains the opposite; the model fitted on them, and newcomers."""
    world = minority(share=1e-4, judgments=40, seed=7)
    model = Hybrid(ranks=[4], class_sizes=[3, 4], rounds=8, last_rounds=4)
    model.fit(world.train, world.features, encoder="true properties")
    return world, model, subjects_of(world.evaluation)


def without_contrarians(model: Hybrid) -> Hybrid:
    tensors, config = model.state()
    community = {key: value for key, value in dict(config["community"]).items() if key != "contrarians"}  # type: ignore[call-overload]
    return Hybrid.from_state(tensors, config | {"community": community})


def turned(judgments: Sequence[Judgment]) -> list[Judgment]:
    return [replace(each, choice=FLIPPED[each.choice]) for each in judgments]


def share_right(model: Hybrid, latent: Latent, test: Sequence[Judgment]) -> float:
    chances = predict(model, latent, test)
    return float(np.mean([(p > 0.5) == (each.choice == "a") for p, each in zip(chances, test, strict=True)]))


def test_contrary_people_are_found_and_followed() -> None:
    """After 8 judgments; a model without contrarians (as one of before is read) goes on believing the others."""
    _, model, people = of_one_mind()
    before = without_contrarians(model)
    probable, now, then = [], [], []
    for each in people[:40]:
        context, test = comparisons(model, turned(each.context[:8])), turned(each.test)
        latent = model.adapt(context)
        probable.append(latent.extra.get(CONTRARY, 0.0))
        now.append(share_right(model, latent, test))
        then.append(share_right(before, before.adapt(context), test))
    assert np.mean(np.array(probable) > 0.5) > 0.9
    assert np.mean(now) > 0.75
    assert np.mean(then) < 0.25


def test_everybody_else_is_inferred_as_if_there_were_none() -> None:
    _, model, people = of_one_mind()
    before = without_contrarians(model)
    for each in people[:20]:
        context = comparisons(model, each.context[:12])
        latent, other = model.adapt(context), before.adapt(context)
        assert CONTRARY not in latent.extra
        assert np.array_equal(latent.mean, other.mean)
        assert np.array_equal(latent.cov, other.cov)


def test_one_judgment_more_is_as_all_of_them_at_once_and_order_does_not_matter() -> None:
    _, model, people = of_one_mind()
    said: list[Comparison] = comparisons(model, turned(people[0].context[:6]))
    context = Context(said[:1])
    for each in said[1:]:
        model.adapt(context)
        context = context.plus([each])
    grown, at_once, backwards = model.adapt(context), model.adapt(said), model.adapt(said[::-1])
    assert grown.extra[CONTRARY] > 0.05
    for other in (at_once, backwards):
        assert other.mean == pytest.approx(grown.mean, abs=2e-3)
        assert other.extra[CONTRARY] == pytest.approx(grown.extra[CONTRARY], abs=1e-3)


def test_an_artifact_keeps_the_share(tmp_path: Path) -> None:
    _, model, people = of_one_mind()
    artifact.save(model, tmp_path / "model", {})
    loaded = artifact.load(tmp_path / "model")
    context = comparisons(model, turned(people[0].context[:8]))
    assert loaded.adapt(context).extra == model.adapt(context).extra
