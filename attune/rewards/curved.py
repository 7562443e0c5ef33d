"""Models in which a few numbers per annotator bend the preferences smoothly: adaptation by MAP and Laplace, numpy only.

A subclass gives margins and their slopes in the latent θ. With P(a ≻ b) = σ(m(θ)), a tie as half a win for each side, and
the community's prior N(μ, Σ), the posterior's mode is found by Gauss–Newton steps with the Fisher information as
curvature; that and the slopes give the doubt of every margin (delta method).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.logistic import MOST_PEOPLE, Gaussian, by_person, pooled, posterior
from attune.rewards.base import Array, Latent, Scores
from attune.rewards.indexing import Comparisons
from attune.rewards.item_model import ItemModel
from attune.rewards.linear import Floats, factor_of
from attune.rewards.newcomers import adapt_to

PRIOR_ROUNDS = 3


class CurvedReward(ItemModel):
    """Weights of every such model: ``prior_mean`` (Z,), ``prior_cov`` (Z, Z), ``position`` (1,)."""

    @abstractmethod
    def reward(self, theta: Floats, items: Array) -> tuple[Floats, Floats]:
        """Rewards of items (N, K) for a latent θ (Z,), and their slopes in it: (N,) and (N, Z)."""

    def curve(self, theta: Floats, items_a: Array, items_b: Array) -> tuple[Floats, Floats]:
        """Margins and slopes: the difference of two rewards, unless the model is not of that kind."""
        (of_a, slope_a), (of_b, slope_b) = self.reward(theta, items_a), self.reward(theta, items_b)
        return of_a - of_b, slope_a - slope_b

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        return Latent(self.weights["prior_mean"], self.weights["prior_cov"], 0, {})

    def adapt_arrays(
        self, items_a: Array, items_b: Array, outcome: NDArray[Any], side: NDArray[Any], weight: NDArray[Any]
    ) -> Latent:
        """See ``Rehearsed.adapt_arrays``."""
        if not len(outcome):
            return self.prior()
        pull = float(self.weights["position"][0]) * side

        def margins(theta: Floats) -> tuple[Floats, Floats]:
            margin, slope = self.curve(theta, items_a, items_b)
            return margin + pull, slope

        prior_mean = self.weights["prior_mean"].astype(np.float64)
        mean, cov = posterior(margins, outcome, weight, prior_mean, factor_of(self.weights["prior_cov"]))
        return Latent(mean.astype(np.float32), cov.astype(np.float32), len(outcome), {})

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``."""
        reward, slope = self.reward(latent.mean.astype(np.float64), items)
        return Scores(reward.astype(np.float32), np.sqrt(spread(slope, latent)))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``."""
        margin, slope = self.curve(latent.mean.astype(np.float64), items_a, items_b)
        return margin.astype(np.float32), spread(slope, latent)

    def install_prior(self, mean: Floats | Array, cov: Floats | Array) -> None:
        """Another prior for the same model."""
        own = {name: value for name, value in self.weights.items() if name != "estimated_cov"}
        weights = {**own, "prior_mean": mean.astype(np.float32), "prior_cov": cov.astype(np.float32)}
        self.install(self.parts, weights, self.encoder)

    def estimate_prior(self, comparisons: Comparisons, rng: np.random.Generator) -> None:
        """The community's mean and covariance by empirical Bayes, from the posteriors of (some of) its annotators."""
        rows = by_person(comparisons.annotator)
        chosen = [rows[index] for index in rng.permutation(len(rows))[:MOST_PEOPLE]]
        for _ in range(PRIOR_ROUNDS):
            latents = [adapt_to(self, comparisons, self.parts.table, each) for each in chosen]
            found = pooled([Gaussian(each.mean.astype(np.float64), each.cov.astype(np.float64)) for each in latents])
            self.install_prior(found.mean, found.cov)

    def bolder(self, factor: float) -> None:
        """See ``ItemModel.bolder``: the community's spread, as estimated, times the factor."""
        as_estimated = self.weights.get("estimated_cov", self.weights["prior_cov"])
        weights = {**self.weights, "estimated_cov": as_estimated, "prior_cov": factor**2 * as_estimated}
        self.install(self.parts, weights, self.encoder)


def spread(slope: Floats, latent: Latent) -> Array:
    """Variance by the delta method: slope (N, Z) to (N,)."""
    return np.asarray(np.maximum(np.einsum("nz,nz->n", slope @ latent.cov, slope), 0), np.float32)
