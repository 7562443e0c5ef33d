"""How ``hybrid`` infers one annotator's taste: two priors of the community, each exact in its way. Numpy only.

An item is (b, a, y, known, number): the pooled reward; the base that evidence is read against (what the community accepts); R
coordinates in which people differ; how much of the doubt about y its judgments have taken away; and which fitted response it is,
0 for none. A taste is a weight w on y. The community
says of w

- as a *Gaussian*: w ~ N(0, Σ), with a factor on the base, the pull of the left side, a threshold of acceptance and the tie
  rate beside it; the mode by Newton steps and its curvature (``attune.rewards.linear``);
- as *classes*: w is one of w₁ … w_C, whose posterior is Bayes' rule (``attune.rewards.classes``), averaged over several models.

What a person said of a response itself is remembered as ε_x ~ N(0, τ²), given the Gaussian's mode.

Beside both stands their mirror image: a *contrarian* prefers by −r what others prefer by r, under the same priors of w
(``attune.rewards.contrarians``). So what is told is kept as it speaks of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.rewards.base import Array, Comparison
from attune.rewards.classes import log_sigmoid
from attune.rewards.context import Columns, Context, columns_of_context
from attune.rewards.evidence import chosen_and_other
from attune.rewards.linear import PROBIT, Floats, davidson, newton_mode
from attune.rewards.reasons import Why, with_reason
from attune.rewards.strengths import grades, strengths_of
from attune.rewards.told import Evidence, Stand, Told

REWARD, BASE, FIRST = 0, 1, 2
"""Columns of an item: b, a, and the first of y."""
KNOWN, NUMBER = -2, -1
NO_TIES = -20.0
MEMORY_STEPS = 3
CONJUGATE_STEPS = 12
_UNASKED = np.zeros(0, np.float32), 0.0


@dataclass(frozen=True, slots=True)
class Community:
    """What the community's tastes are like.

    verdicts: how judgments are read (``attune.rewards.evidence``). base and base_spread: the factor on a. cov (R, R): Σ.
    class_weights (R, J), class_log_prior (J,) and class_model (J,): all classes of all models, w̄ of each model being 0 but
    for class_center (R, J), which the evidence is read with. memory: τ². doubt: the variance of ⟨w, y⟩ that is left for a response that nobody has judged.
    graded: whether strengths are read as grades (``attune.rewards.strengths``). contrarians: the share of people who are.
    """

    verdicts: bool
    base: float
    base_spread: float
    cov: Array
    position: float
    position_spread: float
    threshold_spread: float
    log_nu: float
    tie_spread: float
    class_weights: Array
    class_center: Array
    class_log_prior: Array
    class_model: NDArray[np.int64]
    memory: float
    doubt: float
    graded: bool = False
    contrarians: float = 0.0

    def doubts(self, items: Array) -> Floats:
        """The variance of ⟨w, y⟩ for not knowing y itself, (N,)."""
        return np.maximum(self.doubt - items[:, KNOWN].astype(np.float64), 0)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Posterior of (factor on the pooled reward − 1, w): mean (1 + R,), cov; position, log ν; what is remembered by number. Of a
    contrarian it is the factor + 1. evidence: log P(told), by Laplace."""

    mean: Floats
    cov: Floats
    position: float
    log_nu: float
    remembered: dict[int, float]
    mode: Floats
    """The whole mode in the reader's own coordinates."""
    evidence: float


