"""What the models beside the linear ones share: items by id, a rehearsal on held-out annotators, calibration, state.

A subclass says how to learn (``learn``, its only method that may need torch), to adapt and to score, all over named
numpy arrays.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.errors import ArtifactError, NotFitted
from attune.metrics import standard_error
from attune.rewards.base import Array, Comparison, FitReport, Latent, Progress, Rehearsed, RewardModel
from attune.rewards.bradley_terry import pooled_model
from attune.rewards.context import columns_of_context
from attune.rewards.feature_map import Prepared, prepare
from attune.rewards.indexing import Comparisons
from attune.rewards.items import ItemTable
from attune.rewards.linear import PROBIT, LinearReward
from attune.rewards.networks import sigmoid
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
from attune.rewards.traits import Trait, fit_traits, trait_rows

BOLDNESS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.25)
BOLDNESS_SHOTS = (4, 16)
DOUBT = 0.25
"""Standard errors of the difference within which the less bold factor is taken."""

Report = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What one pass of learning works on. ``again`` is true where an earlier pass on fewer annotators may be gone on from."""

    data: Prepared
    comparisons: Comparisons
    pooled: PooledFit
    rng: np.random.Generator
    steps: int
    report: Report
    again: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that a fitted model consists of. ``weights`` are the subclass's own."""

    items: ItemTable
    weights: Mapping[str, Array]
    calibration_shots: Array
    calibration_scale: Array


