"""The guard of ``attune.rewards.trust``: the shares of β and γ that surely help.

Where being personal does not *surely* lower the log-loss, by two standard errors over annotators, β and γ shrink in proportion; and
after a few judgments also where it does not as surely make more predictions right, as better probabilities alone are no reason to
decide otherwise. When in doubt, the pooled model.

But not where doubt is cheap: decisions that turn where the pooled model is all but undecided cost next to nothing even if it is right
about everything. So β and γ are never held back further than to where all turned decisions together would then cost ``COST``, by
as many standard errors.

And what few people gain is never sure by the errors over all: if a share p of n people gain alike and the others nothing, the mean is
√(np / (1 − p)) of its standard errors, 3 for 9 in 88, whatever they gain. So people who *clearly* differ are asked apart. The odds
of a person are the Bayes factor of the classes against the pooled model, told by their own judgments alone; it is r or more in one of r
people at most whom the pooled model is right about. The share goes from the usual one to that which is sure of people of clear odds, as
the odds go from positive to strong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from attune.rewards.linear import Floats
from attune.rewards.targets import View, clearness, fitted_to, hits, joined, losses

SURE = 2.0
PRIOR_PEOPLE = 60
"""The guard's word counts 1 − e^(−people / 60): in a small project nothing can be sure, and people do differ as a rule."""
COST = 0.002
"""Of accuracy, macro over annotators: what listening may cost at worst, and so how deaf the guard may make the model."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Views of P annotators after so many judgments, the likeliest (log α, β, γ) with and without what is personal, and by how much
    that lowers each one's log-loss and makes more predictions right, (P,) each."""

    views: Sequence[View]
    fitted: Floats
    pooled: Floats
    gain: Floats
    hits: Floats


def tried(views: Sequence[View], fitted: Floats) -> Trial:
    """A trial of what was fitted to these views."""
    pooled = fitted_to(views, fitted, personal=False)
    gain = losses(views, pooled) - losses(views, fitted)
    return Trial(views, fitted, pooled, gain, hits(views, fitted) - hits(views, pooled))


def usual_share(trial: Trial, *, few: bool) -> float:
    """Of β and γ, what surely helps over all annotators, or is affordable."""
    everybody = np.ones(len(trial.views))
    sure = _sure(trial.gain, everybody, 0, SURE)
    if few:
        sure *= _sure(trial.hits, everybody, SURE, 2 * SURE)
    return max(_softened(sure, len(trial.views)), _affordable(trial.views, trial.pooled, trial.fitted))


def clear_share(trials: Sequence[Trial]) -> float:
    """What surely helps those whose odds are clear, as clear as they are; all numbers of judgments together, as the same odds mean the
    same after any."""
    people = sorted({view.person for trial in trials for view in trial.views})
    if not people:
        return 0.0
    weight, gain, right = np.zeros((3, len(people)))
    for trial in trials:
        who = np.searchsorted(people, [view.person for view in trial.views])
        clear = np.array([clearness(view.odds) for view in trial.views])
        weight[who] += clear
        gain[who] += clear * trial.gain
        right[who] += clear * trial.hits
    heard = weight > 0
    weight, gain, right = weight[heard], gain[heard] / weight[heard], right[heard] / weight[heard]
    sure = _sure(gain, weight, 0, SURE) * _sure(right, weight, SURE, 2 * SURE)
    return _softened(sure, len(people))


def _softened(sure: float, people: int) -> float:
    return float(1 - (1 - sure) * (1 - np.exp(-people / PRIOR_PEOPLE)))


def _affordable(views: Sequence[View], pooled: Floats, fitted: Floats) -> float:
    """The largest share of β and γ at which the decisions that turn surely cost at most ``COST``, were the pooled model right.

    A decision against b turns at the share |b| / |βg + γc| and then costs 2σ(α|b|) − 1 of one decision on average, and up to the
    whole of it by chance; annotators count alike.
    """
    everything = joined(views)
    personal = fitted[1] * everything.gaussian + fitted[2] * everything.classes
    against = np.flatnonzero(everything.pooled * personal < 0)
    size = np.abs(everything.pooled[against])
    turns_at = size / np.abs(personal[against])
    weight = np.concatenate([np.full(len(view.outcome), 1 / len(view.outcome)) for view in views]) / len(views)
    cost = weight[against] * np.tanh(np.exp(pooled[0]) * size / 2)
    order = np.argsort(turns_at)
    chance = np.sqrt(np.cumsum(weight[against][order] ** 2))
    dear = np.flatnonzero(np.cumsum(cost[order]) + SURE * chance > COST)
    return float(min(1.0, turns_at[order][dear[0]])) if len(dear) else 1.0


def _sure(gain: Floats, weight: Floats, least: float, most: float) -> float:
    """From 0 to 1 as the mean gain of people (P,) goes from ``least`` to ``most`` standard errors; of few, fewer of them, as by Student's
    distribution they would be a normal's."""
    people = weight.sum() ** 2 / (weight @ weight) if len(weight) else 0.0
    if people < 2:
        return 0.0
    mean = np.average(gain, weights=weight)
    doubt = np.sqrt(weight**2 @ (gain - mean) ** 2 * people / (people - 1)) / weight.sum()
    sure = -ndtri(stdtr(people - 1, -mean / doubt)) if doubt > 0 else 0.0
    return float(np.clip((sure - least) / (most - least), 0, 1))
