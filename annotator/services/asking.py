"""What an annotator is asked next: a pair, or something else that the project asks for."""

from __future__ import annotations

import random
from collections.abc import Collection

from django.utils.translation import gettext as _

from annotator.errors import Forbidden, Invalid
from annotator.models import Annotator, Judgment
from annotator.services import dealing
from annotator.services.dealing import Dealt
from annotator.services.dealing_lineups import DealtLineup, deal_lineup, deal_qualifying_lineup, show_lineup
from annotator.services.qualifying import has_open, has_unanswered, is_qualifying, settle
from annotator.statements import Statement

Task = Dealt | DealtLineup

_OPEN = Statement("""
SELECT l.id, l.lineup_id IS NOT NULL FROM annotator_assignment l
LEFT JOIN annotator_pair p ON p.id = l.pair_id LEFT JOIN annotator_lineup u ON u.id = l.lineup_id
CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.assignment_id = l.id) AS again) undone
WHERE l.annotator_id = %(annotator)s AND l.state IN ('open', 'pinned')
  AND p.withdrawn_at IS NULL AND u.withdrawn_at IS NULL AND COALESCE(u.kind, 'pair') = ANY (%(kinds)s::text[])
  AND COALESCE(l.pair_id, -l.lineup_id) <> ALL (%(exclude)s::bigint[])
ORDER BY l.state = 'pinned', again DESC, l.occasion = 2 DESC, CASE WHEN again THEN l.dealt_at END DESC, l.dealt_at, l.id LIMIT 1
""")
"""The open lease to show again, in the order in which ``free_pairs`` has those of pairs."""


def next_task(*, annotator: Annotator, exclude: Collection[int] = (), least: int = 1, kind: str = "") -> Task | None:
    """What the annotator judges next, or None if nothing is left for them; with ``kind``, only of that one.

    A lease that is still open is shown again. Of several kinds each comes as often as the others, while there are any.
    ``exclude`` are numbers of what the page holds already: pairs' own, and those of lineups with a minus. Raises as
    ``dealing.deal`` does, ``Invalid`` for a kind that the project does not ask for, and ``Forbidden`` for one that has to
    wait until questions of another kind are answered, which people qualify with.
    """
    project = annotator.project
    if kind and kind not in project.kinds:
        known = {"kind": kind, "known": ", ".join(project.kinds)}
        problem = _("“%(kind)s” is none of %(known)s, which the project asks for.") % known
        raise Invalid(problem, fields={"kind": problem})
    kinds: list[str] = [kind] if kind else project.kinds
    if project.kinds == [Judgment.Kind.PAIR] or (kinds == [Judgment.Kind.PAIR] and not is_qualifying(annotator)):
        return dealing.deal(annotator=annotator, exclude=[each for each in exclude if each > 0], least=least)
    dealing.check_may_judge(annotator)
    return (
        _held(annotator, kinds, exclude)
        or _lent(annotator, kind, kinds, exclude, least)
        or _held(annotator, kinds, exclude)  # another window of theirs was lent the last one a moment ago
    )


def _held(annotator: Annotator, kinds: Collection[str], exclude: Collection[int]) -> Task | None:
    """The open lease to show again."""
    opened = _OPEN.run({"annotator": annotator.pk, "exclude": [*exclude], "kinds": [*kinds]})
    if not opened:
        return None
    pk, is_lineup = opened[0]
    return (show_lineup if is_lineup else dealing.show)(assignment_id=pk, annotator=annotator)


def _lent(annotator: Annotator, kind: str, kinds: Collection[str], exclude: Collection[int], least: int) -> Task | None:
    """Something new: what one qualifies with, where that is asked, before anything else."""
    pairs, lineups = [each for each in exclude if each > 0], [-each for each in exclude if each < 0]
    if is_qualifying(annotator):
        if (first := _qualifying(annotator, kinds, pairs, lineups)) or (not kind and has_open(annotator)):
            return first
        if kind and has_unanswered(annotator):
            if held := _held(annotator, kinds, exclude):  # as above
                return held
            raise Forbidden(_("What people qualify with comes first, and what is left of it is of another kind."))
        if not settle(annotator=annotator):
            dealing.check_may_judge(annotator)
    for each in random.sample([*kinds], len(kinds)):
        if each == Judgment.Kind.PAIR:
            found: Task | None = dealing.deal(annotator=annotator, exclude=pairs, least=least)
        else:
            found = deal_lineup(annotator=annotator, kind=each, exclude=lineups, least=least)
        if found:
            return found
    return None


def _qualifying(
    annotator: Annotator, kinds: Collection[str], pairs: Collection[int], lineups: Collection[int]
) -> Task | None:
    """What is asked before anything else, of these kinds; those on the page already left out."""
    for kind in kinds:
        if kind == Judgment.Kind.PAIR:
            found: Task | None = dealing.deal_qualifying(annotator=annotator, exclude=pairs)
        else:
            found = deal_qualifying_lineup(annotator=annotator, kind=kind, exclude=lineups)
        if found:
            return found
    return None


def show(*, assignment_id: int, annotator: Annotator) -> Task | None:
    """An open lease as its holder sees it, of whatever it is. None if it is not open."""
    return dealing.show(assignment_id=assignment_id, annotator=annotator) or (
        show_lineup(assignment_id=assignment_id, annotator=annotator)
    )
