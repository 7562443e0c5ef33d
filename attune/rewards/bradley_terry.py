"""Pooled Bradley–Terry: one reward for everybody. The baseline that is printed beside every personal model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.rewards.base import Array, FitReport, Progress
from attune.rewards.curving import curved
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.indexing import Comparisons
from attune.rewards.linear import LinearParts, LinearReward
from attune.rewards.newcomers import hold_out, judge, report_metrics, split_newcomers, spread_of
from attune.rewards.pooled import Penalties, PooledFit, fit_pooled
from attune.rewards.settings import checked, setting


@dataclass(frozen=True, slots=True)
class BradleyTerrySettings:
    """Options of ``bradley_terry``: the ridge penalties of ``attune.rewards.pooled.Penalties``, and how text may bend."""

    item: float = setting(2.0, "ridge on what a response is worth beyond its text", least=1e-3)
    text: float = setting(100.0, "ridge on the weights of text features", least=1e-3)
    position: float = setting(10.0, "ridge on the pull of the left side", least=1e-3)
    log_nu: float = setting(0.1, "ridge on the log of the tie parameter", least=1e-3)
    hidden: int = setting(0, "units of a network on the text beside the linear part; 0 for none", least=0, most=512)
    steps: int = setting(400, "steps of descent for the network, where there is one", least=10, most=100_000)

    @property
    def penalties(self) -> Penalties:
        """What the linear part is drawn to nought by."""
        return Penalties(self.item, self.text, self.position, self.log_nu)


class BradleyTerry(LinearReward):
    """r(x) = ⟨β, φ(x)⟩ + γ_x with Davidson ties. Its item is the reward itself, and everybody's latent is the prior."""

    name: ClassVar[str] = "bradley_terry"
    aims_at_margins: ClassVar[bool] = True
    Settings: ClassVar[type] = BradleyTerrySettings

    def __init__(self, **options: float) -> None:
        super().__init__()
        self.settings = checked(BradleyTerrySettings, options)

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
        rng = np.random.default_rng(seed)
        metrics, scale = self._rehearse(data, rng)
        report({"stage": "everybody", "step": 1, "steps": 2, **metrics})
        self.install(replace(self._learnt(data, data.comparisons, rng), calibration_scale=scale), data.encoder)
        report({"stage": "done", "step": 2, "steps": 2, **metrics})
        return metrics

    def _learnt(self, data: Prepared, comparisons: Comparisons, rng: np.random.Generator) -> LinearParts:
        """What these judgments say."""
        penalties = self.settings.penalties
        if self.settings.hidden:
            hidden, steps = self.settings.hidden, self.settings.steps
            data = curved(data, comparisons, penalties, hidden=hidden, steps=steps, rng=rng)
        return pooled_parts(fit_pooled(comparisons, data.mapped, penalties), data)

    def _rehearse(self, data: Prepared, rng: np.random.Generator) -> tuple[dict[str, float], Array]:
        """Metrics and temperature from annotators that a first fit has not seen."""
        held = hold_out(data.comparisons, rng)
        of_held = data.comparisons.take(held)
        self.install(self._learnt(data, data.comparisons.take(~held), rng), data.encoder)
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
