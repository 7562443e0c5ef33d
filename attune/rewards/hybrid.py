"""The default personal model: item vectors from text and from judgments, weights per annotator under a learnt prior.

r_u(x) = w₀ b_x + ⟨w, q_x⟩ with pooled reward b_x = ⟨β, φ(x)⟩ + γ_x and item vector q_x = Vφ(x) + δ_x, where γ and δ are zero
for unseen responses. The prior has mean w = 0: an annotator without judgments gets the pooled reward.

Vectors of several ranks are fitted side by side (``attune.rewards.factors``). Their scaled concatenation averages the
kernels q_xᵀq_y, which is steadier than any one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.errors import ArtifactError
from attune.metrics import standard_error
from attune.rewards.base import Array, FitReport, Latent, Progress
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.factors import FactorConfig, FactorFit, FactorTrainer
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.indexing import Comparisons
from attune.rewards.linear import LinearParts, LinearReward, davidson
from attune.rewards.newcomers import (
    SHOTS,
    Newcomer,
    hold_out,
    judge,
    newcomer_losses,
    paired_gain,
    report_metrics,
    split_newcomers,
)
from attune.rewards.pooled import PooledFit, fit_pooled
from attune.rewards.settings import checked
from attune.rewards.traits import Trait, Traits, fit_traits

BOLDNESS = (0.25, 0.5, 0.75, 1.0, 1.25)
"""Factors on the personal part that are tried on held-out annotators."""
BOLDNESS_SHOTS = (4, 16)
DOUBT = 0.25


@dataclass(frozen=True, slots=True)
class HybridConfig:
    """ranks: widths of item vectors that are averaged. rounds: EM rounds without the held-out annotators, last_rounds:
    with them. The precisions are those of ``FactorConfig``."""

    ranks: Sequence[int] = (3, 8)
    rounds: int = 12
    last_rounds: int = 5
    vector_precision: float = 2.0
    text_precision: float = 10.0


class Hybrid(LinearReward):
    """Items (b_x, q_x). Options are those of ``HybridConfig``."""

    name: ClassVar[str] = "hybrid"
    Settings: ClassVar[type] = HybridConfig

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.config = checked(HybridConfig, options)
        self.style_traits: Traits | None = None

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. A first fit leaves some annotators out, who then serve as newcomers to measure,
        calibrate and scale the model; a second one starts from the first and takes everybody in."""
        started = time.perf_counter()
        with threadpool_limits(limits=1):  # the matrices are small: threads would only wait for each other
            metrics = self._fit(prepare(snapshot, features, encoder), np.random.default_rng(seed), progress)
        return FitReport(metrics, time.perf_counter() - started)

    def _fit(self, data: Prepared, rng: np.random.Generator, progress: Progress | None) -> dict[str, float]:
        config, everybody = self.config, data.comparisons
        steps = len(config.ranks) * (config.rounds + config.last_rounds)
        metrics: dict[str, float] = {}

        def report(step: int, loss: float) -> None:
            if progress:
                progress({"stage": "fitting", "step": step, "steps": steps, "loss": loss, **metrics})

        held = hold_out(everybody, rng)
        pooled = fit_pooled(everybody.take(~held), data.mapped)
        fits = self._factors(data, pooled, everybody.take(~held), config.rounds, report, 0)
        parts = hybrid_parts(pooled, fits, data)
        boldness = 1.0
        newcomers = split_newcomers(everybody.take(held), data.groups, rng)
        if newcomers:
            boldness = self._boldness(parts, data, everybody.take(held), newcomers)
            parts = bolder(parts, boldness)
            self.install(parts, data.encoder)
            metrics, scale = self._judge(everybody.take(held), newcomers, pooled_model(pooled, data))
            pooled = fit_pooled(everybody, data.mapped)
            done = len(config.ranks) * config.rounds
            fits = self._factors(data, pooled, everybody, config.last_rounds, report, done, fits)
            parts = replace(bolder(hybrid_parts(pooled, fits, data), boldness), calibration_scale=scale)
        self.style_traits = fit_traits(data, parts.table)
        self.install(parts, data.encoder)
        return metrics

    def _factors(
        self,
        data: Prepared,
        pooled: PooledFit,
        comparisons: Comparisons,
        rounds: int,
        report: Callable[[int, float], None],
        done: int,
        starts: Sequence[FactorFit] = (),
    ) -> list[FactorFit]:
        """One fit for each rank, from ``starts`` where there are such."""
        fits = []
        for number, rank in enumerate(self.config.ranks):
            config = FactorConfig(rank, self.config.vector_precision, self.config.text_precision)
            trainer = FactorTrainer(data.mapped, pooled, config, starts[number] if starts else None)
            fits.append(trainer.run(comparisons, rounds, _later(report, done + number * rounds)))
        return fits

    def _boldness(
        self, parts: LinearParts, data: Prepared, comparisons: Comparisons, newcomers: Sequence[Newcomer]
    ) -> float:
        """The factor on the personal part under which newcomers are predicted with the least log-loss. In doubt the
        smaller one: the least that is not clearly worse than the best, by a quarter of the difference's standard error."""
        losses = []
        for factor in BOLDNESS:
            self.install(bolder(parts, factor), data.encoder)
            losses.append(newcomer_losses(self, comparisons, self.parts.table, newcomers, BOLDNESS_SHOTS))
        best = losses[int(np.argmin([each.mean() for each in losses]))]
        for factor, each in zip(BOLDNESS, losses, strict=True):
            if (each - best).mean() <= DOUBT * standard_error(each - best):
                return factor
        return 1.0

    def _judge(
        self, comparisons: Comparisons, newcomers: Sequence[Newcomer], pooled: LinearReward
    ) -> tuple[dict[str, float], Array]:
        """Metrics of this model and of the pooled one on the held-out annotators, and the temperature by shots."""
        baseline, _ = judge(pooled, comparisons, pooled.parts.table, newcomers, (0,))
        personal, scale = judge(self, comparisons, self.parts.table, newcomers, SHOTS)
        metrics = report_metrics("pooled", baseline[0]) if baseline else {}
        for shots, summary in personal.items():
            gain = paired_gain(self, pooled, comparisons, newcomers, shots)
            metrics |= report_metrics(f"personal_{shots}", summary)
            metrics |= {f"personal_{shots}_{key}": value for key, value in gain.items()}
        return metrics, scale

    def traits(self, latent: Latent) -> list[Trait]:
        """How named properties of style move this person's reward: (trait, estimate, low, high), 80 % intervals.

        Relative to the community; +1 is a strong taste for the second pole of the name, −1 for the first. Empty where
        the encoder has no style features.
        """
        prior = self.prior()
        return self.style_traits.of(latent, prior) if self.style_traits is not None else []

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``."""
        tensors, config = super().state()
        width = self.parts.table.shape[1]
        slopes = self.style_traits.slopes if self.style_traits is not None else np.zeros((0, width), np.float32)
        return tensors | {"trait_slopes": slopes}, config

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``."""
        model = super().from_state(tensors, config)
        if "trait_slopes" not in tensors:
            raise ArtifactError("the hybrid artifact lacks 'trait_slopes'")
        model.style_traits = Traits(np.asarray(tensors["trait_slopes"], np.float32))
        return model


