"""Pooled Bradley–Terry: one reward for everybody. The baseline that is printed beside every personal model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.rewards.base import Array, FitReport, Progress
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.linear import LinearParts, LinearReward
from attune.rewards.newcomers import hold_out, judge, report_metrics, split_newcomers, spread_of
from attune.rewards.pooled import Penalties, PooledFit, fit_pooled
from attune.rewards.settings import checked


class BradleyTerry(LinearReward):
    """r(x) = ⟨β, φ(x)⟩ + γ_x with Davidson ties. Its item is the reward itself, and everybody's latent is the prior.

    Options are the ridge penalties of ``attune.rewards.pooled.Penalties``.
    """

    name: ClassVar[str] = "bradley_terry"
    Settings: ClassVar[type] = Penalties

    def __init__(self, **options: float) -> None:
        super().__init__()
        self.penalties = checked(Penalties, options)

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. Calibrated on held-out annotators, then fitted again on everybody."""
        started = time.perf_counter()
        with threadpool_limits(limits=1):  # the matrices are small: threads would only wait for each other
            metrics = self._fit(prepare(snapshot, features, encoder), seed, progress or (lambda _: None))
        return FitReport(metrics, time.perf_counter() - started)

    def _fit(self, data: Prepared, seed: int, report: Progress) -> Mapping[str, float]:
        report({"stage": "held out", "step": 0, "steps": 2})
        metrics, scale = self._rehearse(data, np.random.default_rng(seed))
        report({"stage": "everybody", "step": 1, "steps": 2, **metrics})
        fitted = fit_pooled(data.comparisons, data.mapped, self.penalties)
        self.install(replace(pooled_parts(fitted, data), calibration_scale=scale), data.encoder)
        report({"stage": "done", "step": 2, "steps": 2, **metrics})
        return metrics

    def _rehearse(self, data: Prepared, rng: np.random.Generator) -> tuple[dict[str, float], Array]:
        """Metrics and temperature from annotators that a first fit has not seen."""
        held = hold_out(data.comparisons, rng)
        of_held = data.comparisons.take(held)
        self.install(
            pooled_parts(fit_pooled(data.comparisons.take(~held), data.mapped, self.penalties), data), data.encoder
        )
        newcomers = split_newcomers(of_held, data.groups, rng)
        summaries, scale = judge(self, of_held, self.parts.table, newcomers, (0,))
        self.install(replace(self.parts, calibration_scale=scale), data.encoder)
        self.person_spread = spread_of(self, of_held, self.parts.table, newcomers, (0,))
        return report_metrics("pooled", summaries[0]) if summaries else {}, scale


def pooled_model(fitted: PooledFit, data: Prepared) -> BradleyTerry:
    """A pooled fit as a model."""
    model = BradleyTerry()
    model.install(pooled_parts(fitted, data), data.encoder)
    return model


def pooled_parts(fitted: PooledFit, data: Prepared) -> LinearParts:
    """A pooled fit as a linear model whose only item coordinate is the reward and whose weights do not vary."""
    return LinearParts(
        ids=data.ids,
        table=fitted.rewards(data.mapped)[:, None],
        feature_map=data.feature_map,
        text_weights=fitted.text[:, None],
        prior_mean=np.array([1.0, fitted.position, fitted.log_nu], np.float32),
        prior_cov=np.zeros((3, 3), np.float32),
        calibration_shots=np.zeros(1, np.float32),
        calibration_scale=np.ones(1, np.float32),
    )
