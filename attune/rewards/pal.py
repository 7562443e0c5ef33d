"""PAL, pluralistic alignment by ideal points (Chen et al. 2024), on item vectors.

Everybody is a mixture of K prototypes: π_u = softmax(w_u). With q_x the response in the common space,

    PAL-A   a_u = Σ_k π_uk P_k,            r_u(x) = s b_x − τ ‖q_x − a_u‖
    PAL-B   a_u(p) = Σ_k π_uk g_k(p),      r_u(x) = s b_x + τ cos(q_x, a_u(p))

where p is the prompt, g_k affine, and b_x the pooled reward. A new annotator is nothing but w_u, inferred under the
community's Gaussian prior (MAP and Laplace), so that few judgments move it little. Losses: logistic, or the paper's hinge.

The responses' common space is that of ``attune.rewards.vectors``. Prompts are known by the mean of their responses'
vectors; of a text alone, the prompt is guessed from the text.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from attune.rewards import vectors
from attune.rewards.base import Array, Latent
from attune.rewards.curved import CurvedReward
from attune.rewards.descent import Rates, descend
from attune.rewards.episodes import kept_deltas, rows_in_batches
from attune.rewards.item_model import Task
from attune.rewards.linear import Floats
from attune.rewards.networks import Tensor, Weights, library, mean_loss, softmax
from attune.rewards.settings import setting

BATCH = 2_048
SMALL = 1e-4
PURE = 20.0
"""Logits that make a mixture all one prototype."""
USED = 0.02
"""A prototype is used where it has more than this of the community's mixture."""


@dataclass(frozen=True, slots=True)
class PALSettings:
    """Options of ``pal_a`` and ``pal_b``."""

    rank: int = setting(8, "width of the common space", least=1, most=64)
    prototypes: int = setting(6, "ideal points that people mix", least=1, most=32)
    steps: int = setting(600, "steps of descent in each of the two passes", least=10, most=100_000)
    rate: float = setting(5e-3, "learning rate of mixtures and prototypes", least=1e-6, most=1)
    mixture_precision: float = setting(0.3, "how strongly mixtures are drawn to the community's", least=1e-3, most=100)
    loss: str = setting("logistic", "what is minimised", choices=("logistic", "hinge"))


