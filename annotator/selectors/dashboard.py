"""What an owner wants to know at a glance: will we finish, who needs me, where people part ways.

Each read is one statement over the project's current judgments; at 50,000 of them it takes some tens of milliseconds,
and from ``LARGE`` on its result is kept for a minute.
Judgments of simulated annotators are always counted apart from people's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from annotator.models import Judgment, Project

Figure = TypeVar("Figure")
DAYS = 28
LARGE = 5_000
"""Judgments from which figures are kept for a while instead of being counted anew."""
KEPT_SECONDS = 60
A_WEEK = timedelta(days=7)
FEW = 10
"""Below so many judgments nothing is said of a person's habits."""
LATEST = 500
"""Of each person's latest judgments habits are read, so that the page stays fast and old habits are forgotten."""
LOPSIDED = 1e-4
"""The chance, with sides shuffled, below which choosing one side so often is pointed out."""
TOO_FAST = 1 / 3
"""Of the project's median time; faster people are pointed out."""

COUNTS = "j.project_id = %s AND j.current AND NOT j.withdrawn AND j.choice <> 'skip'"
"""Judgments that count, as ``j``."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the project is. ``done`` of ``target`` judgments: each pair counts up to its target; gold pairs are apart.

    Rankings and ratings count as pairs do.
    """

    pairs: int
    finished: int
    untouched: int
    target: int
    done: int
    lineups: int = 0
    lineups_finished: int = 0

    def with_lineups(self, lineups: int, finished: int, target: int, done: int) -> Progress:
        """Rankings and ratings added to what is needed and done."""
        target, done = self.target + target, self.done + done
        return replace(self, target=target, done=done, lineups=lineups, lineups_finished=finished)

    @property
    def left(self) -> int:
        return self.target - self.done

    @property
    def share(self) -> float:
        return self.done / self.target if self.target else 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """Judgments given on one day, by people and by simulated annotators."""

    day: date
    people: int
    simulated: int

    @property
    def total(self) -> int:
        return self.people + self.simulated


@dataclass(frozen=True, slots=True)
class Habits:
    """One annotator's row in the table of people. Shares are None where there is too little to tell."""

    annotator_id: int
    ref: str
    name: str
    simulated: bool
    paused: bool
    judgments: int
    median_seconds: float | None
    left: int
    sided: int
    """Of ``sided`` preferences whose side is known, ``left`` were for the response shown on the left."""
    ties: int
    latest: int
    """So many of their latest judgments these figures are of."""
    same: int
    twice: int
    """Of ``twice`` pairs seen a second time, ``same`` got the same answer."""
    gold_right: int
    gold: int

    @property
    def left_share(self) -> float | None:
        return self.left / self.sided if self.sided >= FEW else None

    @property
    def tie_share(self) -> float:
        return self.ties / self.latest

    @property
    def same_share(self) -> float | None:
        return self.same / self.twice if self.twice else None

    @property
    def gold_share(self) -> float | None:
        return self.gold_right / self.gold if self.gold else None

    @property
    def lopsided(self) -> bool:
        """Whether one side is chosen more often than chance would."""
        return self.sided >= FEW and two_sided(self.left, self.sided) < LOPSIDED

    def too_fast(self, usual: float | None) -> bool:
        """Whether their median time is far below the ``usual`` one, in seconds."""
        if self.median_seconds is None or usual is None or self.judgments < FEW:
            return False
        return self.median_seconds < TOO_FAST * usual


@dataclass(frozen=True, slots=True)
class People:
    """Who judged how much: a page of ``rows``, and counts over everybody, simulated annotators apart."""

    rows: list[Habits]
    annotators: int
    people: int
    people_this_week: int
    judgments: int
    simulated: int
    """Of the ``judgments``, those of simulated annotators."""
    this_week: int
    """People's judgments of the last seven days."""


@dataclass(frozen=True, slots=True)
class Split:
    """A pair on which people part ways."""

    pair_id: int
    prompt: str
    response_a: str
    response_b: str
    a: int
    b: int
    ties: int

    @property
    def a_width(self) -> int:
        """A's share of a strip that is 100 wide; the ties' and B's follow."""
        return round(100 * self.a / (self.a + self.b + self.ties))

    @property
    def b_width(self) -> int:
        return round(100 * self.b / (self.a + self.b + self.ties))

    @property
    def b_from(self) -> int:
        return 100 - self.b_width

    @property
    def tie_width(self) -> int:
        return max(0, 100 - self.a_width - self.b_width)


@dataclass(frozen=True, slots=True)
class Checks:
    """Answers whose truth is known: gold pairs answered rightly, and pairs that got the same answer twice."""

    gold_right: int
    gold: int
    same: int
    twice: int


