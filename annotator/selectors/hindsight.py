"""What second looks have changed."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from annotator.models import Project
from attune.quality.intervals import share_interval

_CHANGED = """
SELECT count(*) FILTER (WHERE (second.choice, second.ranking, second.rating) IS DISTINCT FROM
    (first.choice, first.ranking, first.rating)), count(*)
FROM annotator_judgment AS second
JOIN annotator_judgment AS first ON first.annotator_id = second.annotator_id
    AND (first.pair_id = second.pair_id OR first.lineup_id = second.lineup_id)
    AND first.occasion = 0 AND first.current AND NOT first.withdrawn AND first.choice <> 'skip'
JOIN annotator_annotator AS who ON who.id = second.annotator_id AND NOT who.simulated
WHERE second.project_id = %s AND second.occasion = 2 AND second.current AND NOT second.withdrawn AND second.choice <> 'skip'
"""


@dataclass(frozen=True, slots=True)
class SecondLooks:
    """Of so many judgments given again with hindsight, ``changed`` have another choice, order or rating; the share's 95 % interval (Wilson)."""

    changed: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.changed / self.of


def second_looks(project: Project) -> SecondLooks | None:
    """How often people changed their minds; strength alone is no change. None where nobody looked twice."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [project.pk])
        changed, of = cursor.fetchone()
    interval = share_interval(changed, of)
    return SecondLooks(changed, of, interval.low, interval.high) if interval else None
