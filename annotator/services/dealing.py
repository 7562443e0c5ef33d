"""Which pair an annotator sees next, and lending it to them.

Dealing takes two statements: one finds the annotator's open lease or up to ``CANDIDATES`` free pairs, one claims the
best that is still free and reads what is to be shown. A claim locks one pair row and passes over those that others are
claiming at that moment; the database counts the slots (migration 0002), so that no pair gets over its cap.
"""

# ruff: noqa: S311 (chance here is for fairness and variety, not for secrets)

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Forbidden
from annotator.models import Annotator, Assignment, Judgment, Project
from annotator.selectors.free_pairs import Pool, find_open_or_candidates
from annotator.selectors.progress import Progress, progress_from, start_of_today
from annotator.selectors.qualifying import CORRECTED_WITHIN
from annotator.services.answers import Answer
from annotator.services.choosing import Candidate, ChoiceRequest, Chosen, rank_candidates
from annotator.services.dealing_sql import EARLIER, SHOW, claim
from annotator.services.drafts import Kept, draft_of
from annotator.services.lending import last_answer, quotas_of, renewal
from annotator.services.marks import Side
from annotator.services.qualifying import has_open, is_qualifying, settle

CANDIDATES = 64
ENOUGH = 20
"""With fewer candidates, a second look is taken."""
REPEAT_AFTER = 10
"""At least so many own judgments lie between a first look and its hidden repeat."""
REPEAT_AMONG = 50
"""A repeat is drawn among so many of the latest that are old enough."""
_TRIES = 5
_FIRST = 16
"""So many of the best are tried before the others: a short statement is planned faster."""


@dataclass(frozen=True, slots=True)
class PictureShown:
    """A picture of our own store; sizes in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One response, on the side where it is shown. Of a picture, ``text`` says what it shows."""

    response_id: int
    text: str
    digest: str
    picture: PictureShown | None = None
    after: tuple[dict[str, str], ...] = ()
    """How the conversation went on after it."""
    consequence: str = ""
    """What came of following it. For a second look only."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """A pair lent to an annotator, with everything a page needs to show it."""

    assignment_id: int
    key: UUID
    pair_id: int
    occasion: int
    swapped: bool
    lease_until: datetime
    chosen_by: str
    guess: float | None
    """The model's P(a ≻ b), in the pair's own terms. Never for the annotator's eyes before the judgment."""
    guess_version: str
    prompt_id: int
    prompt_ref: str
    messages: list[dict[str, Any]]
    topic: str
    left: Shown
    right: Shown
    progress: Progress
    """How far the annotator was when this was read."""
    answer: Answer | None = None
    """What was said before, where the pair was reopened by an undo."""
    draft: Kept | None = None
    """What was entered since, and not submitted."""
    kind: ClassVar[Judgment.Kind] = Judgment.Kind.PAIR

    @property
    def number(self) -> int:
        """How pages name it among what they hold."""
        return self.pair_id

    @property
    def shown(self) -> dict[Side, Shown]:
        return {"left": self.left, "right": self.right}


def deal(*, annotator: Annotator, exclude: Collection[int] = (), least: int = 1) -> Dealt | None:
    """The pair that the annotator judges next, or None if there is none left for them.

    A lease that is still open is shown again (one that an undo reopened first, then the oldest), so that a reload shows
    the same pair on the same sides. ``exclude`` names pairs that the page already holds; nothing new is
    lent while fewer than ``least`` pairs are free. Raises ``Forbidden`` where the annotator is paused or the project
    archived.
    """
    check_may_judge(annotator)
    for _attempt in range(_TRIES):
        open_assignment, candidates, pool = _find(annotator, exclude)
        if open_assignment:
            dealt = show(assignment_id=open_assignment, annotator=annotator)
        elif len(candidates) >= least:
            chosen = _ranked(annotator, candidates)
            if pool == "qualifying":
                dealt = _lend(annotator, _because("qualification", chosen))
            else:
                dealt = _deal_extra(annotator, exclude) or _lend(annotator, chosen)
        else:
            return None
        if dealt:  # else somebody else was faster: look again
            return dealt
    return None


