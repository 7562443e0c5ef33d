"""What an annotator said, in terms of the screen (left, right), and how it maps to the pair's own terms (a, b).

Which response was on the left belongs to the assignment (``swapped``: the pair's b was on the left). Nothing but this
module turns one into the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Flag, Judgment, Project
from annotator.services.aspects import Compared, Rated, aspects_problem, said_of
from annotator.services.marks import SIDES, Mark, Side, marks_problem, with_quotes
from annotator.services.texts import text_problem

Choice = Literal["left", "right", "tie", "both_good", "both_bad", "skip"]
FlagAbout = Literal["prompt", "left", "right", "both"]

CHOICES: tuple[Choice, ...] = get_args(Choice)
FLAG_ABOUTS: tuple[FlagAbout, ...] = get_args(FlagAbout)
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
    """One answer as given on the screen. ``strength`` is 1 slightly, 2 clearly, 3 much; None where it was not asked."""

    choice: Choice
    strength: int | None = None
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
        raise _invalid("position", f"The scale goes from 1 to 7; {position} is not on it.")
    if position == 4:
        return "tie", None
    return ("left", 4 - position) if position < 4 else ("right", position - 4)


def plausible_seconds(seconds: float | None) -> float | None:
    """A time as a browser measured it, or None if its clock was wrong: negative, endless or longer than a day."""
    return seconds if seconds is not None and math.isfinite(seconds) and 0 <= seconds <= _A_DAY else None


def check_answer(answer: Answer, project: Project, texts: Mapping[Side, str] | None = None) -> None:
    """Raise ``Invalid``, naming every field that is wrong, unless the answer may be stored in this project.

    ``texts`` are the responses as shown; marks are checked against them.
    """
    problems = {
        "choice": "" if answer.choice in CHOICES else f"“{answer.choice}” is none of {', '.join(CHOICES)}.",
        "strength": _strength_problem(answer),
        "skip_reason": text_problem(answer.skip_reason, limit=MAX_SKIP_REASON),
        "tags": _tags_problem(answer.tags, project),
        "rationale": text_problem(answer.text, limit=MAX_RATIONALE) or _missing_reason(answer, project),
        "spans": marks_problem(answer.marks, project, texts or {}),
        "flag": _flag_problem(answer.flag),
        "aspects": aspects_problem(answer.aspects, project),
        "seconds": _seconds_problem(answer.seconds),
        "page_version": text_problem(answer.page_version, limit=20),
    }
    if answer.skip_reason and answer.choice != "skip":
        problems["skip_reason"] = f"Only a skipped pair has a skip reason; the choice is “{answer.choice}”."
    if fields := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(" ".join(fields.values()), fields=fields)


def checked(answer: Answer, project: Project, texts: Mapping[Side, str] | None) -> Answer:
    """The answer as it is stored, with its marks' words from the source. Raises as ``check_answer`` does."""
    check_answer(answer, project, texts)
    return replace(answer, marks=with_quotes(answer.marks, texts)) if answer.marks and texts else answer


def _invalid(field: str, problem: str) -> Invalid:
    return Invalid(problem, fields={field: problem})


def _strength_problem(answer: Answer) -> str:
    if answer.strength is None:
        return ""
    if answer.choice not in SIDES:
        return f"Only a preference has a strength; the choice is “{answer.choice}”."
    return "" if answer.strength in (1, 2, 3) else f"Strength is 1, 2 or 3, not {answer.strength}."


def _seconds_problem(seconds: float | None) -> str:
    if seconds is None or plausible_seconds(seconds) is not None:
        return ""
    return f"The time taken must be from 0 to 86,400 seconds, not {seconds}."


def _tags_problem(tags: Iterable[Tag], project: Project) -> str:
    seen: dict[tuple[str, Side], bool] = {}
    for each in tags:
        if each.tag not in project.tag_labels:
            return (
                f"“{each.tag}” is not a reason tag of this project ({', '.join(project.tag_labels) or 'it has none'})."
            )
        if each.side not in SIDES:
            return f"“{each.side}” is not a side."
        if each.good not in project.tag_signs[each.tag]:
            return f"“{each.tag}” can’t be given as {'good' if each.good else 'bad'} in this project."
        if seen.setdefault((each.tag, each.side), each.good) is not each.good:
            return f"“{each.tag}” is marked both good and bad on the same side."
    return ""


