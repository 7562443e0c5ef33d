"""An in-context model: a small transformer reads an annotator's judgments and scores responses, the embedding-level cousin
of few-shot preference optimisation (FSPO).

Each pair becomes a token MLP([x_chosen; x_other]). Learnt slots read the tokens, tokens read the slots back, slots read
again (induced set attention, Lee et al. 2019: linear in the number of judgments, no positions). The slots are the latent;
a target response attends to them, hence to the context only, never to other targets. Meta-trained on episodes of random
size, none included. Several heads, each learnt on its own random half of the annotators (bootstrapped heads, Osband et al. 2016),
disagree where the model does not know: that is its doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from attune.rewards import vectors
from attune.rewards.base import Array, Latent, Scores
from attune.rewards.descent import Rates, descend
from attune.rewards.episodes import Sampler, kept_deltas
from attune.rewards.item_model import ItemModel, Task
from attune.rewards.networks import (
    Tensor,
    Weights,
    attend,
    attend_weights,
    dense,
    dense_weights,
    layer_norm,
    layer_norm_weights,
    leaky,
    library,
    mean_loss,
    perceptron,
    perceptron_weights,
)
from attune.rewards.settings import setting

HEADS = 4
NO_COV = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class FewshotSettings:
    """Options of ``fewshot``."""

    rank: int = setting(8, "width of the item vectors", least=1, most=64)
    width: int = setting(48, "width of the transformer", least=8, most=512)
    slots: int = setting(4, "slots that sum a person's judgments up", least=1, most=64)
    steps: int = setting(1200, "steps of descent in each of the two passes", least=10, most=100_000)
    rate: float = setting(2e-3, "learning rate", least=1e-6, most=1)


class Fewshot(ItemModel):
    """Latent: the slots (M · d,), without a covariance; the heads carry the doubt."""

    name: ClassVar[str] = "fewshot"
    Settings: ClassVar[type] = FewshotSettings

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return int(self.settings.steps)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``."""
        start = self._again(task) if task.again else self._begin(task)
        spread = self.weights["spread"] if task.again else vectors.spread(task, start)
        fixed = {**vectors.constants(task), "spread": spread}
        judged = len(task.comparisons)

        def loss(weights: Weights, batch: Mapping[str, Any]) -> Mapping[str, Any]:
            x = vectors.rows(weights, batch["kept"])
            slots = read(x[batch["context_a"]], x[batch["context_b"]], batch["context_here"], weights)
            margin = respond(x[batch["target_a"]], slots, weights) - respond(x[batch["target_b"]], slots, weights)
            margin = margin + (weights["position"] * batch["target_side"])[..., None]
            weight = batch["target_weight"][..., None] * batch["heads"][:, None, :]
            fit = mean_loss(margin, batch["target_choice"][..., None], weight)
            return {"loss": fit + vectors.delta_penalty(weights, judged), "log_loss": fit}

        found = descend(
            start,
            fixed,
            loss,
            self._batches(task),
            steps=task.steps,
            rates=Rates(self.settings.rate),
            report=task.report,
        )
        own = {name: value for name, value in found.items() if name not in ("text", "delta")} | {
            "spread": spread,
            "boldness": np.ones(1, np.float32),
        }
        q = vectors.vectors({**fixed, **found}, 1.0)
        self.install(vectors.item_table(task, q, found["text"]), own, task.data.encoder)
        return {}

    def _begin(self, task: Task) -> dict[str, Array]:
        rng, of = task.rng, self.settings
        width, d = 1 + of.rank, of.width
        weights: dict[str, Array] = {}
        for name in ("slots.0", "tokens.0", "slots.1", "target.0"):
            weights |= attend_weights(rng, name, d) | layer_norm_weights(f"{name}.norm", d)
        return {
            **vectors.start_parameters(task, of.rank),
            **weights,
            **perceptron_weights(rng, "pair", (2 * width, d, d)),
            **dense_weights(rng, "item", width, d),
            **perceptron_weights(rng, "reward", (2 * d, d, HEADS), 0.3),
            "start": (rng.standard_normal((of.slots, d)) / np.sqrt(d)).astype(np.float32),
            "nothing": (rng.standard_normal((1, d)) / np.sqrt(d)).astype(np.float32),
            "scale": np.ones(HEADS, np.float32),
        }

    def _again(self, task: Task) -> dict[str, Array]:
        text = self.parts.text_weights[:, 1:]
        own = {name: value for name, value in self.weights.items() if name not in ("spread", "boldness")}
        return {**own, "text": text, "delta": self.parts.table[:, 1:] - task.data.mapped @ text}

    def _batches(self, task: Task) -> Iterator[dict[str, NDArray[Any]]]:
        heads = 2.0 * (task.rng.random((task.comparisons.annotators, HEADS)) < 0.5).astype(np.float32)
        for batch in Sampler(task.comparisons, task.data.groups).batches(task.rng, task.steps):
            yield batch | {
                "kept": kept_deltas(len(task.data.ids), task.rng),
                "heads": heads[batch["person"]],
            }

    # Serving, numpy only

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        width = self.parts.table.shape[1]
        none = np.zeros((0, width), np.float32)
        return self._latent(none, none, 0)

    def adapt_arrays(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],  # noqa: ARG002 (the encoder reads which was preferred, not where it stood)
        weight: NDArray[Any],  # noqa: ARG002
    ) -> Latent:
        """See ``Rehearsed.adapt_arrays``. Ties are counted and not read."""
        decided = outcome != 0
        first = (outcome > 0)[:, None]
        won, lost = np.where(first, items_a, items_b)[decided], np.where(first, items_b, items_a)[decided]
        return self._latent(won, lost, len(outcome))

    def _latent(self, won: Array, lost: Array, judged: int) -> Latent:
        slots = read(won[None], lost[None], np.ones((1, len(won)), np.float32), self.weights)
        return Latent(np.asarray(slots, np.float32).reshape(-1), NO_COV, judged, {})

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``."""
        rewards = self._rewards(latent, items)
        return Scores(rewards.mean(axis=1), rewards.std(axis=1))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``."""
        margins = self._rewards(latent, items_a) - self._rewards(latent, items_b)
        return margins.mean(axis=1), margins.var(axis=1)

    def _rewards(self, latent: Latent, items: Array) -> Array:
        """(N, HEADS): the community's, and as much more of the person's own as ``boldness`` says."""
        own = self._heads(latent, items)
        boldness = float(self.weights["boldness"][0])
        return (
            own if boldness == 1 or not latent.n else boldness * own + (1 - boldness) * self._heads(self.prior(), items)
        )

    def _heads(self, latent: Latent, items: Array) -> Array:
        slots = latent.mean.reshape(1, -1, self.settings.width)
        return np.asarray(respond(items[None], slots, self.weights)[0], np.float32)