def deal_qualifying(*, annotator: Annotator, exclude: Collection[int] = ()) -> Dealt | None:
    """A qualification pair that the annotator has not answered, as listed; None if there is none."""
    _, candidates = _look_up(annotator, exclude, Project.Choosing.LISTED, "qualifying")
    return _lend(annotator, _because("qualification", _ranked(annotator, candidates))) if candidates else None


def show(*, assignment_id: int, annotator: Annotator) -> Dealt | None:
    """An open lease as its holder sees it, renewed if more than half of it has passed. None if it is not open."""
    if not (found := SHOW.run(renewal(assignment_id, annotator))):
        return None
    *row, judged_before, has_draft = found[0]
    dealt = _dealt(row, annotator.project, answer=last_answer(assignment_id) if judged_before else None)
    return replace(dealt, draft=draft_of(assignment_id)) if has_draft else dealt


def check_may_judge(annotator: Annotator) -> None:
    """Raise ``Forbidden`` where the annotator is paused or not qualified, or the project archived."""
    if annotator.paused_at:
        raise Forbidden(_("Your work in this project is paused. Its owner can tell you why."))
    if annotator.project.archived_at:
        raise Forbidden(_("This project is archived: nothing more is asked in it."))
    if annotator.qualified is False and annotator.project.qualify_share:
        raise Forbidden(
            _(
                "Thank you for your answers. This project works with people whose first answers match its examples more"
                " closely, so there are no more pairs for you. The first answers count as you gave them, or as you"
                " corrected them within %(seconds)d seconds; changing them now changes nothing. Its owner can let you try"
                " again."
            )
            % {"seconds": CORRECTED_WITHIN.seconds}
        )


def _find(annotator: Annotator, exclude: Collection[int]) -> tuple[int | None, list[Candidate], Pool]:
    """The open lease to show again, or else the pairs that could be lent; qualification first, where it is asked."""
    if is_qualifying(annotator):
        found = _look_up(annotator, exclude, Project.Choosing.LISTED, "qualifying")
        if any(found) or (exclude and has_open(annotator)):
            return *found, "qualifying"
        if not settle(annotator=annotator):
            check_may_judge(annotator)
    return *_look_up(annotator, exclude, annotator.project.choosing), "ordinary"


def _look_up(
    annotator: Annotator, exclude: Collection[int], policy: str, pool: Pool = "ordinary"
) -> tuple[int | None, list[Candidate]]:
    """The open lease, or the pairs of one pool. Begins somewhere in the fixed random order, and once more at its start if
    that was near the end.

    Where every pair has enough judgments, those that may have more.
    """
    project = annotator.project
    at_random = policy in (Project.Choosing.INFORMATION, Project.Choosing.RANDOM)
    looks = [(random.getrandbits(31), False)] if at_random else []
    looks += [(0, False)] + [(0, True)] * (pool == "ordinary" and project.overlap_cap is not None)
    quotas = quotas_of(annotator) if pool != "qualifying" else {}
    limited = any(quotas.values())
    found: list[Candidate] = []
    for offset, extra in looks:
        values = quotas | {
            "today": start_of_today(),
            "project": project.pk,
            "annotator": annotator.pk,
            "exclude": [*exclude, *(each.pair_id for each in found)],
            "offset": offset,
            "limit": CANDIDATES,
        }
        rows = find_open_or_candidates(policy, pool=pool, extra=extra, quota=limited).run(values)
        if rows and rows[0][0]:
            return rows[0][0], []
        found += [Candidate._make(row[1:]) for row in rows]
        if len(found) >= ENOUGH or (found and offset == 0):
            break
    return None, found


def _ranked(annotator: Annotator, candidates: Sequence[Candidate]) -> list[Chosen]:
    project = annotator.project
    candidates = list(candidates)
    if project.choosing == Project.Choosing.RANDOM:
        random.shuffle(candidates)  # neighbours in the fixed order would otherwise be dealt together
    return rank_candidates(ChoiceRequest(project.pk, annotator.pk, project.choosing, candidates))


