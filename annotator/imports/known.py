"""Known answers of a file of prompts: what is right of a pair, the order of a ranking, the right ratings of a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotator.errors import Invalid
from annotator.imports import fields
from annotator.imports.errors import BadRow
from annotator.models import Lineup, Project
from annotator.models.content import GOLD_CHOICES, NO_CAP, random_order
from annotator.services.gold import known_order, known_rating
from annotator.services.lineups import LEAST, MOST

_SCALES = tuple(Project.Scale.values)


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """What is right, in the file's order: a ``choice`` of a pair, the ``ranking`` of 3 to 8 responses (numbers from 1, the
    best first), or the ``rating`` (lowest, highest) of one. All are empty where nothing is known.

    ``scale`` is empty where the file names none. A ``qualifying`` one is asked before anything else.
    """

    choice: str = ""
    ranking: list[list[int]] = field(default_factory=list)
    rating: tuple[int, int] | None = None
    scale: str = ""
    qualifying: bool = False

    @property
    def of_lineup(self) -> bool:
        return bool(self.ranking) or self.rating is not None


@dataclass(frozen=True, slots=True)
class KnownLineup:
    """A known answer with the responses' ids as the file lists them; ``value`` is what the file has."""

    known: KnownAnswer
    prompt: int
    responses: list[int]
    value: object

    @property
    def own(self) -> tuple[int, ...]:
        """The lineup's responses in its own order."""
        return tuple(sorted(self.responses))

    def answer(self, project: Project) -> dict[str, object]:
        """The columns that hold it, in the lineup's own numbers. Raises ``BadRow``."""
        scale = self.known.scale or project.scale
        try:
            if self.known.rating is None:
                number = {listed: self.own.index(pk) + 1 for listed, pk in enumerate(self.responses, start=1)}
                order = [[number[each] for each in tier] for tier in self.known.ranking]
                return _columns(known_order(order, len(self.own)))
            known_rating(self.known.rating, scale)
        except Invalid as error:
            raise BadRow("wrong_value", "gold", self.value, str(error)) from error
        return _columns(None, *self.known.rating, scale)


def known_answer(row: Mapping[str, object], responses: int) -> KnownAnswer:
    """The fields ``gold`` and ``qualifying`` of a prompt with so many responses. Raises ``BadRow``."""
    qualifying = bool(fields.flag(row, "qualifying"))
    value = row.get("gold")
    if value is None or value == "":
        if qualifying:
            raise BadRow("wrong_value", "qualifying", True, "false, because there is no known answer in gold")
        return KnownAnswer()
    if responses == 1:
        rating, scale = _rating(value)
        return KnownAnswer(rating=rating, scale=scale, qualifying=qualifying)
    if responses == 2:
        return KnownAnswer(choice=fields.one_of(row, "gold", GOLD_CHOICES), qualifying=qualifying)
    return KnownAnswer(ranking=_ranking(value, responses), qualifying=qualifying)


def write_known_lineups(project: Project, wanted: Sequence[KnownLineup]) -> tuple[int, int, list[tuple[int, BadRow]]]:
    """Keep known orders and ratings, each with its lineup, which is made where there is none.

    How many answers and how many lineups are new, and which of ``wanted``, by place, are refused: those that can't be, and
    those that contradict a stored one.
    """
    rows = Lineup.objects.filter(project=project, prompt__in={each.prompt for each in wanted})
    stored = {tuple(row.responses): row for row in rows}
    new: list[Lineup] = []
    answered: list[Lineup] = []
    refused: list[tuple[int, BadRow]] = []
    for place, each in enumerate(wanted):
        try:
            answer = each.answer(project)
        except BadRow as bad:
            refused.append((place, bad))
            continue
        lineup = stored.get(each.own)
        if lineup is None:
            kind = Lineup.Kind.RANKING if each.known.ranking else Lineup.Kind.RATING
            lineup = Lineup(project=project, prompt_id=each.prompt, kind=kind, responses=list(each.own))
            lineup.shuffle = random_order()
            stored[each.own] = lineup
            new.append(lineup)
        if not lineup.gold:
            for name, value in answer.items():
                setattr(lineup, name, value)
            lineup.qualifying, lineup.target, lineup.cap = each.known.qualifying, None, NO_CAP
            answered.append(lineup)
        elif any(getattr(lineup, name) != value for name, value in answer.items()):
            expected = "the answer that is known already; change it on its page"
            refused.append((place, BadRow("gold_differs", "gold", each.value, expected)))
    Lineup.objects.bulk_create(new)
    changed = [lineup for lineup in answered if lineup not in new]
    Lineup.objects.bulk_update(changed, [*_columns(None), "qualifying", "target", "cap"])
    return len(answered), len(new), refused


def _columns(
    ranking: list[list[int]] | None, low: int | None = None, high: int | None = None, scale: str = ""
) -> dict[str, object]:
    return {"gold_ranking": ranking, "gold_low": low, "gold_high": high, "gold_scale": scale}


def _ranking(value: object, responses: int) -> list[list[int]]:
    """One that decides nothing is refused later, with the rest of what can't be known."""
    if responses > MOST:
        raise BadRow("wrong_value", "gold", value, f"none, because a ranking has {LEAST} to {MOST} responses")
    tiers = value if isinstance(value, list) else []
    whole = bool(tiers) and all(isinstance(tier, list) and tier for tier in tiers)
    placed = [each for tier in tiers for each in tier] if whole else []
    if not all(type(each) is int for each in placed) or sorted(placed) != list(range(1, responses + 1)):
        expected = f"lists with each number from 1 to {responses} once, the best first, equal ones in one list"
        raise BadRow("wrong_value", "gold", value, expected)
    return [list(tier) for tier in tiers]


def _rating(value: object) -> tuple[tuple[int, int], str]:
    expected = 'a whole number, or {"lowest": 4, "highest": 5} with the numbers of a scale'
    if type(value) is int:
        return (value, value), ""
    if not isinstance(value, dict) or not {"lowest", "highest"} <= value.keys() <= {"lowest", "highest", "scale"}:
        raise BadRow("wrong_value", "gold", value, expected)
    low, high, scale = value["lowest"], value["highest"], value.get("scale", "")
    if type(low) is not int or type(high) is not int:
        raise BadRow("wrong_value", "gold", value, expected)
    if scale not in ("", *_SCALES):
        raise BadRow("wrong_value", "gold.scale", scale, f"{' or '.join(_SCALES)}; without it the project’s")
    return (low, high), str(scale)
