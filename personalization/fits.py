"""How well an annotator's own model guesses choices that it was not shown: what tells another taste from no taste at all.

Each fifth of somebody's preferences is guessed by a latent adapted to the other four. The shared weights and items of the
model have seen all of them, for the pooled guess as for the personal one, so the two can be compared with each other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from django.db import connection

from annotator.services.fits import keep_fit
from attune.rewards.base import Comparison, Latent, RewardModel
from personalization.contexts import context_of
from personalization.items import load, usable
from training.serving import ServedVersion

FOLDS = 5
ENOUGH = 10
"""Preferences that it takes."""
MOST = 500
"""Of the latest so many; enough for an interval of a few percent."""

_STALE = """
SELECT who.id, said.signature FROM annotator_annotator AS who
CROSS JOIN LATERAL (
    SELECT count(*) || ':' || sum(j.id) AS signature, count(*) FILTER (WHERE j.choice IN ('a', 'b') AND j.occasion = 0) AS n
    FROM annotator_judgment AS j WHERE j.annotator_id = who.id AND j.current AND NOT j.withdrawn
) AS said
LEFT JOIN annotator_modelfit AS fit ON fit.annotator_id = who.id
WHERE who.project_id = %s AND said.n >= %s AND (fit.version, fit.signature) IS DISTINCT FROM (%s, said.signature)
ORDER BY fit.computed_at NULLS FIRST, who.id
"""


def refresh_fits(*, project_id: int, version: ServedVersion, until: float) -> int:
    """Renew the fits of annotators who have judged since theirs, before the monotonic time ``until``. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_STALE, [project_id, ENOUGH, version.label])
        stale = cursor.fetchall()
    renewed = 0
    for annotator_id, signature in stale:
        if time.monotonic() > until:
            break
        renewed += _renew(annotator_id, signature, version)
    return renewed


def cross_validated(model: RewardModel, context: Sequence[Comparison]) -> tuple[int, int, int]:
    """Of the preferences in ``context``: guessed by the person's own model, by the pooled one, and how many there are."""
    decided = [n for n, each in enumerate(context) if each.choice in ("a", "b")][-MOST:]
    right = pooled = 0
    for fold in range(FOLDS):
        held_out = decided[fold::FOLDS]
        if held_out:
            hidden = set(held_out)
            own = model.adapt([each for n, each in enumerate(context) if n not in hidden])
            asked = [context[n] for n in held_out]
            right += _guessed(model, own, asked)
            pooled += _guessed(model, model.prior(), asked)
    return right, pooled, len(decided)


def _guessed(model: RewardModel, latent: Latent, asked: Sequence[Comparison]) -> int:
    a, b = np.stack([each.item_a for each in asked]), np.stack([each.item_b for each in asked])
    for_a = np.array([each.choice == "a" for each in asked])
    return int(((model.probability(latent, a, b) >= 0.5) == for_a).sum())


def _renew(annotator_id: int, signature: str, version: ServedVersion) -> bool:
    model = load(version)
    context = context_of(annotator_id=annotator_id, model=model, served=version)
    with usable(version):
        right, pooled, of = cross_validated(model, context.comparisons)
    if of < ENOUGH:  # the others have no vector yet
        return False
    keep_fit(
        annotator_id=annotator_id, version=version.label, signature=signature, right=right, pooled_right=pooled, of=of
    )
    return True