def read_evidence(
    said: Community,
    items_a: Array,
    items_b: Array,
    outcome: NDArray[Any],
    side: NDArray[Any],
    weight: NDArray[Any],
) -> Evidence:
    """Comparisons of items (N, K) as evidence: as they are, or as each response's verdict, once."""
    if not said.verdicts:
        return Evidence(
            (items_a[:, BASE:KNOWN] - items_b[:, BASE:KNOWN]).astype(np.float64),
            np.asarray(outcome, np.float64),
            np.asarray(side, np.float64),
            np.asarray(weight, np.float64),
            items_a[:, NUMBER].astype(np.int64),
            items_b[:, NUMBER].astype(np.int64),
            said.doubts(items_a) + said.doubts(items_b),
        )
    decided = np.flatnonzero(outcome)
    both = np.concatenate([items_a[decided], items_b[decided]])
    rows = np.arange(len(decided))
    chosen, other = chosen_and_other(rows, rows + len(decided), np.asarray(outcome)[decided])
    signed = np.concatenate(
        [both[np.concatenate([chosen, other])], np.repeat([[1.0], [-1.0]], len(decided), axis=0)], axis=1
    )
    distinct, where = np.unique(signed.astype(np.float32), axis=0, return_inverse=True)
    most = np.zeros(len(distinct))
    np.maximum.at(most, where.ravel(), np.concatenate([weight[decided], weight[decided]]))
    nothing = np.zeros(len(distinct))
    return Evidence(
        distinct[:, BASE:-3].astype(np.float64),
        distinct[:, -1].astype(np.float64),
        nothing,
        most,
        distinct[:, -2].astype(np.int64),
        nothing.astype(np.int64),
        said.doubts(distinct[:, :-1]),
    )