def reason_needed(project: Project, strength: int | None) -> bool:
    """Whether the project's policy asks for a reason for a preference of this strength (None: no preference)."""
    policy = project.rationales
    return policy == Project.Rationales.REQUIRED or (policy == Project.Rationales.STRONG and strength == STRONG)


def _missing_reason(answer: Answer, project: Project) -> str:
    if answer.choice == "skip" or not reason_needed(project, answer.strength):
        return ""
    if (least := project.rationale_min) and (written := len(answer.text.strip())) < least:
        return f"Please say why in at least {least} characters of your own words; there are {written}."
    return "" if answer.gives_reason else _("Please give a reason: a tag, a mark in the text or a few words.")


def _flag_problem(flag: FlagRaised | None) -> str:
    if flag is None:
        return ""
    if flag.kind not in Flag.Kind.values:
        return f"“{flag.kind}” is none of {', '.join(Flag.Kind.values)}."
    if flag.about not in FLAG_ABOUTS:
        return f"“{flag.about}” is none of {', '.join(FLAG_ABOUTS)}."
    return text_problem(flag.note, limit=MAX_FLAG_NOTE)


# --- the pair's own terms -------------------------------------------------------------------------------------------


def in_pair_terms(choice: Choice, *, swapped: bool) -> Judgment.Choice:
    """``left`` is the pair's a, unless the sides were swapped."""
    if choice in SIDES:
        return Judgment.Choice.A if (choice == "left") != swapped else Judgment.Choice.B
    return Judgment.Choice(choice)


def as_shown(choice: str, *, swapped: bool) -> Choice:
    """The inverse of ``in_pair_terms``."""
    if choice in ("a", "b"):
        return "left" if (choice == "a") != swapped else "right"
    return next(each for each in CHOICES if each == choice)


def tags_in_pair_terms(tags: Iterable[Tag], *, swapped: bool) -> list[dict[str, object]]:
    """As ``Rationale.tags`` keeps them, each once."""
    rows = (
        {"tag": t.tag, "side": str(in_pair_terms(t.side, swapped=swapped)), "good": t.good} for t in dict.fromkeys(tags)
    )
    return list(rows)


def flag_about(flag: FlagRaised, *, swapped: bool) -> str:
    """What a flag is about, in the pair's own terms."""
    side = next((side for side in SIDES if side == flag.about), None)
    return str(in_pair_terms(side, swapped=swapped)) if side else flag.about


def answer_of(judgment: Judgment) -> Answer:
    """A stored judgment as it was said on the screen, to show it again. Reads its rationale, spans and flag."""
    swapped = judgment.swapped
    rationale, flag = getattr(judgment, "rationale", None), getattr(judgment, "flag", None)
    left_id = judgment.pair.response_b_id if swapped else judgment.pair.response_a_id  # type: ignore[union-attr]
    return Answer(
        choice=as_shown(judgment.choice, swapped=swapped),
        strength=judgment.strength,
        skip_reason=judgment.skip_reason,
        text=rationale.text if rationale else "",
        tags=tuple(Tag(t["tag"], _side(t["side"], swapped), t["good"]) for t in rationale.tags) if rationale else (),
        marks=tuple(
            Mark("left" if s.response_id == left_id else "right", s.start, s.end, s.quote, s.good, s.tag, s.comment)
            for s in judgment.spans.all()
        ),
        flag=FlagRaised(flag.kind, _about(flag.about, swapped), flag.note) if flag else None,
        aspects=said_of(judgment, left_id),
        seconds=judgment.seconds,
        page_version=judgment.page_version,
    )


def _about(about: str, swapped: bool) -> FlagAbout:
    if about in ("a", "b"):
        return _side(about, swapped)
    return "prompt" if about == "prompt" else "both"


def _side(side: str, swapped: bool) -> Side:
    return "left" if (side == "a") != swapped else "right"
