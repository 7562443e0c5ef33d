"""What the core's tests share: few threads, and small worlds of simulated annotators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from attune.data import Snapshot
from attune.rewards import create
from attune.rewards.base import Array, RewardModel
from attune.rewards.hybrid import Hybrid
from attune.simulate import AXES, Simulation, StyledPrompt, StyledResponse, simulate

torch.set_num_threads(1)


def styled_prompts(count: int = 16, seed: int = 0) -> list[StyledPrompt]:
    """Prompts with four responses each in random styles; the texts say which they are."""
    rng = np.random.default_rng(seed)
    return [
        StyledPrompt(
            id=f"p{number}",
            topic="tests",
            prompt=({"role": "user", "content": f"Question {number}?"},),
            responses=tuple(
                StyledResponse(f"p{number}-{k}", f"Answer {k} to {number}.", tuple(rng.uniform(-1, 1, len(AXES))))
                for k in range(4)
            ),
        )
        for number in range(count)
    ]


def style_features(world: Simulation) -> dict[str, Array]:
    """The true styles as features, so that tests need no encoder."""
    return {key: np.array(style, np.float32) for key, style in world.styles.items()}


@pytest.fixture(scope="session")
def prompts() -> Sequence[StyledPrompt]:
    return styled_prompts()


@pytest.fixture(scope="session")
def world(prompts: Sequence[StyledPrompt]) -> Simulation:
    """40 simulated annotators with 40 judgments each."""
    return simulate(prompts, annotators=40, judgments=1600, seed=1)


@pytest.fixture(scope="session")
def hybrid(world: Simulation) -> Hybrid:
    """The hybrid, fitted on that world with the true styles as features."""
    model = create("hybrid")
    model.fit(Snapshot(world.responses, world.judgments), style_features(world), encoder="truth", seed=0)
    assert isinstance(model, Hybrid)
    return model


SMALL: dict[str, dict[str, object]] = {
    "vpl": {"steps": 60, "hidden": 32, "latent": 4, "rank": 4},
    "fewshot": {"steps": 60, "width": 24, "rank": 4},
    "fspo": {"steps": 2, "episodes": 1, "targets": 2, "shots": 2, "readings": 1},
    "pal_a": {"steps": 40, "rank": 4},
    "pal_b": {"steps": 40, "rank": 4},
    "gpm": {"steps": 40, "rank": 4},
    "mixture": {"rounds": 3},
    "ensemble": {"members": ["mixture", "bradley_terry"]},
    "hybrid": {"ranks": [3], "class_sizes": [3], "rounds": 6, "class_rounds": 6, "last_rounds": 3, "rehearsals": 1},
}
"""Options under which a model is fitted in about a second, for tests that are not about how good it is."""


def small(name: str, **options: object) -> RewardModel:
    """An unfitted model of that name, small."""
    return create(name, **{**SMALL.get(name, {}), **options})
