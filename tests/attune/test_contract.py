"""What every reward model must do, each of them put through the same tests on one simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from attune import artifact
from attune.data import Judgment, Snapshot
from attune.errors import ArtifactError, BadData, NotFitted, UnknownResponse
from attune.evaluate import comparisons, recovery
from attune.rewards import create, names
from attune.rewards.base import Comparison, RewardModel
from attune.simulate import Simulation, StyledPrompt, simulate
from tests.attune.conftest import small, style_features

FLIPPED = {"a": "b", "b": "a"}
MODELS = [name for name in names() if name != "fspo"]
"""``fspo`` reads texts and no vectors; its own tests put it through the same."""
PERSONAL = [name for name in MODELS if name != "bradley_terry"]
CYCLIC = ("gpm",)
"""Models whose scores are not what their margins are the differences of."""


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, world: Simulation) -> RewardModel:
    """Each registered model, fitted on the world."""
    made = small(request.param)
    made.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth", seed=0)
    return made


@pytest.fixture(scope="module")
def context(model: RewardModel, world: Simulation) -> list[Comparison]:
    name = next(iter(world.people))
    return comparisons(model, [each for each in world.judgments if each.annotator == name])


def sides(model: RewardModel, world: Simulation) -> tuple[np.ndarray, np.ndarray]:
    ids = list(world.responses)
    return model.items(ids[:30]), model.items(ids[30:60])


def test_before_fitting_it_says_so(model: RewardModel) -> None:
    fresh = small(model.name)
    for ask in (
        lambda: fresh.prior(),
        lambda: fresh.items(["p0-0"]),
        lambda: fresh.knows(["p0-0"]),
        lambda: fresh.state(),
    ):
        with pytest.raises(NotFitted):
            ask()


def test_nothing_said_gives_the_prior(model: RewardModel) -> None:
    prior, empty = model.prior(), model.adapt([])
    assert prior.n == empty.n == 0
    assert np.array_equal(prior.mean, empty.mean) and np.array_equal(prior.cov, empty.cov)
    assert prior.cov.shape in ((len(prior.mean), len(prior.mean)), (0, 0))


def test_latents_keep_their_shape_and_count_judgments(model: RewardModel, context: list[Comparison]) -> None:
    prior, latent = model.prior(), model.adapt(context)
    assert latent.n == len(context)
    assert (latent.mean.shape, latent.cov.shape) == (prior.mean.shape, prior.cov.shape)
    assert latent.mean.dtype == latent.cov.dtype == np.float32


def test_swapping_sides_mirrors(model: RewardModel, world: Simulation, context: list[Comparison]) -> None:
    a, b = sides(model, world)
    for latent in (model.prior(), model.adapt(context)):
        one, other = model.margin(latent, a, b), model.margin(latent, b, a)
        np.testing.assert_allclose(one[0], -other[0], atol=1e-5)
        np.testing.assert_allclose(one[1], other[1], atol=1e-5)
        np.testing.assert_allclose(model.probability(latent, a, b) + model.probability(latent, b, a), 1, atol=1e-6)


def test_how_a_judgment_was_written_down_does_not_matter(model: RewardModel, context: list[Comparison]) -> None:
    """a ≻ b and b ≺ a are one judgment: with the sides turned round and the choice with them, nothing changes."""
    turned = [
        replace(
            each,
            item_a=each.item_b,
            item_b=each.item_a,
            choice=FLIPPED.get(each.choice, each.choice),  # type: ignore[arg-type]
            swapped=not each.swapped,
            reason={word: -side for word, side in each.reason.items()},
        )
        for each in context
    ]
    np.testing.assert_allclose(model.adapt(context).mean, model.adapt(turned).mean, atol=2e-3)


def test_the_order_of_judgments_does_not_matter(
    model: RewardModel, world: Simulation, context: list[Comparison]
) -> None:
    a, b = sides(model, world)
    shuffled = [context[i] for i in np.random.default_rng(0).permutation(len(context))]
    first, second = (model.probability(model.adapt(each), a, b) for each in (context, shuffled))
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_a_batch_gives_what_single_ones_give(model: RewardModel, world: Simulation, context: list[Comparison]) -> None:
    a, b = sides(model, world)
    latent = model.adapt(context)
    together = model.score(latent, a)
    alone = [model.score(latent, a[i : i + 1]) for i in range(len(a))]
    np.testing.assert_allclose(together.mean, [each.mean[0] for each in alone], atol=1e-4)
    np.testing.assert_allclose(together.std, [each.std[0] for each in alone], atol=1e-4)
    singly = [model.probability(latent, a[i : i + 1], b[i : i + 1])[0] for i in range(len(a))]
    np.testing.assert_allclose(model.probability(latent, a, b), singly, atol=1e-5)


def test_margins_are_differences_of_scores(model: RewardModel, world: Simulation, context: list[Comparison]) -> None:
    a, b = sides(model, world)
    latent = model.adapt(context)
    difference = model.score(latent, a).mean - model.score(latent, b).mean
    margin, variance = model.margin(latent, a, b)
    assert (variance >= 0).all()
    if model.name in CYCLIC:
        assert np.corrcoef(difference, margin)[0, 1] > 0.9
    else:
        np.testing.assert_allclose(difference, margin, atol=1e-3)


def test_more_probable_is_preferred(model: RewardModel, world: Simulation, context: list[Comparison]) -> None:
    a, b = sides(model, world)
    latent = model.adapt(context)
    p, (margin, _) = model.probability(latent, a, b), model.margin(latent, a, b)
    clear = np.abs(margin) > 0.05
    agree = (p > 0.5) == (margin > 0)
    assert agree[clear].mean() > 0.9 and ((p > 0) & (p < 1)).all()


def test_unknown_responses_need_their_features(model: RewardModel, world: Simulation) -> None:
    features = style_features(world)
    key = next(iter(features))
    assert model.knows([key, "elsewhere"]) == [True, False]
    with pytest.raises(UnknownResponse, match="elsewhere"):
        model.items(["elsewhere"])
    found = model.items([key, "elsewhere"], {"elsewhere": features[key]})
    assert found.shape == (2, model.items([key]).shape[1])
    assert np.isfinite(model.score(model.prior(), found).mean).all()


@pytest.mark.parametrize("model", PERSONAL, indirect=True)
def test_flipped_judgments_turn_the_preference(
    model: RewardModel, world: Simulation, context: list[Comparison]
) -> None:
    ids = list(world.responses)
    items = model.items(ids)
    flipped = [replace(each, choice=FLIPPED.get(each.choice, each.choice)) for each in context]
    base = model.score(model.prior(), items).mean
    own, other = (model.score(model.adapt(each), items).mean - base for each in (context, flipped))
    assert np.corrcoef(own, other)[0, 1] < 0.2
    truth = np.array([world.true_reward(next(iter(world.people)), key) for key in ids])
    assert np.corrcoef(own + base, truth)[0, 1] > np.corrcoef(other + base, truth)[0, 1]


@pytest.mark.parametrize("model", PERSONAL, indirect=True)
def test_judgments_of_a_newcomer_help(model: RewardModel, world: Simulation, prompts: Sequence[StyledPrompt]) -> None:
    others = simulate(prompts, annotators=18, judgments=18 * 32, seed=2, quality=world.quality)
    found = recovery(model, others, shots=(0, 16))
    assert found["16"] > found["0"] + 0.05


def test_files_hold_the_whole_model(
    model: RewardModel, world: Simulation, context: list[Comparison], tmp_path: object
) -> None:
    folder = f"{tmp_path}/model"
    digest = artifact.save(model, folder, {})
    again = artifact.load(folder, digest)
    a, b = sides(model, world)
    assert np.array_equal(model.adapt(context).mean, again.adapt(context).mean)
    assert np.array_equal(model.score(model.adapt(context), a).mean, again.score(again.adapt(context), a).mean)
    assert np.array_equal(model.probability(model.prior(), a, b), again.probability(again.prior(), a, b))


def test_files_that_lack_something_are_refused(model: RewardModel) -> None:
    tensors, config = model.state()
    for name in list(tensors)[:3]:
        with pytest.raises(ArtifactError):
            type(model).from_state({key: value for key, value in tensors.items() if key != name}, config)


@pytest.mark.parametrize("name", MODELS)
def test_eight_judgments_can_be_overfitted(name: str, world: Simulation) -> None:
    """One person's eight, of eight pairs, with choices that follow no rule: they are remembered, all but one at most."""
    ids = list(world.responses)
    rng = np.random.default_rng(3)
    said = [Judgment("somebody", ids[4 * n], ids[4 * n + 1], "a" if rng.random() < 0.5 else "b") for n in range(8)]
    model = small(name)
    model.fit(Snapshot(world.responses, said), style_features(world), encoder="truth", seed=0)
    latent = model.adapt(comparisons(model, said))
    a, b = (model.items([getattr(each, side) for each in said]) for side in ("a", "b"))
    right = (model.probability(latent, a, b) > 0.5) == np.array([each.choice == "a" for each in said])
    assert right.sum() >= 7


