"""A project's standing judgments as arrays, for the statistics of ``attune.quality``. Read by workers only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from annotator.models import Project
from annotator.selectors.dashboard import COUNTS
from annotator.selectors.placed import Row, placed_of
from attune.quality import ANSWERS
from attune.quality.lineups import Placed
from attune.quality.people import Fits, Judged

Ints = NDArray[np.int64]

_CODES = "CASE {column} " + " ".join(f"WHEN '{each}' THEN {n}" for n, each in enumerate(ANSWERS)) + " ELSE -1 END"
_JUDGED = f"""
SELECT j.annotator_id, who.simulated, j.pair_id, pair.response_a_id, pair.response_b_id, pair.prompt_id, prompt.topic,
       {_CODES.format(column="j.choice")}, j.strength, j.occasion = 0, j.swapped, j.source <> 'import',
       sign(length(one.text) - length(two.text))::int, {_CODES.format(column="pair.gold_choice")}, j.seconds, j.guess,
       CASE WHEN btrim(COALESCE(why.text, '')) = '' THEN 0
            ELSE array_length(regexp_split_to_array(btrim(why.text), '\\s+'), 1) END
FROM annotator_judgment AS j
JOIN annotator_annotator AS who ON who.id = j.annotator_id
JOIN annotator_pair AS pair ON pair.id = j.pair_id
JOIN annotator_prompt AS prompt ON prompt.id = pair.prompt_id
JOIN annotator_response AS one ON one.id = pair.response_a_id
JOIN annotator_response AS two ON two.id = pair.response_b_id
LEFT JOIN annotator_rationale AS why ON why.judgment_id = j.id
WHERE {COUNTS} AND j.occasion <> 2
"""
_WIDTH = 17
"""Columns of ``_JUDGED``."""
_FITS = """
SELECT fit.annotator_id, fit."right", fit.pooled_right, fit.of FROM annotator_modelfit AS fit
JOIN annotator_annotator AS who ON who.id = fit.annotator_id WHERE who.project_id = %s
"""
_ASPECTS = """
SELECT aspect.name, said.unit, said.value, aspect.steps FROM (
    SELECT 'rate' AS way, judgment_id, aspect_id, response_id AS unit, value - 1 AS value
    FROM annotator_aspectrating WHERE value IS NOT NULL
    UNION ALL
    SELECT 'compare', c.judgment_id, c.aspect_id, j.pair_id, CASE c.choice WHEN 'a' THEN 0 WHEN 'tie' THEN 1 ELSE 2 END
    FROM annotator_aspectcomparison AS c JOIN annotator_judgment AS j ON j.id = c.judgment_id WHERE c.choice <> 'na'
) AS said
JOIN annotator_judgment AS j ON j.id = said.judgment_id AND j.occasion = 0
JOIN annotator_annotator AS who ON who.id = j.annotator_id AND who.simulated = %s
JOIN annotator_aspect AS aspect ON aspect.id = said.aspect_id AND aspect.way = said.way
WHERE j.project_id = %s AND j.current AND NOT j.withdrawn
ORDER BY aspect.position, aspect.id
"""
RULES = 2
"""To be raised where the same data are to be read otherwise: reports of before are computed anew."""
_SIGNATURE = f"""
SELECT '{RULES}/' || (SELECT count(*) || ':' || COALESCE(sum(id), 0) FROM annotator_judgment WHERE project_id = %(project)s AND current)
    || '/' || (SELECT COALESCE(sum(hashtext(id || gold_choice)::bigint), 0) FROM annotator_pair
               WHERE project_id = %(project)s AND gold_choice <> '')
    || '/' || (SELECT COALESCE(sum(hashtext(concat(id, gold_ranking, gold_low, '-', gold_high))::bigint), 0)
               FROM annotator_lineup WHERE project_id = %(project)s AND (gold_ranking IS NOT NULL OR gold_low IS NOT NULL))
    || '/' || (SELECT count(*) || ':' || COALESCE(sum(hashtext(fit.annotator_id || fit.version || fit.signature)::bigint), 0)
               FROM annotator_modelfit AS fit JOIN annotator_annotator AS who ON who.id = fit.annotator_id
               WHERE who.project_id = %(project)s)
