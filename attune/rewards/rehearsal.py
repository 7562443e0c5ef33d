"""Held-out annotators rehearse as newcomers: what ``hybrid`` would infer of them, and the variances that suit them best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.metrics import standard_error
from attune.rewards.base import Array
from attune.rewards.basis import Basis
from attune.rewards.indexing import Comparisons
from attune.rewards.newcomers import Newcomer
from attune.rewards.readings import learn_readings
from attune.rewards.reasons import LEAST_REASONS, WIDTH, Why, learn_why, with_reason
from attune.rewards.targets import View, best_temperature, losses
from attune.rewards.tastes import BASE, FIRST, KNOWN, NUMBER, REWARD, Community, Reader
from attune.rewards.told import Told
from attune.rewards.trust import KNOTS, START

FACTORS = (0.7, 0.5, 1.3)
TEXTS = (0.03, 0.05, 0.1, 0.2, 0.4, 0.8)
MEMORIES = (0.5, 1.0)
READINGS = (0.5, 1.0, 1.5, 2.0)
MANY = 512
"""Judgments of a context at most, while variances are chosen."""
SAMPLE = 8
"""From so many held-out annotators on, how much they differ says how sure a mean of theirs is."""
TOLD = 32
MOST_GIVERS = 600
"""People from whom it is learnt what reasons speak of: those who gave most."""
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
GIVE_UP = 2
"""Values without a gain, one after the other, after which no larger one is tried."""
REASONED = (8, 16, 64)
"""Judgments after which reasons, and what they say of texts, must have helped, on average."""
LEAST_ASKED = 50
MOST_ASKED = 150


@dataclass(frozen=True, slots=True)
class Variances:
    """Of the Gaussian prior: factor, the spread of factors' weights against what EM found; text, that of the weight of one
    mapped feature; memory, τ² of what is remembered of a response; reading, the spread of the weight on what reasons speak of most."""

    factor: float = 1.0
    text: float = 0.0
    memory: float = 0.0
    reading: float = 0.0

    @property
    def spreads(self) -> tuple[float, float, float]:
        """Of weights on factors, on mapped features and on readings of these."""
        return self.factor, self.text, self.reading

    def applied(self, community: Community, basis: Basis) -> Community:
        """The community with these variances."""
        cov = self.factor**2 * basis.factor_cov + self.text**2 * basis.text_cov + self.reading**2 * basis.reading_cov
        return replace(community, cov=cov.astype(np.float32), memory=self.memory)


UNTRIED = Variances(text=0.2, memory=0.5)
"""Where nobody can be held out to choose them by, as in a project of one or two people: those are known by what they say."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Some annotators that a fit has not seen, with what it made of the others."""

    community: Community
    basis: Basis
    comparisons: Comparisons
    newcomers: Sequence[Newcomer]
    why: Why | None = None

    def weighing_reasons(self, weight: float) -> Rehearsal:
        """The same with another weight of a reason."""
        return replace(self, why=replace(self.why, weight=weight)) if self.why is not None else self

    def views(self, variances: Variances, shots: int, **how: bool) -> list[View]:
        """``views_of`` under these variances."""
        reader = Reader(variances.applied(self.community, self.basis), self.why)
        return views_of(reader, self.basis.table, self.comparisons, self.newcomers, shots, **how)

    def heard(self, variances: Variances, shots: int) -> Iterator[tuple[Reader, Told, int]]:
        """What each newcomer's first judgments tell, at most ``shots`` of them, and how many these are."""
        reader = Reader(variances.applied(self.community, self.basis), self.why)
        for rows in (each.context[:shots] for each in self.newcomers if len(each.context)):
            yield reader, told_of(reader, self.basis.table, self.comparisons.take(rows)), len(rows)


def clearly(better: Array, errors: float) -> bool:
    """Whether what each held-out annotator gains, (annotators,), is a gain: by so many standard errors, or on average where they are
    too few for an error."""
    return bool(better.mean() > (errors * standard_error(better) if len(better) >= SAMPLE else 0.0))


