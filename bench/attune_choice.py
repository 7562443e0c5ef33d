"""How many judgments an annotator must give until they are predicted well: pairs chosen by what they teach, against random ones.

Simulated annotators (starter project, true tastes known): others in the same world than those fitted on. Each is asked pair by pair
among all of the starter project's, answers as simulated, and the model adapts; the figure is the correlation of recovered with
true reward within prompts, averaged over annotators.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.rewards import create
from attune.rewards.base import Comparison, RewardModel
from attune.select import gain, margins_of_pairs
from attune.simulate import Simulation, load_starter, simulate

ASKED = 48
POLICIES = ("random", "information")
MARKS = (4, 8, 16, 32, 48)


def run(quick: bool) -> dict[str, Any]:
    """Correlation by policy and number of judgments, and the share of random's judgments that chosen ones need."""
    prompts = load_starter()
    people = 8 if quick else 24
    with threadpool_limits(limits=1):
        world = simulate(prompts, seed=0)
        features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
        model = create("hybrid")
        model.fit(Snapshot(world.responses, world.judgments), features, encoder="true styles")
        others = simulate(prompts, annotators=people, judgments=people, seed=99, quality=world.quality)
        curves = {policy: _curve(model, others, policy) for policy in POLICIES}
    figures: dict[str, Any] = {
        f"{policy}, after {n} judgments": round(float(curve[n]), 3) for policy, curve in curves.items() for n in MARKS
    }
    for n in (16, 32, 48):
        reached = np.flatnonzero(curves["information"] >= curves["random"][n])
        figures[f"chosen judgments that are worth {n} random ones"] = int(reached[0]) if len(reached) else None
    return figures


def _curve(model: RewardModel, world: Simulation, policy: str) -> np.ndarray:
    """Mean correlation after 0 … ASKED judgments, (ASKED + 1,)."""
    ids = list(world.responses)
    items = model.items(ids)
    prompts = np.unique([world.responses[key].prompt for key in ids], return_inverse=True)[1]
    pairs = np.array(
        [pair for prompt in range(prompts.max() + 1) for pair in combinations(np.flatnonzero(prompts == prompt), 2)]
    )
    found = np.zeros(ASKED + 1)
    for number, name in enumerate(world.people):
        rng = np.random.default_rng(1000 + number)
        truth = np.array([world.true_reward(name, key) for key in ids])
        left = np.ones(len(pairs), bool)
        context: list[Comparison] = []
        for step in range(ASKED + 1):
            latent = model.adapt(context)
            found[step] += _correlation(model.score(latent, items).mean, truth, prompts) / len(world.people)
            rows = np.flatnonzero(left)
            if policy == "random":
                row = int(rng.choice(rows))
            else:
                row = int(rows[np.argmax(gain(*margins_of_pairs(latent, items, *pairs[rows].T)))])
            left[row] = False
            context.append(_answer(world, name, items, pairs[row], truth, rng))
    return found


def _answer(
    world: Simulation, name: str, items: np.ndarray, pair: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> Comparison:
    """As ``attune.simulate`` answers, without the pull of the side."""
    person = world.people[name]
    a, b = int(pair[0]), int(pair[1])
    margin = (truth[a] - truth[b]) / person.temperature
    odds = np.array([np.exp(margin / 2), np.exp(-margin / 2), person.tie])
    return Comparison(items[a], items[b], ("a", "b", "tie")[int(rng.choice(3, p=odds / odds.sum()))])  # type: ignore[arg-type]


def _correlation(rewards: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> float:
    def within(values: np.ndarray) -> np.ndarray:
        return values - (np.bincount(groups, values) / np.bincount(groups))[groups]

    one, other = within(rewards.astype(np.float64)), within(truth)
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 else 0.0
