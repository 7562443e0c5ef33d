"""Rows about pairs (aggregated answers, the last word) and about people (figures, effort, peer prediction).

Both say of when they are: what is counted is from the project's latest quality report, the last word is from now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from django.db import connection, transaction

from annotator.exports.options import Tally
from annotator.models import AnnotatorQuality, Project, QualityReport

CHUNK = 500
Row = dict[str, Any]

METHODS = ("majority", "dawid_skene", "mace")
VOTES = ("votes_a", "votes_b", "votes_tie", "votes_both_bad", "votes_both_good")
PAIR_COLUMNS = (
    *(
        "prompt_id",
        "prompt",
        "topic",
        "response_a_id",
        "response_a",
        "model_a",
        "response_b_id",
        "response_b",
        "model_b",
    ),
    *("withdrawn", "gold", "qualifying", *VOTES),
    *(name for method in METHODS for name in (method, f"{method}_p")),
    *("adjudicated", "adjudication_note", "computed_at"),
)
FIGURES = (
    *("others", "sides", "same", "gold", "fit", "pooled_fit", "left", "longer", "ties"),
    *("seconds", "fast", "reasons", "words", "cyclic", "earned", "ranked", "rated", "upper"),
)
"""Each in four columns: the figure, the ends of its 95 % interval, and of how many observations it is."""
PEOPLE_COLUMNS = (
    *("annotator", "simulated", "in_training", "dropped", "paused", "qualified", "verdict", "judgments", "minutes"),
    *(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high", "_of")),
    *("on_cycle", "computed_at"),
)
_PAIRS = """
SELECT q.id, p.ref, p.text, p.topic, a.ref, a.text, a.source, b.ref, b.text, b.source, q.withdrawn_at IS NOT NULL,
       q.gold_choice, q.qualifying, COALESCE(d.choice, ''), COALESCE(d.note, '')
FROM annotator_pair q
JOIN annotator_prompt p ON p.id = q.prompt_id
JOIN annotator_response a ON a.id = q.response_a_id
JOIN annotator_response b ON b.id = q.response_b_id
LEFT JOIN annotator_adjudication d ON d.pair_id = q.id AND d.current
WHERE q.project_id = %s ORDER BY q.id
"""


def pair_rows(project: Project, tally: Tally) -> Iterator[Row]:
    """A row for each pair, in the order of ``PAIR_COLUMNS``; no votes and aggregates where none were computed of it."""
    report = QualityReport.objects.filter(project=project).first()
    at = report.computed_at.astimezone(UTC).isoformat() if report else None
    aggregates: Mapping[str, Any] = report.aggregates if report else {}
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_PAIRS, [project.pk])
        while found := cursor.fetchmany(CHUNK):
            for pk, *columns, decided, note in found:
                tally.rows += 1
                aggregated = _aggregated(aggregates.get(str(pk)))
                yield dict(
                    zip(
                        PAIR_COLUMNS,
                        (*columns, *aggregated, decided, note, at if aggregated[0] is not None else None),
                        strict=True,
                    )
                )


def people_rows(project: Project, tally: Tally) -> Iterator[Row]:
    """A row for each annotator with figures, in the order of ``PEOPLE_COLUMNS``, under pseudonyms and in no ranking."""
    report = QualityReport.objects.filter(project=project).defer("aggregates").first()
    at = report.computed_at.astimezone(UTC).isoformat() if report else None
    rows = AnnotatorQuality.objects.filter(annotator__project=project).select_related("annotator")
    for row in rows.order_by("annotator_id").iterator(CHUNK):
        who, figures = row.annotator, row.figures
        tally.rows += 1
        known = (who.simulated, who.in_training, who.dropped_at is not None, who.paused_at is not None, who.qualified)
        spent = (row.verdict, figures["judgments"], round(figures["minutes"], 2))
        four = [value for name in FIGURES for value in _four(figures.get(name))]
        yield dict(zip(PEOPLE_COLUMNS, (who.ref, *known, *spent, *four, figures["on_cycle"], at), strict=True))


def _aggregated(found: Mapping[str, Any] | None) -> list[Any]:
    if found is None:
        return [None] * (len(VOTES) + 2 * len(METHODS))
    return [*found["votes"], *(value for method in METHODS for value in found[method])]


def _four(figure: Mapping[str, Any] | None) -> tuple[Any, ...]:
    if figure is None:
        return (None, None, None, 0)
    return (*(round(figure[end], 4) for end in ("estimate", "low", "high")), figure["of"])
