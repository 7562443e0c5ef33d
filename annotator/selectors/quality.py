"""How far people agree, with intervals. Figures of single annotators are in ``dashboard``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import krippendorff
import numpy as np
import numpy.typing as npt
from django.db import connection

from annotator.models import Project

CHOICES = ("a", "b", "tie", "both_bad")
RESAMPLES = 1000
LEVEL = 0.95
_Z = 1.959963984540054  # two-sided 95 % of the normal distribution

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over the ``pairs`` that at least two people judged, from ``judgments`` first looks.

    ``raw`` is the chance that two people who judged the same pair said the same; ``alpha`` is Krippendorff's, nominal:
    1 is perfect, 0 what chance would give. Both are None where nothing is shared, alpha also where everybody always
    said the same.
    """

    pairs: int
    judgments: int
    raw: Interval | None
    alpha: Interval | None


def agreement(project: Project, *, simulated: bool | None = None, seed: int = 0) -> Agreement:
    """Agreement on who is better (tie and both bad are answers too). The intervals resample pairs (percentile bootstrap).

    Among everybody, or among people only (``simulated=False``) or simulated annotators only.

    Pairs with the same answers are counted together, so the time hardly depends on the number of judgments.
    """
    patterns, times = _patterns(project, simulated)
    pairs, judgments = int(times.sum()), int(times @ patterns.sum(axis=1))
    if not pairs:
        return Agreement(0, 0, None, None)
    draws = np.random.default_rng(seed).multinomial(pairs, times / pairs, size=RESAMPLES).astype(float)
    raw = _interval(_raw(patterns, times[None])[0], _raw(patterns, draws))
    if np.count_nonzero(times @ patterns) < 2:  # one answer only: alpha is not defined
        return Agreement(pairs, judgments, raw, None)
    units = np.repeat(patterns, times.astype(int), axis=0)
    alpha = float(krippendorff.alpha(value_counts=units, level_of_measurement="nominal"))
    return Agreement(pairs, judgments, raw, _interval(alpha, _alpha(patterns, draws)))


def share_interval(hits: int, of: int) -> Interval | None:
    """A share with Wilson's score interval (1927); None of nothing."""
    if not of:
        return None
    share, z2 = hits / of, _Z**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def _patterns(project: Project, simulated: bool | None) -> tuple[Counts, Counts]:
    """Distinct rows of answer counts (P, 4) of pairs with two or more answers, and how many pairs have each (P,)."""
    counted = ", ".join(f"count(*) FILTER (WHERE choice = '{choice}')" for choice in CHOICES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a, b, tie, both_bad, count(*) FROM (SELECT {counted} FROM annotator_judgment AS j"
            " JOIN annotator_annotator AS who ON who.id = annotator_id AND simulated = COALESCE(%s, simulated)"
            " WHERE j.project_id = %s AND current AND NOT withdrawn AND occasion = 0 AND choice <> 'skip'"
            " GROUP BY pair_id HAVING count(*) >= 2) AS pairs (a, b, tie, both_bad) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            [simulated, project.pk],
        )
        rows = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, len(CHOICES) + 1)
    return rows[:, :-1], rows[:, -1]


def _raw(patterns: Counts, times: Counts) -> Counts:
    """Share of agreeing couples of answers within pairs, averaged over pairs. ``times`` (R, P) → (R,)."""
    n = patterns.sum(axis=1)
    per_pair = (patterns * (patterns - 1)).sum(axis=1) / (n * (n - 1))
    result: Counts = times @ per_pair / times.sum(axis=1)
    return result


def _alpha(patterns: Counts, times: Counts) -> Counts:
    """Krippendorff's nominal α = 1 − D_o/D_e of each row of ``times`` (R, P) → (R,), from the coincidence matrix.

    A pair with n answers adds n_c(n_c − 1)/(n − 1) to the diagonal at c and n in all (Krippendorff 2011). NaN where
    only one answer occurs.
    """
    n = patterns.sum(axis=1)
    agreeing = times @ ((patterns * (patterns - 1)).sum(axis=1) / (n - 1))
    values = times @ patterns
    total = values.sum(axis=1)
    observed = total - agreeing
    expected = (total**2 - (values**2).sum(axis=1)) / (total - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Counts = 1 - observed / expected
    return result


def _interval(estimate: float, resampled: Counts) -> Interval:
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(estimate), float(low), float(high))
