"""How far people agree, from the database. The statistics are in ``attune.quality``."""

from __future__ import annotations

import numpy as np
from django.db import connection

from annotator.models import Project
from attune.quality import ANSWERS
from attune.quality.agreement import Agreement, Counts
from attune.quality.agreement import agreement as agreement_of


def agreement(project: Project, *, simulated: bool | None = None, seed: int = 0) -> Agreement:
    """Agreement on who is better (tie and both bad are answers too), over pairs that two or more judged.

    Among everybody, or among people only (``simulated=False``) or simulated annotators only.
    """
    return agreement_of(*_patterns(project, simulated), seed=seed)


def _patterns(project: Project, simulated: bool | None) -> tuple[Counts, Counts]:
    """Distinct rows of answer counts (P, 5) of pairs with two or more answers, and how many pairs have each (P,)."""
    counted = ", ".join(f"count(*) FILTER (WHERE choice = '{choice}')" for choice in ANSWERS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(ANSWERS)}, count(*) FROM (SELECT {counted} FROM annotator_judgment AS j"
            " JOIN annotator_annotator AS who ON who.id = annotator_id AND simulated = COALESCE(%s, simulated)"
            " WHERE j.project_id = %s AND current AND NOT withdrawn AND occasion = 0 AND choice <> 'skip'"
            f" GROUP BY pair_id HAVING count(*) >= 2) AS pairs ({', '.join(ANSWERS)})"
            f" GROUP BY {', '.join(ANSWERS)} ORDER BY {', '.join(ANSWERS)}",
            [simulated, project.pk],
        )
        rows = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, len(ANSWERS) + 1)
    return rows[:, :-1], rows[:, -1]
