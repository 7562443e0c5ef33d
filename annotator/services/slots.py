"""How many people a pair is for: enough (its target) and at most (its cap), by the project's set-up and by chance."""

from __future__ import annotations

from django.db import connection

from annotator.models import Project

_WHOLE = 2**31
"""Pairs have a place in a random order below this; the first ones, up to the project's share, are the shared ones."""

SLOTS = """
    CROSS JOIN LATERAL (SELECT CASE WHEN {shuffle} < %(shared)s::bigint THEN %(overlap)s::int ELSE 1 END AS wanted) w
    CROSS JOIN LATERAL (SELECT GREATEST(w.wanted, %(most)s::int) AS cap) c
"""
"""Gives ``c.cap`` and ``w.wanted`` for a pair's place ``shuffle``, with the parameters of ``slot_parameters``."""

_SPREAD = f"""
UPDATE {{table}} AS p SET cap = fresh.cap, target = NULLIF(LEAST(fresh.wanted, fresh.cap), fresh.cap)
FROM (SELECT q.id, w.wanted, GREATEST(c.cap, q.taken) AS cap FROM {{table}} AS q {SLOTS.format(shuffle="q.shuffle")}
      WHERE q.project_id = %(project)s AND q.withdrawn_at IS NULL {{only}}) AS fresh
WHERE p.id = fresh.id
  AND (p.cap, p.target) IS DISTINCT FROM (fresh.cap, NULLIF(LEAST(fresh.wanted, fresh.cap), fresh.cap))
"""
_ORDINARY = "AND q.gold_ranking IS NULL AND q.gold_low IS NULL"


def slots_of(project: Project, shuffle: int) -> tuple[int | None, int]:
    """Target and cap of a new pair; no target where it is the cap."""
    wanted = project.overlap if shuffle < round(project.shared_share * _WHOLE) else 1
    cap = max(wanted, project.overlap_cap or 0)
    return (None if wanted == cap else wanted), cap


def slot_parameters(project: Project) -> dict[str, int]:
    """What ``SLOTS`` needs."""
    return {
        "shared": round(project.shared_share * _WHOLE),
        "overlap": project.overlap,
        "most": project.overlap_cap or 0,
    }


def spread_slots(project: Project) -> int:
    """Let the set-up hold for the pairs and lineups that are there; one given to more people keeps those. How many changed."""
    values, changed = slot_parameters(project) | {"project": project.pk}, 0
    with connection.cursor() as cursor:
        for table, only in (("annotator_pair", "AND q.gold_choice = ''"), ("annotator_lineup", _ORDINARY)):
            cursor.execute(_SPREAD.format(table=table, only=only), values)
            changed += cursor.rowcount
    return changed
