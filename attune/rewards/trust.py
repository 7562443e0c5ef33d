"""How far to follow what was inferred of a person, by how many judgments it rests on: learnt from held-out annotators.

The margin of a pair is m = b + β·g + γ·c, with b of the pooled model, g and c the personal parts of the Gaussian and of the
classes. α, β and γ at a few numbers of judgments are those under which held-out annotators' judgments are likeliest,

    P(a ≻ b) = σ(α m / √(1 + πv/8)),    v = β² var g + γ² var c,

each drawn to its neighbour. Then the guard: where being personal does not *surely* lower the log-loss, by two standard errors
over annotators, β and γ shrink in proportion; and after a few judgments also where it does not as surely make more predictions right,
as better probabilities alone are no reason to decide otherwise. When in doubt, the pooled model.

But not where doubt is cheap: decisions that turn where the pooled model is all but undecided cost next to nothing even if it is right
about everything. So β and γ are never held back further than to where all turned decisions together would then cost ``COST``, by
as many standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.logistic import sigmoid
from attune.metrics import correct, standard_error
from attune.rewards.base import Array
from attune.rewards.indexing import Ints
from attune.rewards.linear import PROBIT, Floats

KNOTS = (0, 4, 8, 16, 64, 256)
"""Numbers of judgments; the last stands for all that somebody has said."""
LEAST_PEOPLE = 8
SURE = 2.0
FEW = 16
PRIOR_PEOPLE = 60
"""The guard's word counts 1 − e^(−people / 60): in a small project nothing can be sure, and people do differ as a rule."""
COST = 0.002
"""Of accuracy, macro over annotators: what listening may cost at worst, and so how deaf the guard may make the model."""
TEMPERATURE_PRECISION = 25.0
NEIGHBOUR_PRECISION = 10.0
START = (0.0, 0.7, 0.4)
"""log α, β, γ before anything is known."""
BOUNDS = ((-1.5, 1.0), (0.0, 1.5), (0.0, 1.5))


@dataclass(frozen=True, slots=True)
class View:
    """One held-out annotator's targets after some judgments: b, g, c, their variances, and the outcomes in ±1; (N,) each."""

    pooled: Floats
    gaussian: Floats
    classes: Floats
    gaussian_variance: Floats
    classes_variance: Floats
    outcome: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trust:
    """By number of judgments, (S,) each: α, β and γ above."""

    shots: Array
    temperature: Array
    gaussian: Array
    classes: Array

    def at(self, judgments: int) -> tuple[float, float]:
        """β and γ after so many judgments. Before the first, those of the first few: the doubt that there is."""
        count = max(judgments, KNOTS[1])
        where = np.log1p(self.shots)
        return float(np.interp(np.log1p(count), where, self.gaussian)), float(
            np.interp(np.log1p(count), where, self.classes)
        )


def default_trust() -> Trust:
    """Where nobody could be held out."""
    zero = np.zeros(1, np.float32)
    return Trust(zero, zero + 1, zero + START[1], zero + START[2])


def learn_trust(views_by_shots: Sequence[Sequence[View]]) -> Trust:
    """From the views at each of ``KNOTS``; a knot with too few annotators takes after the one before."""
    near = guarded = np.array(START)
    rows = []
    for shots, views in zip(KNOTS[1:], views_by_shots[1:], strict=True):
        if len(views) >= LEAST_PEOPLE:
            near = _fitted(views, near, personal=True)
            guarded = _guarded(views, near, few=shots <= FEW)
        rows.append(guarded)
    first = views_by_shots[0]  # nothing is inferred yet, but the doubt is that of the first few judgments
    rows.insert(0, best_temperature(first, rows[0][1], rows[0][2]) if len(first) >= LEAST_PEOPLE else rows[0])
    table = np.array(rows, np.float32)
    return Trust(np.array(KNOTS, np.float32), np.exp(table[:, 0]), table[:, 1], table[:, 2])


def losses(views: Sequence[View], at: Floats) -> Floats:
    """Mean log-loss of each annotator's targets, (annotators,), at (log α, β, γ)."""
    return np.array([_loss_rows(view, at).mean() for view in views])


def told(
    trust: Trust, views_by_shots: Sequence[Sequence[View]], shots: Sequence[int]
) -> tuple[list[Array], list[Ints]]:
    """P(a ≻ b) of every view after so many judgments, which are among ``KNOTS``, and what was preferred in ±1."""
    chances, outcomes = [], []
    for number in (KNOTS.index(each) for each in shots):
        at = np.array([np.log(trust.temperature[number]), trust.gaussian[number], trust.classes[number]], np.float64)
        for view in views_by_shots[number]:
            chances.append(np.asarray(sigmoid(_calibrated(view, at)), np.float32))
            outcomes.append(view.outcome)
    return chances, outcomes


