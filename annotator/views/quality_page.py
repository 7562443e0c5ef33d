"""The figures of the quality pages in words: one plain sentence each, the definition, and where it stands on a strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from annotator.charts import on_strip
from annotator.models import Project
from annotator.selectors.trust import GroupReport, figure_of
from attune.quality.agreement import Agreement
from attune.quality.figures import Figure, Usual
from attune.quality.intervals import Interval

STRIP = 160
"""Width of the strip on which a figure and its interval are drawn."""
VERDICT_LABELS = {
    "inconsistent": gettext_lazy("inconsistent"),
    "minority": gettext_lazy("minority taste"),
    "unclear": gettext_lazy("unlike the others"),
    "typical": gettext_lazy("like most"),
    "": gettext_lazy("too early to tell"),
}


@dataclass(frozen=True, slots=True)
class Strip:
    """A figure from 0 to 1 with its interval, and what is usual."""

    low: int
    at: int
    high: int
    usual: int | None


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure as it is shown."""

    name: str
    label: str
    value: str
    between: str
    """Its interval, in words."""
    of: str
    sentence: str
    definition: str
    strip: Strip | None


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Agreement of a group, on a topic or an aspect, in figures."""

    name: str
    simulated: bool
    units: int
    raw: Interval | None
    nominal: Interval | None
    ordinal: Interval | None


def percent(share: float) -> str:
    """Whole percent."""
    return f"{100 * share:.0f} %"


def person_facts(figures: dict[str, Any], usual: Usual | None) -> list[Fact]:
    """One person's figures, those left out of which nothing is known."""
    facts = [_person_fact(name, figure, figures, usual) for name in DEFINITIONS if (figure := figure_of(figures, name))]
    return [fact for fact in facts if fact]


