"""The pooled Bradley–Terry fit: one reward for everybody, from item effects and text features, with Davidson ties.

r(x) = ⟨β, φ(x)⟩ + γ_x, where ridge penalties on β and γ say how far text reaches and how far a response may leave it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons
from attune.rewards.linear import Floats, davidson


@dataclass(frozen=True, slots=True)
class Penalties:
    """Ridge penalties, as prior precisions of one effect."""

    item: float = 2.0
    text: float = 100.0
    position: float = 10.0
    log_nu: float = 0.1


@dataclass(frozen=True, slots=True)
class PooledFit:
    """item (N,): γ. text (F,): β. position and log_nu: scalars of the whole community."""

    item: Array
    text: Array
    position: float
    log_nu: float

    def rewards(self, mapped: Array) -> Array:
        """Rewards of the fitted responses from their mapped features, (N,)."""
        return (mapped @ self.text + self.item).astype(np.float32)


def fit_pooled(comparisons: Comparisons, mapped: Array, penalties: Penalties = Penalties()) -> PooledFit:
    """Penalised maximum likelihood by L-BFGS, mapped (N, F). Judgments with a margin μ count as −log σ(Δ − μ)."""
    count, width = mapped.shape
    features = mapped.astype(np.float64)
    weight = comparisons.weight
    decided, tied = 0.5 * comparisons.outcome, comparisons.outcome == 0
    lead = comparisons.leads
    precision = np.concatenate([np.full(count, penalties.item), np.full(width, penalties.text)])

    def loss(theta: Floats) -> tuple[float, Floats]:
        item, text, position, log_nu = theta[:count], theta[count:-2], theta[-2], theta[-1]
        rewards = features @ text + item
        margin = rewards[comparisons.a] - rewards[comparisons.b] + position * comparisons.side - lead
        p_a, p_b, p_tie = davidson(margin, log_nu)
        chosen = np.where(tied, p_tie, np.where(decided > 0, p_a, p_b))
        pull = weight * (0.5 * (p_a - p_b) - decided)
        by_item = np.bincount(comparisons.a, pull, count) - np.bincount(comparisons.b, pull, count)
        gradient = np.concatenate(
            [by_item, features.T @ by_item, [pull @ comparisons.side], [weight @ (p_tie - tied)]]
        ) + np.concatenate([precision * theta[:-2], [penalties.position * position, penalties.log_nu * (log_nu + 1)]])
        penalty = 0.5 * (
            precision @ theta[:-2] ** 2 + penalties.position * position**2 + penalties.log_nu * (log_nu + 1) ** 2
        )
        return float(-(weight @ np.log(np.maximum(chosen, 1e-300))) + penalty), gradient

    start = np.zeros(count + width + 2)
    start[-1] = -1.0
    theta = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "maxcor": 20, "ftol": 1e-8, "gtol": 1e-3}
    ).x
    return PooledFit(
        theta[:count].astype(np.float32), theta[count:-2].astype(np.float32), float(theta[-2]), float(theta[-1])
    )
