"""What to ask next: scores of candidate pairs under one annotator's latent, and the choice among them.

All in numpy and cheap: the best of 100,000 candidates takes some ten milliseconds. Items are rows as the reward model makes them; what
the latent holds beyond the items' width (position, ties) plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from attune.errors import BadData
from attune.rewards.base import Array, Latent

Policy = Literal["information", "uncertainty", "thompson", "random"]
Ints = NDArray[np.int64]
POLICIES: tuple[Policy, ...] = get_args(Policy)

PROBIT = float(np.pi / 8)
"""σ averaged over N(m, v) is close to σ(m / √(1 + πv/8)) (MacKay 1992)."""
LOGISTIC_TO_PROBIT = 1.702
BUMP = float(np.pi * np.log(2) / 2)
"""The entropy of Φ(x) in bits is close to exp(−x² / 2C), C = π ln 2 / 2."""
LEAST_SHARE = 0.99
MANY = 5_000
SAMPLE = 1_000
SLICE = 2_048
SHORT = 32
"""Numbers of an item up to which every candidate is looked at: bounds would save nothing."""
LOOSE = 1.6
"""How far above the variance its bound may be on average."""
FINALISTS = 256
"""Of the candidates that could be the best so many are looked at first, to see what must be surpassed."""
ROUNDING = 1e-6


def choose(
    latent: Latent,
    items_a: Array,
    items_b: Array,
    *,
    policy: Policy = "information",
    rng: np.random.Generator,
    bonus: Array | None = None,
) -> int:
    """The row of the best of N candidate pairs; items (N, K). Equal scores are broken by chance.

    ``bonus`` (N,) is added to the scores: coverage of rarely asked pairs, novelty … Raises ``BadData`` if N is 0.
    """
    if not len(items_a):
        raise BadData("there is no candidate pair to choose from")
    extra = np.zeros(len(items_a), np.float32) if bonus is None else bonus
    rows: Ints | slice = slice(None)
    if policy == "information" and len(items_a) > MANY and items_a.shape[1] > SHORT:
        rows = _could_be_best(latent, items_a, items_b, extra)
    values = scores(latent, items_a[rows], items_b[rows], policy=policy, rng=rng) + extra[rows]
    best = np.flatnonzero(values >= values.max() - 1e-9)
    return int(np.arange(len(items_a))[rows][rng.choice(best)])


def scores(
    latent: Latent, items_a: Array, items_b: Array, *, policy: Policy = "information", rng: np.random.Generator
) -> Array:
    """How much each of N candidate pairs is worth asking, (N,); only comparable within one policy."""
    if policy == "random":
        return rng.random(len(items_a), dtype=np.float32)
    if policy not in SCORES:
        raise BadData(f"policy {policy!r} is not known; expected one of {', '.join(POLICIES)}")
    return SCORES[policy](latent, items_a, items_b, rng)


def information(latent: Latent, items_a: Array, items_b: Array) -> Array:
    """Expected information about w_u in nats: ``mutual_information`` in the closed form of Houlsby et al. (2011, eq. 9).

    The logistic link is read as a probit one, σ(m) ≈ Φ(m/1.702), and the entropy of Φ under N(m, v) as a Gaussian bump.
    """
    return gain(*_margins(latent, items_a, items_b))


def gain(mean: Array, variance: Array) -> Array:
    """Information in nats that an answer gives about what makes its margin doubtful; the margin's mean and variance, (N,)."""
    m, v = mean / LOGISTIC_TO_PROBIT, variance / LOGISTIC_TO_PROBIT**2
    expected = np.log(2) * np.sqrt(BUMP / (v + BUMP)) * np.exp(-(m**2) / (2 * (v + BUMP)))
    total = _entropy(mean / np.sqrt(1 + PROBIT * variance))
    return np.asarray(np.maximum(total - expected, 0) * (variance > 0), np.float32)


def statement_gain(mean: Array, variance: Array, worth: float) -> Array:
    """Information in nats of a person's own word on N margins, each counting as ``worth`` judgments of it, (N,).

    ½ log(1 + worth · σ′ · v), as a Laplace posterior narrows by it: ``attune.rewards.corrections`` takes such words in so.
    """
    p = _sigmoid(mean / np.sqrt(1 + PROBIT * variance))
    return np.asarray(0.5 * np.log1p(worth * p * (1 - p) * variance), np.float32)


def aspect_first(aspects: Array, aspect_seconds: float, pair: float, pair_seconds: float) -> int | None:
    """Which of N aspects to ask about, if its question tells more per second than the best pair; None where the pair does.

    aspects (N,) and pair: information in nats, of the questions and of the pair; seconds: what an answer takes.
    """
    if not len(aspects) or float(aspects.max()) * pair_seconds <= pair * aspect_seconds:
        return None
    return int(np.argmax(aspects))


