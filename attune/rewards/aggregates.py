"""One reward out of several: of an ensemble's members for one person, or of the people of a population.

Models say what they have by these two protocols; neither is part of the contract that every model keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from attune.errors import BadData
from attune.rewards.base import Array, Latent, Scores

Aggregate = Literal["mean", "wco", "uwo"]
Across = Literal["mean", "worst"]

UWO_PENALTY = 0.5
"""λ for choosing the best of n (Coste et al. 2023); 0.1 is usual while training with the reward."""


@runtime_checkable
class HasMembers(Protocol):
    """An ensemble: several models of the same thing, whose disagreement says how little is known."""

    def member_scores(self, latent: Latent, items: Array) -> Scores:
        """Rewards of N items by each of M members: mean (M, N), std (M, N)."""


@runtime_checkable
class HasPrototypes(Protocol):
    """A model with shared tastes that annotators' latents mix."""

    def prototypes(self) -> Sequence[Latent]:
        """Latents of the pure tastes, in the model's order."""


def combined(members: Scores, how: Aggregate, *, penalty: float = UWO_PENALTY) -> Scores:
    """Members (M, N) as one reward each, (N,).

    ``mean``: their mean; its deviation takes in what the members are unsure of and how they differ. ``wco``, worst case:
    the least of them, with that member's deviation. ``uwo``: mean − λ·variance over members (Coste et al. 2023, eq. 4–5).
    Raises ``BadData`` without a member.
    """
    if members.mean.ndim != 2 or not len(members.mean):
        raise BadData(f"members have shape {members.mean.shape}; expected (M, N) with at least one member")
    between = members.mean.var(axis=0)
    mean = members.mean.mean(axis=0)
    std = np.sqrt((members.std**2).mean(axis=0) + between)
    if how == "wco":
        worst = members.mean.argmin(axis=0)[None]
        return Scores(np.take_along_axis(members.mean, worst, 0)[0], np.take_along_axis(members.std, worst, 0)[0])
    if how == "uwo":
        mean = mean - penalty * between
    return Scores(np.asarray(mean, np.float32), np.asarray(std, np.float32))


def squashed(scores: Scores) -> Scores:
    """σ of rewards, with deviations by the slope there."""
    mean = np.asarray((1 + np.tanh(scores.mean / 2)) / 2, np.float32)
    return Scores(mean, np.asarray(mean * (1 - mean) * scores.std, np.float32))


def across(people: Scores, how: Across) -> tuple[Scores, Array]:
    """Rewards of people (V, N) as one of the population, (N,), and how far people differ: their spread (N,).

    ``mean``: the deviation is that of the mean, from what is not known of each person. ``worst``: the reward of whoever
    likes the response least (MaxMin; Chakraborty et al. 2024), with that person's deviation.
    """
    spread = np.asarray(people.mean.std(axis=0), np.float32)
    if how == "worst":
        return combined(people, "wco"), spread
    std = np.sqrt((people.std**2).sum(axis=0)) / len(people.mean)
    return Scores(np.asarray(people.mean.mean(axis=0), np.float32), np.asarray(std, np.float32)), spread


def chance_of_first(mean: Array, covariance: Array, *, draws: int = 2_000, seed: int = 0) -> Array:
    """P(each of N is the best), (N,), where the rewards less the first one's are N(mean, covariance). The same each time.

    mean (N,), covariance (N, N); the first row and column are zero, as the first is compared with itself.
    """
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    factor = vectors * np.sqrt(np.maximum(values, 0))
    sampled = mean + rng.standard_normal((draws, len(mean))) @ factor.T
    return np.asarray(np.bincount(sampled.argmax(axis=1), minlength=len(mean)) / draws, np.float32)
