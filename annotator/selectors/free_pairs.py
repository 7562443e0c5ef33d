"""Which pairs an annotator could be lent now. Written out as SQL: it runs for every next pair."""

from __future__ import annotations

from functools import cache
from typing import Literal

from annotator.models import Annotator, Project
from annotator.statements import Statement

Pool = Literal["ordinary", "gold", "qualifying"]
"""Which pairs: gold ones come at a rate of their own, qualifying ones before anything else."""

_POOLS: dict[Pool, str] = {
    "ordinary": "AND p.gold_choice = ''",
    "gold": "AND p.gold_choice <> '' AND NOT p.qualifying",
    "qualifying": "AND p.gold_choice <> '' AND p.qualifying",
}
_WANTED = "AND p.taken < COALESCE(p.target, p.cap)"
_FREE = """
    p.project_id = %(project)s AND p.withdrawn_at IS NULL AND p.taken < p.cap AND p.id <> ALL (%(exclude)s::bigint[])
    AND p.id NOT IN (
        SELECT a.pair_id FROM annotator_assignment a
        WHERE a.annotator_id = %(annotator)s AND a.occasion = 0 AND a.state IN ('open', 'skipped', 'pinned')
        AND a.pair_id IS NOT NULL
        UNION ALL
        SELECT j.pair_id FROM annotator_judgment j WHERE j.annotator_id = %(annotator)s AND j.pair_id IS NOT NULL)
"""
"""Pairs that this annotator has not judged, been lent or skipped (imported judgments count), with a slot left.

A judged assignment has its judgment beside it, so only the others are looked up. The annotator's own are hashed once. A join with them is quicker for few, and for many it takes the product of both where
the planner thinks that they are few.
"""

_ORDER = {
    Project.Choosing.INFORMATION: "AND p.shuffle >= %(offset)s ORDER BY p.shuffle",
    Project.Choosing.RANDOM: "AND p.shuffle >= %(offset)s ORDER BY p.shuffle",
    Project.Choosing.COVERAGE: "ORDER BY p.taken, p.shuffle",
    Project.Choosing.LISTED: "ORDER BY p.id",
}
_WITHIN_QUOTA = """
    AND (SELECT count(*) < COALESCE(%(quota_total)s::int, 2147483647)
                AND count(*) FILTER (WHERE a.dealt_at >= %(today)s::timestamptz) < COALESCE(%(quota_day)s::int, 2147483647)
         FROM annotator_assignment a WHERE a.annotator_id = %(annotator)s AND a.state IN ('open', 'judged'))
"""
"""Only while the annotator may have more: what they judged and what they hold open counts, skipped pairs do not."""


@cache
def find_open_or_candidates(
    policy: str, *, pool: Pool = "ordinary", extra: bool = False, quota: bool = False
) -> Statement:
    """One row (assignment, null …) for a lease that is still open or a pinned pair; without one, the
    candidates as rows (null, pair, response a, response b, taken), in the policy's order.

    Of several open leases those that an undo reopened come first, the latest at the head, then second looks with
    hindsight, then the oldest: pages ask for pairs ahead, and a
    reload must show the one that was on the screen. Pinned pairs come after them.

    Parameters: project, annotator, exclude, limit, and offset, where in the fixed random order to begin. ``extra``: also
    ordinary pairs that have enough judgments. ``quota``: none beyond quota_total, and quota_day since today.
    """
    wanted = _WANTED if pool == "ordinary" and not extra else ""
    return Statement(f"""
    WITH mine AS MATERIALIZED (
        SELECT l.id FROM annotator_assignment l JOIN annotator_pair p ON p.id = l.pair_id CROSS JOIN LATERAL (
            SELECT EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.assignment_id = l.id) AS again) undone
        WHERE l.annotator_id = %(annotator)s AND l.state IN ('open', 'pinned') AND p.withdrawn_at IS NULL
        AND p.id <> ALL (%(exclude)s::bigint[]) ORDER BY l.state = 'pinned', again DESC, l.occasion = 2 DESC,
            CASE WHEN again THEN l.dealt_at END DESC, l.dealt_at, l.id LIMIT 1)
    SELECT id, NULL::bigint, NULL::bigint, NULL::bigint, 0 FROM mine
    UNION ALL (
        SELECT NULL, p.id, p.response_a_id, p.response_b_id, p.taken FROM annotator_pair p
        WHERE {_FREE} {_POOLS[pool]} {wanted} {_WITHIN_QUOTA if quota else ""} AND NOT EXISTS (SELECT 1 FROM mine)
        {_ORDER[Project.Choosing(policy)]} LIMIT %(limit)s)
    """)


_COUNT = Statement(
    f"SELECT count(*) FROM (SELECT 1 FROM annotator_pair p WHERE {_FREE} {_POOLS['ordinary']} LIMIT %(limit)s) free"
)


def pairs_left(annotator: Annotator, *, at_most: int = 1000) -> int:
    """How many pairs the annotator could still be given, counted up to ``at_most``; quotas and gold pairs apart."""
    values = {"project": annotator.project_id, "annotator": annotator.pk, "exclude": [], "limit": at_most}
    return int(_COUNT.run(values)[0][0])
