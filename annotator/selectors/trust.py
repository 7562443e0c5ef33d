"""The quality report as pages and exports read it. What is computed is in ``annotator.services.assessing``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Exists, F, Func, IntegerField, JSONField, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from annotator.models import Annotator, AnnotatorQuality, Project, QualityReport, QualityStep
from annotator.selectors.dashboard import A_WEEK
from attune.quality.agreement import Agreement
from attune.quality.figures import Figure, Usual
from attune.quality.intervals import Interval

VERDICTS = ("inconsistent", "contrary", "minority", "unclear", "typical", "")
"""In the order in which an owner wants to see them."""
STEPS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Part:
    """Agreement on a topic, or on an aspect; one of the two is None where it can't be."""

    name: str
    nominal: Agreement | None
    ordinal: Agreement | None


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The figures of a project's people, or of its simulated annotators."""

    simulated: bool
    annotators: int
    judgments: int
    verdicts: dict[str, int]
    usual: Usual
    nominal: Agreement
    ordinal: Agreement
    ranking: Agreement
    """Of the places in rankings, ordinal."""
    ratings: list[Part]
    """Of the places on each scale, ordinal."""
    topics: list[Part]
    aspects: list[Part]
    figures: dict[str, Figure | None]
    """Shares over everybody: left, longer, upper, ties, gold, same, fit, cyclic (of the majority's choices), cyclic_own."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was computed, when, in how many seconds."""

    computed_at: datetime
    seconds: float
    groups: list[GroupReport]


SHARES = ("left", "longer", "upper", "ties", "gold", "same", "fit", "cyclic", "cyclic_own")


_NOTHING = Agreement(0, 0, None, None)
"""Of reports made before rankings were in them."""


def report_of(project: Project) -> Report | None:
    """The latest report; None before the first."""
    row = QualityReport.objects.filter(project=project).defer("aggregates").first()
    if row is None:
        return None
    groups = [_group(name == "simulated", body) for name, body in sorted(row.body.items())]
    return Report(row.computed_at, row.seconds, groups)


def people_of(project: Project, *, verdict: str = "", query: str = "") -> QuerySet[AnnotatorQuality]:
    """Everybody's figures, those first whom an owner should look at, simulated annotators last."""
    order = Case(*(When(verdict=name, then=Value(n)) for n, name in enumerate(VERDICTS)), output_field=IntegerField())
    rows = AnnotatorQuality.objects.filter(annotator__project=project).select_related("annotator")
    if verdict in VERDICTS and verdict:
        rows = rows.filter(verdict=verdict)
    if query := query.strip()[:100].replace("\x00", ""):
        rows = rows.filter(Q(annotator__name__icontains=query) | Q(annotator__ref__icontains=query))
    return rows.order_by("annotator__simulated", order, "annotator_id")


def figure_of(figures: dict[str, Any], name: str) -> Figure | None:
    """A figure out of ``AnnotatorQuality.figures``."""
    found = figures.get(name)
    return Figure(**found) if isinstance(found, dict) else None


def steps_of(project: Project, annotator: Annotator | None = None) -> QuerySet[QualityStep]:
    """What followed from checks, newest first."""
    rows = QualityStep.objects.filter(project=project).select_related("annotator", "by").order_by("-id")
    return (rows.filter(annotator=annotator) if annotator else rows)[:STEPS_SHOWN]


def steps_lately(project: Project) -> int:
    """How many people fell below a bar in the last week and were not looked at by an owner since."""
    fallen = (QualityStep.What.WARNED, QualityStep.What.PAUSED, QualityStep.What.DROPPED)
    week = QualityStep.objects.filter(project=project, what__in=fallen, by=None, at__gt=timezone.now() - A_WEEK)
    later = QualityStep.objects.filter(annotator=OuterRef("annotator"), id__gt=OuterRef("id"), by__isnull=False)
    return week.exclude(Exists(later)).values("annotator").distinct().count()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What a method makes of all answers to a pair, and how sure it is."""

    method: str
    choice: str
    probability: float


METHODS = {"majority": "Majority", "dawid_skene": "Dawid–Skene", "mace": "MACE"}


def aggregates_of(project: Project, pair_id: int) -> list[Aggregate]:
    """What each method says of one pair; none where it is not in the report."""
    # Django would take a key of digits for a place in an array.
    path = Func(F("aggregates"), Value(str(pair_id)), function="jsonb_extract_path", output_field=JSONField())
    found = QualityReport.objects.filter(project=project).values_list(path, flat=True).first()
    return [Aggregate(label, *found[name]) for name, label in METHODS.items()] if isinstance(found, dict) else []


def _group(simulated: bool, body: dict[str, Any]) -> GroupReport:
    return GroupReport(
        simulated=simulated,
        annotators=body["annotators"],
        judgments=body["judgments"],
        verdicts=body["verdicts"],
        usual=Usual(**body["usual"]),
        nominal=_agreement(body["nominal"]),
        ordinal=_agreement(body["ordinal"]),
        ranking=_agreement(body["ranking"]) if "ranking" in body else _NOTHING,
        ratings=[Part(row["scale"], None, _agreement(row["ordinal"])) for row in body.get("ratings", ())],
        topics=[Part(row["topic"], _agreement(row["nominal"]), _agreement(row["ordinal"])) for row in body["topics"]],
        aspects=[Part(row["aspect"], None, _agreement(row["ordinal"])) for row in body["aspects"]],
        figures={name: figure_of(body, name) for name in SHARES},
    )


def _agreement(found: dict[str, Any]) -> Agreement:
    return Agreement(found["units"], found["answers"], _interval(found["raw"]), _interval(found["alpha"]))


def _interval(found: dict[str, float] | None) -> Interval | None:
    return Interval(**found) if found else None
