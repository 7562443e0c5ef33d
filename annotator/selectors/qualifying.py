"""Which of an annotator's answers to qualification questions count, whatever they changed or took back."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from annotator.models import Annotator

CORRECTED_WITHIN = timedelta(seconds=10)
"""So soon after an answer, undoing or changing it is the correction of a slip."""

_COUNTING = """
WITH revisions AS (
    SELECT j.id, j.pair_id, j.lineup_id, j.revision, j.withdrawn, min(j.id) OVER same AS first,
        COALESCE(lead(j.created_at) OVER (same ORDER BY j.revision) - j.created_at >= make_interval(secs => %(within)s),
            NOT j.withdrawn) AS stood
    FROM annotator_judgment AS j
    LEFT JOIN annotator_pair AS p ON p.id = j.pair_id LEFT JOIN annotator_lineup AS u ON u.id = j.lineup_id
    WHERE j.annotator_id = %(annotator)s AND j.occasion = 0
        AND (p.qualifying AND p.withdrawn_at IS NULL OR u.qualifying AND u.withdrawn_at IS NULL)
    WINDOW same AS (PARTITION BY j.pair_id, j.lineup_id)
)
SELECT DISTINCT ON (pair_id, lineup_id) id FROM revisions WHERE NOT withdrawn AND first > %(since)s
ORDER BY pair_id, lineup_id, stood DESC, CASE WHEN stood THEN revision ELSE -revision END
"""


def counting_answers(annotator: Annotator, *, since: int) -> list[int]:
    """Of each qualification question that was first answered after judgment ``since``, the judgment that counts; ids.

    It is the first answer that stood for ``CORRECTED_WITHIN``, or else the last that was given. So a slip can be
    corrected, but neither taking an answer back nor changing it later makes it count otherwise.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING, {"annotator": annotator.pk, "since": since, "within": CORRECTED_WITHIN.seconds})
        return [pk for (pk,) in cursor.fetchall()]
