"""Rankings and ratings that stand, as ``attune.quality.lineups`` takes them in. Read by workers only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from annotator.models import Project
from annotator.selectors.dashboard import COUNTS
from attune.quality.lineups import Placed
from attune.quality.orders import tiers_of

_SAID = """
    j.lineup_id, j.occasion = 0, j.ranking, j.rating, j.scale,
    CASE WHEN j.source <> 'import' THEN j.shown ELSE '{}' END, u.gold_ranking,
    CASE WHEN u.gold_scale = j.scale OR j.rating IS NULL THEN ARRAY[u.gold_low, u.gold_high] END, j.seconds
"""
"""Columns of ``_placed`` of a judgment ``j`` of lineup ``u``."""
_JUDGED = f"""
SELECT j.annotator_id, who.simulated, {_SAID},
       ARRAY(SELECT length(r.text) FROM annotator_response AS r WHERE r.id = ANY (u.responses) ORDER BY array_position(u.responses, r.id)),
       CASE WHEN btrim(COALESCE(why.text, '')) = '' THEN 0
            ELSE array_length(regexp_split_to_array(btrim(why.text), '\\s+'), 1) END
FROM annotator_judgment AS j
JOIN annotator_annotator AS who ON who.id = j.annotator_id
JOIN annotator_lineup AS u ON u.id = j.lineup_id
LEFT JOIN annotator_rationale AS why ON why.judgment_id = j.id
WHERE {COUNTS} AND j.occasion <> 2 ORDER BY j.id
"""
_CHECKS = f"""
WITH since AS (
    SELECT who.id AS annotator, COALESCE(max(step.last_judgment), 0) AS last
    FROM annotator_annotator AS who
    LEFT JOIN annotator_qualitystep AS step ON step.annotator_id = who.id AND step.what = ANY(%(settling)s)
    WHERE who.project_id = %(project)s AND NOT who.simulated GROUP BY who.id
), checks AS (
    SELECT j.id, j.annotator_id, j.lineup_id, j.occasion FROM since
    JOIN annotator_judgment AS j ON j.annotator_id = annotator AND j.id > last AND j.current AND NOT j.withdrawn
        AND j.choice <> 'skip' AND j.lineup_id IS NOT NULL
    JOIN annotator_lineup AS u ON u.id = j.lineup_id
    WHERE j.occasion = 1 OR j.occasion = 0 AND NOT u.qualifying AND (u.gold_ranking IS NOT NULL OR u.gold_low IS NOT NULL)
)
SELECT j.annotator_id, j.id, j.id IN (SELECT id FROM checks), {_SAID}
FROM annotator_judgment AS j JOIN annotator_lineup AS u ON u.id = j.lineup_id
WHERE j.id IN (SELECT id FROM checks) OR (j.current AND NOT j.withdrawn AND j.choice <> 'skip' AND j.occasion = 0
    AND (j.annotator_id, j.lineup_id) IN (SELECT annotator_id, lineup_id FROM checks WHERE occasion = 1))
"""
_QUALIFYING = f"""
SELECT j.choice <> 'skip', {_SAID}
FROM annotator_judgment AS j JOIN annotator_lineup AS u ON u.id = j.lineup_id
WHERE j.id = ANY (%s)
"""

Row = tuple[int, Placed]


def placed_of(project: Project) -> dict[bool, list[Row]]:
    """People's (False) and simulated annotators' (True), with the annotator's id; their ``Placed.annotator`` is 0 still."""
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, [project.pk])
        rows = cursor.fetchall()
    found: dict[bool, list[Row]] = {}
    for who, simulated, *said, lengths, words in rows:
        found.setdefault(simulated, []).append((who, _placed(said, tuple(lengths), words)))
    return found


def checks_since(project: Project, settling: Sequence[str]) -> list[tuple[int, int, bool, Placed]]:
    """People's lineups with a known answer and hidden repeats since the last of the steps ``settling``.

    (annotator, judgment, whether it is such a check, what was said); the others are the first looks that repeats are of.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CHECKS, {"project": project.pk, "settling": [*settling]})
        return [(who, pk, counts, _placed(said)) for who, pk, counts, *said in cursor.fetchall()]


def qualifying_answers(judgments: Sequence[int]) -> list[Placed | None]:
    """What was said of qualification lineups, of the judgments with these ids; None for a skipped one.

    Those rated on another scale than the known answer's tell nothing and are left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(_QUALIFYING, [[*judgments]])
        found = [_placed(said) if answered else None for answered, *said in cursor.fetchall()]
    return [each for each in found if each is None or each.known]


def _placed(said: Sequence[Any], lengths: tuple[int, ...] = (), words: int = 0) -> Placed:
    lineup, first, ranking, rating, scale, shown, gold_ranking, gold_range, seconds = said
    known = _tiers(gold_ranking)
    if gold_range and gold_range[0] is not None:
        known = tuple(gold_range)
    return Placed(
        annotator=0,
        lineup=lineup,
        first=first,
        tiers=_tiers(ranking),
        rating=rating,
        scale=scale,
        shown=tuple(shown.index(number) for number in range(1, len(shown) + 1)),
        lengths=lengths,
        known=known,
        seconds=seconds,
        words=words,
    )


def _tiers(ranking: str | None) -> tuple[int, ...]:
    """From JSON."""
    return tuple(tiers_of(json.loads(ranking))) if ranking else ()
