"""Where machine annotators and people differ: agreement with intervals, by topic and by strength, and the pairs contested most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from annotator.errors import NotFound
from annotator.models import Judgment, Project
from attune.quality.intervals import Interval, share_interval
from personalization.models import MachineAnnotator, MachineJudgment, MachineRun

DECIDED = ("a", "b")
MOST_TOPICS = 30
MOST_CONTESTED = 12


@dataclass(frozen=True, slots=True)
class Said:
    """What one annotator said of a pair that the machine has an opinion of, both in the pair's own terms."""

    pair: int
    topic: str
    choice: str
    strength: int | None
    simulated: bool
    machine: str

    @property
    def agrees(self) -> bool:
        return self.choice == self.machine


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a machine prefers the response that an annotator prefers; each pair counts once, with its judgments' mean."""

    name: str
    share: Interval
    pairs: int
    judgments: int


@dataclass(frozen=True, slots=True)
class Contested:
    """A pair on which annotators and the machine are furthest apart; ``share`` of ``judgments`` are for the other response."""

    judgment: MachineJudgment
    judgments: int
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything counts decided judgments against decided opinions but for the counts.

    ``among_people`` is how often two annotators of the same pairs prefer the same, beside which the machine's agreement is to be read.
    """

    judged: int
    no_opinion: int
    ties: int
    swayed: int
    overall: Agreement | None
    people: Agreement | None
    simulated: Agreement | None
    among_people: Agreement | None
    topics: list[Agreement]
    strengths: list[Agreement]
    contested: list[Contested]


def machines_of(project: Project) -> QuerySet[MachineAnnotator]:
    """In the order in which they were set up, with how many pairs each has judged."""
    rows = project.machines.select_related("version", "reference", "by", "project")
    found: QuerySet[MachineAnnotator] = rows.annotate(
        judged=Count("judgments", filter=~Q(judgments__choice="none"))
    ).order_by("pk")
    return found


def find_machine(project: Project, number: int) -> MachineAnnotator:
    """A machine annotator by its number. Raises ``NotFound``."""
    found = machines_of(project).filter(number=number).first()
    if found is None:
        raise NotFound(_("There is no machine annotator %(number)s in this project.") % {"number": number})
    return found


def last_run(machine: MachineAnnotator) -> MachineRun | None:
    """The newest batch."""
    return machine.runs.order_by("-pk").first()


def report_on(machine: MachineAnnotator) -> Report:
    """Three queries."""
    opinions = {each.pair_id: each for each in machine.judgments.select_related("pair__prompt")}
    said = _said(machine, opinions)
    decided = [each for each in said if each.machine in DECIDED]
    kinds: dict[str, int] = defaultdict(int)
    for each in opinions.values():
        kinds[each.choice] += 1
    names = {1: "slightly", 2: "clearly", 3: "much"}
    return Report(
        judged=len(opinions),
        no_opinion=kinds["none"],
        ties=kinds["tie"],
        swayed=sum(each.swayed for each in opinions.values()),
        overall=_agreement("", decided),
        people=_agreement("", (each for each in decided if not each.simulated)),
        simulated=_agreement("", (each for each in decided if each.simulated)),
        among_people=_among(decided),
        topics=_parts(decided, lambda each: each.topic)[:MOST_TOPICS],
        strengths=[
            found
            for strength, name in names.items()
            if (found := _agreement(name, [each for each in decided if each.strength == strength]))
        ],
        contested=_contested(decided, opinions),
    )


def _said(machine: MachineAnnotator, opinions: dict[int, MachineJudgment]) -> list[Said]:
    rows = Judgment.objects.filter(
        pair__in=list(opinions),
        current=True,
        withdrawn=False,
        occasion=0,
        choice__in=DECIDED,
        project=machine.project_id,
    )
    columns = rows.values_list("pair", "pair__prompt__topic", "choice", "strength", "annotator__simulated")
    return [Said(*row, machine=opinions[row[0]].choice) for row in columns]


def _agreement(name: str, said: Iterable[Said]) -> Agreement | None:
    by_pair: dict[int, list[bool]] = defaultdict(list)
    for each in said:
        by_pair[each.pair].append(each.agrees)
    share = share_interval(sum(sum(each) / len(each) for each in by_pair.values()), len(by_pair))
    return None if share is None else Agreement(name, share, len(by_pair), sum(map(len, by_pair.values())))


def _among(said: Sequence[Said]) -> Agreement | None:
    """Of each pair with two or more annotators: the chance that two of them prefer the same."""
    by_pair: dict[int, list[str]] = defaultdict(list)
    for each in said:
        by_pair[each.pair].append(each.choice)
    several = [each for each in by_pair.values() if len(each) > 1]
    same = [sum(n * (n - 1) for n in map(each.count, DECIDED)) / (len(each) * (len(each) - 1)) for each in several]
    share = share_interval(sum(same), len(same))
    return None if share is None else Agreement("", share, len(several), sum(map(len, several)))


def _parts(said: Sequence[Said], part: Callable[[Said], str]) -> list[Agreement]:
    """By part, those with most pairs first."""
    parts: dict[str, list[Said]] = defaultdict(list)
    for each in said:
        if name := part(each):
            parts[name].append(each)
    found = [agreement for name, rows in parts.items() if (agreement := _agreement(name, rows))]
    return sorted(found, key=lambda each: (-each.pairs, each.name))


def _contested(said: Sequence[Said], opinions: dict[int, MachineJudgment]) -> list[Contested]:
    """Most judgments against the machine first, less those for it."""
    by_pair: dict[int, list[bool]] = defaultdict(list)
    for each in said:
        by_pair[each.pair].append(each.agrees)
    against = {pair: (len(each) - 2 * sum(each), len(each)) for pair, each in by_pair.items()}
    worst = sorted(
        (pair for pair, (excess, _judgments) in against.items() if excess > 0), key=lambda p: (-against[p][0], p)
    )
    return [
        Contested(opinions[pair], len(by_pair[pair]), 1 - sum(by_pair[pair]) / len(by_pair[pair]))
        for pair in worst[:MOST_CONTESTED]
    ]