_HABITS = f"""
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY j.seconds),
       count(*) FILTER (WHERE sided AND (j.choice = 'a') <> j.swapped), count(*) FILTER (WHERE sided),
       count(*) FILTER (WHERE j.choice = 'tie'), count(*),
       count(*) FILTER (WHERE j.choice = first.choice), count(first.choice),
       count(*) FILTER (WHERE gold AND j.choice = pair.gold_choice), count(*) FILTER (WHERE gold)
FROM (SELECT j.id, j.annotator_id, j.pair_id, j.choice, j.swapped, j.seconds, j.occasion,
             j.choice IN ('a', 'b') AND j.source <> 'import' AS sided FROM annotator_judgment AS j
      WHERE j.annotator_id = shown.id AND {COUNTS} ORDER BY j.id DESC LIMIT %s) AS j
JOIN annotator_pair AS pair ON pair.id = j.pair_id
CROSS JOIN LATERAL (SELECT pair.gold_choice <> '' AND j.occasion = 0 AS gold) AS known
CROSS JOIN LATERAL (SELECT CASE WHEN j.occasion = 1 THEN
    (SELECT b.choice FROM annotator_judgment AS b WHERE b.annotator_id = j.annotator_id AND b.pair_id = j.pair_id
     AND b.occasion = 0 AND b.current AND NOT b.withdrawn AND b.choice <> 'skip') END AS choice) AS first
"""
"""The first look is read of repeats only: a join would look for one of every judgment."""


def pairs(project: Project, most: int = 5) -> tuple[Progress, list[Split]]:
    """How far the pairs are, withdrawn and gold ones left out, and the ``most`` with the largest smaller side."""
    rows = _all(
        f"""WITH given AS MATERIALIZED (
                SELECT pair_id, count(*) AS n, count(*) FILTER (WHERE choice = 'a') AS a,
                       count(*) FILTER (WHERE choice = 'b') AS b
                FROM annotator_judgment AS j WHERE {COUNTS} AND occasion = 0 GROUP BY pair_id),
            done AS (
                SELECT count(*) AS pairs, count(*) FILTER (WHERE n >= wanted) AS finished, count(*) FILTER (WHERE n IS NULL) AS untouched,
                       COALESCE(sum(wanted), 0) AS target, COALESCE(sum(LEAST(COALESCE(n, 0), wanted)), 0) AS given
                FROM annotator_pair LEFT JOIN given ON pair_id = id CROSS JOIN LATERAL (SELECT COALESCE(target, cap) AS wanted) AS enough
                WHERE project_id = %s AND withdrawn_at IS NULL AND gold_choice = ''),
            widest AS (SELECT * FROM given WHERE a > 0 AND b > 0 ORDER BY LEAST(a, b) DESC, abs(a - b), pair_id LIMIT %s)
            SELECT done.*, widest.pair_id, left(prompt.text, 300), left(one.text, 160), left(two.text, 160), a, b, n - a - b
            FROM done LEFT JOIN widest ON true
            LEFT JOIN annotator_pair AS pair ON pair.id = widest.pair_id
            LEFT JOIN annotator_prompt AS prompt ON prompt.id = pair.prompt_id
            LEFT JOIN annotator_response AS one ON one.id = response_a_id
            LEFT JOIN annotator_response AS two ON two.id = response_b_id
            ORDER BY LEAST(a, b) DESC, abs(a - b), widest.pair_id""",
        [project.pk, project.pk, most],
    )
    return Progress(*(int(count) for count in rows[0][:5])), [Split(*row[5:]) for row in rows if row[5]]


def lineups(project: Project) -> tuple[int, int, int, int]:
    """How far rankings and ratings are, those of kinds that are asked: how many, finished, judgments needed, and given."""
    found = _one(
        f"""WITH given AS (
                SELECT lineup_id, count(*) AS n FROM annotator_judgment AS j
                WHERE {COUNTS} AND occasion = 0 AND lineup_id IS NOT NULL GROUP BY lineup_id)
            SELECT count(*), count(*) FILTER (WHERE n >= wanted), COALESCE(sum(wanted), 0),
                   COALESCE(sum(LEAST(COALESCE(n, 0), wanted)), 0)
            FROM annotator_lineup LEFT JOIN given ON lineup_id = id
            CROSS JOIN LATERAL (SELECT COALESCE(target, cap) AS wanted) AS enough
            WHERE project_id = %s AND withdrawn_at IS NULL AND gold_ranking IS NULL AND gold_low IS NULL AND kind = ANY(%s)""",
        [project.pk, project.pk, project.kinds],
    )
    count, finished, target, done = (int(each) for each in found)
    return count, finished, target, done


def per_day(project: Project, today: date | None = None) -> list[Day]:
    """The last four weeks, oldest first, days without judgments included."""
    last = today or timezone.localdate()
    first = last - timedelta(days=DAYS - 1)
    rows = _all(
        f"""SELECT (judged_at AT TIME ZONE %s)::date AS day, count(*) FILTER (WHERE NOT simulated),
                   count(*) FILTER (WHERE simulated)
            FROM annotator_judgment AS j JOIN annotator_annotator AS who ON who.id = annotator_id
            WHERE {COUNTS} AND judged_at >= %s GROUP BY day""",
        [timezone.get_current_timezone_name(), project.pk, first - timedelta(days=1)],
    )
    counts = {day: (people, simulated) for day, people, simulated in rows}
    days = [first + timedelta(days=n) for n in range(DAYS)]
    return [Day(day, *counts.get(day, (0, 0))) for day in days]


