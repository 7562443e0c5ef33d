"""Reads of a project's pairs and of what was said of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from annotator.models import Assignment, Flag, Judgment, Lineup, Pair, Project

PINNED = "pinned"
"""What a pinned pair was chosen by."""


@dataclass(frozen=True, slots=True)
class GoldCounts:
    """Pairs, rankings and ratings with a known answer: shown among the others, and asked before them."""

    hidden: int
    qualifying: int


def gold_counts(project: Project) -> GoldCounts:
    """How many of each, of what the project asks for."""
    counted = {"n": Count("pk"), "first": Count("pk", filter=Q(qualifying=True))}
    known = []
    if Judgment.Kind.PAIR in project.kinds:
        known.append(project.pairs.filter(withdrawn_at=None).exclude(gold_choice="").aggregate(**counted))
    if project.kinds != [Judgment.Kind.PAIR]:
        lineups = project.lineups.filter(Lineup.KNOWN, withdrawn_at=None, kind__in=project.kinds)
        known.append(lineups.aggregate(**counted))
    first = sum(each["first"] for each in known)
    return GoldCounts(sum(each["n"] for each in known) - first, first)


def pairs_of(project: Project, query: str = "", *, only_gold: bool = False, flagged: bool = False) -> QuerySet[Pair]:
    """Pairs in the order they came; of prompts that say ``query`` or have it as their id.

    All, or those with a known answer, or those with a flag that no owner has seen to.
    """
    rows = project.pairs.prefetch_related("prompt", "response_a__picture", "response_b__picture").order_by("id")
    if only_gold:
        rows = rows.exclude(gold_choice="")
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows.filter(pk__in=open_flags(project).values("judgment__pair")) if flagged else rows


def open_flags(project: Project) -> QuerySet[Flag]:
    """What was flagged and stands, and no owner has seen to."""
    standing = Flag.objects.filter(judgment__project=project, judgment__current=True, judgment__withdrawn=False)
    return standing.filter(seen_at=None)


def judged(pairs: Iterable[Pair]) -> Counter[int]:
    """How many first looks stand for each of a page of pairs, by the pair's id."""
    standing = Judgment.objects.filter(pair__in=list(pairs), current=True, withdrawn=False, occasion=0).order_by()
    counts = standing.exclude(choice=Judgment.Choice.SKIP).values_list("pair").annotate(n=Count("pk"))
    return Counter(dict(counts))


def pins_of(of: Pair | Lineup) -> QuerySet[Assignment]:
    """For whom a pair or a lineup is pinned who has not judged it yet."""
    waiting = (Assignment.State.PINNED, Assignment.State.OPEN)
    return of.assignments.filter(chosen_by=PINNED, state__in=waiting).select_related("annotator").order_by("id")


def judgments_of(pair: Pair) -> QuerySet[Judgment]:
    """What stands of the pair, with reasons, newest first."""
    standing = pair.judgments.filter(current=True, withdrawn=False)
    rows = standing.select_related("annotator", "rationale", "flag__seen_by").prefetch_related("spans")
    return rows.order_by("-id")
