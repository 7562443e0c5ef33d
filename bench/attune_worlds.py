"""Circles and minorities (``attune.worlds``): what a model reaches where one property of preferences stands alone.

Macro accuracy over people who were not fitted on, after so many of their judgments, three seeds; the baseline is `bradley_terry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from attune.evaluate import Subject, comparisons, predict, subjects_of
from attune.metrics import correct
from attune.rewards import create
from attune.rewards.base import RewardModel
from attune.worlds import World, circles, minority

SHOTS = (0, 4, 8, 16)
SEEDS = 3
ENCODER = "true properties"


def run(quick: bool) -> dict[str, Any]:
    """Accuracy by model and number of judgments: of everybody on circles, of each group where there is a minority."""
    seeds = range(1 if quick else SEEDS)
    with threadpool_limits(limits=1):
        return {
            "circles": _reached(circles, ("bradley_terry", "hybrid", "gpm"), seeds),
            "a minority of 1:10": _reached(minority, ("bradley_terry", "hybrid", "mixture"), seeds),
        }


def _reached(make: Callable[..., World], models: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    found: dict[str, list[list[float]]] = {}
    for seed in seeds:
        world = make(seed=seed)
        subjects = subjects_of(world.evaluation)
        for name in models:
            model = create(name)
            model.fit(world.train, world.features, encoder=ENCODER, seed=seed)
            for group in sorted({world.group[each.name] for each in subjects}):
                own = [each for each in subjects if world.group[each.name] == group]
                found.setdefault(f"{name}, {group}", []).append([_accuracy(model, own, shots) for shots in SHOTS])
    return {
        f"{name}, after {shots}": round(float(value), 3)
        for name, rows in found.items()
        for shots, value in zip(SHOTS, np.mean(rows, axis=0), strict=True)
    }


def _accuracy(model: RewardModel, subjects: Sequence[Subject], shots: int) -> float:
    right = []
    for each in subjects:
        chances = predict(model, model.adapt(comparisons(model, each.context[:shots])), each.test)
        outcome = np.array([1 if said.choice == "a" else -1 for said in each.test])
        right.append(correct(chances, outcome).mean())
    return float(np.mean(right))
