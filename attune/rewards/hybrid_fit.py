"""Fitting what ``hybrid`` shares: the pooled model, factors and classes, and the community's prior made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array, Progress
from attune.rewards.basis import Basis, build_basis
from attune.rewards.classes import ClassFit, fit_classes
from attune.rewards.evidence import as_verdicts
from attune.rewards.factors import FactorConfig, FactorFit, FactorTrainer
from attune.rewards.feature_map import Prepared
from attune.rewards.indexing import Comparisons
from attune.rewards.linear import davidson
from attune.rewards.newcomers import Newcomer, hold_out
from attune.rewards.pooled import Penalties, PooledFit, fit_pooled
from attune.rewards.reasons import Why
from attune.rewards.rehearsal import Given, Rehearsal, Variances, given_reasons
from attune.rewards.settings import setting
from attune.rewards.tastes import Community

VERDICT_PENALTIES = Penalties(item=0.5)
THRESHOLD_SPREAD = 0.7
UNDECIDED = (0.7, 0.05, 0.0)
WIDE = 128
"""Spreads and width of the basis in which the variances are chosen."""


@dataclass(frozen=True, slots=True)
class HybridConfig:
    """How the shared part is fitted. What is personal (spreads of tastes, memory, trust) is not set but learnt."""

    ranks: Sequence[int] = setting((8, 16), "Widths of the item vectors that are averaged.")
    class_sizes: Sequence[int] = setting(
        (3, 4, 6, 8, 12) * 2, "Groups of people in each of the models that are averaged."
    )
    rounds: int = setting(24, "Rounds of EM for item vectors.", least=1)
    class_rounds: int = setting(40, "Rounds of EM for groups.", least=1)
    last_rounds: int = setting(8, "Rounds of both once the held-out people are taken in.", least=1)
    rehearsals: int = setting(
        2, "How often some people are held out, to learn how far to trust what is personal.", least=1, most=5
    )
    width: int = setting(96, "Coordinates of an item at most.", least=1, most=512)
    vector_precision: float = setting(2.0, "How closely item vectors follow the text: precision around it.", least=0.01)
    text_precision: float = setting(10.0, "Ridge on the map from text to item vectors.", least=0.01)
    class_precision: float = setting(0.25, "Ridge on what a group thinks otherwise of a response.", least=0.01)
    strengths: str = setting(
        "learnt",
        "How strengths are read: as weights, as grades of how far apart two responses are, or as held-out people say.",
        choices=("learnt", "weights", "grades"),
    )


@dataclass(frozen=True, slots=True)
class Start:
    """What a fit may begin from: the parts that take many rounds."""

    factors: Sequence[FactorFit]
    classes: Sequence[ClassFit]


@dataclass(frozen=True, slots=True)
class Fits(Start):
    """What was fitted on some judgments. accepted: the pooled fit on verdicts, None where judgments are comparisons. alone (N,):
    the responses that fewer than two people judged. readings (F, D): see ``attune.rewards.readings``; None where there are no
    reasons, or before they are learnt."""

    pooled: PooledFit
    accepted: PooledFit | None
    alone: NDArray[np.bool_]
    readings: Array | None = None


class Steps:
    """Counts rounds of factors and models of classes, and tells ``progress``."""

    def __init__(self, config: HybridConfig, progress: Progress | None, *, begun: bool = False) -> None:
        self.config, self.progress, self.done = config, progress, 0
        self.rounds = config.last_rounds if begun else config.rounds
        self.steps = len(config.ranks) * config.last_rounds + len(config.class_sizes)
        self.metrics: dict[str, float] = {}
        self.expect(config.rehearsals)

    def expect(self, rehearsals: int) -> None:
        """So many more than were expected until now."""
        self.steps += rehearsals * (len(self.config.ranks) * self.rounds + len(self.config.class_sizes))

    def factor_round(self, _number: int, loss: float) -> None:
        self._tell({"loss": loss})

    def class_model(self, _number: int) -> None:
        self._tell({})

    def _tell(self, more: Mapping[str, float]) -> None:
        self.done += 1
        if self.progress:
            self.progress({"stage": "fitting", "step": self.done, "steps": self.steps, **more, **self.metrics})


def learn(
    config: HybridConfig,
    data: Prepared,
    comparisons: Comparisons,
    verdicts: bool,
    rng: np.random.Generator,
    report: Steps,
    start: Start | None = None,
) -> Fits:
    """Everything shared, from some annotators' judgments."""
    pooled = fit_pooled(comparisons, data.mapped)
    evidence, mapped, accepted = comparisons, data.mapped, None
    if verdicts:
        evidence = as_verdicts(comparisons, data.groups)
        thresholds = np.zeros((int(data.groups.max()) + 1, mapped.shape[1]), np.float32)
        mapped = np.concatenate([mapped, thresholds])
        accepted = fit_pooled(evidence, mapped, VERDICT_PENALTIES)
    base = accepted or pooled
    factors = []
    for number, rank in enumerate(config.ranks):
        options = FactorConfig(rank, config.vector_precision, config.text_precision)
        trainer = FactorTrainer(mapped, base, options, start.factors[number] if start else None)
        factors.append(trainer.run(evidence, config.last_rounds if start else config.rounds, report.factor_round))
    classes = fit_classes(
        evidence,
        base.rewards(mapped),
        config.class_sizes,
        precision=config.class_precision,
        rounds=config.last_rounds if start else config.class_rounds,
        rng=rng,
        starts=start.classes if start else (),
        report=report.class_model,
    )
    return Fits(factors, classes, pooled, accepted, standing_alone(comparisons, len(data.ids)))


