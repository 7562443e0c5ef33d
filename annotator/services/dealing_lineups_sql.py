"""The statements of lending lineups, as ``dealing_sql`` has those of pairs."""

from __future__ import annotations

from functools import cache
from typing import Literal

from annotator.models import Project
from annotator.selectors.content import beside
from annotator.selectors.progress import PROGRESS
from annotator.statements import Statement

LineupPool = Literal["ordinary", "gold", "qualifying"]
"""Which lineups: gold ones come at a rate of their own, qualifying ones before anything else."""

_GOLD = "(u.gold_ranking IS NOT NULL OR u.gold_low IS NOT NULL)"
_POOLS: dict[LineupPool, str] = {
    "ordinary": f"NOT {_GOLD}",
    "gold": f"{_GOLD} AND NOT u.qualifying",
    "qualifying": "u.qualifying",
}
_CONTENT = f"""
    l.id, l.key, l.lineup_id, l.occasion, u.kind, u.responses, l.shown, l.lease_until, l.chosen_by,
    t.id, t.ref, t.messages, t.topic,
    (SELECT array_agg(ARRAY[r.text, r.digest, {beside("r")}] ORDER BY array_position(u.responses, r.id))
     FROM annotator_response r WHERE r.id = ANY (u.responses)), progress.today, progress.total, progress.guesses
"""
_CONTENT_OF = f"""
    JOIN annotator_lineup u ON u.id = l.lineup_id JOIN annotator_prompt t ON t.id = u.prompt_id
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
"""As ``dealing_sql.SHOW``."""

_FREE = """
    u.project_id = %(project)s AND u.kind = %(kind)s::text AND u.withdrawn_at IS NULL AND u.taken < {most}
    AND u.id <> ALL (%(exclude)s::bigint[]) AND NOT EXISTS (
        SELECT 1 FROM annotator_assignment a WHERE a.lineup_id = u.id AND a.annotator_id = %(annotator)s
        AND a.state IN ('open', 'judged', 'skipped', 'pinned'))
    AND NOT EXISTS (SELECT 1 FROM annotator_judgment j WHERE j.lineup_id = u.id AND j.annotator_id = %(annotator)s)
    AND (SELECT count(*) < COALESCE(%(quota_total)s::int, 2147483647)
                AND count(*) FILTER (WHERE a.dealt_at >= %(today)s::timestamptz) < COALESCE(%(quota_day)s::int, 2147483647)
         FROM annotator_assignment a WHERE a.annotator_id = %(annotator)s AND a.state IN ('open', 'judged'))
"""
_ORDER = {
    Project.Choosing.INFORMATION: "u.taken, (u.shuffle < %(offset)s::int), u.shuffle",
    Project.Choosing.COVERAGE: "u.taken, u.shuffle",
    Project.Choosing.RANDOM: "(u.shuffle < %(offset)s::int), u.shuffle",
    Project.Choosing.LISTED: "u.id + %(offset)s::int * 0",
}


@cache
def free_lineups(policy: str, *, pool: LineupPool = "ordinary", extra: bool = False) -> Statement:
    """Lineups that the annotator could be lent: (id, responses, beside, taken), in the policy's order.

    ``beside`` are the other responses to the prompt. ``extra``: also those that have enough.
    """
    most = "u.cap" if extra else "COALESCE(u.target, u.cap)"
    where, order = _FREE.format(most=most), _ORDER[Project.Choosing(policy)]
    return Statement(f"""
    SELECT u.id, u.responses, ARRAY(SELECT r.id FROM annotator_response r
        WHERE r.prompt_id = u.prompt_id AND r.id <> ALL (u.responses) ORDER BY r.id), u.taken
    FROM (SELECT * FROM annotator_lineup u WHERE {where} AND {_POOLS[pool]} ORDER BY {order} LIMIT %(limit)s) u
    ORDER BY {order}""")


@cache
def claim_lineup(*, wait: bool) -> Statement:
    """Lend the first of the list that has a slot. Those that others are claiming are passed over, or waited for.

    ``shown`` is the order of the screen, or null: then it is drawn. ``state`` is open, or pinned for one that waits.
    """
    return Statement(f"""
    WITH picked AS (
        SELECT u.id, u.responses, c.chosen_by, c.guesses, c.guess_version
        FROM unnest(%(lineups)s::bigint[], %(chosen_by)s::text[], %(guesses)s::text[], %(versions)s::text[])
            WITH ORDINALITY AS c(lineup_id, chosen_by, guesses, guess_version, place)
        JOIN annotator_lineup u ON u.id = c.lineup_id
        WHERE u.withdrawn_at IS NULL AND (u.taken < u.cap OR %(occasion)s::int > 0)
        ORDER BY c.place LIMIT 1 FOR NO KEY UPDATE OF u {"" if wait else "SKIP LOCKED"}
    ), l AS (
        INSERT INTO annotator_assignment (key, project_id, lineup_id, annotator_id, occasion, swapped, shown, state,
            lease_until, chosen_by, guesses, guess_version, dealt_at)
        SELECT %(key)s::uuid, %(project)s::bigint, picked.id, %(annotator)s::bigint, %(occasion)s::int, false,
            COALESCE(%(shown)s::smallint[],
                (SELECT array_agg(n ORDER BY random()) FROM generate_series(1, cardinality(picked.responses)) AS n)),
            %(state)s::text, %(until)s::timestamptz, picked.chosen_by, picked.guesses::float8[], picked.guess_version,
            %(now)s::timestamptz
        FROM picked RETURNING *
    )
    SELECT {_CONTENT} FROM l {_CONTENT_OF}
    """)


EARLIER_LINEUP = Statement("""
SELECT id, responses, beside, taken, shown FROM (
    SELECT u.id, u.responses, ARRAY(SELECT r.id FROM annotator_response r
        WHERE r.prompt_id = u.prompt_id AND r.id <> ALL (u.responses) ORDER BY r.id) AS beside, u.taken, j.shown
    FROM annotator_judgment j JOIN annotator_lineup u ON u.id = j.lineup_id
    WHERE j.annotator_id = %(annotator)s AND j.current AND NOT j.withdrawn AND j.occasion = 0 AND j.kind = %(kind)s::text
        AND j.source IN ('page', 'api') AND j.choice <> 'skip'
        AND u.withdrawn_at IS NULL AND u.id <> ALL (%(exclude)s::bigint[])
        AND u.id NOT IN (SELECT r.lineup_id FROM annotator_assignment r
            WHERE r.annotator_id = %(annotator)s AND r.occasion > 0 AND r.lineup_id IS NOT NULL)
        AND j.id < (SELECT late.id FROM annotator_judgment late WHERE late.annotator_id = %(annotator)s AND late.current
            AND NOT late.withdrawn ORDER BY late.id DESC OFFSET %(after)s::int - 1 LIMIT 1)
    ORDER BY j.id DESC LIMIT %(among)s::int) AS earlier
ORDER BY random() LIMIT 1
""")
"""One of the annotator's own lineups for a hidden repeat, by chance among some that lie ``after`` other judgments."""
