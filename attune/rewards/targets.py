"""What was inferred of held-out annotators, and how likely it makes what they said.

The margin of a pair is m = b + β·g + γ·c, with b of the pooled model, g and c the personal parts of the Gaussian and of the
classes (``attune.rewards.tastes``), and

    P(a ≻ b) = σ(α m / √(1 + πv/8)),    v = β² var g + γ² var c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.metrics import correct
from attune.rewards.linear import PROBIT, Floats

POSITIVE, STRONG = 3.0, 20.0
"""Bayes factors that are positive and strong evidence (Kass and Raftery 1995)."""
TEMPERATURE_PRECISION = 25.0
NEIGHBOUR_PRECISION = 10.0
BOUNDS = ((-1.5, 1.0), (0.0, 1.5), (0.0, 1.5))
COLUMNS = ("pooled", "gaussian", "classes", "gaussian_variance", "classes_variance", "outcome")


@dataclass(frozen=True, slots=True)
class View:
    """One held-out annotator's targets after some judgments: b, g, c, their variances, and the outcomes in ±1; (N,) each. odds: the
    log Bayes factor of ``attune.rewards.guard``; person: the annotator's number."""

    pooled: Floats
    gaussian: Floats
    classes: Floats
    gaussian_variance: Floats
    classes_variance: Floats
    outcome: NDArray[np.int64]
    odds: float = 0.0
    person: int = 0

    def followed(self, usual: float, clear: float) -> View:
        """As it is where the personal parts count by these shares, the second where the odds are clear."""
        share = usual + (clear - usual) * clearness(self.odds)
        gaussian, classes = share * self.gaussian, share * self.classes
        spreads = share**2 * self.gaussian_variance, share**2 * self.classes_variance
        return replace(
            self, gaussian=gaussian, classes=classes, gaussian_variance=spreads[0], classes_variance=spreads[1]
        )


def clearness(odds: float) -> float:
    """From 0 to 1 as the log Bayes factor goes from that of ``POSITIVE`` to that of ``STRONG``."""
    return float(np.clip((odds - np.log(POSITIVE)) / (np.log(STRONG) - np.log(POSITIVE)), 0, 1))


def losses(views: Sequence[View], at: Floats) -> Floats:
    """Mean log-loss of each annotator's targets, (annotators,), at (log α, β, γ)."""
    return np.array([_loss_rows(view, at).mean() for view in views])


def best_temperature(views: Sequence[View], gaussian: float, classes: float) -> Floats:
    """(log α, β, γ) with the likeliest α."""
    at = np.array([0.0, gaussian, classes])
    return fitted_to(views, at, personal=False, keep=True)


def fitted_to(views: Sequence[View], center: Floats, *, personal: bool, keep: bool = False) -> Floats:
    """The likeliest (log α, β, γ), drawn to ``center``; without ``personal`` only α moves."""
    everything = joined(views)
    fixed = center if keep else np.array([center[0], 0.0, 0.0])

    def objective(at: Floats) -> float:
        where = at if personal else np.array([at[0], fixed[1], fixed[2]])
        apart = where - center
        prior = 0.5 * (TEMPERATURE_PRECISION * where[0] ** 2 + personal * NEIGHBOUR_PRECISION * (apart[1:] @ apart[1:]))
        return float(_loss_rows(everything, where).sum() + prior)

    found = minimize(objective, center, method="L-BFGS-B", bounds=BOUNDS).x
    return np.asarray(found if personal else np.array([found[0], fixed[1], fixed[2]]), np.float64)


def hits(views: Sequence[View], at: Floats) -> Floats:
    """The share of each annotator's targets that are predicted right, (annotators,)."""
    return np.array([correct(1 / (1 + np.exp(-_margin(view, at))), view.outcome).mean() for view in views])


def _margin(view: View, at: Floats) -> Floats:
    return np.asarray(view.pooled + at[1] * view.gaussian + at[2] * view.classes, np.float64)


def calibrated(view: View, at: Floats) -> Floats:
    """Logits of P(a ≻ b) at (log α, β, γ), (N,)."""
    variance = at[1] ** 2 * view.gaussian_variance + at[2] ** 2 * view.classes_variance
    return np.asarray(np.exp(at[0]) * _margin(view, at) / np.sqrt(1 + PROBIT * variance), np.float64)


def _loss_rows(view: View, at: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, -view.outcome * calibrated(view, at)), np.float64)


def joined(views: Sequence[View]) -> View:
    """All targets as if they were one annotator's."""
    columns: Any = [np.concatenate([getattr(each, name) for each in views]) for name in COLUMNS]
    return View(*columns)
