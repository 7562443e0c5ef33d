"""VPL, variational preference learning (Poddar et al. 2024), on item vectors.

An encoder reads an annotator's judgments and gives q(z|C) = N(μ, diag σ²); a decoder gives the reward of a response for a
taste z. Each pair becomes p_i = MLP([x_chosen; x_other]); one self-attention over the set, no positions; the mean, with the
number of judgments beside it, goes through two heads for μ and log σ² ∈ [−1, 1]. Everywhere, in training as in serving,
z ← √Z · z / ‖z‖ before it is used. The loss is

    −E_z log σ(r(x_a, z) − r(x_b, z)) + β KL(q(z|C) ‖ N(0, I)) + γ ½ (1 + cos(μ(C), μ(C with sides swapped))),

β going up and down in cycles. The last term is a guard against collapse: opposite judgments must give opposite tastes.
r(x, z) = s b_x + MLP([x; z]), with the pooled reward b_x. An annotator without judgments has z ~ N(0, I): the community.
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
    leaky,
    library,
    mean_loss,
    perceptron,
    perceptron_weights,
    sigmoid,
)
from attune.rewards.settings import setting

DRAWS = 32
ACTIVE = 0.01
"""A unit is active where its mean varies by more than this over annotators (Burda et al. 2016)."""
CYCLES = 4
REFERENCES = 64


@dataclass(frozen=True, slots=True)
class VPLSettings:
    """Options of ``vpl``."""

    rank: int = setting(8, "width of the item vectors", least=1, most=64)
    latent: int = setting(8, "numbers that describe one person", least=2, most=64)
    hidden: int = setting(64, "width of the hidden layers", least=8, most=512)
    steps: int = setting(1200, "steps of descent in each of the two passes", least=10, most=100_000)
    rate: float = setting(2e-3, "learning rate", least=1e-6, most=1)
    beta: float = setting(1e-3, "weight of the KL term at the top of its cycle", least=0, most=10)
    guard: float = setting(1e-2, "weight of the swap guard against collapse", least=0, most=10)
    scaling: str = setting("none", "rewards as they are, or by VPL-SPO", choices=("none", "spo"))


class VPL(ItemModel):
    """Latent: μ and σ² of the posterior. Doubt is over ``DRAWS`` fixed draws from it."""

    name: ClassVar[str] = "vpl"
    Settings: ClassVar[type] = VPLSettings

    def steps(self) -> int:
        """See ``ItemModel.steps``."""
        return int(self.settings.steps)

    def learn(self, task: Task) -> dict[str, float]:
        """See ``ItemModel.learn``."""
        start = self._again(task) if task.again else self._begin(task)
        fixed = {
            **vectors.constants(task),
            "spread": self.weights["spread"] if task.again else vectors.spread(task, start),
        }
        beta, guard, judged = self.settings.beta, self.settings.guard, len(task.comparisons)

        def loss(weights: Weights, batch: Mapping[str, Any]) -> Mapping[str, Any]:
            x = vectors.rows(weights, batch["kept"])
            mean, log_var = encode(x[batch["context_a"]], x[batch["context_b"]], batch["context_here"], weights)
            swapped, _ = encode(x[batch["context_b"]], x[batch["context_a"]], batch["context_here"], weights)
            xp = library(mean)
            z = on_sphere(mean + xp.exp(0.5 * log_var) * batch["noise"])[:, None, :]
            margin = decode(x[batch["target_a"]], z, weights) - decode(x[batch["target_b"]], z, weights)
            fit = mean_loss(
                margin + weights["position"] * batch["target_side"], batch["target_choice"], batch["target_weight"]
            )
            kl = 0.5 * (xp.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1).mean()
            alike = 0.5 * (1 + _cosine(mean, swapped)) * (batch["context_here"].sum(axis=1) > 0)
            total = fit + beta * batch["cycle"] * kl + guard * alike.mean() + vectors.delta_penalty(weights, judged)
            return {"loss": total, "log_loss": fit, "kl": kl}

        rates = Rates(self.settings.rate)
        found = descend(start, fixed, loss, self._batches(task), steps=task.steps, rates=rates, report=task.report)
        own = {name: value for name, value in found.items() if name not in ("text", "delta")}
        q = vectors.vectors({**fixed, **found}, 1.0)
        items = vectors.item_table(task, q, found["text"])
        rng = np.random.default_rng(0)
        half = rng.standard_normal((DRAWS // 2, self.settings.latent))
        chosen = rng.permutation(len(items.table))[:REFERENCES]
        fixed_own = {
            "spread": fixed["spread"],
            "draws": np.concatenate([half, -half]).astype(np.float32),
            "references": items.table[chosen],
            "boldness": np.ones(1, np.float32),
        }
        self.install(items, own | fixed_own, task.data.encoder)
        return self._activity(task)

    def _begin(self, task: Task) -> dict[str, Array]:
        rng, of = task.rng, self.settings
        width, hidden, size = 1 + of.rank, of.hidden, of.latent
        return {
            **vectors.start_parameters(task, of.rank),
            **perceptron_weights(rng, "pair", (2 * width, hidden, hidden, hidden)),
            **attend_weights(rng, "set", hidden),
            **dense_weights(rng, "mean", hidden + 1, size, 0.5),
            **dense_weights(rng, "log_var", hidden + 1, size, 0.1),
            **dense_weights(rng, "item", width, hidden),
            **dense_weights(rng, "taste", size, hidden),
            **perceptron_weights(rng, "reward", (hidden, hidden, 1), 0.3),
            "scale": np.ones(1, np.float32),
        }

    def _again(self, task: Task) -> dict[str, Array]:
        """Where the first pass ended; the responses are the same ones."""
        text = self.parts.text_weights[:, 1:]
        own = {n: v for n, v in self.weights.items() if n not in ("spread", "draws", "references", "boldness")}
        return {**own, "text": text, "delta": self.parts.table[:, 1:] - task.data.mapped @ text}

    def _batches(self, task: Task) -> Iterator[dict[str, NDArray[Any]]]:
        sampler = Sampler(task.comparisons, task.data.groups)
        for step, batch in enumerate(sampler.batches(task.rng, task.steps)):
            people = len(batch["person"])
            phase = (CYCLES * step / max(task.steps, 1)) % 1
            yield batch | {
                "noise": task.rng.standard_normal((people, self.settings.latent)).astype(np.float32),
                "kept": kept_deltas(len(task.data.ids), task.rng),
                "cycle": np.array(min(1.0, 2 * phase), np.float32),
            }

    def _activity(self, task: Task) -> dict[str, float]:
        """Mean KL, active units, and the share of the possible: what tells a collapsed model."""
        batch = next(Sampler(task.comparisons, task.data.groups, 512).batches(np.random.default_rng(0), 1), None)
        if batch is None:
            return {}
        x = self.parts.table
        mean, log_var = encode(x[batch["context_a"]], x[batch["context_b"]], batch["context_here"], self.weights)
        return {
            "kl": float(0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1).mean()),
            "active_units": float((mean.var(axis=0) > ACTIVE).sum()),
            "latent_units": float(self.settings.latent),
        }

    # Serving, numpy only

    def prior(self) -> Latent:
        """See ``RewardModel.prior``."""
        _ = self.fitted
        size = self.settings.latent
        return Latent(np.zeros(size, np.float32), np.eye(size, dtype=np.float32), 0, {})

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
        if not decided.any():
            prior = self.prior()
            return Latent(prior.mean, prior.cov, len(outcome), {})
        won = np.where((outcome > 0)[:, None], items_a, items_b)[decided]
        lost = np.where((outcome > 0)[:, None], items_b, items_a)[decided]
        mean, log_var = encode(won[None], lost[None], np.ones((1, len(won)), np.float32), self.weights)
        return Latent(mean[0].astype(np.float32), np.diag(np.exp(log_var[0])).astype(np.float32), len(outcome), {})

    def score(self, latent: Latent, items: Array) -> Scores:
        """See ``RewardModel.score``. With ``scaling="spo"`` the mean over a fixed set of responses x′ of
        σ(r(x) − r(x′)), which lies in 0…1 and frees rewards of the person's own scale; margins stay in logits."""
        rewards = self._rewards(latent, items)
        if self.settings.scaling == "spo":
            others = self._rewards(latent, self.weights["references"])
            rewards = sigmoid(rewards[:, :, None] - others[:, None, :]).mean(axis=2)
        return Scores(rewards.mean(axis=0), rewards.std(axis=0))

    def margin(self, latent: Latent, items_a: Array, items_b: Array) -> tuple[Array, Array]:
        """See ``RewardModel.margin``."""
        margins = self._rewards(latent, items_a) - self._rewards(latent, items_b)
        return margins.mean(axis=0), margins.var(axis=0)

    def _rewards(self, latent: Latent, items: Array) -> Array:
        """Rewards (DRAWS, N): the community's, and as much more of the person's own as ``boldness`` says."""
        own = self._drawn(latent, items)
        boldness = float(self.weights["boldness"][0])
        return (
            own if boldness == 1 or not latent.n else boldness * own + (1 - boldness) * self._drawn(self.prior(), items)
        )

    def _drawn(self, latent: Latent, items: Array) -> Array:
        z = latent.mean + np.sqrt(np.diag(latent.cov)) * self.weights["draws"]
        return np.asarray(decode(items[None], on_sphere(z)[:, None, :], self.weights), np.float32)


