"""Lending a lineup, to be put in order or rated: as pairs are lent, and counted in the same way.

The order in which the responses of a ranking are shown is drawn at the claim and kept on the assignment.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import IntegrityError
from django.utils import timezone

from annotator.models import Annotator, Judgment, Project
from annotator.selectors.content import beside
from annotator.selectors.progress import PROGRESS, Progress, progress_from, start_of_today
from annotator.services.answers import Answer
from annotator.services.dealing import Shown, shown_from
from annotator.services.drafts import Kept, draft_of
from annotator.services.layouts import lineup_layout
from annotator.services.lending import last_answer, quotas_of, renewal
from annotator.services.marks import Side
from annotator.statements import Statement

CANDIDATES = 50
_TRIES = 5

_CONTENT = f"""
    l.id, l.key, l.lineup_id, u.kind, u.responses, l.shown, l.lease_until, l.chosen_by, t.id, t.ref, t.messages, t.topic,
    (SELECT array_agg(ARRAY[r.text, r.digest, {beside("r")}] ORDER BY array_position(u.responses, r.id))
     FROM annotator_response r WHERE r.id = ANY (u.responses)), progress.today, progress.total, progress.guesses
"""
_CONTENT_OF = f"""
    JOIN annotator_lineup u ON u.id = l.lineup_id JOIN annotator_prompt t ON t.id = u.prompt_id
    CROSS JOIN ({PROGRESS}) AS progress
"""
_SHOW = Statement(f"""
WITH renewed AS (
    UPDATE annotator_assignment l SET lease_until = %(until)s
    WHERE l.id = %(assignment)s AND l.state = 'open' AND l.lease_until < %(half)s RETURNING l.lease_until)
SELECT {_CONTENT.replace("l.lease_until", "COALESCE((SELECT lease_until FROM renewed), l.lease_until)")},
    EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.assignment_id = l.id),
    EXISTS (SELECT 1 FROM annotator_draft d WHERE d.assignment_id = l.id)
FROM annotator_assignment l {_CONTENT_OF} WHERE l.id = %(assignment)s AND l.state = 'open'
""")
_FREE = """
    u.project_id = %(project)s AND u.kind = %(kind)s::text AND u.withdrawn_at IS NULL AND u.taken < {most}
    AND u.id <> ALL (%(exclude)s::bigint[]) AND NOT EXISTS (
        SELECT 1 FROM annotator_assignment a WHERE a.lineup_id = u.id AND a.annotator_id = %(annotator)s
        AND a.state IN ('open', 'judged', 'skipped', 'pinned'))
    AND NOT EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.lineup_id = u.id AND j.annotator_id = %(annotator)s)
    AND (SELECT count(*) < COALESCE(%(quota_total)s::int, 2147483647)
                AND count(*) FILTER (WHERE a.dealt_at >= %(today)s::timestamptz) < COALESCE(%(quota_day)s::int, 2147483647)
         FROM annotator_assignment a WHERE a.annotator_id = %(annotator)s AND a.state IN ('open', 'judged'))
