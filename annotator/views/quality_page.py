"""The quality pages in words: rows of agreement, what a verdict means, what follows from failed checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotator.models import Project
from annotator.selectors.trust import GroupReport
from annotator.views.quality_figures import percent
from attune.quality.agreement import Agreement
from attune.quality.intervals import Interval

VERDICT_LABELS = {
    "inconsistent": gettext_lazy("inconsistent"),
    "contrary": gettext_lazy("contrary"),
    "minority": gettext_lazy("minority taste"),
    "unclear": gettext_lazy("unlike the others"),
    "typical": gettext_lazy("like most"),
    "": gettext_lazy("too early to tell"),
}


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Agreement of a group, on a topic or an aspect, in figures."""

    name: str
    simulated: bool
    units: int
    raw: Interval | None
    nominal: Interval | None
    ordinal: Interval | None


def agreement_rows(groups: list[GroupReport]) -> list[AgreementRow]:
    """A row for people, one for simulated annotators."""
    return [
        _row(
            _("Simulated annotators") if group.simulated else _("People"), group.simulated, group.nominal, group.ordinal
        )
        for group in groups
    ]


def part_rows(group: GroupReport) -> list[AgreementRow]:
    """The group's rankings and ratings, topics and aspects."""
    return lineup_rows(group) + [
        _row(each.name or "—", group.simulated, each.nominal, each.ordinal) for each in [*group.topics, *group.aspects]
    ]


def lineup_rows(group: GroupReport) -> list[AgreementRow]:
    """Agreement on rankings, and on the ratings of each scale, where anything is shared."""
    rows = [_row(_("Places in rankings"), group.simulated, None, group.ranking)] if group.ranking.units else []
    return rows + [
        _row(_("Ratings from %(scale)s") % {"scale": each.name.replace("-", "–")}, group.simulated, None, each.ordinal)
        for each in group.ratings
        if each.ordinal and each.ordinal.units
    ]


def verdict_sentence(verdict: str) -> str:
    """What a verdict means, of one person."""
    return {
        "inconsistent": _(
            "Answers differ from the others’ and can’t be guessed from one another either, or change when a pair is asked again."
            " That is what answering without reading looks like."
        ),
        "minority": _(
            "Answers differ from the others’ and are true to themselves: this person’s own model guesses them. That is a taste of"
            " its own and nothing to correct."
        ),
        "contrary": _(
            "Answers are the opposite of the others’, or of what the model for everybody guesses, far more often than chance allows."
            " Either that is a taste of its own and nothing to correct, or the scale was misread: read a few of them, or ask."
        ),
        "unclear": _(
            "Answers differ from the others’, and it can’t be told that this is a taste: there are too few, or no model has"
            " looked at them, or the difference is only how often “about equal” is said."
        ),
        "typical": _("Answers agree with the others’ about as often as is usual here."),
        "": _("It takes ten pairs that others have judged, too."),
    }[verdict]


def step_sentence(figures: dict[str, Any]) -> str:
    """What a step rested on."""
    if "right" in figures:
        return _("%(right)s of %(of)d right, %(bar)s needed") % {
            "right": floatformat(figures["right"], -2),
            "of": figures["of"],
            "bar": percent(figures["bar"]),
        }
    parts = []
    for kind, name in (("gold", _("known answers")), ("repeats", _("same answer twice"))):
        hits, of, bar = figures.get(kind, (0, 0, None))
        if of:
            asked = _(", at least %(bar)s needed") % {"bar": percent(bar)} if bar is not None else ""
            parts.append(f"{name}: {hits}/{of}{asked}")
    return " · ".join(parts)


def consequence_sentence(project: Project) -> str:
    """What the set-up says is done about failed checks."""
    if project.gold_bar is None and project.repeat_bar is None:
        return _("The set-up has no bar for checks, so nothing follows from them by itself.")
    then = {
        Project.Consequence.WARN: _("the owners are told"),
        Project.Consequence.PAUSE: _("they are given no more pairs"),
        Project.Consequence.DROP: _("their judgments are left out of training"),
    }[Project.Consequence(project.consequence)]
    return _("Whoever is below a bar after %(n)d checks of its kind: %(then)s.") % {
        "n": project.checks_needed,
        "then": then,
    }


def _row(name: str, simulated: bool, nominal: Agreement | None, ordinal: Agreement | None) -> AgreementRow:
    any_of = nominal or ordinal
    return AgreementRow(
        name=name,
        simulated=simulated,
        units=any_of.units if any_of else 0,
        raw=any_of.raw if any_of else None,
        nominal=nominal.alpha if nominal else None,
        ordinal=ordinal.alpha if ordinal else None,
    )
