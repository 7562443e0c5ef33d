"""Reads of a project's lineups, of what was said of one, and of how far people agree on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet

from annotator.models import Flag, Judgment, Lineup, Project, Response
from annotator.selectors.pairs import open_flags
from annotator.statements import Statement
from attune.quality.agreement import Agreement, agreement, patterns_of

_PLACES = Statement("""
SELECT j.lineup_id, place::int, tier.ordinality - 1, NULL::text FROM annotator_judgment j
CROSS JOIN LATERAL jsonb_array_elements(j.ranking) WITH ORDINALITY AS tier
CROSS JOIN LATERAL jsonb_array_elements_text(tier.value) AS place
WHERE j.project_id = %(project)s AND j.current AND NOT j.withdrawn AND j.kind = 'ranking' AND j.choice = 'ranked'
  AND %(kind)s::text = 'ranking'
UNION ALL
SELECT j.lineup_id, 1, j.rating, j.scale FROM annotator_judgment j
WHERE j.project_id = %(project)s AND j.current AND NOT j.withdrawn AND j.kind = 'rating' AND j.choice = 'rated'
  AND j.scale = %(scale)s::text AND %(kind)s::text = 'rating'
""")
"""(lineup, number of the response, value): the tier in an order, or the place on the scale that the project has now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A response of a lineup with what people said of it on average; None where nobody did."""

    number: int
    response: Response
    mean: float | None
    of: int


def lineups_of(project: Project, *, kind: str = "", query: str = "") -> QuerySet[Lineup]:
    """Lineups in the order they came, with how many ``said`` something; of prompts that say ``query`` or have it as id."""
    standing = Q(judgments__current=True, judgments__withdrawn=False) & ~Q(judgments__choice=Judgment.Choice.SKIP)
    rows = Lineup.objects.filter(project=project).select_related("prompt", "project").order_by("id")
    rows = rows.filter(kind=kind) if kind else rows
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows.annotate(said=Count("judgments", filter=standing))


def lineup_counts(project: Project) -> dict[str, int]:
    """How many there are of each kind that are not withdrawn."""
    rows = Lineup.objects.filter(project=project, withdrawn_at=None).order_by()
    return dict(rows.values_list("kind").annotate(n=Count("pk")))


def said_of_lineup(lineup: Lineup) -> QuerySet[Judgment]:
    """What stands of it, with reasons, newest first."""
    rows = lineup.judgments.filter(current=True, withdrawn=False)
    rows = rows.select_related("annotator", "rationale", "flag", "lineup").prefetch_related("spans")
    return rows.order_by("-id")


def flags_of_lineup(lineup: Lineup) -> QuerySet[Flag]:
    """What was flagged of it and no owner has seen to."""
    return open_flags(lineup.project).filter(judgment__lineup=lineup).select_related("judgment__annotator")


def standings(lineup: Lineup, judgments: Iterable[Judgment]) -> list[Standing]:
    """Its responses, the best on average first: by their mean place, equal ones sharing theirs, or their mean rating."""
    texts = Response.objects.select_related("picture").in_bulk(lineup.responses)
    said: dict[int, list[float]] = {number: [] for number in range(1, len(lineup.responses) + 1)}
    for judgment in judgments:
        before = 0
        for tier in judgment.ranking or ():
            for number in tier:
                said[number].append(before + (len(tier) + 1) / 2)
            before += len(tier)
        if judgment.rating is not None:
            said[1].append(judgment.rating)
    rows = [
        Standing(number, texts[lineup.responses[number - 1]], sum(each) / len(each) if each else None, len(each))
        for number, each in said.items()
    ]
    return sorted(rows, key=lambda row: (row.mean is None, row.mean, row.number))


def agreement_on(project: Project, kind: str) -> Agreement:
    """Krippendorff's ordinal α: of the places of responses in their orders, or of ratings on the scale of now."""
    values: dict[str, Any] = {"project": project.pk, "kind": kind, "scale": project.scale}
    found = np.array([row[:3] for row in _PLACES.run(values)], np.int64).reshape(-1, 3)
    return agreement(*patterns_of(found[:, 0] * 8 + found[:, 1] - 1, found[:, 2], 11), level="ordinal")
