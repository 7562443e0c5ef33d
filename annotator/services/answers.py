"""What an annotator said, in terms of the screen (left, right; 1 … 8), and how it maps to own terms (a, b; 1 … 8).

Which response was where belongs to the assignment; ``annotator.services.layouts`` knows both names of each. Nothing but
this module turns one into the other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Flag, Judgment, Project
from annotator.services.aspects import Compared, Rated, aspects_problem, said_of
from annotator.services.layouts import Layout, layout_of, letters
from annotator.services.marks import SIDES, Mark, Side, marks_problem, with_quotes
from annotator.services.texts import text_problem

Choice = Literal["left", "right", "tie", "both_good", "both_bad", "skip", "ranked", "rated", "na"]
FlagAbout = Side | Literal["prompt", "both"]
Ranking = tuple[tuple[Side, ...], ...]
"""Groups of places on the screen, the best first; those in one group are equal."""

CHOICES_OF: dict[Judgment.Kind, tuple[Choice, ...]] = {
    Judgment.Kind.PAIR: ("left", "right", "tie", "both_good", "both_bad", "skip"),
    Judgment.Kind.RANKING: ("ranked", "skip"),
    Judgment.Kind.RATING: ("rated", "na", "skip"),
}
CHOICES: tuple[Choice, ...] = CHOICES_OF[Judgment.Kind.PAIR]
MAX_RATIONALE = 10_000  # code points
MAX_SKIP_REASON = 200
MAX_FLAG_NOTE = 500
STRONG = 3  # "much better": what the policy "required for strong preferences" means
_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Tag:
    """A reason tag put on one side, as good or bad there."""

    tag: str
    side: Side
    good: bool


@dataclass(frozen=True, slots=True)
class FlagRaised:
    """Something wrong with what is shown, of a kind in ``Flag.Kind``."""

    kind: str
    about: FlagAbout = "both"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as given on the screen. ``strength`` is 1 slightly, 2 clearly, 3 much; None where it was not asked.

    ``ranking`` goes with the choice ``ranked``, ``rating`` with ``rated``.
    """

    choice: Choice
    strength: int | None = None
    ranking: Ranking = ()
    rating: int | None = None
    skip_reason: str = ""
    tags: tuple[Tag, ...] = ()
    text: str = ""
    marks: tuple[Mark, ...] = ()
    flag: FlagRaised | None = None
    aspects: tuple[Rated | Compared, ...] = ()
    seconds: float | None = None
    page_version: str = ""

    @property
    def position(self) -> int | None:
        """The step on the 7-step scale, 1 (left much better) … 4 (equal) … 7; None where there is none."""
        if self.choice == "tie":
            return 4
        if self.strength is None or self.choice not in SIDES:
            return None
        return 4 - self.strength if self.choice == "left" else 4 + self.strength

    @property
    def gives_reason(self) -> bool:
        return bool(self.text.strip() or self.tags or self.marks)


def on_scale(position: int) -> tuple[Choice, int | None]:
    """Choice and strength of a step on the 7-step scale. Raises ``Invalid`` unless it is 1 … 7."""
    if position not in range(1, 8):
        raise _invalid("position", _("The scale goes from 1 to 7; %(position)s is not on it.") % {"position": position})
    if position == 4:
        return "tie", None
    return ("left", 4 - position) if position < 4 else ("right", position - 4)


def plausible_seconds(seconds: float | None) -> float | None:
    """A time as a browser measured it, or None if its clock was wrong: negative, endless or longer than a day."""
    return seconds if seconds is not None and math.isfinite(seconds) and 0 <= seconds <= _A_DAY else None


def check_answer(
    answer: Answer,
    project: Project,
    texts: Mapping[Side, str] | None = None,
    *,
    kind: Judgment.Kind = Judgment.Kind.PAIR,
    places: tuple[Side, ...] = SIDES,
) -> None:
    """Raise ``Invalid``, naming every field that is wrong, unless the answer may be stored in this project.

    ``kind`` and ``places`` say what was shown. ``texts`` are the responses as shown; marks are checked against them.
    """
    choices = CHOICES_OF[kind]
    problems = {
        "choice": ""
        if answer.choice in choices
        else _("“%(choice)s” is none of %(known)s.") % {"choice": answer.choice, "known": ", ".join(choices)},
        "strength": _strength_problem(answer),
        "ranking": _ranking_problem(answer, places),
        "rating": _rating_problem(answer, project),
        "skip_reason": text_problem(answer.skip_reason, limit=MAX_SKIP_REASON),
        "tags": tags_problem([(each.tag, each.side, each.good) for each in answer.tags], project, places),
        "rationale": text_problem(answer.text, limit=MAX_RATIONALE) or _missing_reason(answer, project),
        "spans": marks_problem(answer.marks, project, texts or {}),
        "flag": _flag_problem(answer.flag, places),
        "aspects": aspects_problem(answer.aspects, project, places, compares=kind == Judgment.Kind.PAIR),
        "seconds": _seconds_problem(answer.seconds),
        "page_version": text_problem(answer.page_version, limit=20),
    }
    if answer.skip_reason and answer.choice != "skip":
        problems["skip_reason"] = _("Only a skipped pair has a skip reason; the choice is “%(choice)s”.") % {
            "choice": answer.choice
        }
    if answer.aspects and kind == Judgment.Kind.RANKING:
        problems["aspects"] = _("Aspects are not asked of rankings.")
    if fields := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(" ".join(fields.values()), fields=fields)


