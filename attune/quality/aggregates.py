"""One answer for each pair out of many people's: the majority, Dawid–Skene (1979) and MACE (Hovy et al. 2013).

For questions that have a right answer. About a matter of taste they say what most people, weighted by how well they fit
together, would say; not what anybody prefers. Fitted by crowd-kit, which is imported only when something is computed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.quality import ANSWERS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ITERATIONS = 50


@dataclass(frozen=True, slots=True)
class Aggregates:
    """P(answer) of each pair (P, 5) by each method; a pair's row is where its id is in ``pairs`` (P,)."""

    pairs: Ints
    majority: Floats
    dawid_skene: Floats
    mace: Floats


def aggregate(annotator: Ints, pair: Ints, answer: Ints, *, seed: int = 0) -> Aggregates:
    """Aggregate answers (N,) by ``annotator`` to ``pair``, which are ids. Empty of nothing."""
    pairs, row = np.unique(pair, return_inverse=True)
    votes = np.zeros((len(pairs), len(ANSWERS)))
    np.add.at(votes, (row, answer), 1.0)
    if not len(pairs):
        return Aggregates(pairs, votes, votes, votes)
    majority = votes / votes.sum(axis=1, keepdims=True)
    if len(np.unique(answer)) < 2:  # one answer only: there is nothing to weigh
        return Aggregates(pairs, majority, majority, majority)
    return Aggregates(pairs, majority, *_fitted(annotator, row, answer, len(pairs), seed))


def _fitted(annotator: Ints, row: Ints, answer: Ints, pairs: int, seed: int) -> tuple[Floats, Floats]:
    import pandas as pd
    from crowdkit.aggregation.classification import MACE, DawidSkene

    table = pd.DataFrame({"task": row, "worker": annotator, "label": answer})
    with warnings.catch_warnings():
        # crowd-kit 1.4 uses what pandas 3 still has and pandas 4 will not (which is why pyproject says pandas<4).
        warnings.simplefilter("ignore", DeprecationWarning)
        by_confusion = DawidSkene(n_iter=ITERATIONS).fit_predict_proba(table)
        by_trust = MACE(n_restarts=1, n_iter=ITERATIONS, random_state=seed).fit_predict_proba(table)
    return _in_order(by_confusion, pairs), _in_order(by_trust, pairs)


def _in_order(probabilities: object, pairs: int) -> Floats:
    """A table of pairs by answers that occur, as an array with a column for every answer."""
    table = probabilities.reindex(index=range(pairs), columns=range(len(ANSWERS)), fill_value=0.0)  # type: ignore[attr-defined]
    found: Floats = table.to_numpy(dtype=float)
    shares: Floats = found / found.sum(axis=1, keepdims=True)
    return shares