def choose_variances(rehearsals: Sequence[Rehearsal]) -> Variances:
    """One after the other, the one under which newcomers' judgments are likeliest after many of theirs.

    They are asked who said most, as a few judgments tell little of it. A change is made only where it is ``clearly`` better, by half a
    standard error.
    """
    talkative = [replace(each, newcomers=_most_told(each.newcomers)) for each in rehearsals]

    def loss(variances: Variances) -> Array:
        views = [view for each in talkative for view in each.views(variances, MANY, everybody=True, classes=False)]
        return np.asarray(losses(views, best_temperature(views, 1.0, 0.0)), np.float32)

    chosen = Variances()
    least = loss(chosen)
    for name, values in (("text", TEXTS), ("memory", MEMORIES), ("factor", FACTORS)):
        for value in values:
            tried = replace(chosen, **{name: value})
            found = least if tried == chosen else loss(tried)
            better = least - found
            if clearly(better, 0.5):
                chosen, least = tried, found
    return chosen


@dataclass(frozen=True, slots=True)
class Given:
    """N judgments with their reasons: apart (N, R), the difference of y; taste (N, R), what is inferred of who gave them."""

    said: Comparisons
    reasons: sparse.csr_array
    apart: Array
    taste: NDArray[np.float64]

    def why(self, words: tuple[str, ...]) -> Why:
        """What these reasons say of tastes."""
        return learn_why(words, self.reasons, self.apart, self.said.outcome, self.taste)

    def readings(self, words: tuple[str, ...], mapped: Array) -> Array:
        """And of texts, whose mapped features are (responses, F)."""
        apart = mapped[self.said.a] - mapped[self.said.b]
        return learn_readings(self.why(words), self.reasons, self.said.outcome, self.taste, apart)


def given_reasons(community: Community, table: Array, comparisons: Comparisons) -> Given | None:
    """The reasons of some comparisons; None from too few, and where judgments are verdicts, which say nothing of pairs."""
    if comparisons.reasons is None or community.verdicts:
        return None
    rows = with_reason(comparisons.reasons)
    counts = np.bincount(comparisons.annotator[rows], minlength=comparisons.annotators)
    people = np.argsort(-counts, kind="stable")[:MOST_GIVERS]
    people = people[counts[people] > 0]
    if counts[people].sum() < LEAST_REASONS:
        return None
    reader, width = Reader(community), min(WIDTH, len(community.cov))
    taste = np.zeros((comparisons.annotators, width))
    order = np.argsort(comparisons.annotator, kind="stable")
    starts = np.searchsorted(comparisons.annotator[order], [people, people + 1])
    for person, begin, end in zip(people, *starts, strict=True):
        said = comparisons.take(order[begin:end])
        leaning, weight = said.evidence
        told = reader.told(table[said.a], table[said.b], leaning, said.side, weight, classes=False)
        taste[person] = reader.gaussian(told).mean[1 : 1 + width]
    rows = rows[np.isin(comparisons.annotator[rows], people)]
    said = comparisons.take(rows)
    y = table[:, FIRST : FIRST + width]
    return Given(said, comparisons.reasons[rows], y[said.a] - y[said.b], taste[said.annotator])


def choose_reasons(rehearsals: Sequence[Rehearsal], variances: Variances) -> float:
    """The weight of a reason under which newcomers are predicted best; 0 where there are no reasons."""
    if all(each.why is None for each in rehearsals):
        return 0.0
    return _first_better(
        WEIGHTS, lambda weight: rehearsed_loss([each.weighing_reasons(weight) for each in rehearsals], variances)
    )


def choose_readings(rehearsals_at: Callable[[Variances], Sequence[Rehearsal]], variances: Variances) -> Variances:
    """The spread of weights on readings under which newcomers are predicted best, each with its own basis."""

    def loss(spread: float) -> Array:
        tried = replace(variances, reading=spread)
        return rehearsed_loss(rehearsals_at(tried), tried)

    return replace(variances, reading=_first_better(READINGS, loss))


