"""How far to follow what was inferred of a person, by how many judgments it rests on: learnt from held-out annotators.

The margin of a pair is m = b + β·g + γ·c, with b of the pooled model, g and c the personal parts of the Gaussian and of the
classes. α, β and γ at a few numbers of judgments are those under which held-out annotators' judgments are likeliest,

    P(a ≻ b) = σ(α m / √(1 + πv/8)),    v = β² var g + γ² var c,

each drawn to its neighbour (``attune.rewards.targets``); then the guard (``attune.rewards.guard``) says which shares of β and γ count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from attune.logistic import sigmoid
from attune.rewards.base import Array
from attune.rewards.guard import Trial, clear_share, tried, usual_share
from attune.rewards.indexing import Ints
from attune.rewards.linear import Floats
from attune.rewards.targets import View, best_temperature, calibrated, clearness, fitted_to

KNOTS = (0, 4, 8, 16, 64, 256)
"""Numbers of judgments; the last stands for all that somebody has said."""
LEAST_PEOPLE = 8
FEW = 16
START = (0.0, 0.7, 0.4)
"""log α, β, γ before anything is known."""
KEPT = ("shots", "gaussian", "classes", "usual", "clear")


@dataclass(frozen=True, slots=True)
class Trust:
    """By number of judgments, (S,) each: α, β and γ above, and the shares of β and γ that count, usually and where the odds are
    clear."""

    shots: Array
    temperature: Array
    gaussian: Array
    classes: Array
    usual: Array
    clear: Array

    def at(self, judgments: int, odds: float = 0.0) -> tuple[float, float]:
        """β and γ after so many judgments. Before the first, those of the first few: the doubt that there is."""
        shares = self._shares(odds)
        return self._between(judgments, shares * self.gaussian), self._between(judgments, shares * self.classes)

    def share(self, judgments: int, odds: float = 0.0) -> float:
        """How much what is personal counts at all, from 0 to 1."""
        return self._between(judgments, self._shares(odds))

    def _shares(self, odds: float) -> Array:
        return self.usual + (self.clear - self.usual) * clearness(odds)

    def _between(self, judgments: int, values: Array) -> float:
        return float(np.interp(np.log1p(max(judgments, KNOTS[1])), np.log1p(self.shots), values))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """With the temperature, what ``from_tensors`` reads back."""
        return {f"trust_{name}": getattr(self, name) for name in KEPT}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], temperature: NDArray[Any]) -> Self:
        """Raises ``KeyError`` for what is missing. Where there are no shares, in artifacts of before, β and γ have them in them."""
        whole = {f"trust_{name}": np.ones(len(temperature)) for name in ("usual", "clear")}
        found: dict[str, Array] = {
            name: np.asarray((whole | dict(tensors))[f"trust_{name}"], np.float32) for name in KEPT
        }
        return cls(temperature=np.asarray(temperature, np.float32), **found)


def default_trust() -> Trust:
    """Where nobody could be held out."""
    zero = np.zeros(1, np.float32)
    return Trust(zero, zero + 1, zero + START[1], zero + START[2], zero + 1, zero + 1)


def learn_trust(views_by_shots: Sequence[Sequence[View]]) -> Trust:
    """From the views at each of ``KNOTS``; a knot with too few annotators takes after the one before."""
    trials: dict[int, Trial] = {}
    near = np.array(START)
    for shots, views in zip(KNOTS[1:], views_by_shots[1:], strict=True):
        if len(views) >= LEAST_PEOPLE:
            near = fitted_to(views, near, personal=True)
            trials[shots] = tried(views, near)
    clear = clear_share([trials[shots] for shots in KNOTS[1:] if shots <= FEW and shots in trials])
    rows: list[Sequence[float]] = [(*START, 1.0, 1.0)]
    for shots in KNOTS[1:]:
        if trial := trials.get(shots):
            usual = usual_share(trial, few=shots <= FEW)
            rows.append(_at_shares(trial.views, trial.fitted, usual, max(usual, clear)))
        else:
            rows.append(rows[-1])
    first = views_by_shots[0]  # nothing is inferred yet, but the doubt is that of the first few judgments
    rows[0] = _at_shares(first, rows[1], *rows[1][3:]) if len(first) >= LEAST_PEOPLE else rows[1]
    temperature, *columns = np.array(rows, np.float32).T
    return Trust(np.array(KNOTS, np.float32), np.exp(temperature), *columns)


def _at_shares(views: Sequence[View], at: Sequence[float] | Floats, usual: float, clear: float) -> Sequence[float]:
    """(log α, β, γ, usual, clear) with the likeliest α at these shares of β and γ."""
    return *best_temperature([view.followed(usual, clear) for view in views], at[1], at[2]), usual, clear


def told(
    trust: Trust, views_by_shots: Sequence[Sequence[View]], shots: Sequence[int]
) -> tuple[list[Array], list[Ints]]:
    """P(a ≻ b) of every view after so many judgments, which are among ``KNOTS``, and what was preferred in ±1."""
    chances, outcomes = [], []
    for number in (KNOTS.index(each) for each in shots):
        at = np.array([np.log(trust.temperature[number]), trust.gaussian[number], trust.classes[number]], np.float64)
        for each in views_by_shots[number]:
            view = each.followed(float(trust.usual[number]), float(trust.clear[number]))
            chances.append(np.asarray(sigmoid(calibrated(view, at)), np.float32))
            outcomes.append(view.outcome)
    return chances, outcomes
