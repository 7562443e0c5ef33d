"""Bayesian logistic regression for one person and for a population of them, in numpy.

With P(first ≻ second) = σ(m(θ)), a tie as half a win for each side, and θ ~ N(μ, Σ), the posterior's mode is found by
Gauss–Newton steps with the Fisher information as curvature, whose inverse there is the covariance (Laplace). A population's
μ and Σ are estimated from its people's posteriors (empirical Bayes, by EM).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Margins = Callable[[Floats], tuple[Floats, Floats]]
"""θ (Z,) to margins (N,) and their slopes (N, Z)."""

STEPS = 15
HALVINGS = 6
TOLERANCE = 1e-5
ROUNDS = 6
START_SPREAD = 0.5
LEAST_SPREAD = 0.05
MOST_PEOPLE = 1_500
"""People from whom a population's spread is estimated."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """mean (Z,), cov (Z, Z)."""

    mean: Floats
    cov: Floats


@dataclass(frozen=True, slots=True)
class Choices:
    """N choices as columns: design (N, Z), the first's properties less the second's; outcome (N,) in 1, 0, −1; weight (N,)."""

    design: Floats
    outcome: NDArray[Any]
    weight: NDArray[Any]

    def take(self, rows: Ints) -> Choices:
        """Some of them."""
        return Choices(self.design[rows], self.outcome[rows], self.weight[rows])


def person(choices: Choices, prior: Gaussian) -> Gaussian:
    """The posterior of one person's weights θ, margins being ⟨θ, design⟩."""
    factor: Floats = np.asarray(np.linalg.cholesky(prior.cov + 1e-9 * np.eye(len(prior.mean))), np.float64)
    design = choices.design
    mean, cov = posterior(lambda theta: (design @ theta, design), choices.outcome, choices.weight, prior.mean, factor)
    return Gaussian(mean, cov)


def population(choices: Choices, people: Ints, rng: np.random.Generator) -> Gaussian:
    """μ and Σ of the people whose choices these are; ``people`` (N,) numbers them."""
    rows = by_person(people)
    rows = [rows[index] for index in rng.permutation(len(rows))[:MOST_PEOPLE]]
    width = choices.design.shape[1]
    found = Gaussian(np.zeros(width), START_SPREAD**2 * np.eye(width))
    for _ in range(ROUNDS):
        found = pooled([person(choices.take(each), found) for each in rows])
    return found


def pooled(posteriors: Sequence[Gaussian]) -> Gaussian:
    """The M step: mean of the means; their covariance plus the mean covariance, never without any spread."""
    means = np.stack([each.mean for each in posteriors])
    apart = means - means.mean(axis=0)
    cov = apart.T @ apart / len(means) + np.mean([each.cov for each in posteriors], axis=0)
    return Gaussian(means.mean(axis=0), cov + LEAST_SPREAD**2 * np.eye(means.shape[1]))


def by_person(people: Ints) -> list[Ints]:
    """Rows of each person, in the order of their numbers."""
    if not len(people):
        return []
    order = np.argsort(people, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(people[order])) + 1)


def posterior(
    margins: Margins, outcome: NDArray[Any], weight: NDArray[Any], mean: Floats, factor: Floats
) -> tuple[Floats, Floats]:
    """Mode (Z,) and covariance (Z, Z) of θ = μ + Fz, z ~ N(0, I), given outcomes (N,) in 1, 0, −1 with weights (N,)."""
    wins = 0.5 + 0.5 * np.asarray(outcome, np.float64)
    z = np.zeros(factor.shape[1])
    margin, slope = margins(mean)
    value = _loss(margin, wins, weight, z)
    for _ in range(STEPS):
        gradient, curvature = _derivatives(margin, slope @ factor, wins, weight, z)
        step = np.linalg.solve(curvature, gradient)
        for _ in range(HALVINGS):
            new_margin, new_slope = margins(mean + factor @ (z + step))
            new_value = _loss(new_margin, wins, weight, z + step)
            if new_value <= value + 1e-12:
                break
            step = step / 2
        else:
            break
        z, value, margin, slope = z + step, new_value, new_margin, new_slope
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    _, curvature = _derivatives(margin, slope @ factor, wins, weight, z)
    cov = factor @ np.linalg.solve(curvature, factor.T)
    return mean + factor @ z, 0.5 * (cov + cov.T)


def _derivatives(margin: Floats, along: Floats, wins: Floats, weight: NDArray[Any], z: Floats) -> tuple[Floats, Floats]:
    p = sigmoid(margin)
    gradient = along.T @ (weight * (wins - p)) - z
    return gradient, np.eye(len(z)) + (along * (weight * p * (1 - p))[:, None]).T @ along


def _loss(margin: Floats, wins: Floats, weight: NDArray[Any], z: Floats) -> float:
    return float(weight @ (np.logaddexp(0, margin) - wins * margin) + 0.5 * z @ z)


def sigmoid(x: Floats) -> Floats:
    """Without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float64)
