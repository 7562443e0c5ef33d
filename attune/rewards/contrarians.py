"""Who judges contrary to everybody throughout: the mirror image of what the community prefers, as one more thing that a person may be.

Somebody who reads the scale the wrong way round, or answers out of spite, does not differ in taste: whatever the others prefer by r
they prefer by −r. No prior of tastes around the pooled model has room for them where people mostly agree, however much they say. So
a small share ε of people is taken to be contrary, as in the crowd models that tell careless from malicious workers (Chen et al.
2013, *Pairwise ranking aggregation in a crowdsourced setting*, η near 0; there of each judgment by itself, here of a whole person).

With H₀ and H₁ the evidence of a person's judgments under either stand, they are contrary with probability

    ρ = σ(log H₁ − log H₀ + log ε − log(1 − ε)),

and as the pooled model has its share of contrarians in it already, what is inferred of them counts by (ρ − ε) / (1 − ε), where that
is above 0: nothing moves for whom the community is right about. ε is learnt from held-out people by EM, drawn to one in 200, so that it
takes odds of some hundreds to one before a prediction turns round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from attune.rewards.linear import Floats
from attune.rewards.tastes import FIRST, KNOWN, Reader
from attune.rewards.told import Told
from attune.rewards.trust import LEAST_PEOPLE, Trust

PRIOR_CONTRARIANS, PRIOR_PEOPLE = 0.5, 100
"""As if so many of so many people had been contrary before anybody was looked at."""
EM_ROUNDS = 50
OUT_OF_QUESTION = 12.0
"""Nats by which the evidence without the Gaussian must speak against it, prior included, for the rest not to be worked out."""
SMALLEST_MEMORY = 0.01


@dataclass(frozen=True, slots=True)
class Inferred:
    """What is inferred of a person on one stand: mean (Z,) and cov (Z, Z) of the latent, what is remembered by number, and the Gaussian's
    mode; the odds of the classes (``attune.rewards.guard``); evidence: log P(judgments)."""

    mean: Floats
    cov: Floats
    remembered: dict[int, float]
    mode: Floats
    odds: float
    evidence: float


def infer(reader: Reader, trust: Trust, told: Told, judgments: int, *, contrary: bool = False) -> Inferred:
    """The Gaussian's inference and the classes' joined, each as far as it is trusted after so many judgments."""
    gaussian = reader.gaussian(told, contrary=contrary)
    class_mean, class_cov = reader.classes(told, contrary=contrary)
    odds = reader.odds(told, contrary=contrary)
    of_gaussian, of_classes = trust.at(judgments, odds)
    width = len(class_mean)
    size = FIRST + width - KNOWN + 2
    mean, cov = np.zeros(size), np.zeros((size, size))
    own, doubt = slice(FIRST, FIRST + width), of_gaussian**2 * gaussian.cov
    mean[0] = told.stand(contrary).sign + of_gaussian * gaussian.mean[0]
    mean[own] = of_gaussian * gaussian.mean[1:] + of_classes * class_mean
    mean[-2:] = gaussian.position, gaussian.log_nu
    cov[0, 0], cov[0, own], cov[own, 0] = doubt[0, 0], doubt[0, 1:], doubt[1:, 0]
    cov[own, own] = doubt[1:, 1:] + of_classes**2 * class_cov
    known = {number: value for number, value in gaussian.remembered.items() if abs(value) >= SMALLEST_MEMORY}
    remembered = {number: of_gaussian * value for number, value in known.items()}
    share = trust.share(judgments, odds)
    evidence = _evidence(told.stand(contrary).pooled, odds, share, gaussian.evidence)
    return Inferred(mean, cov, remembered, gaussian.mode, odds, evidence)


def with_contrary(reader: Reader, trust: Trust, told: Told, judgments: int) -> tuple[Inferred, float, Told]:
    """What is inferred of a person; how probably they are contrary beyond what everybody is, from 0 to 1; and the same judgments with
    the modes that were found, for when there are more of them."""
    usual, epsilon = infer(reader, trust, told, judgments), reader.community.contrarians
    if epsilon <= 0 or not len(told):
        return usual, 0.0, told.beginning_at(usual.mode, None)
    prior = float(np.log(epsilon / (1 - epsilon)))
    if _without_gaussian(reader, trust, told, judgments) + prior < -OUT_OF_QUESTION:
        return usual, 0.0, told.beginning_at(usual.mode, None)
    contrary = infer(reader, trust, told, judgments, contrary=True)
    probable = float(expit(contrary.evidence - usual.evidence + prior))
    beyond = max(0.0, (probable - epsilon) / (1 - epsilon))
    found = _mixed(usual, contrary, beyond) if beyond else usual
    return found, beyond, told.beginning_at(usual.mode, contrary.mode)


def learn_share(odds: Sequence[float]) -> float:
    """ε, by EM from the log odds of H₁ over H₀ of each held-out person; 0 of fewer than ``LEAST_PEOPLE``: among a handful there is no
    everybody to be contrary to, only people who differ."""
    if len(odds) < LEAST_PEOPLE:
        return 0.0
    known, epsilon = np.asarray(odds, np.float64), PRIOR_CONTRARIANS / PRIOR_PEOPLE
    for _ in range(EM_ROUNDS):
        expected = expit(known + np.log(epsilon / (1 - epsilon))).sum()
        epsilon = float((PRIOR_CONTRARIANS + expected) / (PRIOR_PEOPLE + len(known)))
    return epsilon


def contrary_odds(reader: Reader, trust: Trust, told: Told, judgments: int) -> float:
    """log H₁ − log H₀ of what one person told."""
    usual, contrary = (infer(reader, trust, told, judgments, contrary=stand) for stand in (False, True))
    return contrary.evidence - usual.evidence


def _without_gaussian(reader: Reader, trust: Trust, told: Told, judgments: int) -> float:
    """``contrary_odds`` by the pooled model and the classes alone, which are quick."""
    found = []
    for contrary in (False, True):
        odds = reader.odds(told, contrary=contrary)
        found.append(_evidence(told.stand(contrary).pooled, odds, trust.share(judgments, odds)))
    return found[1] - found[0]


def _evidence(pooled: float, odds: float, share: float, gaussian: float | None = None) -> float:
    """log P(judgments): with probability ``share``, as far as personal tastes are trusted at all, by the Gaussian or by the classes, evenly;
    else by the pooled model. Without the Gaussian by the others."""
    with np.errstate(divide="ignore"):
        apart, half = np.log(1 - np.clip(share, 0, 1)), np.log(np.clip(share, 0, 1) / 2)
    parts = [apart + pooled, half + pooled + odds]
    return float(np.logaddexp.reduce(parts if gaussian is None else [*parts, half + gaussian]))


def _mixed(usual: Inferred, contrary: Inferred, share: float) -> Inferred:
    """The two with their moments: mean and covariance of the mixture."""
    apart = contrary.mean - usual.mean
    mean = usual.mean + share * apart
    cov = (1 - share) * usual.cov + share * contrary.cov + share * (1 - share) * np.outer(apart, apart)
    remembered = {
        number: (1 - share) * usual.remembered.get(number, 0.0) + share * contrary.remembered.get(number, 0.0)
        for number in usual.remembered | contrary.remembered
    }
    odds = contrary.odds if share > 0.5 else usual.odds
    return Inferred(mean, cov, remembered, usual.mode, odds, usual.evidence)