def people(project: Project, offset: int = 0, limit: int = 25) -> People:
    """Annotators who have judged, busiest first and simulated ones last. Habits are those of their latest judgments."""
    rows = _all(
        f"""WITH own AS (SELECT annotator_id, count(*) AS n, count(*) FILTER (WHERE judged_at > %s) AS week
                         FROM annotator_judgment AS j WHERE {COUNTS} GROUP BY annotator_id),
            everybody AS (SELECT own.*, who.id, ref, COALESCE(NULLIF(name, ''), ref) AS name, simulated, paused_at IS NOT NULL AS paused,
                                 count(*) OVER () AS annotators, count(*) FILTER (WHERE NOT simulated) OVER () AS people,
                                 count(*) FILTER (WHERE NOT simulated AND week > 0) OVER () AS active,
                                 sum(n) OVER () AS judgments, sum(n) FILTER (WHERE simulated) OVER () AS simulations,
                                 sum(week) FILTER (WHERE NOT simulated) OVER () AS in_week
                          FROM own JOIN annotator_annotator AS who ON who.id = annotator_id),
            shown AS (SELECT * FROM everybody ORDER BY simulated, n DESC, id OFFSET %s LIMIT %s)
            SELECT shown.id, ref, name, simulated, paused, n, habits.*,
                   annotators, people, active, judgments, COALESCE(simulations, 0), COALESCE(in_week, 0)
            FROM shown CROSS JOIN LATERAL ({_HABITS}) AS habits ORDER BY simulated, n DESC, shown.id""",
        [timezone.now() - A_WEEK, project.pk, offset, limit, project.pk, LATEST],
    )
    counts = [int(count) for count in rows[0][-6:]] if rows else [0] * 6
    return People([Habits(*row[:-6]) for row in rows], *counts)


def usual_seconds(project: Project) -> float | None:
    """People's median time for a judgment lately, seconds; None where no time is known."""
    row = _one(
        f"""SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
            FROM (SELECT annotator_id, seconds FROM annotator_judgment AS j WHERE {COUNTS} ORDER BY id DESC LIMIT %s) AS lately
            JOIN annotator_annotator AS who ON who.id = annotator_id AND NOT simulated""",
        [project.pk, 4 * LATEST],
    )
    return None if row[0] is None else float(row[0])


def checks(project: Project) -> Checks:
    """People's answers to gold pairs and to pairs shown twice; simulated annotators are left out."""
    gold = _one(
        f"""SELECT count(*) FILTER (WHERE choice = gold_choice), count(*)
            FROM annotator_judgment AS j JOIN annotator_pair AS pair ON pair.id = pair_id AND pair.project_id = %s AND gold_choice <> ''
            JOIN annotator_annotator AS who ON who.id = annotator_id AND NOT simulated
            WHERE {COUNTS} AND occasion = 0""",
        [project.pk, project.pk],
    )
    twice = _one(
        f"""SELECT count(*) FILTER (WHERE j.choice = first.choice), count(*)
            FROM annotator_judgment AS j
            JOIN annotator_judgment AS first USING (annotator_id, pair_id)
            JOIN annotator_annotator AS who ON who.id = annotator_id AND NOT simulated
            WHERE {COUNTS} AND j.occasion = 1
              AND first.occasion = 0 AND first.current AND NOT first.withdrawn AND first.choice <> 'skip'""",
        [project.pk],
    )
    return Checks(*gold, *twice)


def kept(project: Project, name: str, compute: Callable[[], Figure]) -> Figure:
    """What ``compute`` finds; in a project of ``LARGE`` size it may be up to a minute old."""
    cache = caches["process"]
    if not cache.get_or_set(f"dashboard:{project.pk}", partial(_is_large, project), KEPT_SECONDS):
        return compute()
    return cast(Figure, cache.get_or_set(f"dashboard:{project.pk}:{name}", compute, KEPT_SECONDS))


def _is_large(project: Project) -> bool:
    return Judgment.objects.filter(project=project, current=True).order_by("id")[LARGE : LARGE + 1].exists()


def two_sided(hits: int, of: int) -> float:
    """The chance of at least so lopsided a count under a fair coin, by the normal curve with a half-step correction.

    0.5 · ``of`` expected, variance ``of`` / 4; good enough for pointing something out.
    """
    if not of:
        return 1.0
    distance = max(0.0, abs(hits - of / 2) - 0.5) / math.sqrt(of / 4)
    return math.erfc(distance / math.sqrt(2))


def _one(sql: str, values: list[Any]) -> tuple[Any, ...]:
    return _all(sql, values)[0]


def _all(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