def read(won: Tensor, lost: Tensor, here: Tensor, weights: Weights) -> Tensor:
    """Slots (U, M, d) of contexts: items of the preferred and the other side (U, C, K), present (U, C)."""
    xp = library(here)
    pairs = xp.concatenate([won / weights["spread"], lost / weights["spread"]], axis=-1)
    people = len(here)
    nothing = xp.stack([weights["nothing"]] * people)
    tokens = xp.concatenate([perceptron(pairs, weights, "pair", 2), nothing], axis=1)
    present = xp.concatenate([here, xp.ones_like(nothing[..., 0])], axis=1)
    slots = xp.stack([weights["start"]] * people)
    slots = _block(slots, tokens, present, weights, "slots.0")
    everything = xp.ones_like(slots[..., 0])
    tokens = _block(tokens, slots, everything, weights, "tokens.0")
    return _block(slots, tokens, present, weights, "slots.1")


def respond(items: Tensor, slots: Tensor, weights: Weights) -> Tensor:
    """Rewards (U, N, HEADS) of items (U, N, K) given slots (U, M, d)."""
    xp = library(slots)
    asked = leaky(dense(items / weights["spread"], weights, "item"))
    everything = xp.ones_like(slots[..., 0])
    heard = _block(asked, slots, everything, weights, "target.0")
    judged = perceptron(xp.concatenate([asked, heard], axis=-1), weights, "reward", 2)
    return weights["scale"] * items[..., :1] + judged


def _block(queries: Tensor, values: Tensor, present: Tensor, weights: Weights, name: str) -> Tensor:
    return layer_norm(attend(queries, values, present, weights, name), weights, f"{name}.norm")
