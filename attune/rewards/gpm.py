"""General preference model (Zhang et al. 2024): preferences that may run in circles, personal by block.

A response is a vector v ∈ R^{2k}, and its blocks of two compare by their cross product, which is skew-symmetric:

    m_u(a, b) = s (b_a − b_b) + Σ_l w_ul (v_a^l × v_b^l),    P(a ≻ b) = σ(m_u(a, b)),    v × v′ = v₁v′₂ − v₂v′₁.

With all w_ul = 1/τ this is v_aᵀRv_b/τ. A block whose second coordinate is the same for all responses is linear in the first:
the personal blocks are the hybrid's item vectors, which no circle can be made of; the others are learnt by descent, and are
there for circles. w_u is the latent, under the community's Gaussian prior.

``score``: a circle has no order, so a response's reward is the log-odds of its mean chance to win against a fixed sample of
known responses: logit of mean_{x′} P(x ≻ x′). It does not depend on what is scored with it. Two responses are compared by
``margin`` and ``probability``, which may disagree with the order of the scores; there the pair is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from attune.rewards import vectors
from attune.rewards.base import Array
from attune.rewards.curved import CurvedReward
from attune.rewards.descent import Rates, descend
from attune.rewards.episodes import kept_deltas, rows_in_batches
from attune.rewards.item_model import Task
from attune.rewards.linear import Floats
from attune.rewards.networks import Tensor, Weights, library, mean_loss, sigmoid
from attune.rewards.settings import setting

BATCH = 2_048
REFERENCES = 128
CIRCLE_SPREAD = 0.7
SHARE_CLIP = 1e-4


@dataclass(frozen=True, slots=True)
class GPMSettings:
    """Options of ``gpm``."""

    rank: int = setting(8, "personal blocks, which begin as the hybrid's item vectors", least=1, most=64)
    circles: int = setting(2, "blocks for circles that everybody shares", least=1, most=32)
    steps: int = setting(600, "steps of descent in each of the two passes", least=10, most=100_000)
    rate: float = setting(1e-2, "learning rate", least=1e-6, most=1)
    weight_precision: float = setting(
        1.0, "how strongly people's weights are drawn to the community's", least=1e-3, most=100
    )


class GPM(CurvedReward):
    """Items (b, q, v): pooled reward, item vector, circles' blocks. Latent: weights of q, s, weights of the blocks."""

    name: ClassVar[str] = "gpm"
    Settings: ClassVar[type] = GPMSettings

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return int(self.settings.steps)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``."""
        begun = vectors.start_parameters(task, self.settings.rank)
        start = self._again(task) if task.again else self._begin(task)
        fixed = {**vectors.constants(task), "straight": task.data.mapped @ begun["text"] + begun["delta"]}
        judged, precision = len(task.comparisons), self.settings.weight_precision

        def loss(weights: Weights, batch: Mapping[str, Any]) -> Mapping[str, Any]:
            round_ = vectors.rows(weights, batch["kept"])
            a, b = batch["a"], batch["b"]
            straight = weights["straight"][a] - weights["straight"][b]
            compared = library(straight).concatenate([straight, crosses(round_[a], round_[b])], axis=1)
            taste = weights["mean"] + weights["people"][batch["person"]]
            margin = (compared * taste).sum(axis=1) + weights["position"] * batch["side"]
            fit = mean_loss(margin, batch["choice"], batch["weight"])
            drawn = 0.5 * precision * (weights["people"] ** 2).sum() / judged
            return {"loss": fit + drawn + vectors.delta_penalty(weights, judged), "log_loss": fit}

        rates = Rates(self.settings.rate, {"people": 2.0}, decay=0.0)
        found = descend(start, fixed, loss, self._batches(task), steps=task.steps, rates=rates, report=task.report)
        self._install(task, {**fixed, **found}, begun["text"])
        self.estimate_prior(task.comparisons, task.rng)
        return {"circularity": self._circularity(task)}

    def _begin(self, task: Task) -> dict[str, Array]:
        of, count, features = self.settings, len(task.data.ids), task.data.mapped.shape[1]
        mean = np.concatenate([np.zeros(of.rank), np.ones(1 + of.circles)])
        return {
            "text": np.zeros((features, 2 * of.circles), np.float32),
            "delta": (CIRCLE_SPREAD * task.rng.standard_normal((count, 2 * of.circles))).astype(np.float32),
            "mean": mean.astype(np.float32),
            "people": np.zeros((task.comparisons.annotators, len(mean)), np.float32),
        }

    def _again(self, task: Task) -> dict[str, Array]:
        k = self.settings.rank
        text, mean = self.parts.text_weights[:, 1 + k :], self.weights["prior_mean"]
        mean = np.concatenate([np.zeros(k), mean[k:]])  # the personal blocks are other ones now
        return {
            "text": text,
            "delta": self.parts.table[:, 1 + k :] - task.data.mapped @ text,
            "mean": mean.astype(np.float32),
            "people": np.zeros((task.comparisons.annotators, len(mean)), np.float32),
        }

    def _batches(self, task: Task) -> Iterator[dict[str, NDArray[Any]]]:
        for batch in rows_in_batches(task.comparisons, BATCH, task.rng, task.steps):
            yield batch | {"kept": kept_deltas(len(task.data.ids), task.rng)}

    def _install(self, task: Task, found: Weights, straight_text: Array) -> None:
        table = np.concatenate([found["straight"], vectors.vectors(found, 1.0)], axis=1)
        items = vectors.item_table(task, table, np.concatenate([straight_text, found["text"]], axis=1))
        cov = np.diag([1.0] * self.settings.rank + [0.1] * (1 + self.settings.circles))
        chosen = np.random.default_rng(0).permutation(len(items.table))[:REFERENCES]
        own = {
            "position": found["position"],
            "prior_mean": found["mean"],
            "prior_cov": np.asarray(cov, np.float32),
            "references": items.table[chosen],
        }
        self.install(items, own, task.data.encoder)

    def _circularity(self, task: Task) -> float:
        """Of the variance of the community's margins over judged pairs, the share that no order of rewards explains."""
        said, latent = task.comparisons, self.prior()
        table = self.parts.table
        margin = self.margin(latent, table[said.a], table[said.b])[0].astype(np.float64)
        return 1 - _explained_by_an_order(margin, said.a, said.b, len(table))

    # Serving, numpy only

    def curve(self, theta: Floats, items_a: Array, items_b: Array) -> tuple[Floats, Floats]:
        """See ``CurvedReward.curve``; linear in θ."""
        compared = self._compared(items_a, items_b).astype(np.float64)
        return compared @ theta, compared

    def reward(self, theta: Floats, items: Array) -> tuple[Floats, Floats]:
        """See ``CurvedReward.reward`` and the head of this file."""
        slopes = np.stack([self._compared(items, other[None]) for other in self.weights["references"]], axis=1)
        chances = sigmoid(slopes @ theta)
        share = np.clip(chances.mean(axis=1), SHARE_CLIP, 1 - SHARE_CLIP)
        along = ((chances * (1 - chances))[..., None] * slopes).mean(axis=1)
        return np.log(share / (1 - share)), along / (share * (1 - share))[:, None]

    def _compared(self, items_a: Array, items_b: Array) -> Array:
        """What the latent weighs: item vectors' difference, then ``crosses``; (N, k + 1 + circles)."""
        k = 1 + self.settings.rank
        straight = items_a[:, 1:k] - items_b[:, 1:k]
        a, b = (np.concatenate([each[:, :1], each[:, k:]], axis=1) for each in (items_a, items_b))
        return np.concatenate([straight, crosses(a, b)], axis=1)


def crosses(items_a: Tensor, items_b: Tensor) -> Tensor:
    """b_a − b_b and the cross products of all blocks: (b, v) (N, 1 + 2k) to (N, 1 + k)."""
    xp = library(items_a)
    a, b = (each[:, 1:].reshape(len(each), -1, 2) for each in (items_a, items_b))
    crossed = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return xp.concatenate([items_a[:, :1] - items_b[:, :1], crossed], axis=1)


def _explained_by_an_order(margin: Floats, a: NDArray[np.int64], b: NDArray[np.int64], count: int) -> float:
    """R² of the least-squares rewards of ``count`` responses for margins of pairs (a, b)."""
    rows = np.concatenate([np.arange(len(a))] * 2)
    signs = np.concatenate([np.ones(len(a)), -np.ones(len(a))])
    design = csr_array((signs, (rows, np.concatenate([a, b]))), shape=(len(a), count))
    left = margin - design @ lsqr(design, margin)[0]
    return 1 - float((left**2).sum() / max(float((margin**2).sum()), 1e-12))
