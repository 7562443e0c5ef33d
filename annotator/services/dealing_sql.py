"""The statements of dealing. Written out, because one round trip each is what keeps the next pair fast."""

from __future__ import annotations

from functools import cache

from annotator.selectors.content import beside
from annotator.selectors.progress import PROGRESS
from annotator.statements import Statement

_CONTENT = f"""
    l.id, l.key, l.pair_id, l.occasion, l.swapped, l.lease_until, l.chosen_by, l.guess, l.guess_version,
    t.id, t.ref, t.messages, t.topic, ra.id, ra.text, ra.digest, {beside("ra")},
    rb.id, rb.text, rb.digest, {beside("rb")},
    progress.today, progress.total, progress.guesses
"""
_CONTENT_OF = f"""
    JOIN annotator_pair p ON p.id = l.pair_id JOIN annotator_prompt t ON t.id = p.prompt_id
    JOIN annotator_response ra ON ra.id = p.response_a_id JOIN annotator_response rb ON rb.id = p.response_b_id
    CROSS JOIN ({PROGRESS}) AS progress
"""

SHOW = Statement(f"""
WITH renewed AS (
    UPDATE annotator_assignment l SET lease_until = %(until)s, state = 'open',
        dealt_at = CASE WHEN l.state = 'pinned' THEN now() ELSE l.dealt_at END
    WHERE l.id = %(assignment)s AND (l.state = 'open' AND l.lease_until < %(half)s OR l.state = 'pinned')
    RETURNING l.lease_until)
SELECT {_CONTENT.replace("l.lease_until", "COALESCE((SELECT lease_until FROM renewed), l.lease_until)")},
    EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.assignment_id = l.id),
    EXISTS (SELECT 1 FROM annotator_draft d WHERE d.assignment_id = l.id)
FROM annotator_assignment l {_CONTENT_OF} WHERE l.id = %(assignment)s AND l.state IN ('open', 'pinned')
""")
"""An open lease with what is shown, whether it was judged before and has a draft. Renews one half used up, opens a pinned one."""


@cache
def claim(*, wait: bool) -> Statement:
    """Lend the first pair of the list that has a slot, and read what is to be shown. No row: none had.

    Pairs that others are claiming right now are passed over, or with ``wait`` waited for. Sides: first balanced among
    those who were shown this pair, then by a coin biased against the side this annotator had more often lately
    (Efron 1971); a hidden repeat gets the sides it is given. ``state`` is open, or pinned for a pair that waits.
    """
    return Statement(f"""
    WITH picked AS (
        SELECT p.id, c.chosen_by, c.guess, c.guess_version
        FROM unnest(%(pairs)s::bigint[], %(chosen_by)s::text[], %(guesses)s::float8[], %(versions)s::text[])
            WITH ORDINALITY AS c(pair_id, chosen_by, guess, guess_version, place)
        JOIN annotator_pair p ON p.id = c.pair_id
        WHERE p.withdrawn_at IS NULL AND (p.taken < p.cap OR %(occasion)s::int > 0)
        ORDER BY c.place LIMIT 1 FOR NO KEY UPDATE OF p {"" if wait else "SKIP LOCKED"}
    ), balance AS MATERIALIZED (
        SELECT (SELECT COALESCE(sum(CASE WHEN o.swapped THEN 1 ELSE -1 END), 0) FROM annotator_assignment o
                WHERE o.pair_id = (SELECT id FROM picked) AND o.occasion = 0 AND o.state IN ('open', 'judged', 'pinned')) AS pair,
               (SELECT COALESCE(sum(CASE WHEN r.swapped THEN 1 ELSE -1 END), 0) FROM
                   (SELECT j.swapped FROM annotator_judgment j WHERE j.annotator_id = %(annotator)s AND j.current
                    ORDER BY j.id DESC LIMIT 20) r) AS own
    ), l AS (
        INSERT INTO annotator_assignment (key, project_id, pair_id, annotator_id, occasion, swapped, state,
            lease_until, chosen_by, guess, guess_version, dealt_at)
        SELECT %(key)s::uuid, %(project)s::bigint, picked.id, %(annotator)s::bigint, %(occasion)s::int,
            CASE WHEN %(swapped)s::boolean IS NOT NULL THEN %(swapped)s::boolean
                 WHEN balance.pair <> 0 THEN balance.pair < 0
                 WHEN balance.own <> 0 THEN (balance.own < 0) = (%(coin)s::float8 < 2.0 / 3)
                 ELSE %(coin)s::float8 < 0.5 END,
            %(state)s::text, %(until)s::timestamptz, picked.chosen_by, picked.guess, picked.guess_version, %(now)s::timestamptz
        FROM picked, balance
        RETURNING *
    )
    SELECT {_CONTENT} FROM l {_CONTENT_OF}
    """)


EARLIER = Statement("""
SELECT pair_id, response_a_id, response_b_id, taken, swapped FROM (
    SELECT j.pair_id, p.response_a_id, p.response_b_id, p.taken, j.swapped
    FROM annotator_judgment j JOIN annotator_pair p ON p.id = j.pair_id
    WHERE j.annotator_id = %(annotator)s AND j.current AND NOT j.withdrawn AND j.occasion = 0
        AND j.source IN ('page', 'api') AND j.choice <> 'skip'
        AND p.withdrawn_at IS NULL AND p.id <> ALL (%(exclude)s::bigint[])
        AND p.id NOT IN (SELECT r.pair_id FROM annotator_assignment r
            WHERE r.annotator_id = %(annotator)s AND r.occasion > 0)
    ORDER BY j.id DESC OFFSET %(after)s::int LIMIT %(among)s::int) AS earlier
ORDER BY random() LIMIT 1
""")
"""One of the annotator's own pairs for a hidden repeat, by chance among some that lie ``after`` others; none too soon."""
