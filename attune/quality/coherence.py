"""Whether choices fit one order: who prefers x to y and y to z should not prefer z to x.

A tournament of responses under one prompt is a directed graph. Of its complete triads (three responses, all three pairs
decided) a quarter would be cycles if every choice were a coin's. Longer cycles show as strongly connected components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
CHANCE = 0.25
"""Share of cyclic triads among complete ones when every choice is a coin's."""


@dataclass(frozen=True, slots=True)
class Coherence:
    """Of each judge (J,): complete triads, those that are cycles, and responses that lie on a cycle of any length."""

    triads: Ints
    cyclic: Ints
    on_cycle: Ints


def coherence(judge: Ints, winner: Ints, loser: Ints, judges: int) -> Coherence:
    """Preferences (N,) of ``winner`` over ``loser`` by ``judge`` 0 … judges − 1; each pair of one judge at most once.

    With A the adjacency matrix of all judges' graphs side by side and U = A + Aᵀ, node i lies on (A²∘Aᵀ)1 cyclic and on
    (U²∘U)1/2 complete triads.
    """
    zero = np.zeros(judges, np.int64)
    if not len(judge):
        return Coherence(zero, zero, zero)
    keys = np.stack([np.concatenate([judge, judge]), np.concatenate([winner, loser])], axis=1)
    nodes, place = np.unique(keys, axis=0, return_inverse=True)
    heads, tails = place[: len(judge)], place[len(judge) :]
    shape = (len(nodes), len(nodes))
    ahead = sparse.csr_array((np.ones(len(judge)), (heads, tails)), shape=shape)
    either = ahead + ahead.T
    cyclic: Floats = (ahead @ ahead).multiply(ahead.T).sum(axis=1)
    complete: Floats = (either @ either).multiply(either).sum(axis=1) / 2
    _, component = connected_components(ahead, directed=True, connection="strong")
    on_cycle = np.bincount(component)[component] >= 3
    owner = nodes[:, 0]

    def per_judge(values: Floats, share: int) -> Ints:
        return np.rint(np.bincount(owner, weights=values, minlength=judges) / share).astype(np.int64)

    return Coherence(per_judge(complete, 3), per_judge(cyclic, 3), per_judge(on_cycle.astype(float), 1))
