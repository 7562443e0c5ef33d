"""How a judgment gets into its tables: an assignment is locked, then everything is written by one statement.

Written out as SQL, because every submit runs it; ``annotator.services.judging`` decides what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone
from psycopg2.extras import Json

from annotator.models import Annotator, Assignment, Flag, Judgment, Span
from annotator.services.answers import Answer, flag_about, tags_in_own_terms
from annotator.services.aspects import store_aspects
from annotator.services.layouts import Layout, lineup_layout, pair_layout
from annotator.statements import Statement

_LOCK = Statement("""
SELECT l.id, l.state, l.occasion, l.swapped, l.guess, l.pair_id, p.response_a_id, p.response_b_id,
    l.lineup_id, u.kind, u.responses, l.shown, p.withdrawn_at IS NOT NULL OR u.withdrawn_at IS NOT NULL,
    (SELECT j.revision FROM annotator_judgment j WHERE j.annotator_id = l.annotator_id AND j.pair_id = l.pair_id
     AND j.occasion = l.occasion AND j.current),
    (SELECT j.revision FROM annotator_judgment j WHERE j.annotator_id = l.annotator_id AND j.lineup_id = l.lineup_id
     AND j.occasion = l.occasion AND j.current), l.guesses
FROM annotator_assignment l LEFT JOIN annotator_pair p ON p.id = l.pair_id
LEFT JOIN annotator_lineup u ON u.id = l.lineup_id
WHERE l.key = %(key)s AND l.annotator_id = %(annotator)s FOR NO KEY UPDATE OF l
""")
_COLUMNS = (
    *("project_id", "annotator_id", "pair_id", "lineup_id", "assignment_id", "kind", "occasion", "revision", "current"),
    *("withdrawn", "client_key", "choice", "strength", "ranking", "rating", "scale", "skip_reason", "swapped", "shown"),
    *("seconds", "page_version", "source", "guess", "guesses", "judged_at", "created_at"),
)


def _value(column: str) -> str:
    """A parameter; an array and a JSON value need to be told what they are."""
    return f"%({column})s" + {"ranking": "::jsonb", "shown": "::int[]", "guesses": "::float8[]"}.get(column, "")


_STORE = Statement(f"""
WITH used AS (
    UPDATE annotator_assignment SET state = %(state)s::text WHERE id = %(assignment_id)s AND state <> %(state)s::text
), said AS (
    INSERT INTO annotator_judgment (about, {", ".join(_COLUMNS)})
    VALUES ('{{}}', {", ".join(_value(column) for column in _COLUMNS)}) RETURNING id
), why AS (
    INSERT INTO annotator_rationale (judgment_id, text, tags) SELECT id, %(text)s::text, %(tags)s::jsonb FROM said WHERE %(reason)s::boolean
), entered AS (
    DELETE FROM annotator_draft WHERE assignment_id = %(assignment_id)s
)
SELECT id FROM said
""")


@dataclass(frozen=True, slots=True)
class Held:
    """A locked assignment, with what recording needs of its pair or lineup."""

    assignment_id: int
    state: str
    occasion: int
    guess: float | None
    guesses: list[float] | None
    pair_id: int | None
    lineup_id: int | None
    layout: Layout
    swapped: bool
    shown: list[int]
    withdrawn: bool
    """The owner withdrew the pair or the lineup."""
    revision: int | None
    """The current revision of what the annotator said of it, if anything."""


def lock_assignment(annotator: Annotator, key: UUID) -> Held | None:
    """The annotator's assignment, locked until the end of the transaction; None if it is not theirs."""
    if not (found := _LOCK.run({"key": key, "annotator": annotator.pk})):
        return None
    pk, state, occasion, swapped, guess, pair, a, b, lineup, kind, responses, shown, *rest = found[0]
    withdrawn, said, placed, guesses = rest
    layout = pair_layout(a, b, swapped=swapped) if pair else lineup_layout(kind, responses, shown)
    return Held(pk, state, occasion, guess, guesses, pair, lineup, layout, swapped, shown, withdrawn, said or placed)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that was checked, and where what it speaks of stood."""

    answer: Answer
    layout: Layout


def store(judgment: Judgment, said: Said | None, state: Assignment.State) -> Judgment:
    """Insert ``judgment`` with the rationale, marks and flag of what was ``said``, and put its assignment, if any, into ``state``.

    The database counts slots by that state, and raises ``IntegrityError`` where the pair has none left.
    """
    judgment.created_at = timezone.now()
    values: dict[str, Any] = {column: getattr(judgment, column) for column in _COLUMNS}
    values["ranking"] = None if judgment.ranking is None else Json(judgment.ranking)
    judgment.pk = _STORE.run(values | _reason(said) | {"state": state.value})[0][0]
    if said:
        _store_more(judgment, said.answer, said.layout)
    return judgment


def _reason(said: Said | None) -> dict[str, Any]:
    if said is None:
        return {"text": "", "tags": Json([]), "reason": False}
    tags = tags_in_own_terms(said.answer.tags, said.layout)
    return {"text": said.answer.text, "tags": Json(tags), "reason": said.answer.gives_reason}


def _store_more(judgment: Judgment, answer: Answer, layout: Layout) -> None:
    """What few answers have: marks, aspects, a flag."""
    if answer.marks:
        Span.objects.bulk_create(
            Span(
                judgment=judgment,
                response_id=layout.response_of[mark.side],
                start=mark.start,
                end=mark.end,
                quote=mark.quote,
                good=mark.good,
                tag=mark.tag,
                comment=mark.comment,
            )
            for mark in answer.marks
        )
    if answer.aspects:
        store_aspects(judgment, answer.aspects, layout.response_of)
    if flag := answer.flag:
        Flag.objects.create(judgment=judgment, kind=flag.kind, about=flag_about(flag, layout), note=flag.note)
