"""Reads of a project's pairs and of what was said of one."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from annotator.models import Judgment, Pair, Project


def pairs_of(project: Project, query: str = "") -> QuerySet[Pair]:
    """Pairs with their prompts and responses, in the order they came; of prompts that say ``query`` or are called so."""
    rows = project.pairs.select_related("prompt", "response_a", "response_b").order_by("id")
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows


def judgments_of(pair: Pair) -> QuerySet[Judgment]:
    """What stands of the pair, with reasons, newest first."""
    standing = pair.judgments.filter(current=True, withdrawn=False)
    return standing.select_related("annotator", "rationale").order_by("-id")
