"""Reads of a project's lineups and of what was said of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from annotator.models import Adjudication, Flag, Judgment, Lineup, Project, QualityReport, Response
from annotator.selectors.pairs import open_flags
from annotator.statements import Statement

_OWN_RATINGS = Statement("""
SELECT u.responses[1], ARRAY(SELECT r.id FROM annotator_response r
    WHERE r.prompt_id = u.prompt_id AND r.id <> u.responses[1] ORDER BY r.id), j.rating
FROM annotator_judgment j JOIN annotator_lineup u ON u.id = j.lineup_id
WHERE j.annotator_id = %(annotator)s AND j.current AND NOT j.withdrawn AND j.kind = 'rating' AND j.choice = 'rated'
  AND j.occasion = 0 AND j.scale = %(scale)s::text ORDER BY j.id DESC LIMIT %(most)s::int
""")


class OwnRating(NamedTuple):
    """What an annotator rated, and the other responses to its prompt."""

    response: int
    beside: Sequence[int]
    rating: int


def own_ratings(*, annotator_id: int, scale: str, most: int = 100) -> list[OwnRating]:
    """Their latest ratings on a scale."""
    values = {"annotator": annotator_id, "scale": scale, "most": most}
    return [*map(OwnRating._make, _OWN_RATINGS.run(values))]


@dataclass(frozen=True, slots=True)
class Standing:
    """A response of a lineup with what people said of it on average; None where nobody did."""

    number: int
    response: Response
    mean: float | None
    of: int


def lineups_of(project: Project, *, kind: str = "", query: str = "") -> QuerySet[Lineup]:
    """Lineups in the order they came, with how many ``said`` something; of prompts that say ``query`` or have it as id."""
    standing = Q(judgments__current=True, judgments__withdrawn=False, judgments__occasion=0) & ~Q(
        judgments__choice=Judgment.Choice.SKIP
    )
    rows = Lineup.objects.filter(project=project).select_related("prompt", "project").order_by("id")
    rows = rows.filter(kind=kind) if kind else rows
    if query := query.strip()[:200].replace("\x00", ""):
        rows = rows.filter(Q(prompt__text__icontains=query) | Q(prompt__ref=query))
    return rows.annotate(said=Count("judgments", filter=standing))


def contested_lineups(project: Project) -> QuerySet[Lineup]:
    """Those on which people part ways as of the latest report, the most contested first; decided and known ones are left out."""
    report = QualityReport.objects.filter(project=project).only("contested").first()
    ids = report.contested if report else []
    rows = lineups_of(project).filter(pk__in=ids, withdrawn_at=None).exclude(Lineup.KNOWN)
    rows = rows.exclude(adjudications__in=Adjudication.objects.filter(current=True).exclude(choice=""))
    order = Case(*(When(pk=pk, then=Value(place)) for place, pk in enumerate(ids)), output_field=IntegerField())
    return rows.order_by(order, "id") if ids else rows


def known_lineups(project: Project, query: str = "") -> QuerySet[Lineup]:
    """Those with a known answer."""
    return lineups_of(project, query=query).filter(Lineup.KNOWN)


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
        if judgment.occasion:
            continue
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
