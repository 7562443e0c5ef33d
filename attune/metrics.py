"""How good predictions are: accuracy, log-loss, calibration. Pure functions of probabilities and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 10
SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Summary:
    """Over annotators: macro accuracy with its standard error, micro accuracy over judgments, macro log-loss, ECE."""

    macro: float
    macro_se: float
    micro: float
    log_loss: float
    log_loss_se: float
    ece: float
    n_annotators: int
    n: int


def summarise(
    probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]], at_least: int = 4
) -> Summary | None:
    """Summary of P(a ≻ b) against outcomes in ±1, one array each per annotator; None if nobody has enough judgments."""
    kept = [(p, y) for p, y in zip(probabilities, outcomes, strict=True) if len(y) >= at_least]
    if not kept:
        return None
    accuracy = np.array([correct(p, y).mean() for p, y in kept])
    losses = np.array([log_losses(p, y).mean() for p, y in kept])
    p, y = np.concatenate([p for p, _ in kept]), np.concatenate([y for _, y in kept])
    return Summary(
        macro=float(accuracy.mean()),
        macro_se=standard_error(accuracy),
        micro=float(correct(p, y).mean()),
        log_loss=float(losses.mean()),
        log_loss_se=standard_error(losses),
        ece=calibration_error(p, y),
        n_annotators=len(kept),
        n=len(y),
    )


def accuracies(
    probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]], at_least: int = 4
) -> NDArray[np.float64]:
    """Accuracy of each annotator that ``summarise`` would count, in order; for comparing two models on the same people."""
    kept = zip(probabilities, outcomes, strict=True)
    return np.array([correct(p, y).mean() for p, y in kept if len(y) >= at_least], np.float64)


def correct(p: NDArray[Any], outcome: NDArray[Any]) -> NDArray[np.float64]:
    """1 where the likelier response was preferred, ½ where the model has no opinion, else 0."""
    lean = np.sign(np.asarray(p, np.float64) - 0.5)
    return np.where(lean == 0, 0.5, lean == np.sign(outcome)).astype(np.float64)


def log_losses(p: NDArray[Any], outcome: NDArray[Any]) -> NDArray[np.float64]:
    """−log of the probability given to what was preferred, natural units."""
    chosen = np.where(np.asarray(outcome) > 0, p, 1 - np.asarray(p, np.float64))
    losses: NDArray[np.float64] = -np.log(np.clip(chosen, SMALLEST, 1))
    return losses


def calibration_error(p: NDArray[Any], outcome: NDArray[Any]) -> float:
    """Expected calibration error of the confidence in the likelier response, ten equal bins over ½…1."""
    confidence = np.maximum(p, 1 - np.asarray(p, np.float64))
    hits = correct(p, outcome)
    bins = np.minimum(((confidence - 0.5) * 2 * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, confidence - hits, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / max(len(hits), 1))


def standard_error(values: NDArray[Any]) -> float:
    """Standard error of the mean; 0 for a single value, which says nothing of spread."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
