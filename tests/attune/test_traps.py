"""Where published code went wrong: each of these mistakes has been made before, and would show here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from attune.data import Judgment, Snapshot
from attune.evaluate import comparisons
from attune.rewards import pal, vpl
from attune.rewards.base import Array, Latent, RewardModel
from attune.rewards.fewshot import Fewshot, read, respond
from attune.rewards.networks import mean_loss, softmax
from attune.simulate import Simulation
from tests.attune.conftest import small, style_features


def fitted(name: str, world: Simulation) -> Any:
    model = small(name)
    model.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth", seed=0)
    return model


@pytest.fixture(scope="module")
def vpl_model(world: Simulation) -> vpl.VPL:
    model: vpl.VPL = fitted("vpl", world)
    return model


def in_torch(weights: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(np.array(value)) for name, value in weights.items()}


def some_items(model: RewardModel, world: Simulation) -> tuple[Array, Array]:
    ids = list(world.responses)
    return model.items(ids[:12]), model.items(ids[12:24])


def said_by(world: Simulation, count: int) -> Sequence[Judgment]:
    name = next(iter(world.people))
    return [each for each in world.judgments if each.annotator == name and each.choice in ("a", "b")][:count]


# One equation, two libraries: a web process scores with numpy what was learnt with torch


def test_vpl_reads_and_scores_alike_in_numpy_and_torch(vpl_model: vpl.VPL, world: Simulation) -> None:
    won, lost = some_items(vpl_model, world)
    here = np.ones((1, len(won)), np.float32)
    mean, log_var = vpl.encode(won[None], lost[None], here, vpl_model.weights)
    weights = in_torch(vpl_model.weights)
    mean_t, log_var_t = vpl.encode(*(torch.as_tensor(each) for each in (won[None], lost[None], here)), weights)
    np.testing.assert_allclose(mean, mean_t.numpy(), atol=1e-5)
    np.testing.assert_allclose(log_var, log_var_t.numpy(), atol=1e-5)
    reward = vpl.decode(won[None], vpl.on_sphere(mean)[:, None, :], vpl_model.weights)
    reward_t = vpl.decode(torch.as_tensor(won[None]), vpl.on_sphere(mean_t)[:, None, :], weights)
    np.testing.assert_allclose(reward, reward_t.numpy(), atol=1e-4)


def test_fewshot_reads_and_scores_alike_in_numpy_and_torch(world: Simulation) -> None:
    model: Fewshot = fitted("fewshot", world)
    won, lost = some_items(model, world)
    here = np.ones((1, len(won)), np.float32)
    own = respond(won[None], read(won[None], lost[None], here, model.weights), model.weights)
    tensors = [torch.as_tensor(each) for each in (won[None], lost[None], here)]
    weights = in_torch(model.weights)
    in_fitting = respond(tensors[0], read(*tensors, weights), weights)
    np.testing.assert_allclose(own, in_fitting.numpy(), atol=1e-4)


@pytest.mark.parametrize("name", ["pal_a", "pal_b"])
def test_pal_is_served_by_the_distance_that_it_was_fitted_with(name: str, world: Simulation) -> None:
    model: pal.PAL = fitted(name, world)
    items, _ = some_items(model, world)
    theta = np.linspace(-1, 1, model.settings.prototypes)
    served, slope = model.reward(theta, items)
    mixture = torch.as_tensor(np.tile(softmax(theta), (len(items), 1)).astype(np.float32))
    weights = in_torch(model.weights)
    in_fitting = model._reward(mixture, weights, torch.as_tensor(items)).numpy()
    np.testing.assert_allclose(served, in_fitting, atol=1e-4)
    moved = 1e-5 * np.eye(len(theta))[0]
    measured = (model.reward(theta + moved, items)[0] - model.reward(theta - moved, items)[0]) / 2e-5
    np.testing.assert_allclose(slope[:, 0], measured, atol=1e-5)


# VPL: tastes are put on the sphere in training *and* in serving; SPO frees rewards of a person's own scale


def test_vpl_puts_tastes_on_the_sphere_when_it_serves(vpl_model: vpl.VPL, world: Simulation) -> None:
    items, _ = some_items(vpl_model, world)
    latent = vpl_model.adapt(comparisons(vpl_model, said_by(world, 12)))
    longer = Latent(3 * latent.mean, 9 * latent.cov, latent.n, {})
    z = vpl.on_sphere(latent.mean[None])
    assert np.linalg.norm(z) == pytest.approx(np.sqrt(len(latent.mean)), rel=1e-5)
    assert vpl_model.score(longer, items).mean == pytest.approx(vpl_model.score(latent, items).mean, abs=1e-4)


def test_spo_rewards_are_shares_of_responses_beaten_and_margins_stay(vpl_model: vpl.VPL, world: Simulation) -> None:
    tensors, config = vpl_model.state()
    spo = vpl.VPL.from_state(tensors, {**config, "settings": {**vars_of(config), "scaling": "spo"}})
    items, others = some_items(vpl_model, world)
    latent = vpl_model.adapt(comparisons(vpl_model, said_by(world, 12)))
    shares = spo.score(latent, items).mean
    assert ((shares > 0) & (shares < 1)).all()
    assert np.corrcoef(shares, vpl_model.score(latent, items).mean)[0, 1] > 0.95
    louder = {**tensors, "own.scale": 50 * tensors["own.scale"]}
    shouting = vpl.VPL.from_state(louder, {**config, "settings": {**vars_of(config), "scaling": "spo"}})
    assert ((shouting.score(latent, items).mean >= 0) & (shouting.score(latent, items).mean <= 1)).all()
    assert spo.margin(latent, items, others)[0] == pytest.approx(vpl_model.margin(latent, items, others)[0], abs=1e-6)


def vars_of(config: Mapping[str, object]) -> Mapping[str, Any]:
    settings = config["settings"]
    assert isinstance(settings, Mapping)
    return settings


# PAL: one published loss has its sign turned round, and prefers what is far from the ideal point


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_pal_prefers_what_is_near_and_its_losses_agree(loss: str, world: Simulation) -> None:
    model = pal.PALA(loss=loss, steps=150)
    model.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth", seed=0)
    assert isinstance(model, pal.PALA)
    ideal = model.weights["points"][0]
    item = np.concatenate([[0.0], ideal]).astype(np.float32)
    away = np.concatenate([[0.0], ideal + 1]).astype(np.float32)
    pure = model.prototypes()[0]
    assert model.margin(pure, item[None], away[None])[0][0] > 0
    right = []
    for name in list(world.people)[:10]:
        said = [each for each in world.judgments if each.annotator == name and each.choice in ("a", "b")]
        latent = model.adapt(comparisons(model, said[:20]))
        a, b = (model.items([getattr(each, side) for each in said[20:]]) for side in ("a", "b"))
        right += list((model.margin(latent, a, b)[0] > 0) == np.array([each.choice == "a" for each in said[20:]]))
    assert np.mean(right) > 0.6


def test_a_choice_is_likelier_the_larger_its_margin() -> None:
    margin, choice, weight = np.array([2.0, -2.0]), np.array([1.0, 1.0]), np.ones(2)
    for_it, against = (mean_loss(margin[[n]], choice[[n]], weight[[n]]) for n in (0, 1))
    assert for_it == pytest.approx(np.log1p(np.exp(-2)), abs=1e-6)
    assert against == pytest.approx(np.log1p(np.exp(2)), abs=1e-6)