class Reader:
    """Infers tastes under one ``Community``; prepared once, safe to share by threads."""

    def __init__(self, community: Community, why: Why | None = None) -> None:
        self.community = community
        self.why = why if why is not None and why.weight > 0 and not community.verdicts else None
        self.prior_mean, self.factor = _gaussian_prior(community)
        self.contrary_mean = self.prior_mean * np.where(np.arange(len(self.prior_mean)) == 0, -1, 1)
        by_model = np.argsort(community.class_model, kind="stable")
        self._class_starts = np.unique(community.class_model[by_model], return_index=True)[1]
        self._class_sizes = np.diff(np.append(self._class_starts, len(by_model)))
        self._class_log_prior = community.class_log_prior[by_model]
        self._class_weights = community.class_weights[:, by_model].astype(np.float64)
        self._class_directions = (community.class_weights + community.class_center)[:, by_model].astype(np.float32)

    def read(self, context: Sequence[Comparison]) -> Told:
        """What a context tells, (N ≥ 1). Of a context that has grown since it was read, the additions alone are read."""
        if self.community.verdicts or not isinstance(context, Context):  # a verdict is told of once, however often said
            return self._told_with_reasons(columns_of_context(context), context)
        count, noted = context.noted_by(self)
        known: Told | None = noted
        if known and count == len(context):
            return known
        added = self._told_with_reasons(context.columns(count), context[count:])
        return known.followed_by(added) if known else added

    def _told_with_reasons(self, columns: Columns, context: Sequence[Comparison]) -> Told:
        if self.community.graded:
            outcome, weight = grades(columns.outcome, columns.weight, strengths_of(context))
            columns = columns._replace(outcome=outcome, weight=weight)
        if self.why is None or not any(each.reason for each in context):
            return self.told(*columns)
        return self.told(*columns, reasons=self.why.read([each.reason for each in context]))

    def _of_reasons(self, why: Why, given: sparse.csr_array, items_a: Array, items_b: Array, classes: bool) -> Told:
        """What N reasons (N, P) tell beside the preferences that they are given for."""
        direction = why.directions(given, items_a, items_b, FIRST)
        above = np.zeros((len(direction), items_a.shape[1]), np.float32)
        above[:, FIRST : FIRST + direction.shape[1]] = direction / 2
        below = -above
        above[:, KNOWN] = below[:, KNOWN] = self.community.doubt  # what a reason says needs no response to be known
        weight = np.full(len(above), why.weight, np.float32)
        return self.told(above, below, np.ones(len(above), np.int64), 0 * weight, weight, classes=classes)

    def told(
        self,
        items_a: Array,
        items_b: Array,
        outcome: NDArray[Any],
        side: NDArray[Any],
        weight: NDArray[Any],
        *,
        reasons: sparse.csr_array | None = None,
        classes: bool = True,
    ) -> Told:
        """``read`` for columns, of which there may be none; reasons (N, P) in the words of ``why``. Without ``classes``, for the
        Gaussian only."""
        said = self.community
        evidence = read_evidence(said, items_a, items_b, outcome, side, weight)
        size = len(evidence)
        threshold = np.full((size, 1), float(said.verdicts))
        surer = 1 / np.sqrt(1 + PROBIT * evidence.doubt)
        design = np.concatenate(
            [evidence.along * surer[:, None], evidence.side[:, None], threshold, np.zeros((size, 1))], axis=1
        )
        usual, contrary = self._class_evidence(evidence) if classes else (_UNASKED, _UNASKED)
        found = Told(
            design @ self.factor,
            evidence.outcome,
            evidence.weight,
            evidence.first,
            evidence.second,
            Stand(1, design @ self.prior_mean, *usual),
            Stand(-1, design @ self.contrary_mean, *contrary),
        )
        if self.why is None or reasons is None or not len(rows := with_reason(reasons)):
            return found
        return found.followed_by(self._of_reasons(self.why, reasons[rows], items_a[rows], items_b[rows], classes))

    def _class_evidence(self, evidence: Evidence) -> tuple[tuple[Array, float], tuple[Array, float]]:
        """The log-likelihood of each class, and of none; and of the contrary ones, whose margins have the other sign."""
        along, weight = evidence.along.astype(np.float32), evidence.weight.astype(np.float32)
        margin = along[:, :1] + along[:, 1:] @ self._class_directions
        outcome = evidence.outcome.astype(np.float32)
        lost, lean = 0.5 * weight * (1 - outcome), weight * outcome  # log σ(−m) = log σ(m) − m
        told, alone = weight @ log_sigmoid(margin) - lost @ margin, along[:, 0]
        of_none = float(weight @ log_sigmoid(alone) - lost @ alone)
        usual, contrary = np.asarray(told, np.float32), np.asarray(told - lean @ margin, np.float32)
        return (usual, of_none), (contrary, of_none - float(lean @ alone))

    def odds(self, told: Told, *, contrary: bool = False) -> float:
        """The log Bayes factor of the classes, averaged over their models, against having no taste of one's own: 0 where nothing
        was told, and log 20 or more in one of 20 at most who indeed have none."""
        starts, stand = self._class_starts, told.stand(contrary)
        if not len(starts) or not len(stand.classes):
            return 0.0
        logits = (self._class_log_prior + stand.classes).astype(np.float64)
        return float(np.logaddexp.reduce(logits) - np.log(len(starts)) - stand.pooled)

    def gaussian(self, told: Told, *, contrary: bool = False) -> Gaussian:
        """The posterior under the Gaussian prior, by Laplace; the prior where nothing was told."""
        said, width, stand = self.community, len(self.community.cov), told.stand(contrary)
        prior = self.contrary_mean if contrary else self.prior_mean
        mode, curvature = newton_mode(
            told.along, stand.fixed, told.outcome, told.weight, self.factor[-1], float(prior[-1]), stand.mode
        )
        mean, margin = prior + self.factor @ mode, stand.fixed + told.along @ mode
        own = self.factor[: 1 + width]
        cov = own @ np.linalg.solve(curvature, own.T)
        log_nu = float(mean[-1])
        remembered = remember(told, margin, log_nu, said.memory) if said.memory > 0 else {}
        deviation = mean[: 1 + width].copy()
        deviation[0] = deviation[0] / said.base - stand.sign  # relative to the base, as its covariance is below
        cov[0] /= said.base
        cov[:, 0] /= said.base
        return Gaussian(
            deviation,
            cov,
            said.position if said.verdicts else float(mean[1 + width]),
            said.log_nu if said.verdicts else log_nu,
            remembered,
            mode,
            _log_evidence(told, margin, mode, curvature),
        )

    def classes(self, told: Told, *, contrary: bool = False) -> tuple[Floats, Floats]:
        """Mean (R,) and covariance (R, R) of w under the classes, averaged over their models."""
        said, weights, starts = self.community, self._class_weights, self._class_starts
        if not len(starts):
            return np.zeros(len(said.cov)), np.zeros(said.cov.shape)
        logits = self._class_log_prior + told.stand(contrary).classes
        odds = np.exp(logits - np.maximum.reduceat(logits, starts).repeat(self._class_sizes)).astype(np.float64)
        weighted = weights * (odds / np.add.reduceat(odds, starts).repeat(self._class_sizes))
        of_models = np.add.reduceat(weighted, starts, axis=1)
        cov = weighted @ weights.T - of_models @ of_models.T
        mean = of_models.mean(axis=1)
        return told.stand(contrary).sign * mean, cov / len(starts)