def checked(answer: Answer, project: Project, layout: Layout) -> Answer:
    """The answer as it is stored, with its marks' words from the source. Raises as ``check_answer`` does."""
    texts = layout.texts() if answer.marks else None
    check_answer(answer, project, texts, kind=layout.kind, places=layout.screen)
    return replace(answer, marks=with_quotes(answer.marks, texts)) if texts else answer


def _invalid(field: str, problem: str) -> Invalid:
    return Invalid(problem, fields={field: problem})


def _strength_problem(answer: Answer) -> str:
    if answer.strength is None:
        return ""
    if answer.choice not in SIDES:
        return _("Only a preference has a strength; the choice is “%(choice)s”.") % {"choice": answer.choice}
    return (
        ""
        if answer.strength in (1, 2, 3)
        else _("Strength is 1, 2 or 3, not %(strength)s.") % {"strength": answer.strength}
    )


def _ranking_problem(answer: Answer, places: tuple[Side, ...]) -> str:
    if answer.choice != "ranked":
        return _("Only what was put in order has a ranking.") if answer.ranking else ""
    placed = [place for group in answer.ranking for place in group]
    if sorted(placed) != sorted(places) or not all(answer.ranking):
        return _("Every response (%(places)s) needs one place in the order, in groups of at least one.") % {
            "places": ", ".join(places)
        }
    return ""


def _rating_problem(answer: Answer, project: Project) -> str:
    if answer.choice != "rated":
        return "" if answer.rating is None else _("Only what was rated has a rating.")
    low, high = project.scale_ends
    if answer.rating is None or not low <= answer.rating <= high:
        said = "nothing" if answer.rating is None else answer.rating
        return _("The scale goes from %(low)d to %(high)d, not %(said)s.") % {"low": low, "high": high, "said": said}
    return ""


def _seconds_problem(seconds: float | None) -> str:
    if seconds is None or plausible_seconds(seconds) is not None:
        return ""
    return _("The time taken must be from 0 to 86,400 seconds, not %(seconds)s.") % {"seconds": seconds}


def tags_problem(tags: Iterable[tuple[str, str, bool]], project: Project, places: Collection[str]) -> str:
    """What is wrong with reason tags, each (key, place, good), in this project; empty if nothing is."""
    seen: dict[tuple[str, str], bool] = {}
    for tag, side, good in tags:
        if tag not in project.tag_labels:
            return _("“%(tag)s” is not a reason tag of this project (%(known)s).") % {
                "tag": tag,
                "known": ", ".join(project.tag_labels) or _("it has none"),
            }
        if side not in places:
            return _("“%(side)s” is not a side.") % {"side": side}
        if good not in project.tag_signs[tag]:
            return _("“%(tag)s” can’t be given as %(sign)s in this project.") % {
                "tag": tag,
                "sign": "good" if good else "bad",
            }
        if seen.setdefault((tag, side), good) is not good:
            return _("“%(tag)s” is marked both good and bad on the same side.") % {"tag": tag}
    return ""


def reason_needed(project: Project, strength: int | None) -> bool:
    """Whether the project's policy asks for a reason for a preference of this strength (None: no preference)."""
    policy = project.rationales
    return policy == Project.Rationales.REQUIRED or (policy == Project.Rationales.STRONG and strength == STRONG)


def _missing_reason(answer: Answer, project: Project) -> str:
    if answer.choice == "rated" and (written := len(answer.text.strip())) < project.critique_min:
        return _("The critique needs at least %(least)d characters; there are %(n)d.") % {
            "least": project.critique_min,
            "n": written,
        }
    if answer.choice == "skip" or not reason_needed(project, answer.strength):
        return ""
    if (least := project.rationale_min) and (written := len(answer.text.strip())) < least:
        return _("Please say why in at least %(least)s characters of your own words; there are %(written)s.") % {
            "least": least,
            "written": written,
        }
    return "" if answer.gives_reason else _("Please give a reason: a tag, a mark in the text or a few words.")