class PAL(CurvedReward):
    """What both kinds share. Latent: the logits w_u of the mixture. Items: (b, q), and for PAL-B the prompt after them."""

    Settings: ClassVar[type] = PALSettings

    @abstractmethod
    def begin(self, task: Task, q: Array) -> dict[str, Array]:
        """The kind's own parameters; q (N, k) are the vectors at the start."""

    @abstractmethod
    def closeness(self, mixture: Tensor, weights: Weights, items: Tensor) -> Tensor:
        """How close items (N, K) without their pooled reward are to the points of mixtures (N, prototypes); (N,)."""

    def prompts(self, task: Task) -> tuple[Array, Array]:
        """What is known of each response's prompt (N, p), and how text tells it (F, p); nothing, for PAL-A."""
        return np.zeros((len(task.data.ids), 0), np.float32), np.zeros((task.data.mapped.shape[1], 0), np.float32)

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return int(self.settings.steps)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``. Mixtures of the annotators are learnt along, then their spread in the community."""
        prompts, of_text = self.prompts(task)
        start = self._again(task) if task.again else self._begin(task)
        fixed = {**vectors.constants(task), "prompts": prompts}
        judged, precision, hinge = len(task.comparisons), self.settings.mixture_precision, self.settings.loss == "hinge"

        def loss(weights: Weights, batch: Mapping[str, Any]) -> Mapping[str, Any]:
            xp = library(weights["delta"])
            items = xp.concatenate([vectors.rows(weights, batch["kept"]), weights["prompts"]], axis=1)
            logits = weights["mean"] + weights["people"][batch["person"]]
            rewards = [self._reward(softmax(logits), weights, items[batch[side]]) for side in ("a", "b")]
            margin = rewards[0] - rewards[1] + weights["position"] * batch["side"]
            lean = 2 * batch["choice"] - 1
            if hinge:
                weight = batch["weight"] * xp.abs(lean)
                fit = (weight * xp.clip(1 - lean * margin, 0, None)).sum() / (weight.sum() + 1e-9)
            else:
                fit = mean_loss(margin, batch["choice"], batch["weight"])
            drawn = 0.5 * precision * (weights["people"] ** 2).sum() / judged
            return {"loss": fit + drawn + vectors.delta_penalty(weights, judged), "log_loss": fit}

        rates = Rates(self.settings.rate, {"text": 0.3, "delta": 0.6}, decay=0.0)
        found = descend(start, fixed, loss, self._batches(task), steps=task.steps, rates=rates, report=task.report)
        self._install(task, {**fixed, **found}, prompts, of_text)
        self.estimate_prior(task.comparisons, task.rng)
        shares = softmax(self.weights["prior_mean"][None])[0]
        return {"prototypes": float(len(shares)), "prototypes_used": float((shares > USED).sum())}

    def _install(self, task: Task, found: Weights, prompts: Array, of_text: Array) -> None:
        table = np.concatenate([vectors.vectors(found, 1.0), prompts], axis=1)
        text = np.concatenate([found["text"], of_text], axis=1)
        people = found["people"][np.unique(task.comparisons.annotator)]
        left_out = {*vectors.constants(task), "prompts", "text", "delta", "people", "mean"}
        own = {name: value for name, value in found.items() if name not in left_out}
        prior = {
            "position": found["position"],
            "prior_mean": found["mean"],
            "prior_cov": (np.cov(people.T, bias=True).reshape(2 * (people.shape[1],)) + 0.1 * np.eye(people.shape[1])),
        }
        arrays = {name: np.asarray(value, np.float32) for name, value in (own | prior).items()}
        self.install(vectors.item_table(task, table, text), arrays, task.data.encoder)

    def _begin(self, task: Task) -> dict[str, Array]:
        start = vectors.start_parameters(task, self.settings.rank)
        q = task.data.mapped @ start["text"] + start["delta"]
        size = (task.comparisons.annotators, self.settings.prototypes)
        return {
            **start,
            **self.begin(task, q),
            "people": (0.1 * task.rng.standard_normal(size)).astype(np.float32),
            "mean": np.zeros(self.settings.prototypes, np.float32),
            "scale": np.ones(1, np.float32),
        }

    def _again(self, task: Task) -> dict[str, Array]:
        k = self.settings.rank
        text, table = self.parts.text_weights[:, 1 : 1 + k], self.parts.table[:, 1 : 1 + k]
        left_out = ("position", "prior_mean", "prior_cov", "estimated_cov")
        own = {name: value for name, value in self.weights.items() if name not in left_out}
        size = (task.comparisons.annotators, self.settings.prototypes)
        return {
            **own,
            "text": text,
            "delta": table - task.data.mapped @ text,
            "people": np.zeros(size, np.float32),
            "mean": self.weights["prior_mean"],
        }

    def _batches(self, task: Task) -> Iterator[dict[str, NDArray[Any]]]:
        for batch in rows_in_batches(task.comparisons, BATCH, task.rng, task.steps):
            yield batch | {"kept": kept_deltas(len(task.data.ids), task.rng)}

    def _reward(self, mixture: Tensor, weights: Weights, items: Tensor) -> Tensor:
        xp = library(items)
        near = self.closeness(mixture, weights, items[:, 1:])
        return weights["scale"] * items[:, 0] + xp.exp(weights["log_tau"]) * near

    def reward(self, theta: Floats, items: Array) -> tuple[Floats, Floats]:
        """See ``CurvedReward.reward``. With ∂r/∂π known, ∂r/∂w_k = π_k (∂r/∂π_k − Σ_l π_l ∂r/∂π_l)."""
        mixture, wide = softmax(theta), items.astype(np.float64)
        near, along = self.near(mixture, wide[:, 1:])
        tau = float(np.exp(self.weights["log_tau"][0]))
        slope = tau * mixture * (along - (along @ mixture)[:, None])
        return self.weights["scale"][0] * wide[:, 0] + tau * near, slope

    def prototypes(self) -> Sequence[Latent]:
        """The pure ideal points (``HasPrototypes``)."""
        prior = self.prior()
        return [Latent(pure, 0 * prior.cov, 0, {}) for pure in PURE * np.eye(len(prior.mean), dtype=np.float32)]

    @abstractmethod
    def near(self, mixture: Floats, items: Floats) -> tuple[Floats, Floats]:
        """``closeness`` for one mixture (prototypes,), and its slopes in it, (N, prototypes)."""


class PALA(PAL):
    """Distance to the person's ideal point."""

    name: ClassVar[str] = "pal_a"

    def begin(self, task: Task, q: Array) -> dict[str, Array]:
        """See ``PAL.begin``: prototypes on a shell around the responses."""
        drawn = task.rng.standard_normal((self.settings.prototypes, q.shape[1]))
        radius = 2.0 * float(np.sqrt((q**2).sum(axis=1).mean()))
        points = radius * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return {"points": points.astype(np.float32), "log_tau": np.zeros(1, np.float32)}

    def closeness(self, mixture: Tensor, weights: Weights, items: Tensor) -> Tensor:
        """See ``PAL.closeness``: −‖q − a_u‖."""
        away = items - mixture @ weights["points"]
        return -library(items).sqrt((away**2).sum(axis=-1) + SMALL)

    def near(self, mixture: Floats, items: Floats) -> tuple[Floats, Floats]:
        """See ``PAL.near``: ∂(−‖q − a‖)/∂a = (q − a) / ‖q − a‖."""
        points = self.weights["points"].astype(np.float64)
        away = items - mixture @ points
        size = np.sqrt((away**2).sum(axis=1) + SMALL)
        return -size, (away / size[:, None]) @ points.T


