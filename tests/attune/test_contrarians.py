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
from attune.rewards.contrarians import OUT_OF_QUESTION, PRIOR_PEOPLE, contrary_odds, infer, learn_share, with_contrary
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
    outcome[:3] = 0.3, -0.8, 0.0  # strengths as grades, and a tie
    reader, trust = Reader(COMMUNITY), default_trust()
    one = infer(reader, trust, reader.told(a, b, outcome, side, weight), 12)
    other = infer(reader, trust, reader.told(a, b, -outcome, -side, weight), 12, contrary=True)
    assert other.mean[:-2] == pytest.approx(-one.mean[:-2], abs=1e-4)
    assert other.cov == pytest.approx(one.cov, abs=1e-4)
    assert other.odds == pytest.approx(one.odds, abs=1e-4)
    # But for the pull of the left side, which is the same for all:
    assert other.evidence == pytest.approx(one.evidence, abs=0.05)
    assert {key: -value for key, value in other.remembered.items()} == pytest.approx(one.remembered, abs=1e-3)


def test_evidence_for_being_contrary_adds_up_as_judgments_come_in() -> None:
    a, b, outcome, side, weight = pairs(10)
    reader, trust = Reader(COMMUNITY), default_trust()
    first, rest = (
        reader.told(*(column[rows] for column in (a, b, outcome, side, weight))) for rows in (slice(4), slice(4, None))
    )
    at_once = contrary_odds(reader, trust, reader.told(a, b, outcome, side, weight), 10)
    assert contrary_odds(reader, trust, first.followed_by(rest), 10) == pytest.approx(at_once, abs=1e-4)


def test_what_is_inferred_is_the_mixture_of_both_with_its_moments() -> None:
    reader, trust = Reader(replace(COMMUNITY, contrarians=0.3)), default_trust()
    a, b, outcome, side, weight = pairs(5, seed=3)
    told = reader.told(a, b, outcome, side, weight)
    one, other = (infer(reader, trust, told, 5, contrary=stand) for stand in (False, True))
    found, beyond, noted = with_contrary(reader, trust, told, 5)
    odds = np.exp(other.evidence - one.evidence) * 0.3 / 0.7
    assert beyond == pytest.approx((odds / (1 + odds) - 0.3) / 0.7)
    assert 0.05 < beyond < 0.95
    assert found.mean == pytest.approx((1 - beyond) * one.mean + beyond * other.mean)
    square = (1 - beyond) * (one.cov + np.outer(one.mean, one.mean)) + beyond * (
        other.cov + np.outer(other.mean, other.mean)
    )
    assert found.cov == pytest.approx(square - np.outer(found.mean, found.mean))
    number = next(iter(one.remembered))
    assert found.remembered[number] == pytest.approx(
        (1 - beyond) * one.remembered.get(number, 0) + beyond * other.remembered.get(number, 0)
    )
    again = infer(reader, trust, noted, 5, contrary=True)  # which begins where the last search ended
    assert again.mean == pytest.approx(other.mean, abs=1e-4)


def test_whoever_is_no_more_probably_contrary_than_anybody_is_not_at_all() -> None:
    """Also where it is far from out of the question, as after one judgment that most would have given."""
    reader, trust = Reader(replace(COMMUNITY, contrarians=0.3)), default_trust()
    a, b, _, side, weight = pairs(1)
    told = reader.told(a, b, np.sign(a[:, 1] - b[:, 1]), side, weight)
    assert -OUT_OF_QUESTION / 4 < contrary_odds(reader, trust, told, 1) < 0
    found, beyond, _ = with_contrary(reader, trust, told, 1)
    assert beyond == 0
    assert np.array_equal(found.mean, infer(reader, trust, told, 1).mean)


def test_a_strong_taste_is_a_better_reason_than_being_contrary() -> None:
    """Where what somebody wants is what most don't: told apart by the Gaussian, as no class has that taste."""
    community = replace(COMMUNITY, cov=np.array([[9.0]], np.float32), class_weights=np.zeros((1, 2), np.float32))
    a, b, _, side, weight = pairs(40, seed=2)
    for items in (a, b):
        items[:, 0] = items[:, 1] = -0.5 * items[:, 2] + 0.3 * items[:, 1]
    reader, trust = Reader(community), default_trust()
    told = reader.told(a, b, np.sign(a[:, 2] - b[:, 2]), side, weight)
    assert told.contrary.pooled - told.usual.pooled > 12
    assert contrary_odds(reader, trust, told, 40) < 4


def test_a_contrary_person_stays_so_however_much_of_their_own_there_is_to_know() -> None:
    """With a taste and a pull of the left side, which only the Gaussian knows of: what is quick is held against what is as quick."""
    community = replace(
        COMMUNITY, contrarians=0.003, base_spread=0.2, cov=np.array([[0.3]], np.float32), position_spread=0.7
    )
    reader, trust, rng = Reader(community), default_trust(), np.random.default_rng(1)
    a, b, _, side, weight = pairs(256, seed=5)
    apart = (a - b).astype(float)
    margin = -apart[:, 1] + 0.5 * apart[:, 2] + 2.0 * side
    outcome = np.where(rng.random(256) < 1 / (1 + np.exp(-margin)), 1.0, -1.0)
    for count in (64, 128, 256):
        told = reader.told(*(column[:count] for column in (a, b, outcome, side, weight)))
        assert with_contrary(reader, trust, told, count)[1] > 0.9, count


def test_the_share_is_that_of_held_out_people_and_small_where_there_are_few() -> None:
    assert learn_share([]) == learn_share([9.0] * 7) == 0.0  # among a handful there is no everybody
    assert learn_share([0.0] * 10) == pytest.approx(0.5 / PRIOR_PEOPLE, abs=1e-4)  # who says nothing changes nothing
    assert learn_share([-8.0] * 900) < 0.001
    assert learn_share([-8.0] * 900 + [9.0] * 100) == pytest.approx(0.1, abs=0.01)


@cache
def of_one_mind() -> tuple[World, Hybrid, list[Subject]]:
    """Everybody prefers the same, so that no taste explains the opposite; the model fitted on them, and newcomers."""
    world = minority(share=1e-4, judgments=40, seed=7)
    model = Hybrid(ranks=[4], class_sizes=[3, 4], rounds=8, last_rounds=4)
    model.fit(world.train, world.features, encoder="true properties")
    return world, model, subjects_of(world.evaluation)


def test_a_fit_learns_how_many_are_contrary() -> None:
    world, model, _ = of_one_mind()
    names = sorted({each.annotator for each in world.train.judgments})
    contrary = set(names[::10])
    said = [
        replace(each, choice=FLIPPED[each.choice]) if each.annotator in contrary else each
        for each in world.train.judgments
    ]
    other = Hybrid(ranks=[4], class_sizes=[3, 4], rounds=8, last_rounds=4)
    report = other.fit(replace(world.train, judgments=said), world.features, encoder="true properties")
    assert share_of_contrarians(model) < 0.5 / PRIOR_PEOPLE
    assert 0.02 < report.metrics["contrarians"] == share_of_contrarians(other) < 0.2


def share_of_contrarians(model: Hybrid) -> float:
    return float(model.state()[1]["community"]["contrarians"])  # type: ignore[index]


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