def _flag_problem(flag: FlagRaised | None, places: tuple[Side, ...]) -> str:
    if flag is None:
        return ""
    if flag.kind not in Flag.Kind.values:
        return _("“%(kind)s” is none of %(known)s.") % {"kind": flag.kind, "known": ", ".join(Flag.Kind.values)}
    if flag.about not in (abouts := ("prompt", *places, "both")):
        return _("“%(about)s” is none of %(known)s.") % {"about": flag.about, "known": ", ".join(abouts)}
    return text_problem(flag.note, limit=MAX_FLAG_NOTE)


# --- own terms -------------------------------------------------------------------------------------------------------


def in_pair_terms(choice: Choice, *, swapped: bool) -> Judgment.Choice:
    """``left`` is the pair's a, unless the sides were swapped."""
    if choice in SIDES:
        return Judgment.Choice.A if (choice == "left") != swapped else Judgment.Choice.B
    return Judgment.Choice(choice)


def as_shown(choice: str, *, swapped: bool) -> Choice:
    """The inverse of ``in_pair_terms``."""
    if choice in ("a", "b"):
        return "left" if (choice == "a") != swapped else "right"
    return next(each for choices in CHOICES_OF.values() for each in choices if each == choice)


def tags_in_own_terms(tags: Iterable[Tag], layout: Layout) -> list[dict[str, object]]:
    """As ``Rationale.tags`` keeps them, each once."""
    return [{"tag": t.tag, "side": layout.own_of[t.side], "good": t.good} for t in dict.fromkeys(tags)]


def ranking_in_own_terms(ranking: Ranking, layout: Layout) -> list[list[int]] | None:
    """As ``Judgment.ranking`` keeps it; None where nothing was put in order."""
    return [sorted(int(layout.own_of[place]) for place in group) for group in ranking] or None


def flag_about(flag: FlagRaised, layout: Layout) -> str:
    """What a flag is about, in own terms."""
    return next((own for side, own in layout.own_of.items() if side == flag.about), flag.about)


def answer_of(judgment: Judgment) -> Answer:
    """A stored judgment as it was said on the screen, to show it again. Reads its rationale, spans and flag."""
    layout = layout_of(judgment)
    rationale, flag = getattr(judgment, "rationale", None), getattr(judgment, "flag", None)
    tags = rationale.tags if rationale else ()
    return Answer(
        choice=as_shown(judgment.choice, swapped=judgment.swapped),
        strength=judgment.strength,
        ranking=ranking_as_shown(judgment, layout),
        rating=judgment.rating,
        skip_reason=judgment.skip_reason,
        text=rationale.text if rationale else "",
        tags=tuple(Tag(t["tag"], layout.screen_of[t["side"]], t["good"]) for t in tags),
        marks=tuple(
            Mark(layout.place_of[s.response_id], s.start, s.end, s.quote, s.good, s.tag, s.comment)
            for s in judgment.spans.all()
        ),
        flag=FlagRaised(flag.kind, _about(flag.about, layout), flag.note) if flag else None,
        aspects=() if layout.kind == Judgment.Kind.RANKING else said_of(judgment, layout.place_of),
        seconds=judgment.seconds,
        page_version=judgment.page_version,
    )


def ranking_as_shown(judgment: Judgment, layout: Layout) -> Ranking:
    """The stored order in places on the screen; empty where there is none."""
    return tuple(tuple(sorted(layout.screen_of[str(number)] for number in group)) for group in judgment.ranking or ())


def lineup_words(judgment: Judgment) -> str:
    """An order as people read it, in the letters of the screen (``W › X = Y``), or a rating on its scale; empty if skipped."""
    if judgment.rating is not None:
        scale = judgment.scale.replace("-", "–")
        return _("%(rating)d on %(scale)s") % {"rating": judgment.rating, "scale": scale}
    if judgment.choice == Judgment.Choice.NA:
        return _("Not on this scale")
    layout = layout_of(judgment)
    names = dict(zip(layout.screen, letters(len(layout.screen)), strict=True))
    return " › ".join(" = ".join(names[place] for place in tier) for tier in ranking_as_shown(judgment, layout))


def _about(about: str, layout: Layout) -> FlagAbout:
    return layout.screen_of.get(about) or ("prompt" if about == "prompt" else "both")
