"""Holding annotators out of a fit and treating them as newcomers: calibration and the figures of a ``FitReport``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from attune.metrics import Summary, accuracies, log_losses, person_spread, standard_error, summarise
from attune.rewards.base import Array, Latent, Rehearsed
from attune.rewards.indexing import Comparisons, Ints

SHOTS = (0, 4, 8, 16, 64)
HELD_OUT_SHARE = 0.2
HELD_OUT_MOST = 300
LEAST_JUDGMENTS = 8
LEAST_PROMPTS = 4
CALIBRATION_PRIOR = 50.0
"""Pseudo-judgments that speak for a temperature of one."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Rows of one held-out annotator: what they said first, and the decided judgments to be predicted."""

    context: Ints
    target: Ints


@runtime_checkable
class ReadsReasons(Protocol):
    """A model that may make something of why people said what they said: its ``adapt_arrays`` takes ``reasons`` (N, P), too."""

    @property
    def reads_reasons(self) -> bool:
        """Whether it does."""


@runtime_checkable
class ReadsStrengths(Protocol):
    """A model that may read strengths as grades (``attune.rewards.strengths``): its ``adapt_arrays`` takes ``strength`` (N,), too, 0 where
    there is none. What is graded already is not to be told of it."""

    @property
    def reads_strengths(self) -> bool:
        """Whether it does."""


