"""Held-out annotators rehearse as newcomers: what ``hybrid`` would infer of them, and the variances that suit them best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attune.metrics import standard_error
from attune.rewards.base import Array
from attune.rewards.basis import Basis
from attune.rewards.indexing import Comparisons
from attune.rewards.newcomers import Newcomer
from attune.rewards.tastes import BASE, FIRST, REWARD, Community, Reader, read_evidence
from attune.rewards.trust import KNOTS, View, best_temperature, losses

FACTORS = (0.7, 1.0)
TEXTS = (0.02, 0.05, 0.1)
MEMORIES = (0.5, 1.0)
MANY = 256
"""Judgments of a context at most, while variances are chosen."""


@dataclass(frozen=True, slots=True)
class Variances:
    """Of the Gaussian prior: factor, the spread of factors' weights against what EM found; text, that of the weight of one
    mapped feature; memory, τ² of what is remembered of a response."""

    factor: float = 1.0
    text: float = 0.0
    memory: float = 0.0

    def applied(self, community: Community, basis: Basis) -> Community:
        """The community with these variances."""
        cov = self.factor**2 * basis.factor_cov + self.text**2 * basis.text_cov
        return replace(community, cov=cov.astype(np.float32), memory=self.memory)


def choose_variances(
    community: Community, basis: Basis, comparisons: Comparisons, newcomers: Sequence[Newcomer]
) -> Variances:
    """One after the other, the one under which newcomers' judgments are likeliest, after 16 and after all of theirs.

    A change is made only where it is better by half a standard error over annotators.
    """

    def loss(variances: Variances) -> Array:
        reader = Reader(variances.applied(community, basis))
        total = np.zeros(len(newcomers))
        for shots in (16, MANY):
            views = views_of(reader, basis.table, comparisons, newcomers, shots, everybody=True, classes=False)
            total += losses(views, best_temperature(views, 1.0, 0.0))
        return np.asarray(total, np.float32)

    chosen = Variances()
    least = loss(chosen)
    for name, values in (("text", TEXTS), ("memory", MEMORIES), ("factor", FACTORS)):
        for value in values:
            tried = replace(chosen, **{name: value})
            found = least if tried == chosen else loss(tried)
            better = least - found
            if better.mean() > 0.5 * standard_error(better):
                chosen, least = tried, found
    return chosen


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
    said = comparisons.take(newcomer.context[:shots])
    evidence = read_evidence(
        reader.community.verdicts, table[said.a], table[said.b], said.outcome, said.side, said.weight
    )
    gaussian = reader.gaussian(evidence)
    a, b = table[comparisons.a[newcomer.target]], table[comparisons.b[newcomer.target]]
    apart = (a - b).astype(np.float64)
    along = np.delete(apart[:, :-1], BASE, axis=1)
    personal = along @ gaussian.mean
    if gaussian.remembered:
        own = np.array([[gaussian.remembered.get(int(n), 0.0) for n in side[:, -1]] for side in (a, b)])
        personal = personal + own[0] - own[1]
    spread = np.einsum("nk,kl,nl->n", along, gaussian.cov, along)
    nothing = np.zeros(len(apart))
    of_classes, class_spread = nothing, nothing
    if classes:
        mean, cov = reader.classes(evidence)
        of_classes = apart[:, FIRST:-1] @ mean
        class_spread = np.einsum("nk,kl,nl->n", apart[:, FIRST:-1], cov, apart[:, FIRST:-1])
    outcome = comparisons.outcome[newcomer.target]
    return View(apart[:, REWARD], personal, of_classes, spread, class_spread, outcome)
