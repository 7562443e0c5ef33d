"""What an annotator has said, as the models take it in."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max

from annotator.models import Judgment
from annotator.statements import Statement


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


_COMPARISONS = Statement("""
SELECT j.id, p.response_a_id, p.response_b_id, j.choice, j.strength, j.swapped
FROM annotator_judgment j JOIN annotator_pair p ON p.id = j.pair_id
WHERE j.annotator_id = %(annotator)s AND j.id > %(after)s AND j.current AND NOT j.withdrawn AND j.choice <> 'skip' ORDER BY j.id
""")


def comparisons(annotator_id: int, after: int = 0) -> list[Comparison]:
    """The annotator's current judgments with ids above ``after``, oldest first; no skips, nothing withdrawn.

    ``after`` is only of use while nothing before it was revised: compare ``signature`` counts.
    """
    return [Comparison(*row) for row in _COMPARISONS.run({"annotator": annotator_id, "after": after})]


def signature(annotator_id: int) -> Signature:
    """Cheap: an index over the annotator's current rows answers it."""
    found = Judgment.objects.filter(annotator_id=annotator_id, current=True).aggregate(n=Count("*"), last=Max("pk"))
    return Signature(found["n"], found["last"] or 0)
