"""Known answers of a file of prompts, checked: what is right of a pair, the order of a ranking, the right ratings of a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from annotator.imports import fields
from annotator.imports.errors import BadRow
from annotator.models import Project
from annotator.models.content import GOLD_CHOICES
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


def known_answer(row: Mapping[str, object], responses: int) -> KnownAnswer:
    """The fields ``gold`` and ``qualifying`` of a prompt with so many responses. Raises ``BadRow``.

    An order that decides nothing is refused later, with the rest of what can't be known in the project.
    """
    qualifying = bool(fields.flag(row, "qualifying"))
    value = row.get("gold")
    if value is None or value == "":
        if qualifying:
            raise BadRow("wrong_value", "qualifying", True, _("false, because there is no known answer in gold"))
        return KnownAnswer()
    if responses == 1:
        rating, scale = _rating(value)
        return KnownAnswer(rating=rating, scale=scale, qualifying=qualifying)
    if responses == 2:
        return KnownAnswer(choice=fields.one_of(row, "gold", GOLD_CHOICES), qualifying=qualifying)
    if responses > MOST:
        raise BadRow(
            "wrong_value",
            "gold",
            value,
            _("none, because a ranking has %(least)s to %(most)s responses") % {"least": LEAST, "most": MOST},
        )
    return KnownAnswer(ranking=fields.tiers(row, "gold", count=responses), qualifying=qualifying)


def _rating(value: object) -> tuple[tuple[int, int], str]:
    expected = _('a whole number, or {"lowest": 4, "highest": 5} with the numbers of a scale')
    if type(value) is int:
        return (value, value), ""
    if not isinstance(value, dict) or not {"lowest", "highest"} <= value.keys() <= {"lowest", "highest", "scale"}:
        raise BadRow("wrong_value", "gold", value, expected)
    low, high, scale = value["lowest"], value["highest"], value.get("scale", "")
    if type(low) is not int or type(high) is not int:
        raise BadRow("wrong_value", "gold", value, expected)
    if scale not in ("", *_SCALES):
        raise BadRow(
            "wrong_value",
            "gold.scale",
            scale,
            _("%(known)s; without it the project’s") % {"known": _(" or ").join(_SCALES)},
        )
    return (low, high), str(scale)
