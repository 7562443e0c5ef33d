"""Known orders and ratings of a file into the database, each with its lineup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.imports.errors import BadRow
from annotator.imports.known import KnownAnswer
from annotator.imports.lineup_writing import Listed, find_or_make
from annotator.models import Lineup, Project
from annotator.models.content import NO_CAP
from annotator.services.gold import known_order, known_rating

Answer = dict[str, object]
"""The columns of a lineup that hold what is known."""


@dataclass(kw_only=True)
class KnownLineup(Listed):
    """What the file says is right of a lineup."""

    known: KnownAnswer

    @property
    def kind(self) -> Lineup.Kind:
        return Lineup.Kind.RANKING if self.known.ranking else Lineup.Kind.RATING

    def answer(self, project: Project) -> Answer:
        """It in the lineup's own numbers. Raises ``BadRow``."""
        rating, scale = self.known.rating, self.known.scale or project.scale
        try:
            if rating is None:
                order = [[self.number(each) for each in tier] for tier in self.known.ranking]
                return {"gold_ranking": known_order(order, len(self.responses))}
            return {"gold_low": rating[0], "gold_high": rating[1], "gold_scale": known_rating(rating, scale)}
        except Invalid as error:
            raise self.refused("wrong_value", str(error)) from error

    def refused(self, reason: str, expected: str) -> BadRow:
        """Why it can't be kept."""
        return BadRow(reason, "gold", self.known.ranking or self.known.rating, expected)


def write_known_lineups(project: Project, wanted: Sequence[KnownLineup]) -> tuple[int, int, list[tuple[int, BadRow]]]:
    """Keep known orders and ratings, each with its lineup, which is made where there is none.

    How many answers and how many lineups are new, and which of ``wanted``, by place, are refused: those that can't be, and
    those that contradict a stored one.
    """
    answers: dict[int, Answer] = {}
    refused: list[tuple[int, BadRow]] = []
    for place, each in enumerate(wanted):
        try:
            answers[place] = each.answer(project)
        except BadRow as bad:
            refused.append((place, bad))
    named = [wanted[place] for place in answers]
    lineups, new = find_or_make(project, {each.own: (each.prompt, each.kind) for each in named})
    fresh: list[Lineup] = []
    for place, answer in answers.items():
        each = wanted[place]
        lineup = lineups[each.own]
        if not lineup.gold:
            for name, value in answer.items():
                setattr(lineup, name, value)
            lineup.qualifying, lineup.target, lineup.cap = each.known.qualifying, None, NO_CAP
            fresh.append(lineup)
        elif any(getattr(lineup, name) != value for name, value in answer.items()):
            expected = _("the answer that is known already; change it on its page")
            refused.append((place, each.refused("gold_differs", expected)))
    columns = ["gold_ranking", "gold_low", "gold_high", "gold_scale", "qualifying", "target", "cap"]
    Lineup.objects.bulk_update(fresh, columns)
    return len(fresh), new, refused