def margins_of_pairs(latent: Latent, items: Array, first: Ints, second: Ints) -> tuple[Array, Array]:
    """Mean and variance of the margins of N pairs of rows of ``items`` (M, K), (N,) each: for many pairs of few responses.

    Each response is projected once. Directions that make up less than a hundredth of the variance, all together, are left
    out, so that 100,000 pairs are a few milliseconds whatever K is.
    """
    width = items.shape[1]
    values, vectors = np.linalg.eigh(latent.cov[:width, :width].astype(np.float64))
    along = (items @ (vectors * np.sqrt(np.maximum(values, 0)))).astype(np.float32)
    kept_along = np.ascontiguousarray(along[:, _leading(along.var(axis=0), LEAST_SHARE)])
    apart = kept_along[first] - kept_along[second]
    variance: Array = np.einsum("nr,nr->n", apart, apart)
    mean = items @ latent.mean[:width]
    return np.asarray(mean[first] - mean[second], np.float32), variance


def pool_information(mean: Array, doubt_a: Array, doubt_b: Array) -> Array:
    """What an answer tells about the *responses*, (N,) in nats, and so about everybody's rewards for them.

    mean: the margin for whom is asked; doubts: the variance of each response's reward for want of judgments about it
    (``Hybrid.doubts``). To be asked where the pool is young; once the responses are known it is nothing.
    """
    return gain(mean, np.asarray(doubt_a + doubt_b, np.float32))


def novelty(items_a: Array, items_b: Array, seen: Array) -> Array:
    """How unlike the pairs that the person has judged each candidate is, (N,) from 0 to 1; seen (M, K) differences of items.

    One minus the largest |cosine|: a pair and its mirror image ask the same. 1 where nothing was judged.
    """
    if not len(seen):
        return np.ones(len(items_a), np.float32)
    apart, known = _unit(items_a - items_b), _unit(seen)
    return np.asarray(1 - np.abs(apart @ known.T).max(axis=1), np.float32)


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights of what is good in a pair, each from 0 to 1 before it is weighed. tired: from 0, fresh, to 1, when only what is
    quickly read is asked."""

    information: float = 1.0
    pool: float = 0.0
    coverage: float = 0.2
    novelty: float = 0.0
    tired: float = 0.0


def mixed(
    mix: Mix,
    *,
    information: Array,
    pool: Array | None = None,
    taken: Array | None = None,
    novel: Array | None = None,
    words: Array | None = None,
) -> Array:
    """What N candidates are worth, (N,), by several goods at once. taken: judgments of the pair so far; words: to be read.

    Information and pool count as a share of the best candidate's. Weariness divides by (words / the shortest pair's)^tired:
    worth per minute for somebody who is at the end of their patience, worth per pair for one who is not.
    """
    worth = mix.information * _share(information)
    if pool is not None:
        worth = worth + mix.pool * _share(pool)
    if taken is not None:
        worth = worth + mix.coverage / (1 + taken)
    if novel is not None:
        worth = worth + mix.novelty * novel
    if words is not None and mix.tired > 0:
        worth = worth / (np.maximum(words, 1) / max(float(np.min(words)), 1.0)) ** mix.tired
    return np.asarray(worth, np.float32)


def mutual_information(latent: Latent, items_a: Array, items_b: Array) -> Array:
    """Mutual information between the answer and w_u in nats (BALD, Houlsby et al. 2011), by Gauss–Hermite quadrature.

    Exact under the Laplace posterior, and dearer than ``information``: for short lists and as its yardstick.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    mean, variance = _margins(latent, items_a, items_b)
    margins = mean[:, None] + np.sqrt(variance)[:, None] * nodes[None, :]
    p = np.clip(_sigmoid(margins) @ weights, 1e-7, 1 - 1e-7)
    gain = _entropy(np.log(p / (1 - p))) - _entropy(margins) @ weights
    return np.asarray(np.maximum(gain, 0), np.float32)


def uncertainty(latent: Latent, items_a: Array, items_b: Array) -> Array:
    """Entropy of the predicted answer in nats, whatever it comes from: ignorance of the person or a real dead heat."""
    mean, variance = _margins(latent, items_a, items_b)
    return _entropy(mean / np.sqrt(1 + PROBIT * variance))


def thompson(latent: Latent, items_a: Array, items_b: Array, rng: np.random.Generator) -> Array:
    """How much two tastes drawn from the posterior disagree about the pair, in probability."""
    width = items_a.shape[1]
    values, vectors = np.linalg.eigh(latent.cov[:width, :width].astype(np.float64))
    drawn = (vectors * np.sqrt(np.maximum(values, 0))) @ rng.standard_normal((width, 2))
    tastes = (latent.mean[:width, None] + drawn).astype(np.float32)
    p = _sigmoid((items_a - items_b) @ tastes)
    return np.asarray(np.abs(p[:, 0] - p[:, 1]), np.float32)


