"""What the model had guessed and machines had said, told after a judgment and never before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.models import Judgment, Project, User
from annotator.selectors.progress import GuessRecord
from annotator.services.layouts import layout_of, letters
from annotator.services.opinions import Opinion, opinions_after
from attune.quality.orders import couples_alike, tiers_of

MOST_NAMED = 3
"""So many machines are told by name."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the model had guessed, and what machine annotators had said, said after the judgment."""

    said: str
    record: str
    machines: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.said, self.record, self.machines]))


def told_of(judgment: Judgment, project: Project, user: User, record: GuessRecord) -> Told | None:
    """What is told of a judgment, in the letters of the screen; None if there is nothing."""
    told = _guess_told(judgment, record) if project.show_guess and user.show_guess else None
    if project.show_machines and user.show_machines and (said := opinions_after([judgment]).get(judgment.pk)):
        words = _("Of the last pair machines had said: %(said)s") % {"said": opinion_words(said, judgment)}
        return replace(told, machines=words) if told else Told("", "", words)
    return told


def opinion_words(said: Sequence[Opinion], judgment: Judgment) -> str:
    """By name, in the letters of the screen; of more than a few only how many said what."""
    names = {"a": "B" if judgment.swapped else "A", "b": "A" if judgment.swapped else "B", "tie": _("about equal")}
    if len(said) <= MOST_NAMED:
        return " · ".join(f"{each.machine}: {names[each.choice]}" for each in said)
    counts = Counter(names[each.choice] for each in said)
    return " · ".join(f"{n} × {name}" for name, n in sorted(counts.items()))


def _guess_told(judgment: Judgment, record: GuessRecord) -> Told | None:
    if judgment.guesses:
        return _told_of_lineup(judgment, judgment.guesses)
    if judgment.guess is None or not judgment.decided:
        return None
    guessed_a = judgment.guess >= 0.5
    sure = judgment.guess if guessed_a else 1 - judgment.guess
    said = _("Your model guessed %(side)s (%(sure)d %%)") % {
        "side": "A" if guessed_a != judgment.swapped else "B",
        "sure": round(100 * sure),
    }
    right = guessed_a == (judgment.choice == Judgment.Choice.A)
    agreed = _("and so did you") if right else _("and you chose the other")
    counted = _("right %(right)d of the last %(of)d") % {"right": record.right, "of": record.of}
    return Told(f"{said}, {agreed}", f"· {counted}")


def _told_of_lineup(judgment: Judgment, guesses: list[float]) -> Told | None:
    if judgment.rating is not None:
        guess = number_format(guesses[0], 1)
        said = _("Your model guessed %(guess)s, and you said %(rating)d") % {"guess": guess, "rating": judgment.rating}
        return Told(said, "")
    if not judgment.ranking:
        return None
    layout = layout_of(judgment)
    best_first = sorted(range(len(guesses)), key=lambda index: -guesses[index])
    names = dict(zip(layout.own, letters(len(layout.own)), strict=True))
    order = " › ".join(names[str(index + 1)] for index in best_first)
    same, of = couples_alike(tuple(-each for each in guesses), tiers_of(judgment.ranking))
    said = _("Your model guessed %(order)s") % {"order": order}
    if not of:
        return Told(said, "")
    counted = ngettext("%(same)d of %(of)d couple as you have it", "%(same)d of %(of)d couples as you have them", of)
    return Told(said, "· " + counted % {"same": same, "of": of})
