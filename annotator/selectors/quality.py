"""Do people agree? Krippendorff's α over a project's judgments, with an interval.

α = 1 − D_o / D_e (Krippendorff, *Content Analysis*, 4th ed., ch. 12): observed disagreement within pairs over what chance
would give. A counts as −1, equal (or both bad) as 0, B as 1, and two answers differ by their squared distance, so that a
tie against a side is a quarter of a disagreement. 1 is one mind, 0 is chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from annotator.models import Project

ENOUGH = 20
"""Pairs with two judgments or more below which nothing is said."""
NORMAL_95 = 1.96

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """α with its 95 % interval, of ``judgments`` on ``pairs`` that two or more have judged."""

    alpha: float
    low: float
    high: float
    pairs: int
    judgments: int


def agreement(project: Project, *, simulated: bool = False) -> Agreement | None:
    """How much people agree, or ``simulated`` annotators; None below ``ENOUGH`` pairs or without any variety."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE choice = 'a'), count(*) FILTER (WHERE choice IN ('tie', 'both_bad')),"
            " count(*) FILTER (WHERE choice = 'b') FROM annotator_judgment AS j"
            " JOIN annotator_annotator AS who ON who.id = annotator_id AND who.simulated = %s"
            " WHERE j.project_id = %s AND current AND NOT withdrawn AND choice <> 'skip' AND occasion = 0"
            " GROUP BY pair_id HAVING count(*) > 1",
            [simulated, project.pk],
        )
        counts = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 3)
    return alpha_of(counts) if len(counts) >= ENOUGH else None


def alpha_of(counts: Counts) -> Agreement | None:
    """α of ``counts`` (U, 3): how often each pair got A, equal, B; at least two in each row. None where all are alike.

    The interval is the delta method's over pairs: α is a function of sums over pairs, linear near their values.
    """
    a, tie, b = counts.T
    n = a + tie + b
    within = 2 * (a * tie + tie * b + 4 * a * b) / (n - 1)
    sums = np.column_stack([within, a, tie, b])
    total = sums.sum(axis=0)
    if not _expected(total):
        return None
    alpha = _alpha(total)
    scores = (sums - sums.mean(axis=0)) @ _gradient(total)
    error = NORMAL_95 * float(np.sqrt(len(sums) / max(len(sums) - 1, 1) * (scores**2).sum()))
    return Agreement(alpha, max(-1.0, alpha - error), min(1.0, alpha + error), len(counts), int(n.sum()))


def _alpha(total: Counts) -> float:
    within, a, tie, b = total
    return float(1 - within / (a + tie + b) / _expected(total))


def _expected(total: Counts) -> float:
    _, a, tie, b = total
    n = a + tie + b
    return float(2 * (a * tie + tie * b + 4 * a * b) / (n * (n - 1)))


def _gradient(total: Counts) -> Counts:
    """∂α/∂sums, by central differences of half a judgment."""
    steps = 0.5 * np.eye(4)
    return np.array([_alpha(total + step) - _alpha(total - step) for step in steps])