def rehearsed_loss(rehearsals: Sequence[Rehearsal], variances: Variances) -> Array:
    """Of newcomers' judgments after ``REASONED`` of theirs; those are asked who said most."""
    talkative = [replace(each, newcomers=_most_told(each.newcomers)) for each in rehearsals]
    views = [
        [view for each in talkative for view in each.views(variances, shots, everybody=True)] for shots in REASONED
    ]
    return np.asarray(np.mean([losses(each, best_temperature(each, *START[1:])) for each in views], axis=0), np.float32)


def _first_better(values: Sequence[float], loss: Callable[[float], Array]) -> float:
    """0, or a larger value if it is ``clearly`` better, by one standard error; and none after ``GIVE_UP`` in vain."""
    chosen, least, in_vain = 0.0, loss(0.0), 0
    for value in values:
        found = loss(value)
        better = least - found
        if clearly(better, 1.0):
            chosen, least, in_vain = value, found, 0
        elif (in_vain := in_vain + 1) == GIVE_UP:
            break
    return chosen


def _most_told(newcomers: Sequence[Newcomer]) -> list[Newcomer]:
    ordered = sorted(newcomers, key=lambda each: -len(each.context))
    enough = sum(len(each.context) >= TOLD for each in ordered)
    return ordered[: max(enough, LEAST_ASKED)][:MOST_ASKED]


def told_of(reader: Reader, table: Array, said: Comparisons, *, classes: bool = True) -> Told:
    """What comparisons of one annotator tell; table (N, K) of items."""
    leaning, weight = said.evidence
    columns = table[said.a], table[said.b], leaning, said.side, weight
    return reader.told(*columns, reasons=said.reasons, classes=classes)


def views_of(
    reader: Reader,
    table: Array,
    comparisons: Comparisons,
    newcomers: Sequence[Newcomer],
    shots: int,
    *,
    everybody: bool = False,
    classes: bool = True,
) -> list[View]:
    """What is inferred of each newcomer's targets after ``shots`` judgments; table (N, K) of items.

    Without ``everybody`` only those who have said more than the number of the knot before.
    """
    least = 0 if everybody or not shots else max(knot for knot in KNOTS if knot < shots) + 1
    return [_view(reader, table, comparisons, each, shots, classes) for each in newcomers if len(each.context) >= least]


def _view(
    reader: Reader, table: Array, comparisons: Comparisons, newcomer: Newcomer, shots: int, classes: bool
) -> View:
    said = comparisons.take(newcomer.context[: None if shots == KNOTS[-1] else shots])
    told = told_of(reader, table, said, classes=classes)
    gaussian = reader.gaussian(told)
    a, b = table[comparisons.a[newcomer.target]], table[comparisons.b[newcomer.target]]
    apart = (a - b).astype(np.float64)
    along = np.delete(apart[:, :KNOWN], BASE, axis=1)
    personal = along @ gaussian.mean
    if gaussian.remembered:
        own = np.array([[gaussian.remembered.get(int(n), 0.0) for n in side[:, NUMBER]] for side in (a, b)])
        personal = personal + own[0] - own[1]
    spread = np.einsum("nk,kl,nl->n", along, gaussian.cov, along)
    spread += reader.community.doubts(a) + reader.community.doubts(b)
    nothing = np.zeros(len(apart))
    of_classes, class_spread = nothing, nothing
    if classes:
        mean, cov = reader.classes(told)
        of_classes = apart[:, FIRST:KNOWN] @ mean
        class_spread = np.einsum("nk,kl,nl->n", apart[:, FIRST:KNOWN], cov, apart[:, FIRST:KNOWN])
    outcome = comparisons.outcome[newcomer.target]
    person = int(comparisons.annotator[newcomer.target[0]])
    return View(apart[:, REWARD], personal, of_classes, spread, class_spread, outcome, reader.odds(told), person)