def best_temperature(views: Sequence[View], gaussian: float, classes: float) -> Floats:
    """(log α, β, γ) with the likeliest α."""
    at = np.array([0.0, gaussian, classes])
    return _fitted(views, at, personal=False, keep=True)


def _fitted(views: Sequence[View], center: Floats, *, personal: bool, keep: bool = False) -> Floats:
    """The likeliest (log α, β, γ), drawn to ``center``; without ``personal`` only α moves."""
    everything = _joined(views)
    fixed = center if keep else np.array([center[0], 0.0, 0.0])

    def objective(at: Floats) -> float:
        where = at if personal else np.array([at[0], fixed[1], fixed[2]])
        apart = where - center
        prior = 0.5 * (TEMPERATURE_PRECISION * where[0] ** 2 + personal * NEIGHBOUR_PRECISION * (apart[1:] @ apart[1:]))
        return float(_loss_rows(everything, where).sum() + prior)

    found = minimize(objective, center, method="L-BFGS-B", bounds=BOUNDS).x
    return np.asarray(found if personal else np.array([found[0], fixed[1], fixed[2]]), np.float64)


def _guarded(views: Sequence[View], fitted: Floats, *, few: bool) -> Floats:
    """β and γ in proportion to how sure it is that they help; α anew."""
    pooled = _fitted(views, fitted, personal=False)
    share = _sure(losses(views, pooled) - losses(views, fitted), 0, SURE)
    if few:
        share *= _sure(_hits(views, fitted) - _hits(views, pooled), SURE, 2 * SURE)
    share = 1 - (1 - share) * (1 - np.exp(-len(views) / PRIOR_PEOPLE))
    share = max(share, _affordable(views, pooled, fitted))
    return best_temperature(views, share * fitted[1], share * fitted[2])


def _affordable(views: Sequence[View], pooled: Floats, fitted: Floats) -> float:
    """The largest share of β and γ at which the decisions that turn surely cost at most ``COST``, were the pooled model right.

    A decision against b turns at the share |b| / |βg + γc| and then costs 2σ(α|b|) − 1 of one decision on average, and up to the
    whole of it by chance; annotators count alike.
    """
    everything = _joined(views)
    personal = fitted[1] * everything.gaussian + fitted[2] * everything.classes
    against = np.flatnonzero(everything.pooled * personal < 0)
    size = np.abs(everything.pooled[against])
    turns_at = size / np.abs(personal[against])
    weight = np.concatenate([np.full(len(view.outcome), 1 / len(view.outcome)) for view in views]) / len(views)
    cost = weight[against] * np.tanh(np.exp(pooled[0]) * size / 2)
    order = np.argsort(turns_at)
    chance = np.sqrt(np.cumsum(weight[against][order] ** 2))
    dear = np.flatnonzero(np.cumsum(cost[order]) + SURE * chance > COST)
    return float(min(1.0, turns_at[order][dear[0]])) if len(dear) else 1.0


def _sure(gain: Floats, least: float, most: float) -> float:
    """From 0 to 1 as the mean gain goes from ``least`` to ``most`` standard errors."""
    doubt = standard_error(gain)
    return float(np.clip((gain.mean() / doubt - least) / (most - least), 0, 1)) if doubt > 0 else 0.0


def _hits(views: Sequence[View], at: Floats) -> Floats:
    """The share of each annotator's targets that are predicted right, (annotators,)."""
    return np.array([correct(1 / (1 + np.exp(-_margin(view, at))), view.outcome).mean() for view in views])


def _margin(view: View, at: Floats) -> Floats:
    return np.asarray(view.pooled + at[1] * view.gaussian + at[2] * view.classes, np.float64)


def _calibrated(view: View, at: Floats) -> Floats:
    variance = at[1] ** 2 * view.gaussian_variance + at[2] ** 2 * view.classes_variance
    return np.asarray(np.exp(at[0]) * _margin(view, at) / np.sqrt(1 + PROBIT * variance), np.float64)


def _loss_rows(view: View, at: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, -view.outcome * _calibrated(view, at)), np.float64)


def _joined(views: Sequence[View]) -> View:
    return View(*(np.concatenate([getattr(each, name) for each in views]) for name in View.__dataclass_fields__))