class ItemModel(RewardModel):
    """Base of the models that are not linear in the latent. Subclasses bring ``Settings`` and the abstract methods."""

    def __init__(self, **options: Any) -> None:
        self.settings: Any = checked(self.Settings, options)
        self.encoder = ""
        self._fitted: Fitted | None = None
        self.trait_slopes: Array = np.zeros((0, 0), np.float32)

    # What a subclass brings

    @abstractmethod
    def learn(self, task: Task) -> dict[str, float]:
        """Learn from the task's judgments and ``install`` what was learnt; the model's own figures."""

    @abstractmethod
    def steps(self) -> int:
        """Of one pass of learning."""

    @abstractmethod
    def adapt_arrays(
        self, items_a: Array, items_b: Array, outcome: NDArray[Any], side: NDArray[Any], weight: NDArray[Any]
    ) -> Latent:
        """See ``attune.rewards.base.Rehearsed``."""

    # What all of them do alike

    @property
    def fitted(self) -> Fitted:
        """Raises ``NotFitted`` before ``fit`` or ``from_state``."""
        if self._fitted is None:
            raise NotFitted(f"this {self.name} model has not been fitted or loaded")
        return self._fitted

    @property
    def parts(self) -> ItemTable:
        """The items."""
        return self.fitted.items

    @property
    def weights(self) -> Mapping[str, Array]:
        """The subclass's own arrays by name."""
        return self.fitted.weights

    def install(self, items: ItemTable, weights: Mapping[str, Array], encoder: str) -> None:
        """Take on what was learnt, not calibrated yet."""
        self.encoder = encoder
        shots = np.array(SHOTS, np.float32)
        self._fitted = Fitted(items, dict(weights), shots, np.ones(len(shots), np.float32))

    def fit(
        self,
        snapshot: Snapshot,
        features: Mapping[str, Array],
        *,
        encoder: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FitReport:
        """See ``RewardModel.fit``. A first pass leaves some annotators out, who then serve as newcomers to measure and
        calibrate the model; a second one takes everybody in."""
        started = time.perf_counter()
        with threadpool_limits(limits=1):  # the matrices are small: threads would only wait for each other
            metrics = self._fit(prepare(snapshot, features, encoder), np.random.default_rng(seed), progress)
        return FitReport(metrics, time.perf_counter() - started)

    def _fit(self, data: Prepared, rng: np.random.Generator, progress: Progress | None) -> dict[str, float]:
        everybody = data.comparisons
        held = hold_out(everybody, rng)
        newcomers = split_newcomers(everybody.take(held), data.groups, rng)
        passes = 2 if newcomers else 1
        steps = self.steps()

        def later(done: int, known: Mapping[str, float]) -> Report:
            def report(step: int, figures: Mapping[str, float]) -> None:
                if progress:
                    progress({"stage": "fitting", "step": done + step, "steps": passes * steps, **known, **figures})

            return report

        if not newcomers:
            task = Task(data, everybody, fit_pooled(everybody, data.mapped), rng, steps, later(0, {}))
            own = self.learn(task)
            self.trait_slopes = fit_traits(data, self.parts.table).slopes
            return own
        rest = everybody.take(~held)
        pooled = fit_pooled(rest, data.mapped)
        self.learn(Task(data, rest, pooled, rng, steps, later(0, {})))
        self.tune(everybody.take(held), newcomers)
        metrics, scale = beside(self, pooled_model(pooled, data), everybody.take(held), newcomers)
        task = Task(data, everybody, fit_pooled(everybody, data.mapped), rng, steps, later(steps, metrics), again=True)
        own = self.learn(task) | {"boldness": self.boldness}
        self.bolder(self.boldness)
        self.trait_slopes = fit_traits(data, self.parts.table).slopes
        self._fitted = replace(self.fitted, calibration_scale=scale)
        return metrics | own

    def bolder(self, factor: float) -> None:
        """Make the personal part larger by a factor than it was learnt to be."""
        self.install(self.parts, {**self.weights, "boldness": np.array([factor], np.float32)}, self.encoder)

    def tune(self, comparisons: Comparisons, newcomers: Sequence[Newcomer]) -> None:
        """What is personal was learnt on annotators that the items were fitted to, and is too bold for others: take the
        factor under which newcomers are predicted best, in doubt the smaller one."""
        losses = []
        for factor in BOLDNESS:
            self.bolder(factor)
            losses.append(newcomer_losses(self, comparisons, self.parts.table, newcomers, BOLDNESS_SHOTS))
        best = losses[int(np.argmin([each.mean() for each in losses]))]
        fine = [(each - best).mean() <= DOUBT * standard_error(each - best) for each in losses]
        self.boldness = BOLDNESS[fine.index(True)]
        self.bolder(self.boldness)

    boldness = 1.0

    def trait_items(self) -> tuple[Array, Array]:
        """See ``attune.rewards.corrections.HasTraitItems``."""
        middle = self.parts.table.mean(axis=0)
        slopes = self.trait_slopes if len(self.trait_slopes) else np.zeros((0, len(middle)), np.float32)
        return middle + slopes / 2, middle - slopes / 2

    def traits(self, latent: Latent) -> list[Trait]:
        """See ``Hybrid.traits``: by how much more this person's reward moves along each trait than everybody's."""
        up, down = self.trait_items()
        if not len(up):
            return []
        (own, doubt), (common, spread) = self.margin(latent, up, down), self.margin(self.prior(), up, down)
        return trait_rows(own - common, np.sqrt(doubt), np.sqrt(spread))

    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """See ``RewardModel.items``."""
        return self.parts.items(ids, features)

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """See ``RewardModel.knows``."""
        return self.parts.knows(ids)

    def adapt(self, context: Sequence[Comparison]) -> Latent:
        """See ``RewardModel.adapt``."""
        return self.adapt_arrays(*columns_of_context(context)) if context else self.prior()

    def probability(self, latent: Latent, items_a: Array, items_b: Array) -> Array:
        """See ``RewardModel.probability``. σ over N(mean, variance) as in ``attune.rewards.linear``."""
        mean, variance = self.margin(latent, items_a, items_b)
        return np.asarray(sigmoid(self.temperature(latent.n) * mean / np.sqrt(1 + PROBIT * variance)), np.float32)

    def temperature(self, judgments: int) -> float:
        """The factor on margins that made held-out annotators' probabilities honest after so many judgments."""
        fitted = self.fitted
        return float(np.interp(np.log1p(judgments), np.log1p(fitted.calibration_shots), fitted.calibration_scale))

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """See ``RewardModel.state``."""
        fitted = self.fitted
        own = {f"own.{name}": value for name, value in fitted.weights.items()}
        calibration = {
            "calibration_shots": fitted.calibration_shots,
            "calibration_scale": fitted.calibration_scale,
        }
        config: dict[str, object] = {
            "encoder": self.encoder,
            "ids": list(fitted.items.ids),
            "settings": asdict(self.settings),
        }
        return {**fitted.items.tensors(), **calibration, **own, "trait_slopes": self.trait_slopes}, config

    @classmethod
    def from_state(cls, tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> Self:
        """See ``RewardModel.from_state``. Raises ``ArtifactError`` where something is missing."""
        try:
            settings = config["settings"]
            model = cls(**(settings if isinstance(settings, dict) else {}))
            own = {
                name.removeprefix("own."): np.asarray(value, np.float32)
                for name, value in tensors.items()
                if name.startswith("own.")
            }
            model.trait_slopes = np.asarray(tensors["trait_slopes"], np.float32)
            model.install(ItemTable.from_tensors(tensors, config["ids"]), own, str(config["encoder"]))
            model._fitted = replace(
                model.fitted,
                calibration_shots=np.asarray(tensors["calibration_shots"], np.float32),
                calibration_scale=np.asarray(tensors["calibration_scale"], np.float32),
            )
        except KeyError as missing:
            raise ArtifactError(f"the {cls.name} artifact lacks {missing}") from None
        return model


def beside(
    model: Rehearsed, pooled: LinearReward, comparisons: Comparisons, newcomers: Sequence[Newcomer]
) -> tuple[dict[str, float], Array]:
    """Metrics of a model and of the pooled one on held-out annotators, and the model's temperature by shots."""
    baseline, _ = judge(pooled, comparisons, pooled.parts.table, newcomers, (0,))
    personal, scale = judge(model, comparisons, model.parts.table, newcomers, SHOTS)
    metrics = report_metrics("pooled", baseline[0]) if baseline else {}
    for shots, summary in personal.items():
        gain = paired_gain(model, pooled, comparisons, newcomers, shots)
        metrics |= report_metrics(f"personal_{shots}", summary)
        metrics |= {f"personal_{shots}_{key}": value for key, value in gain.items()}
    return metrics, scale
