"""Held-out figures of a fit, read back from the flat metrics of ``attune``'s ``FitReport``.

A fit treats some annotators as newcomers: it leaves them out, shows the model their first n judgments, and predicts the
rest. ``personal_<n>_…`` are the model's figures after n, ``pooled_…`` those of one model for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot

Z95 = 1.96
"""Half of a 95 % interval of a Gaussian, in standard errors."""

_PERSONAL = re.compile(r"personal_(\d+)_accuracy")


@dataclass(frozen=True, slots=True)
class Figure:
    """How well held-out annotators are predicted: shares between 0 and 1, log-loss in natural units, standard errors."""

    accuracy: float
    accuracy_se: float
    log_loss: float
    log_loss_se: float
    ece: float
    annotators: int
    judgments: int

    @property
    def low(self) -> float:
        """Lower end of the accuracy's 95 % interval."""
        return max(0.0, self.accuracy - Z95 * self.accuracy_se)

    @property
    def high(self) -> float:
        """Upper end of it."""
        return min(1.0, self.accuracy + Z95 * self.accuracy_se)


def pooled(metrics: Mapping[str, float]) -> Figure | None:
    """The baseline: one model for everybody, fitted on the same judgments. None where nobody could be held out."""
    return _figure(metrics, "pooled")


def personal(metrics: Mapping[str, float]) -> dict[int, Figure]:
    """The model's figures by how many judgments of a newcomer it had seen, fewest first. Empty for a pooled model."""
    shots = sorted(int(found[1]) for name in metrics if (found := _PERSONAL.fullmatch(name)))
    return {n: figure for n in shots if (figure := _figure(metrics, f"personal_{n}"))}


def at(metrics: Mapping[str, float], shots: int) -> Figure | None:
    """The model's figure after so many judgments; a pooled model's does not depend on them."""
    return personal(metrics).get(shots) if personal(metrics) else pooled(metrics)


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, and half of its 95 % interval where the two were measured on different people."""

    value: float
    margin: float

    @property
    def certain(self) -> bool:
        """More than chance alone would make of it."""
        return abs(self.value) > self.margin


def accuracy_gain(first: Figure, second: Figure) -> Difference:
    """By how much the second is right more often."""
    return Difference(second.accuracy - first.accuracy, Z95 * hypot(first.accuracy_se, second.accuracy_se))


def log_loss_gain(first: Figure, second: Figure) -> Difference:
    """By how much the second's log-loss is lower."""
    return Difference(first.log_loss - second.log_loss, Z95 * hypot(first.log_loss_se, second.log_loss_se))


def _figure(metrics: Mapping[str, float], name: str) -> Figure | None:
    if f"{name}_accuracy" not in metrics:
        return None
    return Figure(
        accuracy=metrics[f"{name}_accuracy"],
        accuracy_se=metrics[f"{name}_accuracy_se"],
        log_loss=metrics[f"{name}_log_loss"],
        log_loss_se=metrics[f"{name}_log_loss_se"],
        ece=metrics[f"{name}_ece"],
        annotators=int(metrics[f"{name}_annotators"]),
        judgments=int(metrics[f"{name}_judgments"]),
    )
