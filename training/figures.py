"""Held-out figures of a fit, read back from the flat metrics of ``attune``'s ``FitReport``.

A fit treats some annotators as newcomers: it leaves them out, shows the model their first n judgments, and predicts the
rest. ``personal_<n>_…`` are the model's figures after n, ``pooled_…`` those of one model for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, inf

from scipy.special import stdtrit

FEW = 5
"""Held-out people below which no difference is called certain."""

_PERSONAL = re.compile(r"personal_(\d+)_accuracy")


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference, its standard error, and over how many people. The interval is Student's, 95 %."""

    value: float
    se: float
    people: int

    @property
    def margin(self) -> float:
        """Half of the interval."""
        return _half(self.se, self.people)

    @property
    def certain(self) -> bool:
        """More than chance alone would make of it."""
        return self.people >= FEW and abs(self.value) > self.margin


@dataclass(frozen=True, slots=True)
class Figure:
    """How well held-out annotators are predicted: shares between 0 and 1, log-loss in natural units, standard errors.

    ``gain`` is over the pooled model on the same people; None for the pooled model itself.
    """

    accuracy: float
    accuracy_se: float
    log_loss: float
    log_loss_se: float
    ece: float
    annotators: int
    judgments: int
    gain: Difference | None = None

    @property
    def low(self) -> float:
        """Lower end of the accuracy's 95 % interval."""
        return max(0.0, self.accuracy - _half(self.accuracy_se, self.annotators))

    @property
    def high(self) -> float:
        """Upper end of it."""
        return min(1.0, self.accuracy + _half(self.accuracy_se, self.annotators))


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


def accuracy_change(before: Figure, after: Figure) -> Difference:
    """By how much the second is right more often, where the two were tried on different people."""
    return _unpaired(after.accuracy - before.accuracy, before, before.accuracy_se, after, after.accuracy_se)


def log_loss_change(before: Figure, after: Figure) -> Difference:
    """By how much the second's log-loss is lower, where the two were tried on different people."""
    return _unpaired(before.log_loss - after.log_loss, before, before.log_loss_se, after, after.log_loss_se)


def _unpaired(value: float, first: Figure, first_se: float, second: Figure, second_se: float) -> Difference:
    """Degrees of freedom of the smaller group, which is on the safe side."""
    return Difference(value, hypot(first_se, second_se), min(first.annotators, second.annotators))


def _half(se: float, people: int) -> float:
    """Half of Student's 95 % interval; one person says nothing of others."""
    return se * float(stdtrit(people - 1, 0.975)) if people > 1 else inf


def _figure(metrics: Mapping[str, float], name: str) -> Figure | None:
    if f"{name}_accuracy" not in metrics:
        return None
    people = int(metrics[f"{name}_annotators"])
    paired = f"{name}_gain" in metrics
    return Figure(
        accuracy=metrics[f"{name}_accuracy"],
        accuracy_se=metrics[f"{name}_accuracy_se"],
        log_loss=metrics[f"{name}_log_loss"],
        log_loss_se=metrics[f"{name}_log_loss_se"],
        ece=metrics[f"{name}_ece"],
        annotators=people,
        judgments=int(metrics[f"{name}_judgments"]),
        gain=Difference(metrics[f"{name}_gain"], metrics[f"{name}_gain_se"], people) if paired else None,
    )
