"""One figure of quality in words: a plain sentence, the definition, and where it stands on a strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from annotator.charts import on_strip
from annotator.selectors.trust import GroupReport, figure_of
from attune.quality.figures import Figure, Usual

STRIP = 160
"""Width of the strip on which a figure and its interval are drawn."""
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
        "Correlated agreement (Shnayder et al. 2016): what an answer says about others’ answers to the same question beyond"
        " what it says about their answers in general; of a ranking, the mean of its couples. 0 for answers without"
        " information, whatever they are. Normal interval over judgments. For payment by quality, never for a ranking of people."
    ),
}

BY_CHANCE = {"left": 0.5, "longer": 0.5, "upper": 0.5, "cyclic": 0.25, "cyclic_own": 0.25}
"""What is usual of those of which chance says it."""


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


def _person_fact(name: str, figure: Figure, figures: dict[str, Any], usual: Usual | None) -> Fact:
    among_people = getattr(usual, name, None) if usual and name != "seconds" else None
    return _fact(name, figure, _sentence(name, figure, figures, usual), BY_CHANCE.get(name, among_people))


def _group_fact(name: str, figure: Figure) -> Fact:
    sentence, definition = _group_sentence(name, figure), _group_definition(name)
    return _fact(name, figure, sentence, BY_CHANCE.get(name), definition)


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
    if name in ("others", "sides"):
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
            _("The answers tell something about what was judged that others see, too.")
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
