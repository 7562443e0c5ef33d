"""What somebody's answers say beyond what a guess would: the correlated agreement mechanism of peer prediction.

Shnayder, Agarwal, Frongillo & Parkes, *Informed Truthfulness in Multi-Task Peer Prediction* (2016). Δ(x, y) is how much
more often two people say x and y of the same pair than of different ones; S(x, y) = 1 where Δ > 0. Whoever answers x on a
pair is paid for S(x, y) with a peer's y on that pair, less S(x, y′) with a peer's y′ on another. Saying always the same,
or answering at random, earns 0 in expectation whatever the others do; telling what one sees earns most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attune.quality import ANSWERS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def correlated_agreement(
    annotator: Ints, pair: Ints, answer: Ints, annotators: int, width: int = len(ANSWERS)
) -> tuple[Floats, Ints]:
    """What each answer (N,) earns against all peers on its pair, in expectation, −1 … 1; NaN where nobody else judged it.

    ``annotator`` 0 … annotators − 1; one answer each to a pair, 0 … width − 1. S comes from everybody's answers but the annotator's own, so
    that nobody moves their own yardstick. Returned with the number of peers on each pair.
    """
    said = np.zeros((int(pair.max()) + 1 if len(pair) else 0, width))
    np.add.at(said, (pair, answer), 1.0)
    own = np.eye(width)[answer]
    peers = said[pair] - own
    n_peers = peers.sum(axis=1)
    known = n_peers > 0
    mix = np.divide(peers, n_peers[:, None], out=np.zeros_like(peers), where=known[:, None])

    counts = np.zeros((annotators, width))
    np.add.at(counts, (annotator, answer), 1.0)
    together = np.zeros((annotators, width, width))
    np.add.at(together, annotator, _outer(own, mix) * known[:, None, None])
    pays = _pays(counts, together)
    marginal = _normalised(counts.sum(axis=0) - counts)  # (A, V): the peers' answers to other pairs
    earned = (pays[annotator, answer] * (mix - marginal[annotator])).sum(axis=1)
    return np.where(known, earned, np.nan), n_peers.astype(np.int64)


def _pays(counts: Floats, together: Floats) -> Floats:
    """S for each annotator (A, V, V), from what the others said: their answers (A, V), and those on the same pairs (A, V, V).

    Δ compares two different people on the same pair with two different people on any two pairs: somebody who always says
    the same would otherwise seem to avoid agreeing with themselves. Where there are no two others, S is equality.
    """
    width = counts.shape[1]
    same = together.sum(axis=0) - 2 * together  # a couple of people counts once from either side
    squares = counts[:, :, None] * counts[:, None, :]
    rest = counts.sum(axis=0) - counts
    apart = rest[:, :, None] * rest[:, None, :] - (squares.sum(axis=0) - squares)
    known = (same.sum(axis=(1, 2)) > 1e-9) & (apart.sum(axis=(1, 2)) > 1e-9)
    delta = _normalised(same.reshape(-1, width**2)) - _normalised(apart.reshape(-1, width**2))
    pays = (delta > 1e-12).astype(float).reshape(-1, width, width)
    result: Floats = np.where(known[:, None, None], pays, np.eye(width))
    return result


def _outer(own: Floats, mix: Floats) -> Floats:
    """The joint distribution of an answer and its peers', the same from either side: (N, V, V)."""
    outer = own[:, :, None] * mix[:, None, :]
    result: Floats = (outer + outer.transpose(0, 2, 1)) / 2
    return result


def _normalised(rows: Floats) -> Floats:
    total = rows.sum(axis=-1, keepdims=True)
    result: Floats = np.divide(rows, total, out=np.zeros_like(rows), where=total > 1e-9)
    return result
