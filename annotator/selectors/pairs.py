"""Reads of a project's pairs and of what was said of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db.models import Count, Q, QuerySet

from annotator.models import Judgment, Pair, Project


def pairs_of(project: Project, query: str = "") -> QuerySet[Pair]:
    """Pairs in the order they came; of prompts that say ``query`` or have it as their id."""
    rows = project.pairs.prefetch_related("prompt", "response_a", "response_b").order_by("id")
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows


def judged(pairs: Iterable[Pair]) -> Counter[int]:
    """How many first looks stand for each of a page of pairs, by the pair's id."""
    standing = Judgment.objects.filter(pair__in=list(pairs), current=True, withdrawn=False, occasion=0).order_by()
    counts = standing.exclude(choice=Judgment.Choice.SKIP).values_list("pair").annotate(n=Count("pk"))
    return Counter(dict(counts))


def judgments_of(pair: Pair) -> QuerySet[Judgment]:
    """What stands of the pair, with reasons, newest first."""
    standing = pair.judgments.filter(current=True, withdrawn=False)
    return standing.select_related("annotator", "rationale").order_by("-id")
