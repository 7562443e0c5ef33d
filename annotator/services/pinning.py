"""Pairs that an owner gives to certain people: a slot is held for each, and nothing else comes before it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Judgment, Pair, User
from annotator.selectors.pairs import PINNED
from annotator.selectors.progress import start_of_today
from annotator.services.audit import record
from annotator.services.dealing_sql import claim


@dataclass(frozen=True, slots=True)
class Pinned:
    """How many got the pair, and the references of those who had it before."""

    new: int
    had_it: list[str]


def pin_pair(*, pair: Pair, annotators: Sequence[Annotator], by: User) -> Pinned:
    """Give the pair to each of ``annotators`` next. A full pair gets a slot more for each of them.

    Whoever has judged, skipped or open the pair keeps it as it is. Raises ``Conflict`` for a withdrawn pair.
    """
    had_it = []
    with transaction.atomic():
        if Pair.objects.select_for_update(no_key=True).get(pk=pair.pk).withdrawn_at:
            raise Conflict("The pair is withdrawn, so nobody can be given it.")
        for annotator in annotators:
            if _has(annotator, pair):
                had_it.append(annotator.ref)
            else:
                Pair.objects.filter(pk=pair.pk, taken__gte=F("cap")).update(cap=F("taken") + 1)
                _hold(annotator, pair)
        new = [each.ref for each in annotators if each.ref not in had_it]
        if new:
            record(project=pair.project, by=by, what="pair pinned", pair=pair.pk, people=new)
    return Pinned(len(new), had_it)


def unpin_pair(*, assignment: Assignment, by: User) -> None:
    """Take a pinned pair back from somebody who has not opened it yet. Raises ``Conflict`` where they have."""
    with transaction.atomic():
        held = Assignment.objects.filter(pk=assignment.pk, state=Assignment.State.PINNED)
        if not held.update(state=Assignment.State.RELEASED):
            raise Conflict(f"{assignment.annotator.display_name} has opened the pair already.")
        record(
            project=assignment.project,
            by=by,
            what="pair unpinned",
            pair=assignment.pair_id,
            people=[assignment.annotator.ref],
        )


def _has(annotator: Annotator, pair: Pair) -> bool:
    states = (Assignment.State.OPEN, Assignment.State.JUDGED, Assignment.State.SKIPPED, Assignment.State.PINNED)
    return (
        Assignment.objects.filter(annotator=annotator, pair=pair, occasion=0, state__in=states).exists()
        or Judgment.objects.filter(annotator=annotator, pair=pair, current=True, withdrawn=False).exists()
    )


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
