"""Reads of a project's pairs and of what was said of one."""

from __future__ import annotations

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotator.models import Judgment, Pair, Project


def pairs_of(project: Project, query: str = "") -> QuerySet[Pair]:
    """Pairs with ``judged`` (first looks that stand), in the order they came; of prompts that say ``query`` or have it as id."""
    standing = Judgment.objects.filter(pair=OuterRef("pk"), current=True, withdrawn=False, occasion=0).order_by()
    counted = standing.exclude(choice=Judgment.Choice.SKIP).values("pair").annotate(n=Count("pk")).values("n")
    rows = project.pairs.select_related("project", "prompt", "response_a", "response_b").order_by("id")
    rows = rows.annotate(judged=Coalesce(Subquery(counted, output_field=IntegerField()), 0))
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows


def judgments_of(pair: Pair) -> QuerySet[Judgment]:
    """What stands of the pair, with reasons, newest first."""
    standing = pair.judgments.filter(current=True, withdrawn=False)
    return standing.select_related("annotator", "rationale").order_by("-id")
