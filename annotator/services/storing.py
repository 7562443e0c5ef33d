"""How a judgment gets into its tables: an assignment is locked, then everything is written by one statement.

Written out as SQL, because every submit runs it; ``annotator.services.judging`` decides what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone
from psycopg2.extras import Json

from annotator.models import Annotator, Assignment, Flag, Judgment, Response, Span
from annotator.services.answers import Answer, flag_about, tags_in_pair_terms
from annotator.services.aspects import store_aspects
from annotator.services.marks import Side
from annotator.statements import Statement

_LOCK = Statement("""
SELECT l.id, l.state, l.occasion, l.swapped, l.guess, l.pair_id, p.response_a_id, p.response_b_id,
    p.withdrawn_at IS NOT NULL,
    (SELECT j.revision FROM annotator_judgment j WHERE j.annotator_id = l.annotator_id AND j.pair_id = l.pair_id
     AND j.occasion = l.occasion AND j.current)
FROM annotator_assignment l JOIN annotator_pair p ON p.id = l.pair_id
WHERE l.key = %(key)s AND l.annotator_id = %(annotator)s FOR NO KEY UPDATE OF l
""")
_COLUMNS = (
    *("project_id", "annotator_id", "pair_id", "assignment_id", "kind", "occasion", "revision", "current", "withdrawn"),
    *("client_key", "choice", "strength", "skip_reason", "swapped", "seconds", "page_version", "source", "guess"),
    *("judged_at", "created_at"),
)
_STORE = Statement(f"""
WITH used AS (
    UPDATE annotator_assignment SET state = %(state)s::text WHERE id = %(assignment_id)s AND state <> %(state)s::text
), said AS (
    INSERT INTO annotator_judgment (about, {", ".join(_COLUMNS)})
    VALUES ('{{}}', {", ".join(f"%({column})s" for column in _COLUMNS)}) RETURNING id
), why AS (
    INSERT INTO annotator_rationale (judgment_id, text, tags) SELECT id, %(text)s::text, %(tags)s::jsonb FROM said WHERE %(reason)s::boolean
), entered AS (
    DELETE FROM annotator_draft WHERE assignment_id = %(assignment_id)s
)
SELECT id FROM said
""")


@dataclass(frozen=True, slots=True)
class Held:
    """A locked assignment, with what recording needs of its pair."""

    assignment_id: int
    state: str
    occasion: int
    swapped: bool
    guess: float | None
    pair_id: int
    response_a_id: int
    response_b_id: int
    withdrawn: bool
    """The owner withdrew the pair."""
    revision: int | None
    """The current revision of what the annotator said of it, if anything."""


def lock_assignment(annotator: Annotator, key: UUID) -> Held | None:
    """The annotator's assignment, locked until the end of the transaction; None if it is not theirs."""
    found = _LOCK.run({"key": key, "annotator": annotator.pk})
    return Held(*found[0]) if found else None


def store(judgment: Judgment, answer: Answer | None, state: Assignment.State) -> Judgment:
    """Insert ``judgment`` with the rationale, marks and flag of ``answer``, and put its assignment, if any, into ``state``.

    The database counts slots by that state, and raises ``IntegrityError`` where the pair has none left.
    """
    judgment.created_at = timezone.now()
    values: dict[str, Any] = {column: getattr(judgment, column) for column in _COLUMNS}
    judgment.pk = _STORE.run(values | _reason(judgment, answer) | {"state": state.value})[0][0]
    if answer and answer.marks:
        _store_marks(judgment, answer)
    if answer and answer.aspects:
        store_aspects(judgment, answer.aspects, _sides(judgment))
    if answer and answer.flag:
        about = flag_about(answer.flag, swapped=judgment.swapped)
        Flag.objects.create(judgment=judgment, kind=answer.flag.kind, about=about, note=answer.flag.note)
    return judgment


def shown_texts(response_a_id: int, response_b_id: int, *, swapped: bool) -> dict[Side, str]:
    """The two responses on the sides they were shown on."""
    texts = dict(Response.objects.filter(pk__in=(response_a_id, response_b_id)).values_list("pk", "text"))
    a, b = texts[response_a_id], texts[response_b_id]
    return {"left": b, "right": a} if swapped else {"left": a, "right": b}


def _reason(judgment: Judgment, answer: Answer | None) -> dict[str, Any]:
    tags = tags_in_pair_terms(answer.tags, swapped=judgment.swapped) if answer else []
    return {"text": answer.text if answer else "", "tags": Json(tags), "reason": bool(answer and answer.gives_reason)}


def _sides(judgment: Judgment) -> dict[Side, int]:
    """The responses' ids on the sides they were shown on."""
    pair = judgment.pair
    assert pair is not None
    a, b = pair.response_a_id, pair.response_b_id
    return {"left": b, "right": a} if judgment.swapped else {"left": a, "right": b}


def _store_marks(judgment: Judgment, answer: Answer) -> None:
    sides = _sides(judgment)
    Span.objects.bulk_create(
        Span(
            judgment=judgment,
            response_id=sides[mark.side],
            start=mark.start,
            end=mark.end,
            quote=mark.quote,
            good=mark.good,
            tag=mark.tag,
            comment=mark.comment,
        )
        for mark in answer.marks
    )
