"""How good predictions are: accuracy, log-loss, calibration. Pure functions of probabilities and outcomes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 10
SMALLEST = 1e-6
NODES = np.polynomial.hermite_e.hermegauss(9)
LEVEL = 0.9
LEAST = 4
"""Judgments of an annotator who counts."""
ENOUGH = 50
SPREADS = tuple(step / 10 for step in range(21))
"""Spreads of people's predictability, in log-odds, that are tried."""


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
    probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]], at_least: int = LEAST
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
    probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]], at_least: int = LEAST
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


def hits_distribution(p: NDArray[Any], spread: float = 0.0) -> NDArray[np.float64]:
    """P(k of N predictions come true), (N + 1,), each with its own confidence max(p, 1 − p) (Poisson's binomial).

    ``spread``: people differ in how predictable they are; the log-odds of all of one person's confidences are shifted by
    N(0, spread²), which is averaged over.
    """
    confidence = np.clip(np.maximum(p, 1 - np.asarray(p, np.float64)), SMALLEST, 1 - SMALLEST)
    nodes, weights = NODES if spread > 0 else (np.zeros(1), np.ones(1))
    logit = np.log(confidence / (1 - confidence))
    shifted = 1 / (1 + np.exp(-(logit[:, None] + spread * nodes)))
    chances = np.ones((1, len(nodes)))
    none = np.zeros((1, len(nodes)))
    for each in shifted:
        chances = np.concatenate([chances * (1 - each), none]) + np.concatenate([none, chances * each])
    mixed: NDArray[np.float64] = chances @ (weights / weights.sum())
    return mixed


def person_spread(probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]]) -> float:
    """The ``spread`` of ``hits_distribution`` under which these annotators' 90 % intervals hold as often as they say.

    With fewer than ``ENOUGH`` of them, how often intervals held says too little: then the likeliest spread, given how many of
    each annotator's judgments came out as predicted.
    """
    if sum(len(y) >= LEAST for y in outcomes) < ENOUGH:
        return _likeliest_spread(probabilities, outcomes)

    def covered(spread: float) -> float:
        return interval_coverage(probabilities, outcomes, spread=spread) or 0.0

    wide_enough = bisect_left(SPREADS, LEVEL, key=covered)
    tried = SPREADS[max(wide_enough - 1, 0) : wide_enough + 1]
    return min(tried, key=lambda spread: abs(covered(spread) - LEVEL))


def _likeliest_spread(probabilities: Sequence[NDArray[Any]], outcomes: Sequence[NDArray[Any]]) -> float:
    hits = [round(float(correct(p, y).sum()) - 1e-9) for p, y in zip(probabilities, outcomes, strict=True)]
    if not hits:
        return 0.0

    def surprise(spread: float) -> float:
        told = zip(probabilities, hits, strict=True)
        return -float(sum(np.log(hits_distribution(p, spread)[k] + 1e-300) for p, k in told))

    return min(SPREADS, key=surprise)


def interval_coverage(
    probabilities: Sequence[NDArray[Any]],
    outcomes: Sequence[NDArray[Any]],
    *,
    spread: float = 0.0,
    level: float = LEVEL,
    at_least: int = LEAST,
) -> float | None:
    """How often the number of an annotator's judgments that come out as predicted lies in its central interval.

    The predictions themselves say how many should, and ``spread`` how far people differ beyond that. A count is discrete, so
    an end of the interval holds only a part of its count's chance, and the same part of an annotator who is there (the
    non-randomised probability integral transform of Czado, Gneiting and Held 2009). ``level`` where the interval is honest
    person by person. None if nobody has enough judgments.
    """
    low, high = (1 - level) / 2, (1 + level) / 2
    inside = []
    for p, y in zip(probabilities, outcomes, strict=True):
        if len(y) >= at_least:
            chances = hits_distribution(p, spread)
            hits = round(float(correct(p, y).sum()) - 1e-9)
            below = float(chances[:hits].sum())
            above = below + float(chances[hits])
            shared = max(0.0, min(above, high) - max(below, low))
            inside.append(shared / max(above - below, 1e-300))
    return float(np.mean(inside)) if inside else None


def standard_error(values: NDArray[Any]) -> float:
    """Standard error of the mean; 0 for a single value, which says nothing of spread."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
