"""An annotator's own judgments: found again, and how steady they are. For their eyes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotator.models import Annotator, Assignment, Draft, Judgment
from annotator.services.drafts import KEPT_DAYS
from annotator.statements import Statement

ENOUGH_TWICE = 5
"""With fewer pairs seen twice nothing is said: it would give them away, and mean little."""

_STEADY = Statement("""
SELECT count(*) FILTER (WHERE second.choice = first.choice), count(*) FROM annotator_judgment second
JOIN annotator_judgment first ON first.annotator_id = second.annotator_id AND first.pair_id = second.pair_id
    AND first.occasion = 0 AND first.current AND NOT first.withdrawn AND first.choice <> 'skip'
WHERE second.annotator_id = %(annotator)s AND second.occasion = 1 AND second.current AND NOT second.withdrawn
    AND second.choice <> 'skip'
""")


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Of ``twice`` pairs that were seen a second time, ``same`` got the same answer."""

    same: int
    twice: int

    @property
    def share(self) -> float:
        return self.same / self.twice


def own_judgments(annotator: Annotator, *, query: str = "", choice: str = "") -> QuerySet[Judgment]:
    """The latest revision of each, newest first, with all that was said; of prompts and reasons that say ``query``.

    ``choice`` is one of ``Judgment.Choice``, or ``withdrawn``, or ``flagged``; usually withdrawn ones are there too.
    """
    rows = Judgment.objects.filter(annotator=annotator, current=True)
    rows = rows.select_related("pair__prompt", "lineup__prompt", "assignment", "rationale", "flag").prefetch_related(
        "spans"
    )
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(
            Q(pair__prompt__text__icontains=query)
            | Q(lineup__prompt__text__icontains=query)
            | Q(rationale__text__icontains=query)
        )
    if choice == "withdrawn":
        rows = rows.filter(withdrawn=True)
    elif choice == "flagged":
        rows = rows.filter(flag__isnull=False, withdrawn=False)
    elif choice in Judgment.Choice.values:
        rows = rows.filter(choice=choice, withdrawn=False)
    return rows.order_by("-id")


def steadiness(annotator: Annotator) -> Steadiness | None:
    """How often a pair got the same answer twice; None while there is too little to tell."""
    (row,) = _STEADY.run({"annotator": annotator.pk})
    found = Steadiness(*row)
    return found if found.twice >= ENOUGH_TWICE else None


def kept_drafts(annotator: Annotator) -> QuerySet[Draft]:
    """What was entered for pairs that can't be judged any more: the owner withdrew them, or others took them."""
    since = timezone.now() - timedelta(days=KEPT_DAYS)
    lost = Draft.objects.filter(assignment__annotator=annotator, updated_at__gte=since)
    ended = [Assignment.State.EXPIRED, Assignment.State.RELEASED]
    withdrawn = Q(assignment__pair__withdrawn_at__isnull=False) | Q(assignment__lineup__withdrawn_at__isnull=False)
    lost = lost.filter(Q(assignment__state__in=ended) | withdrawn)
    return lost.select_related("assignment__pair__prompt", "assignment__lineup__prompt").order_by("-updated_at")