"""
_ORDER = {
    Project.Choosing.INFORMATION: "u.taken, (u.shuffle < %(offset)s::int), u.shuffle",
    Project.Choosing.COVERAGE: "u.taken, u.shuffle",
    Project.Choosing.RANDOM: "(u.shuffle < %(offset)s::int), u.shuffle",
    Project.Choosing.LISTED: "u.id + %(offset)s::int * 0",
}


@cache
def _free(policy: str, *, extra: bool) -> Statement:
    """Lineups that the annotator could be lent, best first; ``extra``: also those that have enough."""
    most = "u.cap" if extra else "COALESCE(u.target, u.cap)"
    order = _ORDER[Project.Choosing(policy)]
    where = _FREE.format(most=most)
    return Statement(f"SELECT u.id FROM annotator_lineup u WHERE {where} ORDER BY {order} LIMIT %(limit)s")


@cache
def _claim(*, wait: bool) -> Statement:
    """Lend the first of the list that has a slot. Those that others are claiming are passed over, or waited for."""
    return Statement(f"""
    WITH picked AS (
        SELECT u.id, u.responses FROM unnest(%(lineups)s::bigint[]) WITH ORDINALITY AS c(lineup_id, place)
        JOIN annotator_lineup u ON u.id = c.lineup_id WHERE u.withdrawn_at IS NULL AND u.taken < u.cap
        ORDER BY c.place LIMIT 1 FOR NO KEY UPDATE OF u {"" if wait else "SKIP LOCKED"}
    ), l AS (
        INSERT INTO annotator_assignment (key, project_id, lineup_id, annotator_id, occasion, swapped, shown, state,
            lease_until, chosen_by, guess_version, dealt_at)
        SELECT %(key)s::uuid, %(project)s::bigint, picked.id, %(annotator)s::bigint, 0, false,
            (SELECT array_agg(n ORDER BY random()) FROM generate_series(1, cardinality(picked.responses)) AS n), 'open',
            %(until)s::timestamptz, %(chosen_by)s::text, '', %(now)s::timestamptz
        FROM picked RETURNING *
    )
    SELECT {_CONTENT} FROM l {_CONTENT_OF}
    """)


@dataclass(frozen=True, slots=True)
class DealtLineup:
    """A lineup lent to an annotator, with everything a page needs to show it."""

    assignment_id: int
    key: UUID
    lineup_id: int
    kind: Judgment.Kind
    lease_until: datetime
    chosen_by: str
    prompt_id: int
    prompt_ref: str
    messages: list[dict[str, Any]]
    topic: str
    shown: dict[Side, Shown]
    """In the order shown, by their places."""
    progress: Progress
    answer: Answer | None = None
    """What was said before, where it was reopened by an undo."""
    draft: Kept | None = None
    occasion: ClassVar[int] = 0
    guess: ClassVar[None] = None
    """No model guesses a whole order."""

    @property
    def number(self) -> int:
        """How pages name it among what they hold: a negative number, for pairs have positive ones."""
        return -self.lineup_id


def deal_lineup(
    *, annotator: Annotator, kind: str, exclude: Collection[int] = (), least: int = 1
) -> DealtLineup | None:
    """A lineup of this kind that the annotator judges next; None if there are fewer than ``least`` for them.

    Those that have too few judgments first, then, where the project allows more, the others. Under the policy
    ``information`` too the least judged come first: what a whole order would tell is not computed.
    """
    project = annotator.project
    values: dict[str, Any] = quotas_of(annotator) | {
        "project": project.pk,
        "annotator": annotator.pk,
        "kind": kind,
        "exclude": [*exclude],
        "offset": random.getrandbits(31),
        "limit": max(CANDIDATES, least),
        "today": start_of_today(),
    }
    for _attempt in range(_TRIES):
        found = _free(project.choosing, extra=False).run(values)
        if len(found) < least and project.overlap_cap is not None:
            found = _free(project.choosing, extra=True).run(values)
        if len(found) < least:
            return None
        if dealt := _lend(annotator, [row[0] for row in found]):
            return dealt
    return None


def show_lineup(*, assignment_id: int, annotator: Annotator) -> DealtLineup | None:
    """An open lease as its holder sees it, renewed if more than half of it has passed. None if it is not open."""
    if not (found := _SHOW.run(renewal(assignment_id, annotator))):
        return None
    *row, judged_before, has_draft = found[0]
    dealt = _dealt(row, annotator.project)
    return replace(
        dealt,
        answer=last_answer(assignment_id) if judged_before else None,
        draft=draft_of(assignment_id) if has_draft else None,
    )


def _lend(annotator: Annotator, lineups: list[int]) -> DealtLineup | None:
    now = timezone.now()
    values: dict[str, Any] = {
        "lineups": lineups,
        "annotator": annotator.pk,
        "project": annotator.project_id,
        "today": start_of_today(),
        "key": uuid4(),
        "chosen_by": "coverage" if annotator.project.choosing == "information" else annotator.project.choosing,
        "until": now + timedelta(minutes=annotator.project.lease_minutes),
        "now": now,
    }
    for wait in (False, True):
        try:
            found = _claim(wait=wait).run_at_leisure(values)
        except IntegrityError:  # another request of the same annotator was faster: find it as open
            return None
        if found:
            return _dealt(found[0], annotator.project)
    return None


def _dealt(row: Any, project: Project) -> DealtLineup:
    pk, key, lineup, kind, responses, shown, until, why, *prompt, texts, today, total, guesses = row
    prompt_id, ref, messages, topic = prompt
    layout = lineup_layout(kind, responses, shown)
    known = {pk: shown_from(pk, *columns) for pk, columns in zip(responses, texts, strict=True)}
    return DealtLineup(
        assignment_id=pk,
        key=key,
        lineup_id=lineup,
        kind=layout.kind,
        lease_until=until,
        chosen_by=why,
        prompt_id=prompt_id,
        prompt_ref=ref,
        messages=json.loads(messages),
        topic=topic,
        shown={place: known[pk] for place, pk in layout.response_of.items()},
        progress=progress_from(today, total, guesses, goal=project.daily_goal),
    )
