"""Weak pairs from a ranking of what matters (HERON, Bukharin et al. 2023).

Somebody says which aspects matter, the most important first. Two responses to one prompt are compared on the first aspect in
which they clearly differ; where they differ in none, nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLEAR = 0.5
"""In standard deviations of an aspect: from here on a difference decides."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """An aspect by its column, and whether more of it is better (+1) or less (−1)."""

    column: int
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Induced:
    """M pairs: rows of the better and of the other response, and at which place of the ranking it was decided; (M,) each."""

    better: NDArray[np.int64]
    other: NDArray[np.int64]
    level: NDArray[np.int64]


def induce(
    scores: NDArray[np.floating], groups: NDArray[np.int64], ranking: Sequence[Ranked], clear: float = CLEAR
) -> Induced:
    """All pairs within a group that the ranking decides. scores (N, A), each aspect with unit spread; groups (N,)."""
    a, b = pairs_within(groups)
    level = np.full(len(a), -1)
    lean = np.zeros(len(a))
    for place, each in enumerate(ranking):
        gap = each.sign * (scores[a, each.column] - scores[b, each.column])
        decides = (level < 0) & (np.abs(gap) > clear)
        level[decides], lean[decides] = place, gap[decides]
    kept = level >= 0
    first = lean[kept] > 0
    return Induced(np.where(first, a[kept], b[kept]), np.where(first, b[kept], a[kept]), level[kept])


def pairs_within(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every unordered pair of rows that share a group, (M,) each."""
    order = np.argsort(groups, kind="stable")
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        first, second = np.triu_indices(len(rows), 1)
        found.append((rows[first], rows[second]))
    a, b = (np.concatenate([each[side] for each in found]) if found else np.zeros(0, np.int64) for side in (0, 1))
    return a, b
