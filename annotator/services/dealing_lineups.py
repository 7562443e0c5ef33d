"""Lending a lineup, to be put in order or rated: as pairs are lent, and counted in the same way.

The order in which the responses of a ranking are shown is drawn at the claim and kept on the assignment.
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

from annotator.models import Annotator, Assignment, Judgment, Project
from annotator.selectors.progress import Progress, progress_from, start_of_today
from annotator.services.answers import Answer
from annotator.services.choosing import ChosenLineup, LineupCandidate, LineupRequest, rank_lineups
from annotator.services.dealing import REPEAT_AFTER, REPEAT_AMONG, Shown, shown_from
from annotator.services.dealing_lineups_sql import EARLIER_LINEUP, SHOW, LineupPool, claim_lineup, free_lineups
from annotator.services.drafts import Kept, draft_of
from annotator.services.layouts import lineup_layout
from annotator.services.lending import last_answer, quotas_of, renewal
from annotator.services.marks import Side

CANDIDATES = 50
_TRIES = 5


@dataclass(frozen=True, slots=True)
class DealtLineup:
    """A lineup lent to an annotator, with everything a page needs to show it."""

    assignment_id: int
    key: UUID
    lineup_id: int
    occasion: int
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
    guess: ClassVar[None] = None
    """The model's guess of a whole order is another one, and stays with the assignment."""

    @property
    def number(self) -> int:
        """How pages name it among what they hold: a negative number, for pairs have positive ones."""
        return -self.lineup_id


def deal_lineup(
    *, annotator: Annotator, kind: str, exclude: Collection[int] = (), least: int = 1
) -> DealtLineup | None:
    """A lineup of this kind that the annotator judges next; None if there are fewer than ``least`` for them.

    At the project's rates a hidden repeat or one with a known answer; else those that have too few judgments first, then,
    where the project allows more, the others, in the order of its policy.
    """
    for _attempt in range(_TRIES):
        found = _look_up(annotator, kind, exclude)
        if len(found) < least and annotator.project.overlap_cap is not None:
            found = _look_up(annotator, kind, exclude, extra=True)
        if len(found) < least:
            return None
        chosen = _ranked(annotator, kind, found)
        if dealt := _deal_extra(annotator, kind, exclude) or _lend(annotator, chosen):
            return dealt
    return None


def deal_qualifying_lineup(*, annotator: Annotator, kind: str, exclude: Collection[int] = ()) -> DealtLineup | None:
    """A qualification lineup of this kind that the annotator has not answered, as listed; None if there is none."""
    found = _look_up(annotator, kind, exclude, pool="qualifying")
    return _lend(annotator, _because("qualification", _ranked(annotator, kind, found))) if found else None


def _look_up(
    annotator: Annotator, kind: str, exclude: Collection[int], *, pool: LineupPool = "ordinary", extra: bool = False
) -> list[LineupCandidate]:
    quotas = quotas_of(annotator) if pool != "qualifying" else {"quota_total": None, "quota_day": None}
    values: dict[str, Any] = quotas | {
        "project": annotator.project_id,
        "annotator": annotator.pk,
        "kind": kind,
        "exclude": [*exclude],
        "offset": random.getrandbits(31),
        "limit": CANDIDATES,
        "today": start_of_today(),
    }
    choosing = Project.Choosing
    policy = {"ordinary": annotator.project.choosing, "gold": choosing.RANDOM, "qualifying": choosing.LISTED}[pool]
    return [*map(LineupCandidate._make, free_lineups(policy, pool=pool, extra=extra).run(values))]


def _ranked(annotator: Annotator, kind: str, candidates: Sequence[LineupCandidate]) -> list[ChosenLineup]:
    project = annotator.project
    return rank_lineups(
        LineupRequest(project.pk, annotator.pk, project.choosing, kind, project.scale, list(candidates))
    )


def _deal_extra(annotator: Annotator, kind: str, exclude: Collection[int]) -> DealtLineup | None:
    """A hidden repeat or one with a known answer, at the project's rates; None most of the time."""
    project, chance = annotator.project, random.random()
    if chance < project.repeat_rate:
        return _lend_repeat(annotator, kind, exclude)
    if chance < project.repeat_rate + project.gold_rate and (
        candidates := _look_up(annotator, kind, exclude, pool="gold")
    ):
        return _lend(annotator, _because("gold", _ranked(annotator, kind, candidates)))
    return None