@pytest.mark.parametrize("name", names())
def test_options_are_checked(name: str) -> None:
    with pytest.raises(BadData, match="does not take these options: 'no_such_option'"):
        create(name, no_such_option=1)


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        ("vpl", {"latent": 1}, "option 'latent' is 1; expected a whole number from 2 to 64"),
        ("vpl", {"steps": 2.5}, "option 'steps' is 2.5; expected a whole number"),
        ("vpl", {"rate": float("nan")}, "option 'rate' is nan; expected a number"),
        ("vpl", {"scaling": "some"}, "option 'scaling' is 'some'; expected 'none' or 'spo'"),
        ("pal_a", {"prototypes": True}, "option 'prototypes' is True; expected a whole number from 1 to 32"),
        ("mixture", {"everybody": 3}, "option 'everybody' is 3; expected 'size' or 'maxmin'"),
        ("ensemble", {"members": ["oracle"]}, "option 'members' names 'oracle'; expected some of bradley_terry"),
        ("ensemble", {"members": []}, "option 'members' is empty; expected one model"),
    ],
)
def test_options_out_of_range_are_named(name: str, option: dict[str, object], expected: str) -> None:
    with pytest.raises(BadData, match=expected):
        create(name, **option)


@pytest.mark.on_a_gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", ["vpl", "fewshot", "pal_a", "pal_b", "gpm"])
def test_a_gpu_learns_the_same(name: str, world: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        model = small(name)
        model.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth", seed=0)
        found.append(model.score(model.prior(), model.items(list(world.responses))).mean)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
