"""The default personal model: item vectors from text and from judgments, weights per annotator under a learnt prior.

r_u(x) = w₀ b_x + ⟨w, q_x⟩ with pooled reward b_x = ⟨β, φ(x)⟩ + γ_x and item vector q_x = Vφ(x) + δ_x, where γ and δ are
zero for unseen responses. The prior has mean w₀ = 1, w = 0: an annotator without judgments gets the pooled reward.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from attune.data import Snapshot
from attune.errors import ArtifactError
from attune.rewards.base import Array, FitReport, Latent, Progress
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.linear import LinearParts, LinearReward
from attune.rewards.meta_config import MetaConfig, MetaFit
from attune.rewards.newcomers import SHOTS, hold_out, judge, report_metrics, split_newcomers
from attune.rewards.pooled import fit_pooled
from attune.rewards.traits import Traits, fit_traits

Trait = tuple[str, float, float, float]


class Hybrid(LinearReward):
    """Items (b_x, q_x), fitted by ``attune.rewards.meta``. Options are those of ``MetaConfig``."""

    name: ClassVar[str] = "hybrid"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.config = MetaConfig(**options)
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
        """See ``RewardModel.fit``. Most steps leave some annotators out, who then serve as newcomers to judge and
        calibrate the model; the last steps take everybody in."""
        from attune.rewards.meta import MetaTrainer

        started = time.perf_counter()
        data = prepare(snapshot, features, encoder)
        rng = np.random.default_rng(seed)
        held = hold_out(data.comparisons, rng)
        metrics: dict[str, float] = {}

        def report(done: int, loss: float) -> None:
            if progress:
                steps = self.config.steps + self.config.last_steps
                progress({"stage": "fitting", "step": done, "steps": steps, "loss": loss, **metrics})

        pooled = fit_pooled(data.comparisons.take(~held), data.mapped)
        trainer = MetaTrainer(data.mapped, pooled, self.config, seed)
        trainer.run(data.comparisons.take(~held), self.config.steps, self.config.learning_rate, report)
        parts = hybrid_parts(trainer.result(), data)
        self.install(parts, encoder)
        if held.any():
            metrics, scale = self._judge(data, held, rng, pooled_model(pooled, data))
            parts = replace(parts, calibration_scale=scale)
            trainer.run(
                data.comparisons,
                self.config.last_steps,
                self.config.learning_rate / 4,
                lambda step, loss: report(self.config.steps + step, loss),
            )
            parts = replace(hybrid_parts(trainer.result(), data), calibration_scale=scale)
        self.style_traits = fit_traits(data, parts.table)
        self.install(parts, encoder)
        return FitReport(metrics, time.perf_counter() - started)

    def _judge(
        self, data: Prepared, held: NDArray[np.bool_], rng: np.random.Generator, pooled: LinearReward
    ) -> tuple[dict[str, float], Array]:
        """Metrics of this model and of the pooled one on the held-out annotators, and the temperature by shots."""
        comparisons = data.comparisons.take(held)
        newcomers = split_newcomers(comparisons, data.groups, rng)
        baseline, _ = judge(pooled, comparisons, pooled.parts.table, newcomers, (0,))
        personal, scale = judge(self, comparisons, self.parts.table, newcomers, SHOTS)
        metrics = report_metrics("pooled", baseline[0]) if baseline else {}
        for shots, summary in personal.items():
            metrics |= report_metrics(f"personal_{shots}", summary)
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


def hybrid_parts(fitted: MetaFit, data: Prepared) -> LinearParts:
    """A fit as a linear model with items (b_x, q_x) and a diagonal prior."""
    rank = fitted.vectors.shape[1]
    mean = np.zeros(rank + 3, np.float32)
    mean[[0, -2, -1]] = 1.0, fitted.position[0], fitted.log_nu[0]
    spread = np.concatenate([[fitted.spread_reward], np.ones(rank), [fitted.position[1], fitted.log_nu[1]]])
    return LinearParts(
        ids=data.ids,
        table=np.concatenate([fitted.rewards[:, None], fitted.vectors], axis=1),
        feature_map=data.feature_map,
        text_weights=np.concatenate([fitted.text_reward[:, None], fitted.text_vectors], axis=1),
        prior_mean=mean,
        prior_cov=np.diag(spread**2).astype(np.float32),
        calibration_shots=np.array(SHOTS, np.float32),
        calibration_scale=np.ones(len(SHOTS), np.float32),
    )