def _lend_repeat(annotator: Annotator, kind: str, exclude: Collection[int]) -> DealtLineup | None:
    """One of the annotator's own earlier lineups, shown from the other end. Takes no slot."""
    values = {"annotator": annotator.pk, "kind": kind, "exclude": [*exclude]}
    if not (found := EARLIER_LINEUP.run(values | {"after": REPEAT_AFTER, "among": REPEAT_AMONG})):
        return None
    *candidate, shown = found[0]
    chosen = _because("repeat", _ranked(annotator, kind, [LineupCandidate._make(candidate)]))
    return _lend(annotator, chosen, occasion=1, shown=shown[::-1])


def _because(why: str, chosen: Sequence[ChosenLineup]) -> list[ChosenLineup]:
    return [each._replace(chosen_by=why) for each in chosen]


def show_lineup(*, assignment_id: int, annotator: Annotator) -> DealtLineup | None:
    """An open lease as its holder sees it, renewed if more than half of it has passed. None if it is not open."""
    if not (found := SHOW.run(renewal(assignment_id, annotator))):
        return None
    *row, judged_before, has_draft = found[0]
    dealt = _dealt(row, annotator.project)
    return replace(
        dealt,
        answer=last_answer(assignment_id) if judged_before else None,
        draft=draft_of(assignment_id) if has_draft else None,
    )


def hold_lineup(annotator: Annotator, lineup_id: int, chosen_by: str) -> None:
    """Keep a lineup for an annotator until they come to it. The caller has seen to it that there is a slot."""
    chosen = [ChosenLineup(lineup_id, chosen_by)]
    claim_lineup(wait=True).run(_claim_values(annotator, chosen, state=Assignment.State.PINNED))


def _lend(
    annotator: Annotator,
    chosen: Sequence[ChosenLineup],
    *,
    occasion: int = 0,
    shown: list[int] | None = None,
) -> DealtLineup | None:
    values = _claim_values(annotator, chosen, occasion=occasion, shown=shown)
    for wait in (False, True):
        try:
            found = claim_lineup(wait=wait).run_at_leisure(values)
        except IntegrityError:  # another request of the same annotator was faster: find it as open
            return None
        if found:
            return _dealt(found[0], annotator.project)
    return None


def _claim_values(
    annotator: Annotator,
    chosen: Sequence[ChosenLineup],
    *,
    occasion: int = 0,
    shown: list[int] | None = None,
    state: Assignment.State = Assignment.State.OPEN,
) -> dict[str, Any]:
    now = timezone.now()
    return {
        "lineups": [each.lineup_id for each in chosen],
        "chosen_by": [each.chosen_by for each in chosen],
        "guesses": [_array(each.guesses) for each in chosen],
        "versions": [each.guess_version for each in chosen],
        "annotator": annotator.pk,
        "project": annotator.project_id,
        "today": start_of_today(),
        "key": uuid4(),
        "occasion": occasion,
        "shown": shown,
        "state": state.value,
        "until": now if state == Assignment.State.PINNED else now + timedelta(minutes=annotator.project.lease_minutes),
        "now": now,
    }


def _array(guesses: Sequence[float] | None) -> str | None:
    """As Postgres writes it: arrays within an array would have to be equally long."""
    return None if guesses is None else "{" + ",".join(str(float(each)) for each in guesses) + "}"


def _dealt(row: Any, project: Project) -> DealtLineup:
    pk, key, lineup, occasion, kind, responses, shown, until, why, *prompt, texts, today, total, guesses = row
    prompt_id, ref, messages, topic = prompt
    layout = lineup_layout(kind, responses, shown)
    known = {pk: shown_from(pk, *columns) for pk, columns in zip(responses, texts, strict=True)}
    return DealtLineup(
        assignment_id=pk,
        key=key,
        lineup_id=lineup,
        occasion=occasion,
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
