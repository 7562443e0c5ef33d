"""Which lineups a project has: made of the responses that are there, withdrawn and brought back by the owner."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from annotator.models import Assignment, Lineup, Project, Prompt, User
from annotator.services.audit import record
from annotator.services.slots import SLOTS, slot_parameters

LEAST, MOST = 3, 8
"""Responses of a ranking."""

_GROUPS = {
    Lineup.Kind.RATING: "SELECT prompt_id, ARRAY[id] AS responses FROM loose",
    # As few as possible, about equally large.
    Lineup.Kind.RANKING: f"""
        SELECT prompt_id, array_agg(id ORDER BY id) AS responses FROM (
            SELECT prompt_id, id, (row_number() OVER (PARTITION BY prompt_id ORDER BY id) - 1)
                   * ((count(*) OVER (PARTITION BY prompt_id) + {MOST - 1}) / {MOST})
                   / count(*) OVER (PARTITION BY prompt_id) AS part
              FROM loose) parted
         GROUP BY prompt_id, part HAVING count(*) >= {LEAST}""",
}
_MAKE = f"""
WITH loose AS (
    SELECT r.prompt_id, r.id FROM annotator_response r JOIN annotator_prompt p ON p.id = r.prompt_id
     WHERE p.project_id = %(project)s AND (%(prompt)s::bigint IS NULL OR p.id = %(prompt)s::bigint) AND NOT EXISTS (
           SELECT 1 FROM annotator_lineup u WHERE u.prompt_id = r.prompt_id AND u.kind = %(kind)s
            AND r.id = ANY (u.responses))
), made AS ({{groups}})
INSERT INTO annotator_lineup (project_id, prompt_id, kind, responses, cap, target, taken, shuffle, created_at)
SELECT %(project)s, m.prompt_id, %(kind)s, m.responses, c.cap, NULLIF(w.wanted, c.cap), 0, m.shuffle, now()
  FROM (SELECT *, floor(random() * 2147483647)::int AS shuffle FROM made OFFSET 0) m {SLOTS.format(shuffle="m.shuffle")}
 ORDER BY m.responses ON CONFLICT DO NOTHING
"""


def make_lineups(*, project: Project, prompt: Prompt | None = None) -> int:
    """Make lineups of the responses (of one prompt, or of all) that are in none yet, for the kinds that the project asks for.

    A ranking takes up to 8; of more responses several are made, about equally large. Fewer than 3 wait for others.
    Returns how many are new.
    """
    values = {"project": project.pk, "prompt": prompt.pk if prompt else None, **slot_parameters(project)}
    new = 0
    with connection.cursor() as cursor:
        for kind, groups in _GROUPS.items():
            if kind in project.kinds:
                cursor.execute(_MAKE.format(groups=groups), values | {"kind": kind.value})
                new += cursor.rowcount
    return new


def withdraw_lineup(*, lineup: Lineup, by: User) -> None:
    """Show it to nobody any more; its judgments stay, and who has it open is told when they submit."""
    with transaction.atomic():
        if Lineup.objects.filter(pk=lineup.pk, withdrawn_at=None).update(withdrawn_at=timezone.now()):
            opened = Assignment.objects.filter(lineup=lineup, state=Assignment.State.OPEN)
            opened.update(state=Assignment.State.RELEASED)
            record(project=lineup.project, by=by, what=f"{lineup.kind} withdrawn", lineup=lineup.pk)


def restore_lineup(*, lineup: Lineup, by: User) -> None:
    """Undo ``withdraw_lineup``."""
    with transaction.atomic():
        if Lineup.objects.filter(pk=lineup.pk, withdrawn_at__isnull=False).update(withdrawn_at=None):
            record(project=lineup.project, by=by, what=f"{lineup.kind} restored", lineup=lineup.pk)
