"""Estimates with intervals. One z for all of them: two-sided 95 % of the normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""
Z_SURE = 2.5758293035489004
"""Two-sided 99 %: for pointing somebody out among many."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


def share_interval(hits: float, of: float, z: float = Z) -> Interval | None:
    """A share with Wilson's score interval (1927); None of nothing.

    ``hits`` may be a sum of values from 0 to 1: their variance is at most that of as many yes-or-no ones, so the interval
    is then on the safe side.
    """
    if not of:
        return None
    share, z2 = hits / of, z**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = z / (1 + z2 / of) * math.sqrt(max(share * (1 - share), 0.0) / of + z2 / (4 * of**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def mean_interval(values: Floats) -> Interval | None:
    """A mean with its normal interval, from values (N,); None of fewer than two."""
    if len(values) < 2:
        return None
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def median_interval(values: Floats) -> Interval | None:
    """A median with the order statistics that enclose it with 95 % or more (Conover 1999, §3.2); None of nothing."""
    if not len(values):
        return None
    ordered, n = np.sort(values), len(values)
    half = Z * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[high]))


def resampled_interval(estimate: float, resampled: Floats) -> Interval:
    """An estimate with the percentiles of its bootstrap replications (R,), those that are undefined left out."""
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(estimate), float(low), float(high))
