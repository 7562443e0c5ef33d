"""What an annotator has said, as the models take it in."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max

from annotator.models import Judgment


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judgment that counts, in the pair's own terms. ``swapped``: response b was shown on the left."""

    judgment_id: int
    response_a_id: int
    response_b_id: int
    choice: str
    """``a``, ``b``, ``tie`` or ``both_bad``."""
    strength: int | None
    swapped: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """Equal as long as the annotator's evidence is the same: every judgment, revision or undo adds a row."""

    count: int
    last_id: int


def comparisons(annotator_id: int, after: int = 0) -> list[Comparison]:
    """The annotator's current judgments with ids above ``after``, oldest first; no skips, nothing withdrawn.

    ``after`` is only of use while nothing before it was revised: compare ``signature`` counts.
    """
    rows = (
        Judgment.objects.filter(annotator_id=annotator_id, current=True, withdrawn=False, pk__gt=after)
        .exclude(choice=Judgment.Choice.SKIP)
        .order_by("pk")
        .values_list("pk", "pair__response_a_id", "pair__response_b_id", "choice", "strength", "swapped")
    )
    return [Comparison(*row) for row in rows]


def signature(annotator_id: int) -> Signature:
    """Cheap: an index over the annotator's current rows answers it."""
    found = Judgment.objects.filter(annotator_id=annotator_id, current=True).aggregate(n=Count("*"), last=Max("pk"))
    return Signature(found["n"], found["last"] or 0)