def encode(won: Tensor, lost: Tensor, here: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """μ and log σ², (U, Z) each, of contexts: items of the preferred and the other side (U, C, K), present (U, C).

    A context with nothing in it gives the prior, zeros.
    """
    xp = library(won)
    tokens = leaky(
        perceptron(xp.concatenate([won / weights["spread"], lost / weights["spread"]], axis=-1), weights, "pair", 3)
    )
    tokens = attend(tokens, tokens, here, weights, "set")
    count = here.sum(axis=-1)[:, None]
    middle = (tokens * here[..., None]).sum(axis=1) / (count + 1e-9)
    read = xp.concatenate([leaky(middle), xp.log1p(count)], axis=-1)
    some = 1.0 * (count > 0)
    return some * dense(read, weights, "mean"), some * xp.tanh(dense(read, weights, "log_var"))


def on_sphere(z: Tensor) -> Tensor:
    """√Z · z / ‖z‖."""
    size = library(z).sqrt((z**2).sum(axis=-1)[..., None] + 1e-9)
    return z / size * float(np.sqrt(z.shape[-1]))


def decode(items: Tensor, z: Tensor, weights: Weights) -> Tensor:
    """Rewards (…, N) of items (…, N, K) for tastes (…, 1, Z) on the sphere."""
    hidden = leaky(dense(items / weights["spread"], weights, "item") + dense(z, weights, "taste"))
    return weights["scale"] * items[..., 0] + perceptron(hidden, weights, "reward", 2)[..., 0]


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    xp = library(one)
    return (one * other).sum(axis=-1) / xp.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1) + 1e-9)
