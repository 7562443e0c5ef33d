"""How far people agree: the raw share of agreeing couples, and Krippendorff's α, with bootstrap intervals over units.

Units (pairs, or ratings of a response) are given as *patterns*: distinct rows of how many people gave each value (P, V),
and how many units have each (P,). So the time hardly depends on the number of judgments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.quality.intervals import Interval, resampled_interval

RESAMPLES = 1000
Level = Literal["nominal", "ordinal"]
Counts = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over the ``units`` that at least two people answered, from ``answers``.

    ``raw`` is the chance that two people who answered the same unit said the same; ``alpha`` is Krippendorff's: 1 is perfect,
    0 what chance would give. Both are None where nothing is shared, alpha also where everybody always said the same.
    """

    units: int
    answers: int
    raw: Interval | None
    alpha: Interval | None


def agreement(patterns: Counts, times: Counts, *, level: Level = "nominal", seed: int = 0) -> Agreement:
    """Agreement over units with two or more answers, from patterns (P, V) and their numbers (P,).

    The intervals draw the units again (percentile bootstrap, ``RESAMPLES`` times). ``ordinal``: the values are in order.
    """
    shared = patterns.sum(axis=1) >= 2
    patterns, times = patterns[shared], times[shared]
    units = int(times.sum())
    if not units:
        return Agreement(0, 0, None, None)
    draws = np.random.default_rng(seed).multinomial(units, times / units, size=RESAMPLES).astype(float)
    return _measured(patterns, times, draws, level)


def clustered_agreement(
    cluster: Ints, unit: Ints, value: Ints, values: int, *, level: Level = "ordinal", seed: int = 0
) -> Agreement:
    """The same from answers (N,), each ``value`` 0 … values − 1 of a ``unit``, where units come in clusters: the responses of
    a ranking, which hang together. The intervals draw the clusters again."""
    units, first, row = np.unique(unit, return_index=True, return_inverse=True)
    counts = np.zeros((len(units), values))
    np.add.at(counts, (row, value), 1.0)
    shared = counts.sum(axis=1) >= 2
    if not shared.any():
        return Agreement(0, 0, None, None)
    patterns, pattern, times = np.unique(counts[shared], axis=0, return_inverse=True, return_counts=True)
    _, group = np.unique(cluster[first][shared], return_inverse=True)
    groups = int(group.max()) + 1
    held = sparse.csr_array((np.ones(len(group)), (group, pattern.ravel())), shape=(groups, len(patterns)))
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES)
    return _measured(patterns, times.astype(float), drawn.astype(float) @ held, level)


def _measured(patterns: Counts, times: Counts, draws: Counts, level: Level) -> Agreement:
    """From patterns (P, V) of shared units, their numbers (P,), and these numbers in each resample (R, P)."""
    units, answers = int(times.sum()), int(times @ patterns.sum(axis=1))
    raw = resampled_interval(_raw(patterns, times[None])[0], _raw(patterns, draws))
    if np.count_nonzero(times @ patterns) < 2:  # one value only: alpha is not defined
        return Agreement(units, answers, raw, None)
    rows = np.repeat(patterns, times.astype(int), axis=0)
    # The library names levels by the values it is given; their places are as good as any ordered values.
    alpha = float(krippendorff.alpha(value_counts=rows, level_of_measurement=level))
    return Agreement(units, answers, raw, resampled_interval(alpha, alphas(patterns, draws, level=level)))


def patterns_of(unit: NDArray[np.int64], value: NDArray[np.int64], values: int) -> tuple[Counts, Counts]:
    """Answers (N,), each ``value`` 0 … values − 1 of a ``unit``, as patterns (P, V) and how many units have each (P,)."""
    if not len(unit):
        return np.zeros((0, values)), np.zeros(0)
    _, row = np.unique(unit, return_inverse=True)
    counts = np.zeros((row.max() + 1, values))
    np.add.at(counts, (row, value), 1.0)
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    return patterns, times.astype(float)


def alphas(patterns: Counts, times: Counts, *, level: Level = "nominal") -> Counts:
    """Krippendorff's α = 1 − D_o/D_e of each row of ``times`` (R, P) → (R,), from the coincidence matrix (Krippendorff 2011).

    A unit with n answers adds n_c n_k/(n − 1) to the coincidence of c and k, and n_c(n_c − 1)/(n − 1) to that of c with
    itself. The ordinal distance of c and k is (Σ_{c ≤ g ≤ k} n_g − (n_c + n_k)/2)². NaN where only one value occurs.
    """
    n, width = patterns.sum(axis=1), patterns.shape[1]
    per_unit = patterns[:, :, None] * patterns[:, None, :] - np.einsum("pv,vw->pvw", patterns, np.eye(width))
    coincidences = (times @ (per_unit / (n - 1)[:, None, None]).reshape(len(n), -1)).reshape(-1, width, width)
    totals = times @ patterns
    distance = _ordinal(totals) if level == "ordinal" else np.broadcast_to(1 - np.eye(width), coincidences.shape)
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(1, 2)) / (totals.sum(axis=1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Counts = 1 - observed / expected
    return result


def _ordinal(totals: Counts) -> Counts:
    """Squared ordinal distances (R, V, V) from how often each value occurs (R, V)."""
    below = np.cumsum(totals, axis=1)
    middle = below - totals / 2
    result: Counts = (middle[:, :, None] - middle[:, None, :]) ** 2
    return result


def _raw(patterns: Counts, times: Counts) -> Counts:
    """Share of agreeing couples of answers within units, averaged over units. ``times`` (R, P) → (R,)."""
    n = patterns.sum(axis=1)
    per_unit = (patterns * (patterns - 1)).sum(axis=1) / (n * (n - 1))
    result: Counts = times @ per_unit / times.sum(axis=1)
    return result