def group_facts(group: GroupReport, names: tuple[str, ...]) -> list[Fact]:
    """The figures of everybody together."""
    return [_group_fact(name, figure) for name in names if (figure := group.figures.get(name))]


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
            "Answers differ from the others’ and are true to themselves: this person’s own model guesses them, or they are the"
            " opposite of the others’. That is a taste of its own and nothing to correct (unless the scale was misread)."
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
        return _("%(right)d of %(of)d right, %(bar)s needed") % {
            "right": figures["right"],
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


# --- one figure -----------------------------------------------------------------------------------------------------

LABELS = {
    "others": gettext_lazy("Agreement with others"),
    "sides": gettext_lazy("Agreement on which is better"),
    "same": gettext_lazy("Same answer twice"),
    "gold": gettext_lazy("Known answers found"),
    "fit": gettext_lazy("Guessed by their own model"),
    "left": gettext_lazy("Chooses the left one"),
    "longer": gettext_lazy("Chooses the longer one"),
    "ties": gettext_lazy("About equal"),
    "ranked": gettext_lazy("Ranks as others do"),
    "rated": gettext_lazy("Rates as others do"),
    "upper": gettext_lazy("Prefers what is further up"),
    "seconds": gettext_lazy("Time for a pair"),
    "fast": gettext_lazy("Too fast"),
    "reasons": gettext_lazy("Reasons in words"),
    "words": gettext_lazy("Length of a reason"),
    "cyclic": gettext_lazy("Choices in a circle"),
    "earned": gettext_lazy("Peer prediction"),
    "cyclic_own": gettext_lazy("Circles within one person"),
}
DEFINITIONS = {
    "others": gettext_lazy(
        "For each pair that others judged, too: the share of them who said the same (A, B, equal, both good, both bad), averaged over"
        " pairs. The person is left out of the others. Wilson interval."
    ),
    "sides": gettext_lazy(
        "The same among preferences only: of the others who preferred one of the two responses, the share who preferred the"
        " same one. Wilson interval."
    ),
    "same": gettext_lazy(
        "Hidden repeats with the sides swapped that got the first answer, whatever its strength. Of a ranking, shown from the"
        " other end, counts the share of couples in the same order (½ where only one look ties them); of a rating 1 for the"
        " same place and ½ for its neighbour. Wilson interval."
    ),
    "gold": gettext_lazy(
        "First looks at what has a known answer that gave it. Of a ranking counts the share of the known couples that are in"
        " the right order; a rating is right within the owner’s range. Wilson interval."
    ),
    "ranked": gettext_lazy(
        "For each ranking that others made of the same responses: the share of couples in the same order as somebody else’s, ½"
        " where only one of them ties the two. One observation for a ranking. Wilson interval."
    ),
    "rated": gettext_lazy(
        "For each response that others rated on the same scale: 1 for the same place as somebody else, ½ for its neighbour, 0"
        " otherwise. One observation for a rating. Wilson interval."
    ),
    "upper": gettext_lazy(
        "In rankings, of the couples with a preference, the share in favour of the one shown further up. The order shown is"
        " drawn, so half is expected. One observation for a ranking. Wilson interval."
    ),
    "fit": gettext_lazy(
        "All judgments are dealt into three parts; each part is guessed by models fitted on the other two, in which nothing of"
        " it is seen, adapted to the person’s judgments there. Measured after each training run; before the first, these are"
        " the guesses made when the pairs were dealt. Wilson interval."
    ),
    "left": gettext_lazy(
        "Preferences for the response shown on the left. Sides are shuffled and counterbalanced, so half is expected. Wilson interval."
    ),
    "longer": gettext_lazy(
        "Preferences for the response with more characters, in pairs and among the couples of a ranking (one observation each)."
        " Half would be no leaning. Wilson interval."
    ),
    "ties": gettext_lazy("First looks that said “about equal”. Wilson interval."),
    "seconds": gettext_lazy("The median, in seconds; the interval is of order statistics."),
    "fast": gettext_lazy(
        "Judgments in less than a third of everybody’s median time for their kind; of rankings, for each response. Wilson interval."
    ),
    "reasons": gettext_lazy("Judgments with a reason in the person’s own words. Wilson interval."),
    "words": gettext_lazy("The median number of words of those reasons; the interval is of order statistics."),
    "cyclic": gettext_lazy(
        "Among three responses of which all three pairs were decided: x over y, y over z, and yet z over x. A coin would make"
        " one in four. Wilson interval; triples share pairs, so it is somewhat too narrow."
    ),
    "earned": gettext_lazy(
        "Correlated agreement (Shnayder et al. 2016): what an answer says about others’ answers to the same pair beyond what"
        " it says about their answers in general. 0 for answers without information, whatever they are. Normal interval over"
        " pairs. For payment by quality, never for a ranking of people."
    ),
}


def _person_fact(name: str, figure: Figure, figures: dict[str, Any], usual: Usual | None) -> Fact:
    normal = getattr(usual, name, None) if usual and name != "seconds" else None
    if name in ("left", "longer", "upper"):
        normal = 0.5
    if name == "cyclic":
        normal = 0.25
    return _fact(name, figure, _sentence(name, figure, figures, usual), normal)


def _group_fact(name: str, figure: Figure) -> Fact:
    even = {"left": 0.5, "longer": 0.5, "upper": 0.5, "cyclic": 0.25, "cyclic_own": 0.25}.get(name)
    return _fact(name, figure, _group_sentence(name, figure), even, definition=_group_definition(name))


def _fact(name: str, figure: Figure, sentence: str, usual: float | None, definition: str = "") -> Fact:
    return Fact(
        name=name,
        label=str(LABELS[name]),
        value=_value(name, figure.estimate),
        between=_("%(low)s to %(high)s") % {"low": _value(name, figure.low), "high": _value(name, figure.high)},
        of=_of(name, figure.of),
        sentence=sentence,
        definition=definition or str(DEFINITIONS[name]),
        strip=None if name in ("seconds", "words", "earned") else _strip(figure, usual),
    )


def _strip(figure: Figure, usual: float | None) -> Strip:
    low, at, high = (on_strip(each, STRIP) for each in (figure.low, figure.estimate, figure.high))
    return Strip(low, at, high, None if usual is None else on_strip(usual, STRIP))


def _value(name: str, value: float) -> str:
    if name == "seconds":
        return _("%(n).0f s") % {"n": value}
    if name == "words":
        return _("%(n).0f words") % {"n": value}
    return f"{value:+.2f}" if name == "earned" else percent(value)


def _of(name: str, of: int) -> str:
    if name in ("others", "sides", "earned"):
        return ngettext("%d pair", "%d pairs", of) % of
    if name in ("gold", "same"):
        return ngettext("%d check", "%d checks", of) % of
    if name in ("ranked", "upper"):
        return ngettext("%d ranking", "%d rankings", of) % of
    if name == "rated":
        return ngettext("%d rating", "%d ratings", of) % of
    if name in ("left", "longer", "fit"):
        return ngettext("%d preference", "%d preferences", of) % of
    if name in ("cyclic", "cyclic_own"):
        return ngettext("%d triple", "%d triples", of) % of
    return ngettext("%d judgment", "%d judgments", of) % of


def _sentence(name: str, figure: Figure, figures: dict[str, Any], usual: Usual | None) -> str:
    value = percent(figure.estimate)
    if name == "others":
        mean = usual and usual.others
        told = _("; %(usual)s is usual here") % {"usual": percent(mean)} if mean else ""
        return _("Says the same as somebody else on the same pair in %(value)s of cases%(usual)s.") % {
            "value": value,
            "usual": told,
        }
    if name == "sides":
        return _("Where both see a difference, prefers the same response as somebody else in %(value)s of cases.") % {
            "value": value
        }
    if name == "fit":
        pooled = figure_of(figures, "pooled_fit")
        told = _("; the model for everybody, %(pooled)s") % {"pooled": percent(pooled.estimate)} if pooled else ""
        return _("Their own model guesses %(value)s of their choices%(pooled)s.") % {"value": value, "pooled": told}
    if name == "earned":
        sure = figure.low > 0
        return (
            _("The answers tell something about the pair that others see, too.")
            if sure
            else _("It can’t be told from answers without information.")
        )
    words = {"value": value}
    sentences = {
        "same": _("Asked again the other way round, the answer was the same in %(value)s of cases.") % words,
        "gold": _("Of the known answers, %(value)s were found.") % words,
        "ranked": _(
            "Two responses are in the same order as somebody else has them in %(value)s of cases; chance gives half."
        )
        % words,
        "rated": _(
            "A rating is like somebody else’s of the same response to %(value)s: the same, or half so for a neighbour."
        )
        % words,
        "upper": _leaning(figure, _("the one further up")),
        "left": _leaning(figure, _("the left side")),
        "longer": _leaning(figure, _("the longer response")),
        "ties": _("No difference was seen in %(value)s of pairs.") % words,
        "seconds": _("Half of the judgments take longer than this, half less."),
        "fast": _(
            "So many judgments came in less than a third of the usual time: hardly enough to read the responses."
        ),
        "reasons": _("With %(value)s of judgments comes a reason in words.") % words,
        "words": _("Half of the reasons are longer than this."),
        "cyclic": _("%(value)s of triples go round in a circle; a coin would make 25 %%.") % words,
    }
    return sentences[name]


def _group_sentence(name: str, figure: Figure) -> str:
    value = percent(figure.estimate)
    sentences = {
        "left": _leaning(figure, _("the left side")),
        "upper": _leaning(figure, _("the one further up in a ranking")),
        "longer": _leaning(figure, _("the longer response")),
        "ties": _("No difference was seen in %(value)s of judgments.") % {"value": value},
        "same": _("Asked again the other way round, people said the same in %(value)s of cases.") % {"value": value},
        "gold": _("Of the known answers, %(value)s were found.") % {"value": value},
        "fit": _("People’s own models guess %(value)s of choices that they were not shown.") % {"value": value},
        "cyclic": _circles(figure, _("The majority’s choices")),
        "cyclic_own": _circles(figure, _("Each person’s own choices")),
    }
    return sentences[name]


def _group_definition(name: str) -> str:
    if name == "cyclic":
        return _(
            "For each pair, what most people chose; pairs without a majority are left out. Of three responses all of whose"
            " pairs have one: x over y, y over z, and yet z over x. The interval draws prompts again a thousand times."
        )
    return str(DEFINITIONS["cyclic" if name == "cyclic_own" else name])


def _leaning(figure: Figure, what: str) -> str:
    """Whether people lean to something of which half would be no leaning."""
    words = {"value": percent(figure.estimate), "what": what}
    if figure.low <= 0.5 <= figure.high:
        return _("No leaning to be seen: %(what)s was chosen in %(value)s of preferences.") % words
    if figure.estimate > 0.5:
        return _("There is a leaning to %(what)s, which was chosen in %(value)s of preferences.") % words
    return _("There is a leaning away from %(what)s, which was chosen in %(value)s of preferences.") % words


def _circles(figure: Figure, whose: str) -> str:
    words = {"whose": whose, "value": percent(figure.estimate)}
    if figure.high < 0.25:
        return (
            _("%(whose)s mostly form an order: %(value)s of triples go round in a circle, a coin would make 25 %%.")
            % words
        )
    return (
        _("%(whose)s form no order that could be told from a coin’s: %(value)s of triples go round in a circle.")
        % words
    )


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