SCORES: Mapping[str, Callable[[Latent, Array, Array, np.random.Generator], Array]] = {
    "information": lambda latent, a, b, _: information(latent, a, b),
    "uncertainty": lambda latent, a, b, _: uncertainty(latent, a, b),
    "thompson": thompson,
}


def _margins(latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
    """Mean and variance of the margin, (N,) each. The covariance is factored, so that N × K² becomes one product.

    Of more than ``MANY`` pairs as much is left out as in ``margins_of_pairs``. Worked on in slices that fit the cache.
    """
    count, width = items_a.shape
    values, vectors = np.linalg.eigh(latent.cov[:width, :width].astype(np.float64))
    factor = vectors * np.sqrt(np.maximum(values, 0))
    share, least = values, 1.0
    if count > MANY:
        some = slice(None, None, count // SAMPLE)
        share, least = (((items_a[some] - items_b[some]) @ factor) ** 2).mean(axis=0), LEAST_SHARE
    along = np.column_stack([factor[:, _leading(share, least)], latent.mean[:width]]).astype(np.float32)
    mean, variance = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, SLICE):
        rows = slice(start, start + SLICE)
        spread = (items_a[rows] - items_b[rows]) @ along
        mean[rows] = spread[:, -1]
        np.einsum("nr,nr->n", spread[:, :-1], spread[:, :-1], out=variance[rows])
    return mean, variance


def _could_be_best(latent: Latent, items_a: Array, items_b: Array, bonus: Array) -> Ints:
    """The rows, usually few, one of which has most information and bonus (N,): the others' bounds are below what one of these has."""
    most = gain(*_bounds(latent, items_a, items_b)) + bonus
    ahead = np.argpartition(most, -FINALISTS)[-FINALISTS:]
    reached = (information(latent, items_a[ahead], items_b[ahead]) + bonus[ahead]).max()
    return np.flatnonzero(most >= reached - ROUNDING)


def _bounds(latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
    """Mean of the margin and an upper bound of its variance, (N,) each; as ``gain`` grows with the variance, so it is bounded.

    With items scaled to unit spread, x, and Σ = Σ_k λ_k e_k e_kᵀ in these, λ falling: xᵀΣx ≤ Σ_{k≤r} (λ_k − λ_{r+1}) ⟨e_k, x⟩² + λ_{r+1} |x|².
    """
    count, width = items_a.shape
    some = slice(None, None, count // SAMPLE)
    sample = (items_a[some] - items_b[some]).astype(np.float64)
    spread = np.sqrt(np.mean(sample**2, axis=0))
    spread = np.maximum(spread, 1e-6 * spread.max() + 1e-30)
    values, vectors = np.linalg.eigh(latent.cov[:width, :width] * np.outer(spread, spread))
    values, directions = np.append(np.maximum(values[::-1], 0), 0), vectors[:, ::-1] / spread[:, None]
    first = _tight(values, np.mean((sample @ directions) ** 2, axis=0))
    along = np.column_stack([latent.mean[:width], directions[:, :first]]).astype(np.float32)
    above = (values[:first] - values[first]).astype(np.float32)
    rest = (values[first] / spread**2).astype(np.float32)
    mean, most = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, SLICE):
        rows = slice(start, start + SLICE)
        apart = items_a[rows] - items_b[rows]
        seen = apart @ along
        mean[rows] = seen[:, 0]
        most[rows] = seen[:, 1:] ** 2 @ above + np.square(apart, out=apart) @ rest
    return mean, most


def _tight(values: NDArray[np.float64], square: NDArray[np.float64]) -> int:
    """The fewest directions r ≥ 1 after which the bound is tight enough; eigenvalues (R + 1,), the last 0, and E⟨e_k, x⟩² (R,)."""
    left = square.sum() - np.cumsum(square)
    bound = np.cumsum(values[:-1] * square) + values[1:] * left
    return int(np.argmax(bound <= LOOSE * bound[-1])) + 1


def _leading(share: NDArray[np.floating], least: float) -> Ints:
    """The fewest directions that make up so much of the variance, the largest first; none that adds nothing."""
    order = np.argsort(-share)
    total = np.cumsum(np.maximum(share[order], 0))
    enough = int(np.searchsorted(total, least * (1 - 1e-9) * total[-1])) + 1 if len(share) else 0
    return order[:enough]


def _share(values: Array) -> Array:
    return values / max(float(values.max()), 1e-12)


def _unit(rows: Array) -> Array:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = rows / np.maximum(size, 1e-12)
    return unit


def _sigmoid(x: NDArray[np.floating]) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)


def _entropy(logit: NDArray[np.floating]) -> Array:
    """Entropy in nats of a coin with that logit; from e^{−|x|}, so that nothing is clipped and one exponential does."""
    size = np.abs(logit).astype(np.float32)
    odds = np.exp(-size)
    entropy: Array = np.log1p(odds) + size * odds / (1 + odds)
    return entropy
