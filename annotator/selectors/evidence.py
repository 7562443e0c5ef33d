"""What an annotator has said, as the models take it in."""

from __future__ import annotations

from typing import NamedTuple

from annotator.statements import Statement


class Comparison(NamedTuple):
    """One judgment that counts, in the pair's own terms. ``swapped``: response b was shown on the left."""

    judgment_id: int
    response_a_id: int
    response_b_id: int
    choice: str
    """``a``, ``b``, ``tie`` or ``both_bad``."""
    strength: int | None
    swapped: bool


_COMPARISONS = Statement("""
SELECT j.id, p.response_a_id, p.response_b_id, j.choice, j.strength, j.swapped
FROM annotator_judgment j JOIN annotator_pair p ON p.id = j.pair_id
WHERE j.annotator_id = %(annotator)s AND j.id > %(after)s AND j.current AND NOT j.withdrawn AND j.choice <> 'skip' ORDER BY j.id
""")


def comparisons(annotator_id: int, after: int = 0) -> list[Comparison]:
    """The annotator's current judgments with ids above ``after``, oldest first; no skips, nothing withdrawn.

    ``after`` is only of use while nothing before it was revised.
    """
    return [*map(Comparison._make, _COMPARISONS.run({"annotator": annotator_id, "after": after}))]
