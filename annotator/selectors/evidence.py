"""What an annotator has said, as the models take it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from annotator.statements import Statement


class Standing(NamedTuple):
    """The current revision of one judgment, in the pair's own terms. ``swapped``: response b was shown on the left.

    A ranking of n responses is n(n − 1)/2 of these with the same ``judgment_id``, a rating one for each earlier rating of a
    response to the same prompt; ``weight`` keeps several from counting as as many acts.
    """

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
    weight: float = 1.0
    tags: Sequence[str] = ()
    """Why, each with its side and sign, as snapshots have them: ``a+tone``. With ``rationale`` of judgments of pairs only."""
    rationale: str = ""


_OF_LINEUP = """
SELECT u.responses[one.place] AS a, u.responses[two.place] AS b,
    CASE WHEN one.tier = two.tier THEN 'tie' WHEN one.tier < two.tier THEN 'a' ELSE 'b' END AS choice,
    array_position(j.shown, two.place) < array_position(j.shown, one.place) AS swapped,
    2.0::float8 / cardinality(u.responses) AS weight
  FROM (SELECT number::smallint AS place, tier.ordinality AS tier FROM jsonb_array_elements(j.ranking) WITH ORDINALITY AS tier,
        jsonb_array_elements_text(tier.value) AS number) AS one
  JOIN (SELECT number::smallint AS place, tier.ordinality AS tier FROM jsonb_array_elements(j.ranking) WITH ORDINALITY AS tier,
        jsonb_array_elements_text(tier.value) AS number) AS two ON one.place < two.place
 WHERE j.kind = 'ranking' AND j.choice = 'ranked' AND j.occasion <> 1
UNION ALL
SELECT LEAST(u.responses[1], e.response), GREATEST(u.responses[1], e.response),
    CASE WHEN e.rating = j.rating THEN 'tie' WHEN (e.rating > j.rating) = (e.response < u.responses[1]) THEN 'a' ELSE 'b' END,
    e.response > u.responses[1], 1.0::float8 / count(*) OVER ()
  FROM (SELECT of.responses[1] AS response, before.rating FROM annotator_judgment before
          JOIN annotator_lineup of ON of.id = before.lineup_id
         WHERE of.prompt_id = u.prompt_id AND of.id <> u.id AND of.kind = 'rating' AND before.annotator_id = j.annotator_id AND {stands}
           AND before.occasion = 0 AND before.choice = 'rated' AND before.scale = j.scale AND before.id < j.id) AS e
 WHERE j.kind = 'rating' AND j.choice = 'rated' AND j.occasion <> 1
"""
"""What a judgment ``j`` of a lineup ``u`` says of every two responses, a being the older; docs/decisions/0012 has the reasons.

Of what was seen first counts that it was on the left: of the two in the order shown, or of the two ratings. ``stands`` says
which of the ratings ``before`` are looked at. A hidden repeat says nothing; which of two looks counts is for the caller.
"""


def of_lineup(stands: str = "before.current AND NOT before.withdrawn") -> str:
    """The columns a, b, choice, swapped, weight of what judgment ``j`` of lineup ``u`` says."""
    return _OF_LINEUP.replace("{stands}", stands)


_LOOKS = """(SELECT o.hindsight_trains FROM annotator_annotator w JOIN annotator_project o ON o.id = w.project_id
        WHERE w.id = %(annotator)s)"""
"""Read once a statement, and no part of its plan."""
_NEWER = "j.annotator_id = %(annotator)s AND (j.annotator_id, j.id) > (%(annotator)s, %(after)s::bigint) AND j.current"
_LOOK_COUNTS = f"""CASE WHEN j.occasion = 0 THEN {_LOOKS} <> 'hindsight'
        OR NOT EXISTS (SELECT 1 FROM annotator_judgment h WHERE h.annotator_id = j.annotator_id AND h.{{of}} = j.{{of}}
            AND h.occasion = 2 AND h.current AND NOT h.withdrawn AND h.choice <> 'skip')
        ELSE j.occasion = 2 AND {_LOOKS} <> 'first' END"""
_OF_PAIR = f"""
SELECT j.id, NOT j.withdrawn AND j.choice <> 'skip' AND {_LOOK_COUNTS.format(of="pair_id")} AS counts,
    p.response_a_id, p.response_b_id, j.choice, j.strength, j.swapped,
    j.occasion = 2 AND {_LOOKS} = 'hindsight' AS supersedes, 1.0::float8 AS weight,
    ARRAY(SELECT concat(said ->> 'side', CASE WHEN (said ->> 'good')::boolean THEN '+' ELSE '-' END, said ->> 'tag')
        FROM jsonb_array_elements(r.tags) AS said) AS tags, COALESCE(r.text, '') AS rationale
"""
_WITH_REASON = "LEFT JOIN annotator_rationale r ON r.judgment_id = j.id"
NEWS = f"""
{_OF_PAIR}, j.lineup_id IS NOT NULL AS of_lineup
FROM annotator_judgment j LEFT JOIN annotator_pair p ON p.id = j.pair_id {_WITH_REASON} WHERE {_NEWER} ORDER BY j.id
"""
"""Judgments with ids above ``after``: the columns of ``Standing`` for those of pairs, and whether it is of none.

The condition is written so that the index of both columns is taken, as walking everybody's later judgments by id looks as good
to the planner while there are few.
"""
_STANDING = Statement(f"""
{_OF_PAIR} FROM annotator_judgment j JOIN annotator_pair p ON p.id = j.pair_id {_WITH_REASON} WHERE {_NEWER}
UNION ALL
SELECT j.id, said.choice IS NOT NULL AND {_LOOK_COUNTS.format(of="lineup_id")}, said.a, said.b, COALESCE(said.choice, ''),
    NULL::int, COALESCE(said.swapped, false), false, COALESCE(said.weight, 0), ARRAY[]::text[], ''
FROM annotator_judgment j JOIN annotator_lineup u ON u.id = j.lineup_id
LEFT JOIN LATERAL ({of_lineup()}) AS said ON NOT j.withdrawn
WHERE {_NEWER} AND j.lineup_id IS NOT NULL
ORDER BY 1, 3, 4
""")

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
    ids = {each.judgment_id for each in added}
    return f"{count + len(ids)}:{total + sum(ids)}"
