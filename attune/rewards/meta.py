"""Learning what is shared by rehearsing newcomers: the fit behind ``hybrid``. Needs torch; nothing else here does.

In every step some annotators are treated as new. A random part of their judgments is the context, the rest is to be
predicted: θ is inferred from the context exactly as ``adapt`` will do it (MAP and Laplace), and the log-loss of the
prediction is minimised over item vectors q_x = Vφ(x) + δ_x, pooled rewards b_x = ⟨β, φ(x)⟩ + γ_x and the spreads of the
prior. The gradient passes through the MAP estimate by the implicit function theorem: one Newton step from
the detached mode has the right derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons, Ints
from attune.rewards.meta_config import MetaConfig, MetaFit
from attune.rewards.pooled import PooledFit

NEWTON_STEPS = 4
REPORT_EVERY = 20


class _Shared(nn.Module):
    """The shared weights. ``theta`` holds position mean, log ν mean and three log spreads."""

    def __init__(self, mapped: Array, pooled: PooledFit, rank: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        count, width = mapped.shape
        self.register_buffer("mapped", torch.from_numpy(np.ascontiguousarray(mapped)))
        self.gamma = nn.Parameter(torch.tensor(pooled.item))
        self.beta = nn.Parameter(torch.tensor(pooled.text))
        self.delta = nn.Parameter(0.3 * torch.randn(count, rank, generator=generator))
        self.directions = nn.Parameter(0.05 * torch.randn(width, rank, generator=generator))
        self.means = nn.Parameter(torch.tensor([pooled.position, pooled.log_nu]))
        self.log_spreads = nn.Parameter(torch.tensor([-1.5, -1.5, -0.5]))

    def items(self, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pooled rewards (N,) and whitened item vectors (N, rank + 1), with the effects of some responses left out."""
        mapped = self.get_buffer("mapped")
        gamma, delta = (self.gamma, self.delta) if kept is None else (self.gamma * kept, self.delta * kept[:, None])
        rewards = mapped @ self.beta + gamma
        vectors = mapped @ self.directions + delta
        return rewards, torch.cat([vectors, (rewards * self.log_spreads[0].exp())[:, None]], dim=1)

    def penalty(self, config: MetaConfig) -> Tensor:
        """Minus the log prior of the weights."""
        return 0.5 * (
            config.item_precision * self.gamma.square().sum()
            + config.text_precision * self.beta.square().sum()
            + config.delta_precision * self.delta.square().sum()
            + config.direction_precision * self.directions.square().sum()
        )


