"""An annotator's own judgments: found again, and how steady they are. For their eyes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotator.models import Annotator, Assignment, Draft, Judgment
from annotator.services.aspects import with_aspects
from annotator.services.drafts import KEPT_DAYS
from annotator.statements import Statement
from attune.quality.orders import orders_alike, tiers_of

ENOUGH_TWICE = 5
"""With fewer pairs seen twice nothing is said: it would give them away, and mean little."""
KEPT_SHOWN = 20

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


@dataclass(frozen=True, slots=True)
class SteadyOrders:
    """Of ``twice`` rankings that were seen a second time, the mean share of couples that stood the same way, 0 to 1."""

    alike: float
    twice: int


@dataclass(frozen=True, slots=True)
class SteadyRatings:
    """Of ``twice`` responses that were rated a second time, ``same`` got the same rating, ``near`` one a step away."""

    same: int
    near: int
    twice: int


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """What somebody entered and did not send, and why it counts for nothing.

    ``withdrawn`` by the owner; ``undone``: the annotator took their own answer back, ``judgment``, and gave none before
    the lease was over; ``followed`` a first judgment that was taken back; or the lease just ``ended``.
    """

    draft: Draft
    why: Literal["withdrawn", "undone", "followed", "ended"]
    judgment: int | None = None


def own_judgments(annotator: Annotator, *, query: str = "", choice: str = "") -> QuerySet[Judgment]:
    """The latest revision of each, newest first, with all that was said; of prompts and reasons that say ``query``.

    ``choice`` is one of ``Judgment.Choice``, or ``withdrawn``, or ``flagged``; usually withdrawn ones are there too.
    """
    rows = Judgment.objects.filter(annotator=annotator, current=True)
    rows = rows.select_related("pair__prompt", "lineup__prompt", "assignment", "rationale", "flag")
    rows = rows.prefetch_related("spans", *with_aspects())
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


def steadiness_of_lineups(annotator: Annotator) -> tuple[SteadyOrders | None, SteadyRatings | None]:
    """The same of rankings and of ratings, each None while there is too little; “not on this scale” is none."""
    orders, ratings = _twice(annotator)
    steady_orders = steady_ratings = None
    if len(orders) >= ENOUGH_TWICE:
        steady_orders = SteadyOrders(sum(orders) / len(orders), len(orders))
    if len(ratings) >= ENOUGH_TWICE:
        steady_ratings = SteadyRatings(ratings.count(0), ratings.count(1), len(ratings))
    return steady_orders, steady_ratings


def _twice(annotator: Annotator) -> tuple[list[float], list[int]]:
    """How alike each ranking is to the one before, and how many steps each rating is from it."""
    said = Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False)
    said = said.exclude(lineup=None).exclude(choice=Judgment.Choice.SKIP)
    again = said.filter(occasion=1)
    firsts = {each.lineup_id: each for each in said.filter(occasion=0, lineup__in=again.values("lineup"))}
    orders, ratings = [], []
    for each in again:
        before = firsts.get(each.lineup_id)
        if before is None:
            continue
        if each.ranking and before.ranking:
            orders.append(orders_alike(tiers_of(before.ranking), tiers_of(each.ranking)))
        elif each.rating is not None and before.rating is not None and each.scale == before.scale:
            ratings.append(abs(each.rating - before.rating))
    return orders, ratings


def kept_drafts(annotator: Annotator) -> list[KeptDraft]:
    """What was entered and never counted, newest first, as long as the same was not answered since."""
    since = timezone.now() - timedelta(days=KEPT_DAYS)
    lost = Draft.objects.filter(assignment__annotator=annotator, updated_at__gte=since)
    ended = [Assignment.State.EXPIRED, Assignment.State.RELEASED]
    withdrawn = Q(assignment__pair__withdrawn_at__isnull=False) | Q(assignment__lineup__withdrawn_at__isnull=False)
    lost = lost.filter(Q(assignment__state__in=ended) | withdrawn).order_by("-updated_at")
    lost = lost.select_related("assignment__pair__prompt", "assignment__lineup__prompt")[:KEPT_SHOWN]
    own = Judgment.objects.filter(annotator=annotator, current=True, assignment__isnull=False)
    held = [draft.assignment for draft in lost]
    own = own.filter(Q(pair__in=[each.pair_id for each in held]) | Q(lineup__in=[each.lineup_id for each in held]))
    said = {(each.pair_id, each.lineup_id, each.occasion): each for each in own}
    found = [_kept(draft, said.get(_same(draft.assignment))) for draft in lost]
    return [each for each in found if each]


def _kept(draft: Draft, said: Judgment | None) -> KeptDraft | None:
    if said and not said.withdrawn:
        return None
    of = draft.assignment.pair or draft.assignment.lineup
    if of and of.withdrawn_at:
        return KeptDraft(draft, "withdrawn")
    if said:
        return KeptDraft(draft, "undone", said.pk)
    lease = draft.assignment
    taken_back = lease.follows_id and lease.state == Assignment.State.RELEASED
    return KeptDraft(draft, "followed" if taken_back else "ended")


def _same(assignment: Assignment) -> tuple[int | None, int | None, int]:
    return assignment.pair_id, assignment.lineup_id, assignment.occasion