class PALB(PAL):
    """Cosine with the person's ideal direction for the prompt."""

    name: ClassVar[str] = "pal_b"

    def prompts(self, task: Task) -> tuple[Array, Array]:
        """See ``PAL.prompts``: the mean of the prompt's responses along its principal directions, unit spread."""
        return prompt_columns(task)

    def begin(self, task: Task, q: Array) -> dict[str, Array]:
        """See ``PAL.begin``: directions that begin the same for all prompts."""
        k, wide = self.settings.prototypes, self.prompts(task)[0].shape[1]
        return {
            "points": task.rng.standard_normal((k, q.shape[1])).astype(np.float32),
            "turn": np.zeros((wide, k * q.shape[1]), np.float32),
            "log_tau": np.full(1, 0.7, np.float32),
        }

    def closeness(self, mixture: Tensor, weights: Weights, items: Tensor) -> Tensor:
        """See ``PAL.closeness``: cos(q, a_u(p))."""
        xp = library(items)
        k = weights["points"].shape[1]
        q, prompt = items[:, :k], items[:, k:]
        turned = (prompt @ weights["turn"]).reshape(-1, *weights["points"].shape) + weights["points"]
        ideal = (mixture[..., None] * turned).sum(axis=1)
        sizes = xp.sqrt(((q**2).sum(axis=-1) + SMALL) * ((ideal**2).sum(axis=-1) + SMALL))
        return (q * ideal).sum(axis=-1) / sizes

    def near(self, mixture: Floats, items: Floats) -> tuple[Floats, Floats]:
        """See ``PAL.near``: ∂cos(q, a)/∂a = (q/‖q‖ − cos · a/‖a‖) / ‖a‖."""
        k = self.weights["points"].shape[1]
        q = items[:, :k] / np.sqrt((items[:, :k] ** 2).sum(axis=1, keepdims=True) + SMALL)
        turned = (items[:, k:] @ self.weights["turn"]).reshape(-1, *self.weights["points"].shape) + self.weights[
            "points"
        ]
        ideal = np.einsum("k,nkd->nd", mixture, turned)
        size = np.sqrt((ideal**2).sum(axis=1, keepdims=True) + SMALL)
        cosine = (q * ideal).sum(axis=1, keepdims=True) / size
        return cosine[:, 0], np.einsum("nd,nkd->nk", (q - cosine * ideal / size) / size, turned)


PROMPT_COLUMNS = 8
PROMPT_RIDGE = 10.0


def prompt_columns(task: Task) -> tuple[Array, Array]:
    """Each response's prompt (N, p) by principal directions of the prompts' mean vectors, and the ridge regression of
    that on mapped features (F, p). No columns where there is one prompt only."""
    data = task.data
    counts = np.bincount(data.groups)
    sums = np.zeros((len(counts), data.mapped.shape[1]))
    np.add.at(sums, data.groups, data.mapped)
    means = sums / counts[:, None]
    centred = means - means.mean(axis=0)
    wide = min(PROMPT_COLUMNS, len(means) - 1, centred.shape[1])
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    wide = min(wide, int((sizes > 1e-6).sum()))
    columns = centred @ directions[:wide].T
    columns = (columns / np.maximum(columns.std(axis=0), 1e-6))[data.groups]
    gram = data.mapped.T @ data.mapped + PROMPT_RIDGE * np.eye(data.mapped.shape[1])
    return columns.astype(np.float32), np.linalg.solve(gram, data.mapped.T @ columns).astype(np.float32)