class MetaTrainer:
    """Minimises the log-loss of simulated newcomers by Adam. Deterministic given the seed and one thread.

    ``run`` may be called again with other judgments of the same responses, and goes on from where it was.
    """

    def __init__(self, mapped: Array, pooled: PooledFit, config: MetaConfig, seed: int) -> None:
        self.config = config
        self.shared = _Shared(mapped, pooled, config.rank, seed)
        self.rng = np.random.default_rng(seed)
        self.dropping = torch.Generator().manual_seed(seed)

    def run(
        self, comparisons: Comparisons, steps: int, learning_rate: float, report: Callable[[int, float], None]
    ) -> None:
        """So many steps on these judgments, with a one-cycle schedule. ``report`` gets the step and the loss."""
        optimizer = torch.optim.Adam(self.shared.parameters(), lr=learning_rate, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
        rehearsal = _Rehearsal(comparisons, self.config, self.rng)
        for step in range(1, steps + 1):
            kept = (torch.rand(len(self.shared.gamma), generator=self.dropping) >= self.config.drop).float()
            predictive = predictive_loss(
                self.shared.items(kept), self.shared.means, self.shared.log_spreads, rehearsal.draw()
            )
            loss = predictive + self.shared.penalty(self.config) / len(comparisons)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if step % REPORT_EVERY == 0 or step == steps:
                report(step, float(predictive.detach()))

    def result(self) -> MetaFit:
        """The shared weights as they are now."""
        shared, rank = self.shared, self.config.rank
        with torch.no_grad():
            rewards, vectors = shared.items()
            spreads = shared.log_spreads.exp()
            return MetaFit(
                rewards=rewards.numpy().copy(),
                vectors=vectors[:, :rank].numpy().copy(),
                text_reward=shared.beta.numpy().copy(),
                text_vectors=shared.directions.numpy().copy(),
                spread_reward=float(spreads[0]),
                position=(float(shared.means[0]), float(spreads[1])),
                log_nu=(float(shared.means[1]), float(spreads[2])),
            )


@dataclass(frozen=True, slots=True)
class _Batch:
    """B annotators × n judgments, padded; ``context`` and ``target`` are weights, zero elsewhere."""

    a: Tensor
    b: Tensor
    outcome: Tensor
    side: Tensor
    context: Tensor
    target: Tensor


class _Rehearsal:
    """Draws annotators, a window of their judgments and a split of it into context and target."""

    def __init__(self, comparisons: Comparisons, config: MetaConfig, rng: np.random.Generator) -> None:
        self.comparisons, self.config, self.rng = comparisons, config, rng
        self.order = np.argsort(comparisons.annotator, kind="stable")
        counts = np.bincount(comparisons.annotator, minlength=comparisons.annotators)
        self.starts, self.counts = np.cumsum(counts) - counts, counts
        chance = np.sqrt(counts)
        self.chance = chance / chance.sum()

    def draw(self) -> _Batch:
        """One batch. A context has log-uniform size and shares no response with its targets, half of the time."""
        rows, valid = self._window()
        of = self.comparisons
        a, b = of.a[rows], of.b[rows]
        context, target = self._split(a, b, valid)
        weight = of.weight[rows]
        columns = (of.outcome[rows].astype(np.float32), of.side[rows], weight * context, weight * target)
        return _Batch(
            torch.from_numpy(a), torch.from_numpy(b), *(torch.from_numpy(c.astype(np.float32)) for c in columns)
        )

    def _window(self) -> tuple[Ints, NDArray[np.bool_]]:
        drawn = self.rng.choice(len(self.counts), self.config.batch, p=self.chance)
        counts = self.counts[drawn]
        width = int(min(counts.max(), self.config.window))
        ranks = np.arange(width)[None, :]
        offset = (self.rng.random(len(drawn)) * counts).astype(np.int64)[:, None]
        stride = 1 + (self.rng.random(len(drawn)) * np.maximum(counts // width - 1, 0)).astype(np.int64)[:, None]
        valid = ranks < counts[:, None]
        within = np.where(valid, (offset + ranks * stride) % counts[:, None], 0)
        return self.order[self.starts[drawn][:, None] + within], valid

    def _split(self, a: Ints, b: Ints, valid: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        count, width = a.shape
        share = self.rng.uniform(0.2, 0.8, (count, 1))
        salt = self.rng.integers(0, 2**32, (count, 1))
        apart = self.rng.random((count, 1)) < 0.5
        in_a, in_b = _coin(a, salt) < share, _coin(b, salt) < share
        by_row = self.rng.random((count, width)) < share
        context = np.where(apart, in_a & in_b, by_row) & valid
        target = np.where(apart, ~in_a & ~in_b, ~by_row) & valid
        size = np.exp2(self.rng.uniform(-1, math.log2(width + 1), (count, 1))).astype(np.int64)
        order = np.argsort(np.where(context, self.rng.random((count, width)), 2.0), axis=1).argsort(axis=1)
        return context & (order < size), target


def _coin(items: Ints, salt: Ints) -> NDArray[np.float64]:
    """A number in [0, 1) for each (response, annotator), the same wherever they meet in a batch (splitmix64)."""
    x = (items.astype(np.uint64) << np.uint64(32)) ^ salt.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def predictive_loss(items: tuple[Tensor, Tensor], means: Tensor, log_spreads: Tensor, batch: _Batch) -> Tensor:
    """Mean log-loss of the targets, first within annotators, after adapting to the contexts."""
    rewards, vectors = items
    margin = rewards[batch.a] - rewards[batch.b] + means[0] * batch.side
    position = (batch.side * log_spreads[1].exp())[..., None]
    design = torch.cat([vectors[batch.a] - vectors[batch.b], position], dim=2)
    z, curvature = _adapt(design, margin, means[1], log_spreads[2].exp(), batch)
    mean = margin + (design @ z[:, :-1, None])[..., 0]
    spread = torch.linalg.solve(curvature[:, :-1, :-1], design.transpose(1, 2))
    variance = (design * spread.transpose(1, 2)).sum(dim=2)
    log_nu = means[1] + log_spreads[2].exp() * z[:, -1:]
    return _mean_by_annotator(_log_loss(mean / torch.sqrt(1 + math.pi / 8 * variance), log_nu, batch), batch.target)


def _adapt(design: Tensor, margin: Tensor, log_nu: Tensor, spread_nu: Tensor, batch: _Batch) -> tuple[Tensor, Tensor]:
    """MAP of z (B, R + 1) by Newton's method, R design columns and one for log ν, and the curvature there."""

    def derivatives(z: Tensor) -> tuple[Tensor, Tensor]:
        m = margin + (design @ z[:, :-1, None])[..., 0]
        p = _probabilities(m, log_nu + spread_nu * z[:, -1:])
        lean = 0.5 * (p[..., 0] - p[..., 1])
        tied = (batch.outcome == 0).float()
        slope = torch.cat(
            [
                (design * ((0.5 * batch.outcome - lean) * batch.context)[..., None]).sum(1),
                spread_nu * ((tied - p[..., 2]) * batch.context).sum(1, keepdim=True),
            ],
            dim=1,
        )
        curve = (0.25 * (p[..., 0] + p[..., 1]) - lean**2) * batch.context
        main = torch.einsum("bnr,bns->brs", design * curve[..., None], design)
        cross = spread_nu * (design * (-lean * p[..., 2] * batch.context)[..., None]).sum(1)
        corner = spread_nu**2 * (p[..., 2] * (1 - p[..., 2]) * batch.context).sum(1)
        top = torch.cat([main, cross[..., None]], dim=2)
        bottom = torch.cat([cross, corner[:, None]], dim=1)[:, None, :]
        return slope - z, torch.eye(z.shape[1]) + torch.cat([top, bottom], dim=1)

    z = torch.zeros(design.shape[0], design.shape[2] + 1)
    with torch.no_grad():
        for _ in range(NEWTON_STEPS):
            slope, curvature = derivatives(z)
            z = z + torch.linalg.solve(curvature, slope)
    slope, curvature = derivatives(z)
    return z + torch.linalg.solve(curvature.detach(), slope), curvature


def _probabilities(margin: Tensor, log_nu: Tensor) -> Tensor:
    return torch.softmax(torch.stack([margin / 2, -margin / 2, log_nu.expand_as(margin)], dim=-1), dim=-1)


def _log_loss(margin: Tensor, log_nu: Tensor, batch: _Batch) -> Tensor:
    logits = torch.stack([margin / 2, -margin / 2, log_nu.expand_as(margin)], dim=-1)
    log_p = torch.log_softmax(logits, dim=-1)
    return -torch.where(batch.outcome > 0, log_p[..., 0], torch.where(batch.outcome < 0, log_p[..., 1], log_p[..., 2]))


def _mean_by_annotator(losses: Tensor, weight: Tensor) -> Tensor:
    return ((losses * weight).sum(1) / weight.sum(1).clamp(min=1e-6)).mean()
