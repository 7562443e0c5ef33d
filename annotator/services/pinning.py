"""Pairs and lineups that an owner gives to certain people: a slot is held for each, and nothing else comes before it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Judgment, Lineup, Pair, User
from annotator.selectors.pairs import PINNED
from annotator.selectors.progress import start_of_today
from annotator.services.audit import record
from annotator.services.dealing_lineups import hold_lineup
from annotator.services.dealing_sql import claim
from annotator.services.targets import Target, column_of, kind_of, named, rows_like


@dataclass(frozen=True, slots=True)
class Pinned:
    """How many got the pair, and the references of those who had it before."""

    new: int
    had_it: list[str]


def pin_pair(*, pair: Pair, annotators: Sequence[Annotator], by: User) -> Pinned:
    """Give the pair to each of ``annotators`` next. A full pair gets a slot more for each of them.

    Whoever has judged, skipped or open the pair keeps it as it is. Raises ``Conflict`` for a withdrawn pair.
    """
    return _pin(pair, annotators, by)


def pin_lineup(*, lineup: Lineup, annotators: Sequence[Annotator], by: User) -> Pinned:
    """The same for a lineup."""
    return _pin(lineup, annotators, by)


def unpin(*, assignment: Assignment, by: User) -> None:
    """Take what is pinned back from somebody who has not opened it yet. Raises ``Conflict`` where they have."""
    of = assignment.pair or assignment.lineup
    assert of is not None  # a check constraint
    with transaction.atomic():
        held = Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.PINNED)
        if not held.update(state=Assignment.State.RELEASED):
            raise Conflict(_("%(who)s has opened it already.") % {"who": assignment.annotator.display_name})
        people = [assignment.annotator.ref]
        record(project=assignment.project, by=by, what=f"{kind_of(of)} unpinned", people=people, **named(of))


def _pin(of: Target, annotators: Sequence[Annotator], by: User) -> Pinned:
    rows = rows_like(of)
    had_it = []
    with transaction.atomic():
        if rows.select_for_update(no_key=True).get(pk=of.pk).withdrawn_at:
            raise Conflict(_("It is withdrawn, so nobody can be given it."))
        for annotator in annotators:
            if _has(annotator, of):
                had_it.append(annotator.ref)
                continue
            rows.filter(pk=of.pk, taken__gte=F("cap")).update(cap=F("taken") + 1)
            if isinstance(of, Pair):
                _hold(annotator, of)
            else:
                hold_lineup(annotator, of.pk, PINNED)
        new = [each.ref for each in annotators if each.ref not in had_it]
        if new:
            record(project=of.project, by=by, what=f"{kind_of(of)} pinned", people=new, **named(of))
    return Pinned(len(new), had_it)


def _has(annotator: Annotator, of: Target) -> bool:
    states = (Assignment.State.OPEN, Assignment.State.JUDGED, Assignment.State.SKIPPED, Assignment.State.PINNED)
    given = Assignment.objects.filter(annotator=annotator, occasion=0, state__in=states)
    said = Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False)
    return given.filter(**column_of(of)).exists() or said.filter(**column_of(of)).exists()


def _hold(annotator: Annotator, pair: Pair) -> None:
    """A claim like any other, so that sides stay counterbalanced and slots counted; only nobody waits for it."""
    now = timezone.now()
    values = {
        "occasion": 0,
        "swapped": None,
        "annotator": annotator.pk,
        "project": pair.project_id,
        "today": start_of_today(),
        "key": uuid4(),
        "coin": random.random(),  # noqa: S311 (for fairness, not for secrets)
        "until": now,
        "now": now,
        "state": Assignment.State.PINNED.value,
        "pairs": [pair.pk],
        "chosen_by": [PINNED],
        "guesses": [None],
        "versions": [""],
    }
    claim(wait=True).run(values)