def _gaussian_prior(said: Community) -> tuple[Floats, Floats]:
    """Mean and factor of the prior over (factor on a, w, position, threshold, log ν)."""
    width = len(said.cov)
    mean = np.zeros(width + 4)
    mean[0], mean[-3] = said.base, said.position
    mean[-1] = NO_TIES if said.verdicts else said.log_nu
    values, vectors = np.linalg.eigh(said.cov.astype(np.float64))
    kept = values > 1e-6 * max(float(values[-1]), 1e-12) if width else np.zeros(0, bool)
    rank = int(kept.sum())
    factor = np.zeros((width + 4, rank + 3))
    factor[1 : 1 + width, :rank] = vectors[:, kept] * np.sqrt(values[kept])
    factor[0, rank] = said.base_spread
    if said.verdicts:
        factor[-2, rank + 1] = said.threshold_spread
    else:
        factor[-3, rank + 1], factor[-1, rank + 2] = said.position_spread, said.tie_spread
    return mean, factor[:, np.abs(factor).max(axis=0) > 0]


def _log_evidence(told: Told, margin: Floats, mode: Floats, curvature: Floats) -> float:
    """log P(told) by Laplace: margins (E,) at the mode (Z,), where minus the log posterior has this curvature (Z, Z)."""
    likely = told.weight @ (-np.logaddexp(0, -margin) - 0.5 * (1 - told.outcome) * margin)
    return float(likely - 0.5 * mode @ mode - 0.5 * np.linalg.slogdet(curvature)[1])


def remember(evidence: Evidence | Told, margin: Floats, log_nu: float, variance: float) -> dict[int, float]:
    """ε of the responses that were judged, by number, given the margins (E,): Newton steps, each by conjugate gradients."""
    numbers, where = np.unique(np.concatenate([[0], evidence.first, evidence.second]), return_inverse=True)
    first, second = where[1 : 1 + len(evidence)], where[1 + len(evidence) :]
    known = numbers > 0
    decided = 0.5 * evidence.outcome

    def gather(rows: Floats, signed: bool) -> Floats:
        second_rows = np.bincount(second, rows, len(numbers))
        total = np.bincount(first, rows, len(numbers)) + (-second_rows if signed else second_rows)
        return np.asarray(total * known, np.float64)

    own = np.zeros(len(numbers))
    for _ in range(MEMORY_STEPS):
        p_a, p_b, _tie = davidson(margin + own[first] - own[second], log_nu)
        lean = 0.5 * (p_a - p_b)
        curve = evidence.weight * np.maximum(0.25 * (p_a + p_b) - lean**2, 1e-9)
        residual = gather(evidence.weight * (decided - lean), signed=True) - own / variance
        diagonal = gather(curve, signed=False) + 1 / variance
        change = np.zeros(len(numbers))
        step = direction = residual / diagonal
        size = float(residual @ step)
        for _ in range(CONJUGATE_STEPS):
            image = gather(curve * (direction[first] - direction[second]), signed=True) + direction / variance
            rate = size / max(float(direction @ image), 1e-12)
            change, residual = change + rate * direction, residual - rate * image
            step = residual / diagonal
            size, before = float(residual @ step), size
            direction = step + size / max(before, 1e-12) * direction
        own = own + change
    return {int(number): float(value) for number, value in zip(numbers[known], own[known], strict=True)}
