"""Peer prediction for rankings and ratings, by the mechanism of ``attune.quality.peers``.

A ranking is an answer to each of its couples: the older response is better, equal, or the newer one is. A rating is an answer
in at most ``BINS`` equal parts of its scale, or that it does not apply. Either earns as one observation, a ranking the mean
of its couples, which hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from attune.quality.lineups import Placed
from attune.quality.peers import correlated_agreement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 5
"""Finer ones would be too rarely alike to learn from how likely they go together."""
_COUPLE = 3
"""Answers to a couple."""


def lineup_earnings(placed: Sequence[Placed], annotators: int) -> tuple[Ints, Floats]:
    """Who earned (N,) and how much, −1 … 1: one for each first look at a lineup that somebody else judged, too.

    Of ratings each scale stands for itself: what goes together on one says nothing of another.
    """
    first = [each for each in placed if each.first]
    rated = [each for each in first if not each.tiers]
    by_scale = [[each for each in rated if each.scale == scale] for scale in sorted({each.scale for each in rated})]
    found = [
        _rankings([each for each in first if each.tiers], annotators),
        *(_ratings(ratings, annotators) for ratings in by_scale),
    ]
    who, earned = (np.concatenate(columns) for columns in zip(*found, strict=True))
    known = np.isfinite(earned)
    return who[known], earned[known]


def rating_bin(rating: int | None, scale: str) -> int:
    """The part of the scale, 0 … BINS − 1, from the lowest; BINS for “does not apply”."""
    if rating is None:
        return BINS
    low, _, high = scale.partition("-")
    steps = int(high) - int(low) + 1
    return (rating - int(low)) * min(BINS, steps) // steps


def _rankings(rankings: Sequence[Placed], annotators: int) -> tuple[Ints, Floats]:
    rows = [
        (place, each.lineup, one, two, 1 + int(np.sign(each.tiers[one] - each.tiers[two])))
        for place, each in enumerate(rankings)
        for one, two in combinations(range(len(each.tiers)), 2)
    ]
    place, *couple, answer = np.array(rows, np.int64).reshape(-1, 5).T
    _, couples = np.unique(np.stack(couple), axis=1, return_inverse=True)
    who = np.array([each.annotator for each in rankings], np.int64)
    earned, _ = correlated_agreement(who[place], couples.reshape(-1), answer, annotators, _COUPLE)
    of = np.bincount(place, minlength=len(rankings))
    means: Floats = np.bincount(place, weights=earned, minlength=len(rankings)) / np.maximum(of, 1)
    return who, means


def _ratings(ratings: Sequence[Placed], annotators: int) -> tuple[Ints, Floats]:
    who = np.array([each.annotator for each in ratings], np.int64)
    _, lineups = np.unique(np.array([each.lineup for each in ratings], np.int64), return_inverse=True)
    bins = np.array([rating_bin(each.rating, each.scale) for each in ratings], np.int64)
    earned, _ = correlated_agreement(who, lineups.reshape(-1), bins, annotators, BINS + 1)
    return who, earned