def hold_out(comparisons: Comparisons, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which rows belong to held-out annotators, (N,): a share of those with enough judgments, possibly nobody."""
    counts = np.bincount(comparisons.annotator, weights=comparisons.outcome != 0, minlength=comparisons.annotators)
    able = np.flatnonzero(counts >= LEAST_JUDGMENTS)
    chosen = rng.permutation(able)[: min(round(HELD_OUT_SHARE * comparisons.annotators), HELD_OUT_MOST, len(able) // 3)]
    return np.isin(comparisons.annotator, chosen)


def split_newcomers(comparisons: Comparisons, groups: Ints, rng: np.random.Generator) -> list[Newcomer]:
    """Context and target of each annotator in ``comparisons``: as the data marks them, or else on different prompts, or
    else on different responses.

    groups (N,): the prompt of each response.
    """
    newcomers = []
    for annotator in np.unique(comparisons.annotator):
        rows = np.flatnonzero(comparisons.annotator == annotator)
        decided, marked = comparisons.outcome[rows] != 0, comparisons.test[rows]
        if marked.any():
            newcomers.append(Newcomer(rows[~marked], rows[marked & decided]))
            continue
        a, b = comparisons.a[rows], comparisons.b[rows]
        if len(np.unique(groups[a])) >= LEAST_PROMPTS:
            a, b = groups[a], groups[b]
        units = np.unique(np.concatenate([a, b]))
        first = rng.permutation(units)[: (len(units) + 1) // 2]
        in_a, in_b = np.isin(a, first), np.isin(b, first)
        newcomers.append(Newcomer(rows[in_a & in_b], rows[~in_a & ~in_b & decided]))
    return [newcomer for newcomer in newcomers if len(newcomer.target)]


def adapt_to(model: Rehearsed, comparisons: Comparisons, items: Array, rows: Ints) -> Latent:
    """The latent after some rows of ``comparisons``; items (responses, K)."""
    said = comparisons.take(rows)
    leaning, weight = said.evidence
    columns = items[said.a], items[said.b], leaning, said.side, weight
    more: dict[str, Any] = {}
    if isinstance(model, ReadsReasons) and model.reads_reasons:
        more["reasons"] = said.reasons
    if isinstance(model, ReadsStrengths) and model.reads_strengths and not said.graded:
        more["strength"] = said.strength
    return model.adapt_arrays(*columns, **more)


def predictions(
    model: Rehearsed, comparisons: Comparisons, items: Array, newcomers: Sequence[Newcomer], shots: int
) -> list[Array]:
    """P(a ≻ b) of each newcomer's targets after the first ``shots`` of the context."""
    found = []
    for newcomer in newcomers:
        latent = adapt_to(model, comparisons, items, newcomer.context[:shots])
        a, b = comparisons.a[newcomer.target], comparisons.b[newcomer.target]
        found.append(model.probability(latent, items[a], items[b]))
    return found


def judge(
    model: Rehearsed, comparisons: Comparisons, items: Array, newcomers: Sequence[Newcomer], shots: Sequence[int]
) -> tuple[dict[int, Summary], Array]:
    """How well newcomers are predicted after so many judgments, and the temperature that would have been right.

    The summaries are of calibrated probabilities; shots that leave nobody with enough to predict are left out.
    """
    outcomes = [comparisons.outcome[newcomer.target] for newcomer in newcomers]
    summaries, scales = {}, []
    for n in shots:
        raw = predictions(model, comparisons, items, newcomers, n)
        scale = temperature(raw, outcomes)
        scales.append(scale)
        summary = summarise([rescaled(p, scale) for p in raw], outcomes)
        if summary is not None:
            summaries[n] = summary
    return summaries, np.array(scales, np.float32)


def spread_of(
    model: Rehearsed, comparisons: Comparisons, items: Array, newcomers: Sequence[Newcomer], shots: Sequence[int]
) -> float:
    """How far newcomers differ in how predictable they are, over all these shots (``attune.metrics.person_spread``)."""
    outcomes = [comparisons.outcome[newcomer.target] for newcomer in newcomers]
    told = [p for n in shots for p in predictions(model, comparisons, items, newcomers, n)]
    return person_spread(told, outcomes * len(shots))


def paired_gain(
    model: Rehearsed, baseline: Rehearsed, comparisons: Comparisons, newcomers: Sequence[Newcomer], shots: int
) -> dict[str, float]:
    """By how much more often the model is right than the baseline about the same newcomers, after so many judgments.

    Paired by annotator: what makes one person easier to predict than another, it does for both models.
    """
    outcomes = [comparisons.outcome[newcomer.target] for newcomer in newcomers]
    own, other = (
        accuracies(predictions(each, comparisons, each.parts.table, newcomers, shots), outcomes)
        for each in (model, baseline)
    )
    return {"gain": float((own - other).mean()), "gain_se": standard_error(own - other)} if len(own) else {}


def newcomer_losses(
    model: Rehearsed, comparisons: Comparisons, items: Array, newcomers: Sequence[Newcomer], shots: Sequence[int]
) -> NDArray[np.float64]:
    """Each newcomer's mean log-loss over all these shots, (newcomers,), at the temperatures that suit them best."""
    outcomes = [comparisons.outcome[newcomer.target] for newcomer in newcomers]
    losses = np.zeros(len(newcomers))
    for n in shots:
        raw = predictions(model, comparisons, items, newcomers, n)
        scale = temperature(raw, outcomes)
        losses += [log_losses(rescaled(p, scale), y).mean() for p, y in zip(raw, outcomes, strict=True)]
    return losses / len(shots)


def temperature(probabilities: Sequence[Array], outcomes: Sequence[NDArray[np.int64]]) -> float:
    """The scale that minimises the log-loss of σ(scale · logit p), shrunk to one."""
    if not probabilities:
        return 1.0
    signed = np.concatenate(outcomes) * _logit(np.concatenate(probabilities))

    def loss(log_scale: float) -> float:
        prior = 0.5 * CALIBRATION_PRIOR * log_scale**2
        return float(np.logaddexp(0, -np.exp(log_scale) * signed).sum() + prior)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 1.0), method="bounded").x))


def rescaled(p: Array, scale: float) -> Array:
    """σ(scale · logit p)."""
    return (1 / (1 + np.exp(-scale * _logit(p)))).astype(np.float32)


def report_metrics(name: str, summary: Summary) -> dict[str, float]:
    """Flat figures for a ``FitReport``: ``<name>_accuracy``, ``_accuracy_se``, ``_log_loss``, ``_ece`` and counts."""
    return {
        f"{name}_accuracy": summary.macro,
        f"{name}_accuracy_se": summary.macro_se,
        f"{name}_log_loss": summary.log_loss,
        f"{name}_log_loss_se": summary.log_loss_se,
        f"{name}_ece": summary.ece,
        f"{name}_annotators": float(summary.n_annotators),
        f"{name}_judgments": float(summary.n),
    }


def _logit(p: Array) -> NDArray[np.float64]:
    clipped = np.clip(p.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))
