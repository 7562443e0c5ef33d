"""What to ask next: scores of candidate pairs under one annotator's latent, and the choice among them.

All in numpy and cheap: 100,000 candidates take a few milliseconds. Items are rows as the reward model makes them; what
the latent holds beyond the items' width (position, ties) plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from attune.errors import BadData
from attune.rewards.base import Array, Latent

Policy = Literal["information", "uncertainty", "thompson", "random"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

PROBIT = float(np.pi / 8)
"""σ averaged over N(m, v) is close to σ(m / √(1 + πv/8)) (MacKay 1992)."""
LOGISTIC_TO_PROBIT = 1.702
BUMP = float(np.pi * np.log(2) / 2)
"""The entropy of Φ(x) in bits is close to exp(−x² / 2C), C = π ln 2 / 2."""


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
    values = scores(latent, items_a, items_b, policy=policy, rng=rng)
    if bonus is not None:
        values = values + bonus
    best = np.flatnonzero(values >= values.max() - 1e-9)
    return int(rng.choice(best))


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
    mean, variance = _margins(latent, items_a, items_b)
    m, v = mean / LOGISTIC_TO_PROBIT, variance / LOGISTIC_TO_PROBIT**2
    expected = np.log(2) * np.sqrt(BUMP / (v + BUMP)) * np.exp(-(m**2) / (2 * (v + BUMP)))
    total = _entropy(mean / np.sqrt(1 + PROBIT * variance))
    return np.asarray(np.maximum(total - expected, 0) * (variance > 0), np.float32)


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
    """Mean and variance of the margin, (N,) each. The covariance is factored, so that N × K² becomes one product."""
    width = items_a.shape[1]
    difference = items_a - items_b
    values, vectors = np.linalg.eigh(latent.cov[:width, :width].astype(np.float64))
    kept = values > 1e-9 * max(float(values[-1]), 1e-30)
    factor = (vectors[:, kept] * np.sqrt(values[kept])).astype(np.float32)
    spread = difference @ factor
    variance: Array = np.einsum("nr,nr->n", spread, spread)
    return np.asarray(difference @ latent.mean[:width], np.float32), variance


def _sigmoid(x: NDArray[np.floating]) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)


def _entropy(logit: NDArray[np.floating]) -> Array:
    """Entropy in nats of a coin with that logit; from e^{−|x|}, so that nothing is clipped and one exponential does."""
    size = np.abs(logit).astype(np.float32)
    odds = np.exp(-size)
    entropy: Array = np.log1p(odds) + size * odds / (1 + odds)
    return entropy
