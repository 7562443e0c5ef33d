"""Pairs on which people part ways so evenly that somebody may want the last word."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from annotator.models import Project
from annotator.selectors.dashboard import COUNTS, Split

SMALLER_SIDE = 3
"""One in so many judgments at least must be for the smaller side: two against one is contested, nine against one is not."""


@dataclass(frozen=True, slots=True)
class Contested(Split):
    """A contested pair, and what was decided; empty where nothing was."""

    decided: str
    asked: bool
    """Whether one more person may get it."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of the contested pairs, the most contested first, and how many there are."""

    rows: list[Contested]
    count: int


_QUEUE = f"""
WITH given AS (
    SELECT pair_id, count(*) FILTER (WHERE choice = 'a') AS a, count(*) FILTER (WHERE choice = 'b') AS b,
           count(*) FILTER (WHERE choice IN ('tie', 'both_good', 'both_bad')) AS ties, count(*) AS n
    FROM annotator_judgment AS j WHERE {COUNTS} AND occasion = 0 GROUP BY pair_id
), contested AS (
    SELECT given.*, COALESCE(last.choice, '') AS decided, pair.taken < COALESCE(pair.target, pair.cap) AS asked
    FROM given JOIN annotator_pair AS pair ON pair.id = pair_id AND pair.withdrawn_at IS NULL AND pair.gold_choice = ''
    LEFT JOIN annotator_adjudication AS last ON last.pair_id = pair.id AND last.current
    WHERE LEAST(a, b) > 0 AND {SMALLER_SIDE} * LEAST(a, b) >= n
), page AS (
    SELECT *, count(*) OVER () AS found FROM contested WHERE (decided <> '') = %s
    ORDER BY LEAST(a, b) DESC, abs(a - b), pair_id OFFSET %s LIMIT %s
)
SELECT page.pair_id, left(prompt.text, 300), left(one.text, 160), left(two.text, 160), a, b, ties, decided, asked, found
FROM page JOIN annotator_pair AS pair ON pair.id = page.pair_id
JOIN annotator_prompt AS prompt ON prompt.id = pair.prompt_id
JOIN annotator_response AS one ON one.id = pair.response_a_id
JOIN annotator_response AS two ON two.id = pair.response_b_id
ORDER BY LEAST(a, b) DESC, abs(a - b), page.pair_id
"""


def contested_pairs(project: Project, *, decided: bool = False, offset: int = 0, limit: int = 25) -> Queue:
    """Those still to be decided, or those that are. Gold and withdrawn pairs are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, [project.pk, decided, offset, limit])
        rows = cursor.fetchall()
    return Queue([Contested(*row[:-1]) for row in rows], rows[0][-1] if rows else 0)
