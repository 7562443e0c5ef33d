"""What an annotator has said, as the models take it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from annotator.statements import Statement


class Standing(NamedTuple):
    """The current revision of one judgment, in the pair's own terms. ``swapped``: response b was shown on the left."""

    judgment_id: int
    counts: bool
    """Whether it is evidence of a taste: not skipped, not withdrawn, no hidden repeat (fits leave those out too), and of
    a pair judged again with hindsight, what the project learns from."""
    response_a_id: int
    response_b_id: int
    choice: str
    """``a``, ``b``, ``tie``, ``both_good`` or ``both_bad``, if it counts."""
    strength: int | None
    swapped: bool
    supersedes: bool = False
    """It takes the place of the annotator's first judgment of the pair, which counts no more."""


_LOOKS = """(SELECT o.hindsight_trains FROM annotator_annotator w JOIN annotator_project o ON o.id = w.project_id
        WHERE w.id = %(annotator)s)"""
"""Read once a statement, and no part of its plan."""
STANDING = f"""
SELECT j.id, NOT j.withdrawn AND j.choice <> 'skip' AND CASE WHEN j.occasion = 0 THEN {_LOOKS} <> 'hindsight'
        OR NOT EXISTS (SELECT 1 FROM annotator_judgment h WHERE h.annotator_id = j.annotator_id AND h.pair_id = j.pair_id
            AND h.occasion = 2 AND h.current AND NOT h.withdrawn AND h.choice <> 'skip')
        ELSE j.occasion = 2 AND {_LOOKS} <> 'first' END AS counts,
    p.response_a_id, p.response_b_id, j.choice, j.strength, j.swapped,
    j.occasion = 2 AND {_LOOKS} = 'hindsight' AS supersedes
FROM annotator_judgment j JOIN annotator_pair p ON p.id = j.pair_id
WHERE j.annotator_id = %(annotator)s AND (j.annotator_id, j.id) > (%(annotator)s, %(after)s::bigint) AND j.current
ORDER BY j.id
"""
"""The columns of ``Standing``, for judgments with ids above ``after``; said so that the index of both is taken, as walking
everybody's later judgments by id looks as good to the planner while there are few."""
_STANDING = Statement(STANDING)

SIGNATURE = """
SELECT count(*) || ':' || sum(j.id) FROM annotator_judgment j WHERE j.annotator_id = a.id AND j.current
"""
"""Of the judgments of annotator ``a`` that stand: another one after every change, whoever makes it; null for none.

It sums the ids rather than taking the highest: ids are given before a transaction commits, so a lower one can appear
later.
"""


def standing(annotator_id: int, after: int = 0) -> list[Standing]:
    """The annotator's judgments that stand, with ids above ``after``, oldest first."""
    return [*map(Standing._make, _STANDING.run({"annotator": annotator_id, "after": after}))]


def signature_after(signature: str, added: Sequence[Standing]) -> str:
    """What ``SIGNATURE`` becomes where judgments were only added."""
    count, total = map(int, signature.split(":"))
    return f"{count + len(added)}:{total + sum(each.judgment_id for each in added)}"
