"""What reasons teach of reading texts: the directions are found, and texts are read the better for it, judged or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attune.data import Judgment, Snapshot
from attune.evaluate import comparisons, recovery
from attune.rewards.base import Array
from attune.rewards.hybrid import Hybrid
from attune.rewards.readings import learn_readings
from attune.rewards.reasons import learn_why, reasons_of
from attune.rewards.rehearsal import Variances
from attune.simulate import Simulation, load_starter, simulate

QUICK = {"ranks": [6], "class_sizes": [6], "rounds": 12, "last_rounds": 4, "strengths": "weights"}
AXES = 3


def told(seed: int, *, mirrored: bool = False) -> tuple[Array, Array, Array]:
    """Directions found, the true ones, and differences: tags name the axis that spoke most, and have no sign of their own."""
    rng = np.random.default_rng(seed)
    people = rng.choice([-1.0, 1.0], (60, AXES)) * rng.uniform(0.5, 1.5, (60, AXES))
    taste = np.repeat(people, 12, axis=0)
    shown = np.linalg.qr(rng.standard_normal((20, 20)))[0][:, :AXES].T  # where a text of 20 numbers shows the axes
    style = rng.standard_normal((len(taste), AXES))
    chosen = np.where((taste * style).sum(axis=1) > 0, 1, -1)
    named = np.argmax(taste * style * chosen[:, None], axis=1)
    apart = (style @ shown + rng.standard_normal((len(taste), 20))).astype(np.float32)
    sign = -1 if mirrored else 1
    said = [(f"u{row // 12}", {f"#{axis}": float(sign * chosen[row])}) for row, axis in enumerate(named)]
    words, given = reasons_of(said)
    assert given is not None
    outcome = sign * chosen
    why = learn_why(words, given, (sign * style).astype(np.float32), outcome, taste)
    return learn_readings(why, given, outcome, taste, sign * apart), shown, apart


@pytest.mark.parametrize("seed", range(4))
def test_directions_that_reasons_speak_of_are_found(seed: int) -> None:
    found, shown, apart = told(seed)
    own, _ = np.linalg.qr(found[:, :AXES].astype(np.float64))
    assert np.linalg.norm(own.T @ shown.T, axis=0).min() > 0.9  # each true direction lies in what the leading ones span
    spread = (apart @ found).std(axis=0)
    assert spread[0] == pytest.approx(1, abs=0.05)
    assert np.all(spread[AXES:] < 0.2 * spread[AXES - 1])


@pytest.mark.parametrize("seed", range(4))
def test_sides_swapped_teach_the_same(seed: int) -> None:
    one, other = told(seed)[0][:, :AXES], told(seed, mirrored=True)[0][:, :AXES]
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-4)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(load_starter(), seed=1)


@pytest.fixture(scope="module")
def newcomers(world: Simulation) -> Simulation:
    return without_reasons(simulate(load_starter(), annotators=18, judgments=18 * 16, seed=101, quality=world.quality))


@pytest.fixture(scope="module")
def texts(world: Simulation) -> dict[str, Array]:
    """Texts that show the six styles somewhere among eighty numbers that nobody cares for."""
    rng = np.random.default_rng(7)
    shown = np.linalg.qr(rng.standard_normal((80, 80)))[0][:, :6].T
    noise = rng.standard_normal((len(world.styles), 80)) * np.geomspace(1, 0.3, 80)
    rows = np.array(list(world.styles.values())) @ shown + 0.5 * noise
    return {key: np.asarray(row, np.float32) for key, row in zip(world.styles, rows, strict=True)}


def without_reasons(world: Simulation) -> Simulation:
    return replace(world, judgments=tuple(replace(each, tags=(), rationale="") for each in world.judgments))


def fitted(world: Simulation, texts: dict[str, Array], judgments: Sequence[Judgment]) -> tuple[Hybrid, float]:
    model = Hybrid(**QUICK)
    seen = {key for each in judgments for key in (each.a, each.b)}
    snapshot = Snapshot({key: each for key, each in world.responses.items() if key in seen}, judgments)
    report = model.fit(snapshot, texts, encoder="styles in noise")
    return model, report.metrics["reading_spread"]


@pytest.fixture(scope="module")
def silent(world: Simulation, texts: dict[str, Array]) -> Hybrid:
    model, spread = fitted(world, texts, without_reasons(world).judgments)
    assert spread == 0
    return model


def recovered(model: Hybrid, newcomers: Simulation) -> float:
    return float(np.mean(list(recovery(model, newcomers, (4, 8, 16)).values())))


def test_others_reasons_help_to_know_who_gives_none(
    world: Simulation, texts: dict[str, Array], newcomers: Simulation, silent: Hybrid
) -> None:
    model, spread = fitted(world, texts, world.judgments)
    assert spread > 0.5
    assert recovered(model, newcomers) > recovered(silent, newcomers) + 0.01


def test_texts_that_nobody_judged_are_read_by_it_too(
    world: Simulation, texts: dict[str, Array], newcomers: Simulation
) -> None:
    prompts = {each.prompt for each in world.responses.values()}
    judged = set(sorted(prompts)[: len(prompts) // 2])

    def of_judged(said: Simulation) -> list[Judgment]:
        return [each for each in said.judgments if said.responses[each.a].prompt in judged]

    unseen = [key for key, each in world.responses.items() if each.prompt not in judged]
    groups = np.unique([world.responses[key].prompt for key in unseen], return_inverse=True)[1]

    def within(values: Array) -> Array:
        return np.asarray(values - (np.bincount(groups, values) / np.bincount(groups))[groups])

    found = []
    for each in (world, without_reasons(world)):
        model, _ = fitted(each, texts, of_judged(each))
        items = model.items(unseen, texts)
        correlations = []
        for name in newcomers.people:
            context = comparisons(model, [each for each in of_judged(newcomers) if each.annotator == name])
            truth = within(np.array([newcomers.true_reward(name, key) for key in unseen]))
            rewards = within(model.score(model.adapt(context), items).mean)
            correlations.append(np.corrcoef(rewards, truth)[0, 1])
        found.append(float(np.mean(correlations)))
    assert found[0] > found[1] + 0.01


def test_reasons_that_mean_nothing_do_no_harm(
    world: Simulation, texts: dict[str, Array], newcomers: Simulation, silent: Hybrid
) -> None:
    rng = np.random.default_rng(0)
    tags = [tag[1:] for each in world.judgments for tag in each.tags]
    judgments = [
        replace(each, tags=(rng.choice(["a", "b"]) + rng.choice(tags),), rationale="") if each.tags else each
        for each in world.judgments
    ]
    model, spread = fitted(world, texts, judgments)
    assert spread <= 0.5  # a little of any direction is as good as a little more of all text
    assert recovered(model, newcomers) > recovered(silent, newcomers) - 0.01


def test_a_beginning_of_before_readings_has_none() -> None:
    assert Variances(*(0.7, 0.2, 0.5)).reading == 0