def standing_alone(comparisons: Comparisons, responses: int) -> NDArray[np.bool_]:
    """Which of N responses fewer than two people judged, (N,).

    What one person said cannot be told apart into theirs and the response's. Taken as the response's it would be counted again as
    evidence of their taste.
    """
    who = np.concatenate([comparisons.annotator, comparisons.annotator])
    said = np.unique(np.stack([np.concatenate([comparisons.a, comparisons.b]), who]), axis=1)
    return np.asarray(np.bincount(said[0], minlength=responses) < 2)


def basis_of(config: HybridConfig, data: Prepared, fits: Fits, variances: Variances | None) -> Basis:
    """The items, in the directions that matter under ``variances``; without, in as many as it takes to choose them."""
    spreads, width = (UNDECIDED, WIDE) if variances is None else (variances.spreads, config.width)
    return build_basis(
        data.mapped,
        data.groups,
        fits.pooled,
        fits.accepted,
        fits.factors,
        fits.classes,
        alone=fits.alone,
        spreads=spreads,
        precision=config.vector_precision,
        width=width,
        readings=fits.readings,
    )


def community_of(data: Prepared, fits: Fits, basis: Basis, variances: Variances) -> Community:
    """The prior of tastes that the fits found, under these variances."""
    factors = fits.factors
    community = Community(
        verdicts=fits.accepted is not None,
        base=float(np.mean([fit.reward_scale for fit in factors])) if factors else 1.0,
        base_spread=float(np.mean([fit.reward_scale * fit.reward_spread for fit in factors])) if factors else 0.0,
        cov=basis.factor_cov,
        position=fits.pooled.position,
        position_spread=float(np.mean([fit.position_spread for fit in factors])) if factors else 0.1,
        threshold_spread=THRESHOLD_SPREAD,
        log_nu=fits.pooled.log_nu,
        tie_spread=tie_spread(fits.pooled, data),
        class_weights=basis.class_weights,
        class_center=basis.class_center,
        class_log_prior=basis.class_log_prior,
        class_model=basis.class_model,
        memory=0.0,
        doubt=basis.doubt,
        graded=data.comparisons.graded,
    )
    return variances.applied(community, basis)


def rehearsal_of(
    config: HybridConfig,
    data: Prepared,
    held: NDArray[np.bool_],
    newcomers: Sequence[Newcomer],
    fits: Fits,
    variances: Variances | None = None,
) -> Rehearsal:
    """Of the rows held out. With ``variances`` in the basis that goes with them; without, in one wide enough to choose them by."""
    basis = basis_of(config, data, fits, variances)
    return Rehearsal(community_of(data, fits, basis, Variances()), basis, data.comparisons.take(held), newcomers)


def why_of(
    config: HybridConfig, data: Prepared, rows: NDArray[np.bool_], fits: Fits, variances: Variances
) -> Why | None:
    """What the reasons in these rows say of tastes; None where there are too few."""
    given = _given(config, data, rows, fits, variances)
    return given.why(data.words) if given else None


def with_readings(
    config: HybridConfig, data: Prepared, rows: NDArray[np.bool_], fits: Fits, variances: Variances
) -> Fits:
    """The fits with what the reasons in these rows say of texts."""
    given = _given(config, data, rows, fits, variances)
    return replace(fits, readings=given.readings(data.words, data.mapped)) if given else fits


def _given(
    config: HybridConfig, data: Prepared, rows: NDArray[np.bool_], fits: Fits, variances: Variances
) -> Given | None:
    if not data.words:
        return None
    basis = basis_of(config, data, fits, variances)
    return given_reasons(community_of(data, fits, basis, variances), basis.table, data.comparisons.take(rows))


def hold_out_of(comparisons: Comparisons, left: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """``hold_out`` among the rows that are left, as a mask of all rows."""
    rows = np.flatnonzero(left)
    held = np.zeros(len(left), bool)
    held[rows[hold_out(comparisons.take(rows), rng)]] = True
    return held


def tie_spread(pooled: PooledFit, data: Prepared) -> float:
    """The spread of log ν over annotators, by moments: of an annotator's ties, E[(observed − expected)²] = V²s² + V,
    where V is the variance of their number, which is also how fast the expectation grows with log ν."""
    said = data.comparisons
    rewards = pooled.rewards(data.mapped).astype(np.float64)
    margin = rewards[said.a] - rewards[said.b] + pooled.position * said.side
    p_tie = davidson(margin, pooled.log_nu)[2]
    surprise = np.bincount(said.annotator, (said.outcome == 0) - p_tie, said.annotators)
    variance = np.bincount(said.annotator, p_tie * (1 - p_tie), said.annotators)
    square = (surprise**2 - variance).sum() / max(float((variance**2).sum()), 1e-12)
    return float(np.sqrt(np.clip(square, 1e-4, 1.0)))