def _later(report: Callable[[int, float], None], done: int) -> Callable[[int, float], None]:
    """``report`` with so many steps done before."""
    return lambda step, loss: report(done + step, loss)


def hybrid_parts(pooled: PooledFit, fits: Sequence[FactorFit], data: Prepared) -> LinearParts:
    """Fits as a linear model with items (b_x, q_x) and a diagonal prior. The kernels of the fits are averaged."""
    share = 1 / np.sqrt(len(fits))
    vectors = np.concatenate([share * fit.vectors for fit in fits], axis=1)
    text_vectors = np.concatenate([share * fit.text_vectors for fit in fits], axis=1)
    rank = vectors.shape[1]
    mean = np.zeros(rank + 3, np.float32)
    mean[0] = np.mean([fit.reward_scale for fit in fits])
    mean[-2:] = pooled.position, pooled.log_nu
    spread = np.ones(rank + 3, np.float32)
    spread[0] = np.mean([fit.reward_scale * fit.reward_spread for fit in fits])
    spread[-2:] = np.mean([fit.position_spread for fit in fits]), tie_spread(pooled, data)
    return LinearParts(
        ids=data.ids,
        table=np.concatenate([pooled.rewards(data.mapped)[:, None], vectors], axis=1).astype(np.float32),
        feature_map=data.feature_map,
        text_weights=np.concatenate([pooled.text[:, None], text_vectors], axis=1).astype(np.float32),
        prior_mean=mean,
        prior_cov=np.diag(spread**2),
        calibration_shots=np.array(SHOTS, np.float32),
        calibration_scale=np.ones(len(SHOTS), np.float32),
    )


def bolder(parts: LinearParts, factor: float) -> LinearParts:
    """The same model with a prior deviation of the personal weights that is larger by the factor."""
    scale = np.ones(len(parts.prior_mean), np.float32)
    scale[:-2] = factor
    return replace(parts, prior_cov=parts.prior_cov * np.outer(scale, scale))


def tie_spread(pooled: PooledFit, data: Prepared) -> float:
    """The spread of log ν over annotators, by moments: of an annotator's ties, E[(observed − expected)²] = V²s² + V,
    where V is the variance of their number, which is also how fast the expectation grows with log ν."""
    said = data.comparisons
    rewards = pooled.rewards(data.mapped).astype(np.float64)
    margin = rewards[said.a] - rewards[said.b] + pooled.position * said.side
    p_tie = davidson(margin, pooled.log_nu)[2]
    surprise = np.bincount(said.annotator, (said.outcome == 0) - p_tie, said.annotators)
    variance = np.bincount(said.annotator, p_tie * (1 - p_tie), said.annotators)
    square = (surprise**2 - variance).sum() / max(float((variance**2).sum()), 1e-12)
    return float(np.sqrt(np.clip(square, 1e-4, 1.0)))