"""


@dataclass(frozen=True, slots=True)
class Group:
    """The people of a project, or its simulated annotators: their ids by place, and what they judged.

    Column by column (N,): ``judged``; ``level`` on the 7-step scale, 0 … 6, −1 off it; ``prompt`` and ``topic`` by place.
    ``placed``: what they said of lineups.
    """

    annotators: list[int]
    pairs: Ints
    judged: Judged
    level: Ints
    prompt: Ints
    topic: Ints
    topics: list[str]
    fits: Fits
    placed: list[Placed]


def signature_of(project: Project) -> str:
    """Equal as long as nothing that goes into the figures has changed."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGNATURE, {"project": project.pk})
        return str(cursor.fetchone()[0])


def groups_of(project: Project) -> dict[bool, Group]:
    """What people judged (False) and what simulated annotators did (True), each if there is anything."""
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, [project.pk])
        rows = cursor.fetchall()
        cursor.execute(_FITS, [project.pk])
        fits = {who: values for who, *values in cursor.fetchall()}
    made = {simulated: [row for row in rows if row[1] is simulated] for simulated in (False, True)}
    placed = placed_of(project)
    return {
        simulated: _group(some, fits, placed.get(simulated, []))
        for simulated, some in made.items()
        if some or simulated in placed
    }


def aspect_ratings(project: Project, *, simulated: bool) -> dict[str, tuple[Ints, Ints, int]]:
    """By aspect: what was rated (responses) or compared (pairs) (N,), the values (N,) from 0 on, and how many there can be."""
    with connection.cursor() as cursor:
        cursor.execute(_ASPECTS, [simulated, project.pk])
        rows = cursor.fetchall()
    found: dict[str, list[tuple[int, int, int]]] = {}
    for name, *said in rows:
        found.setdefault(name, []).append((said[0], said[1], said[2]))
    columns = {name: np.array(some, np.int64) for name, some in found.items()}
    # The scale may have been shortened since.
    return {
        name: (each[:, 0], each[:, 1], int(max(each[0, 2], each[:, 1].max() + 1))) for name, each in columns.items()
    }


def _group(rows: list[tuple[Any, ...]], fits: dict[int, list[int]], placed: list[Row]) -> Group:
    columns = [*zip(*rows, strict=True)] if rows else [()] * _WIDTH
    who, _, pair, a, b, prompt, topic, answer, strength, first, swapped, sided, longer, gold, seconds, guess, words = (
        columns
    )
    judges = np.array(who, np.int64)
    annotators = np.union1d(judges, np.array([judge for judge, _ in placed], np.int64))
    annotator = np.searchsorted(annotators, judges)
    number = {int(pk): n for n, pk in enumerate(annotators)}
    pairs, place = np.unique(np.array(pair, np.int64), return_inverse=True)
    _, prompts = np.unique(np.array(prompt, np.int64), return_inverse=True)
    topics, topic_place = np.unique(np.array(topic, object).astype(str), return_inverse=True)
    answers = np.array(answer, np.int64)
    own = np.array([fits.get(int(each), [0, 0, 0]) for each in annotators], np.int64).reshape(-1, 3)
    judged = Judged(
        annotator=annotator,
        pair=place,
        response_a=np.array(a, np.int64),
        response_b=np.array(b, np.int64),
        answer=answers,
        first=np.array(first, bool),
        swapped=np.array(swapped, bool),
        sided=np.array(sided, bool),
        longer=np.array(longer, np.int64),
        gold=np.array(gold, np.int64),
        seconds=np.array(seconds, np.float64),
        guess=np.array(guess, np.float64),
        words=np.array(words, np.int64),
    )
    level = _levels(answers, np.array(strength, np.float64))
    said = [replace(each, annotator=number[judge]) for judge, each in placed]
    return Group(annotators.tolist(), pairs, judged, level, prompts, topic_place, topics.tolist(), Fits(*own.T), said)


def _levels(answer: Ints, strength: NDArray[np.float64]) -> Ints:
    """A much better 0 … about equal 3 … B much better 6; a preference without a strength counts as the middle one."""
    steps = np.where(np.isnan(strength), 2, strength).astype(np.int64)
    return np.select([answer == 0, answer == 1, answer == 2], [3 - steps, 3 + steps, np.full_like(steps, 3)], -1)