def _deal_extra(annotator: Annotator, exclude: Collection[int]) -> Dealt | None:
    """A hidden repeat or a gold pair, at the project's rates; None most of the time."""
    project, chance = annotator.project, random.random()
    if chance < project.repeat_rate:
        return _lend_repeat(annotator, exclude)
    if chance < project.repeat_rate + project.gold_rate:
        _, candidates = _look_up(annotator, exclude, Project.Choosing.RANDOM, "gold")
        return _lend(annotator, _because("gold", _ranked(annotator, candidates))) if candidates else None
    return None


def _lend_repeat(annotator: Annotator, exclude: Collection[int]) -> Dealt | None:
    """One of the annotator's own earlier pairs, with the sides swapped. Takes no slot."""
    values = {"annotator": annotator.pk, "exclude": [*exclude], "after": REPEAT_AFTER, "among": REPEAT_AMONG}
    if not (found := EARLIER.run(values)):
        return None
    *candidate, swapped = found[0]
    chosen = _because("repeat", _ranked(annotator, [Candidate(*candidate)]))
    return _lend(annotator, chosen, occasion=1, swapped=not swapped)


def _because(why: str, chosen: Sequence[Chosen]) -> list[Chosen]:
    """The same pairs, and why they are dealt."""
    return [each._replace(chosen_by=why) for each in chosen]


def _lend(
    annotator: Annotator, chosen: Sequence[Chosen], *, occasion: int = 0, swapped: bool | None = None
) -> Dealt | None:
    """Claim the first of ``chosen`` that has a slot. Pairs locked by others are waited for only if no other is free."""
    now = timezone.now()
    values: dict[str, Any] = {
        "occasion": occasion,
        "swapped": swapped,
        "annotator": annotator.pk,
        "project": annotator.project_id,
        "today": start_of_today(),
        "key": uuid4(),
        "coin": random.random(),
        "until": now + timedelta(minutes=annotator.project.lease_minutes),
        "now": now,
        "state": Assignment.State.OPEN.value,
    }
    for some, wait in ((chosen[:_FIRST], False), (chosen[_FIRST:], False), (chosen, True)):
        columns = {
            "pairs": [each.pair_id for each in some],
            "chosen_by": [each.chosen_by for each in some],
            "guesses": [each.guess for each in some],
            "versions": [each.guess_version for each in some],
        }
        if some and (row := _claim(values | columns, wait=wait)):
            return _dealt(row, annotator.project)
    return None


def _claim(values: dict[str, Any], *, wait: bool) -> tuple[Any, ...] | None:
    """A lease need not wait for the disk: a power cut in the next half second loses it, and no more than that."""
    try:
        return next(iter(claim(wait=wait).run_at_leisure(values)), None)
    except IntegrityError:  # another request of the same annotator was faster with this pair: find it as open
        return None


def _dealt(row: Sequence[Any], project: Project, answer: Answer | None = None) -> Dealt:
    *lease, messages, topic, a_id, a_text, a_digest, a_more, b_id, b_text, b_digest, b_more, today, total, guesses = row
    sides = shown_from(a_id, a_text, a_digest, a_more), shown_from(b_id, b_text, b_digest, b_more)
    swapped: bool = lease[4]
    left, right = reversed(sides) if swapped else sides
    progress = progress_from(today, total, guesses, goal=project.daily_goal)
    return Dealt(*[*lease, json.loads(messages), topic, left, right, progress, answer])


def shown_from(response_id: int, text: str, digest: str, more: str | None) -> Shown:
    """A response with what ``selectors.content.beside`` says of it."""
    if more is None:
        return Shown(response_id, text, digest)
    beside = json.loads(more)
    picture = PictureShown(**beside["picture"]) if beside["picture"] else None
    return Shown(response_id, text, digest, picture, tuple(beside["after"]), beside["consequence"])
