"""Any model as a linear one, for what asks only how margins are distributed: choosing the next pair."""

from __future__ import annotations

import numpy as np

from attune.rewards.base import Array, Latent, RewardModel
from attune.rewards.linear import LinearReward


def as_linear(model: RewardModel, latent: Latent, items_a: Array, items_b: Array) -> tuple[Latent, Array, Array]:
    """A latent and items, (N, K) each, whose linear margins have the model's means and variances.

    A linear model's own. For another, K is 2: each pair's items differ by (mean, deviation), and the latent is
    N((1, 0), diag(0, 1)). Margins of different pairs then move together, which only joint choices would notice.
    """
    if isinstance(model, LinearReward) and type(model).margin is LinearReward.margin:
        return latent, items_a, items_b
    mean, variance = model.margin(latent, items_a, items_b)
    differences = np.stack([mean, np.sqrt(variance)], axis=1).astype(np.float32)
    stand_in = Latent(np.array([1, 0], np.float32), np.diag([0, 1]).astype(np.float32), latent.n)
    return stand_in, differences, np.zeros_like(differences)
