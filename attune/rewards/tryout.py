"""What ``hybrid`` tries on held-out people before it takes everybody in: rehearsals, and which way to read strengths."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from attune.rewards.beginning import Beginning, Hashes
from attune.rewards.feature_map import Prepared
from attune.rewards.hybrid_fit import (
    Fits,
    HybridConfig,
    Steps,
    hold_out_of,
    learn,
    rehearsal_of,
    why_of,
    with_readings,
)
from attune.rewards.newcomers import Newcomer, split_newcomers
from attune.rewards.reasons import Why
from attune.rewards.rehearsal import (
    UNTRIED,
    Rehearsal,
    Variances,
    choose_readings,
    choose_reasons,
    choose_variances,
    rehearsed_loss,
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One rehearsal: the rows held out, who made them, and what was learnt of the rest."""

    held: NDArray[np.bool_]
    newcomers: Sequence[Newcomer]
    fits: Fits


@dataclass(frozen=True, slots=True)
class Tryout:
    """Rehearsals on judgments whose strengths were read in one way, the variances that they chose, and the state of chance after them.

    ``apart`` are those with somebody to predict; without any, ``fits`` is all there is.
    """

    data: Prepared
    apart: Sequence[Tried]
    fits: Fits
    variances: Variances
    rng: np.random.Generator

    @property
    def graded(self) -> bool:
        """Whether strengths are read as grades."""
        return self.data.comparisons.graded


@dataclass(frozen=True, slots=True)
class Settled:
    """What held-out people decided: the rehearsals as they are then, beside what was learnt for each; variances, and the weight of a reason."""

    apart: Sequence[Tried]
    rehearsals: Sequence[Rehearsal]
    variances: Variances
    reason_weight: float


def settle(config: HybridConfig, tryout: Tryout) -> Settled:
    """What reasons tell of texts and of tastes, as far as it helps the held-out people, of whom there must be some."""
    data, variances = tryout.data, tryout.variances
    rehearse = partial(rehearsal_of, config, data)
    apart = [replace(each, fits=with_readings(config, data, ~each.held, each.fits, variances)) for each in tryout.apart]
    if any(each.fits.readings is not None for each in apart):
        variances = choose_readings(
            lambda at: [rehearse(each.held, each.newcomers, each.fits, at) for each in apart], variances
        )
    rehearsals = [
        replace(
            rehearse(each.held, each.newcomers, each.fits, variances),
            why=why_of(config, data, ~each.held, each.fits, variances),
        )
        for each in apart
    ]
    weight = choose_reasons(rehearsals, variances)
    return Settled(apart, [each.weighing_reasons(weight) for each in rehearsals], variances, weight)


def with_everybody(config: HybridConfig, data: Prepared, fits: Fits, settled: Settled) -> tuple[Fits, Why | None]:
    """The fits of everybody with what everybody's reasons tell, as far as it was found to help."""
    rows, variances, weight = np.ones(len(data.comparisons), bool), settled.variances, settled.reason_weight
    if variances.reading:
        fits = with_readings(config, data, rows, fits, variances)
    why = why_of(config, data, rows, fits, variances) if weight else None
    return fits, replace(why, weight=weight) if why else None


@dataclass(frozen=True, slots=True)
class Trier:
    """What all tryouts of one fit share."""

    config: HybridConfig
    data: Prepared
    verdicts: bool
    people: Hashes
    report: Steps
    begin: Beginning | None

    def chosen(self, rng: np.random.Generator) -> Tryout:
        """The tryout under which held-out people's choices are likelier: with strengths as grades, unless as weights they are.

        Verdicts have no grades. A refit reads strengths as the fit that it begins from.
        """
        said, asked = self.data.comparisons, self.config.strengths
        if said.strength is None or self.verdicts or asked == "weights":
            return self.tried(self.data, rng)
        grades = replace(self.data, comparisons=replace(said, graded=True))
        if asked == "grades":
            return self.tried(grades, rng)
        if self.begin:
            return self.tried(grades if self.begin.graded else self.data, rng)
        self.report.expect(1)
        before = deepcopy(rng)
        found = self.tried(grades, rng)
        once = self.tried(self.data, deepcopy(before), rehearsals=1) if found.apart else found
        if not once.apart or self._loss(found).mean() <= self._loss(once).mean():
            return found
        self.report.expect(self.config.rehearsals)
        return self.tried(self.data, before)

    def tried(self, data: Prepared, rng: np.random.Generator, rehearsals: int | None = None) -> Tryout:
        """Rehearsals on these judgments, as many as the settings say or fewer."""
        config, begin, everybody = self.config, self.begin, data.comparisons
        found: list[Tried] = []
        left = np.ones(len(everybody), bool)
        for number in range(rehearsals or config.rehearsals):
            held = begin.held_out(number, data, self.people, left, rng) if begin else hold_out_of(everybody, left, rng)
            newcomers = split_newcomers(everybody.take(held), data.groups, rng)
            if newcomers or not found:
                start = begin.start_of(number, data, config) if begin else None
                fits = learn(config, data, everybody.take(~held), self.verdicts, rng, self.report, start)
                found.append(Tried(held, newcomers, fits))
            left &= ~held
        apart = [each for each in found if each.newcomers]
        variances = UNTRIED
        if apart:
            variances = begin.variances if begin else choose_variances([self._rehearsal(data, each) for each in apart])
        return Tryout(data, apart, (apart or found)[0].fits, variances, rng)

    def _loss(self, tryout: Tryout) -> NDArray[np.floating]:
        """Of the people whom the first rehearsal held out."""
        rehearsal = self._rehearsal(tryout.data, tryout.apart[0], tryout.variances)
        return rehearsed_loss([rehearsal], tryout.variances)

    def _rehearsal(self, data: Prepared, tried: Tried, variances: Variances | None = None) -> Rehearsal:
        return rehearsal_of(self.config, data, tried.held, tried.newcomers, tried.fits, variances)
