"""What pages and the API show of rounds. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotator.errors import NotFound
from annotator.models import Judgment, Project
from attune.quality.intervals import Interval, share_interval
from personalization.models import PolicyRound, RoundPair

VALUES = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_good": 0.5, "both_bad": 0.5}
"""What a choice is worth to the pair's response A."""


@dataclass(frozen=True, slots=True)
class Wins:
    """How often people prefer the policy's response to its opponent's; ties count half, every pair counts once.

    ``simulated`` of the judgments are by simulated annotators.
    """

    share: Interval
    pairs: int
    judgments: int
    people: int
    simulated: int


def rounds_of(project: Project) -> QuerySet[PolicyRound]:
    """Newest first."""
    return project.policy_rounds.select_related(
        "version__annotator__user", "opponent__annotator__user", "by", "put_by", "judge", "next_run__version", "project"
    )


def find_round(project: Project, number: int) -> PolicyRound:
    """A round by its number. Raises ``NotFound``."""
    row = rounds_of(project).filter(number=number).first()
    if row is None:
        raise NotFound(_("There is no round %(number)s in this project.") % {"number": number})
    return row


def with_wins(rounds: Iterable[PolicyRound]) -> list[PolicyRound]:
    """Read who wins in all of them at once, for ``wins_read``."""
    rows = list(rounds)
    found = wins_of(rows)
    for each in rows:
        each.__dict__["wins"] = found.get(each.pk)
    return rows


def wins_read(row: PolicyRound) -> Wins | None:
    """Who wins, as ``with_wins`` has read it, or else read now."""
    if "wins" not in row.__dict__:
        with_wins([row])
    found: Wins | None = row.__dict__["wins"]
    return found


def pairs_of(row: PolicyRound) -> QuerySet[RoundPair]:
    """Its pairs with what is compared, by prompt."""
    return row.pairs.select_related("one__prompt", "other", "pair").order_by("one__prompt", "pk")


def judged_of(row: PolicyRound) -> tuple[int, int]:
    """How many of its pairs have been judged, and how many judgments there are."""
    rows = Judgment.objects.filter(
        pair__in=row.pairs.filter(pair__isnull=False).values("pair"), current=True, withdrawn=False, occasion=0
    ).exclude(choice="skip")
    return rows.values("pair").distinct().count(), rows.count()


def wins_of(rounds: Sequence[PolicyRound]) -> dict[int, Wins]:
    """By round's id, for those whose pairs against the opponent somebody has judged. Two queries."""
    compared = RoundPair.objects.filter(round__in=rounds, versus=True, pair__isnull=False)
    mine_is_a: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for round_id, pair, mine, a in compared.values_list("round", "pair", "one__response", "pair__response_a"):
        mine_is_a[pair].append((round_id, mine == a))
    rows = Judgment.objects.filter(
        pair__in=list(mine_is_a), current=True, withdrawn=False, occasion=0, choice__in=list(VALUES)
    )
    said: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    people: dict[int, set[int]] = defaultdict(set)
    simulated: dict[int, int] = defaultdict(int)
    for pair, choice, annotator, by_program in rows.values_list("pair", "choice", "annotator", "annotator__simulated"):
        for round_id, is_a in mine_is_a[pair]:
            said[round_id][pair].append(VALUES[choice] if is_a else 1 - VALUES[choice])
            people[round_id].add(annotator)
            simulated[round_id] += by_program
    return {
        round_id: _wins(list(by_pair.values()), len(people[round_id]), simulated[round_id])
        for round_id, by_pair in said.items()
    }


def _wins(by_pair: Sequence[Sequence[float]], people: int, simulated: int) -> Wins:
    share = share_interval(sum(sum(each) / len(each) for each in by_pair), len(by_pair))
    assert share is not None  # there is a pair
    return Wins(share, len(by_pair), sum(map(len, by_pair)), people, simulated)
