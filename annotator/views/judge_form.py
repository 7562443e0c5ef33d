"""The judging page's form: read into an answer, and an answer or a draft put back into its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotator.errors import Invalid
from annotator.keys import LETTERS
from annotator.markdown import render
from annotator.models import Judgment
from annotator.services.answers import (
    MAX_RATIONALE,
    Answer,
    Choice,
    FlagAbout,
    FlagRaised,
    Ranking,
    Tag,
    on_scale,
    plausible_seconds,
)
from annotator.services.aspects import Better, Compared, Rated
from annotator.services.layouts import layout_of, letters
from annotator.services.marks import MAX_SPANS, PLACES, Mark, Side
from annotator.services.texts import text_problem

SIDE_NAMES: dict[Side, str] = {"left": "a", "right": "b"}
BOTH: tuple[Choice, ...] = ("both_good", "both_bad")
SKIP_REASONS = {
    "unfamiliar": gettext_lazy("I don’t know enough about this"),
    "language": gettext_lazy("I don’t read this language well"),
    "incomparable": gettext_lazy("They can’t be compared"),
    "unwilling": gettext_lazy("I would rather not read this"),
}
"""Why a pair is skipped, besides one's own words: as stored, and as people read it."""
_LISTS = tuple(f"{side}_{sign}" for side in f"ab{LETTERS.lower()}" for sign in ("good", "bad"))
_TEXTS = ("position", "rating", "rationale", "skip_reason", "skip_note", "flag_kind", "flag_about", "flag_note")
_MARK = {"side": str, "start": int, "end": int, "good": bool, "tag": str, "comment": str, "seen": str}

_ASPECT = "aspect:"
_RANK = "rank:"
_ON_SCREEN: dict[str, Better] = {"a": "left", "b": "right", "tie": "tie", "na": "na"}

Values = dict[str, Any]
"""Names of fields to their values; lists where a field comes more than once."""


def side_names(kind: str, count: int = 2) -> dict[Side, str]:
    """How the form names what is on the screen: ``a`` and ``b``, or letters, in the order shown."""
    if kind == Judgment.Kind.PAIR:
        return SIDE_NAMES
    return dict(zip(PLACES[:count], letters(count).lower(), strict=True))


def answer_from(form: QueryDict) -> Answer:
    """The submitted form as an answer. Raises ``Invalid`` where a field is not what the page sends."""
    names = _names(form)
    sides = {name: side for side, name in names.items()}
    choice, strength, ranking, rating = _choice(form, sides)
    return Answer(
        choice=choice,
        strength=strength,
        ranking=ranking,
        rating=rating,
        skip_reason=_skip_reason(form) if choice == "skip" else "",
        tags=tuple(_tags(form, names)),
        text=form.get("rationale", "").strip(),
        marks=tuple(_mark(text, sides) for text in form.getlist("mark")),
        flag=_flag(form, sides),
        aspects=tuple(_aspects(form, sides)),
        seconds=_seconds(form.get("seconds", "")),
        page_version=form.get("page_version", ""),
    )


def _names(form: QueryDict) -> dict[Side, str]:
    kind = form.get("kind", Judgment.Kind.PAIR)
    if kind == Judgment.Kind.RANKING:
        return side_names(kind, min(len(LETTERS), sum(name.startswith(_RANK) for name in form)))
    return side_names(kind, 1)


def values_of(answer: Answer, texts: Mapping[Side, str]) -> Values:
    """An answer as the form's values: the inverse of ``answer_from``. ``texts`` are the responses as shown."""
    names = SIDE_NAMES if "left" in texts else side_names("", len(texts))
    named = answer.skip_reason in SKIP_REASONS
    values: Values = {
        "rationale": answer.text,
        "position": answer.choice if answer.choice in BOTH else str(answer.position or ""),
        "rating": "na" if answer.choice == "na" else "" if answer.rating is None else str(answer.rating),
        "skip_reason": answer.skip_reason if named else "",
        "skip_note": "" if named else answer.skip_reason,
        "mark": [_mark_field(mark, names[mark.side], texts[mark.side]) for mark in answer.marks],
        **{_RANK + names[place]: str(n) for n, group in enumerate(answer.ranking, start=1) for place in group},
        **dict(_aspect_field(each, names) for each in answer.aspects),
    }
    for side, name in names.items():
        for good, sign in ((True, "good"), (False, "bad")):
            values[f"{name}_{sign}"] = [tag.tag for tag in answer.tags if tag.side == side and tag.good is good]
    if flag := answer.flag:
        about = next((name for side, name in names.items() if side == flag.about), flag.about)
        values |= {"flag_kind": flag.kind, "flag_about": about, "flag_note": flag.note}
    return values


def values_from(form: QueryDict) -> Values:
    """The form as it was sent, to show or keep it as it is. Raises ``Invalid`` where it can't be kept."""
    values: Values = {name: form.get(name, "") for name in _TEXTS}
    values |= {name: form.getlist(name) for name in (*_LISTS, "mark")}
    values |= {name: form[name] for name in form if name.startswith((_ASPECT, _RANK))}
    for name, value in values.items():
        for text in [value] if isinstance(value, str) else value[: MAX_SPANS + 1]:
            if problem := text_problem(text, limit=MAX_RATIONALE):
                raise Invalid(problem, fields={name: problem})
    return {name: value for name, value in values.items() if value}


def marks_on(side: str, values: Values) -> tuple[str, ...]:
    """The fields of the marks on one side, of an answer or a draft."""
    return tuple(text for text in values.get("mark", ()) if _side_of(text) == side)


def _side_of(text: str) -> str:
    try:
        return str(json.loads(text)["side"])
    except (ValueError, KeyError, TypeError, RecursionError):  # a draft is kept as it came
        return ""


def skip_reason_label(reason: str) -> str:
    """A stored reason for skipping as people read it."""
    return str(SKIP_REASONS.get(reason, reason))


def _choice(form: QueryDict, sides: Mapping[str, Side]) -> tuple[Choice, int | None, Ranking, int | None]:
    """What was chosen, how strongly, the order, and the rating: what of these there is."""
    if form.get("skip"):
        return "skip", None, (), None
    if form.get("kind") == Judgment.Kind.RANKING:
        return "ranked", None, _ranking(form, sides), None
    if form.get("kind") == Judgment.Kind.RATING:
        said = form.get("rating", "")
        if said == "na":
            return "na", None, (), None
        if not said.isdecimal() or len(said) > 2:
            raise _invalid("rating", _("Choose a place on the scale, or that it does not fit on it."))
        return "rated", None, (), int(said)
    position = form.get("position", "")
    for both in BOTH:
        if position == both:
            return both, None, (), None
    if not position.isdecimal() or len(position) > 1:
        raise _invalid("position", _("Choose one of the seven steps, “both good” or “both bad”."))
    return *on_scale(int(position)), (), None


def _ranking(form: QueryDict, sides: Mapping[str, Side]) -> Ranking:
    """From the place that each response has: the same place is a tie, and places may be left out."""
    places: dict[int, list[Side]] = {}
    for name, side in sides.items():
        place = form.get(_RANK + name, "")
        if not place.isdecimal() or len(place) > 1:
            raise _invalid("ranking", _("Give every response a place first; equal ones may share it."))
        places.setdefault(int(place), []).append(side)
    return tuple(tuple(places[place]) for place in sorted(places))


def _invalid(field: str, problem: str) -> Invalid:
    return Invalid(problem, fields={field: problem})


def _skip_reason(form: QueryDict) -> str:
    return form.get("skip_note", "").strip() or form.get("skip_reason", "")


def _tags(form: QueryDict, names: Mapping[Side, str]) -> list[Tag]:
    return [
        Tag(key, side, sign == "good")
        for side, letter in names.items()
        for sign in ("good", "bad")
        for key in form.getlist(f"{letter}_{sign}")
    ]


def _mark(text: str, sides: Mapping[str, Side]) -> Mark:
    """A marked stretch, as JSON. Raises ``Invalid``."""
    try:
        said = json.loads(text)
        fits = isinstance(said, dict) and said.keys() == _MARK.keys()
        if not fits or any(type(said[name]) is not kind for name, kind in _MARK.items()):
            raise ValueError
        return Mark(**said | {"side": sides[said["side"]], "quote": ""})
    except (ValueError, KeyError, RecursionError):
        problem = _("“%(text)s” is no marked stretch as the page sends it.") % {"text": text[:40]}
        raise Invalid(problem, fields={"spans": problem}) from None


def _mark_field(mark: Mark, name: str, text: str) -> str:
    fields = {"side": name, "start": mark.start, "end": mark.end, "good": mark.good}
    fields |= {"tag": mark.tag, "comment": mark.comment, "seen": render(text).seen(mark.start, mark.end)}
    return json.dumps(fields, ensure_ascii=False)


def _aspects(form: QueryDict, sides: Mapping[str, Side]) -> Iterator[Rated | Compared]:
    """``aspect:tone`` compares, ``aspect:tone:a`` rates one side; unanswered ones are not there or empty."""
    for name in form:
        value = form.get(name, "")
        if not name.startswith(_ASPECT) or not value:
            continue
        key, _colon, side = name.removeprefix(_ASPECT).partition(":")
        if side in sides and (value == "na" or (value.isdecimal() and len(value) < 4)):
            yield Rated(key, sides[side], None if value == "na" else int(value))
        elif not side and value in _ON_SCREEN:
            yield Compared(key, _ON_SCREEN[value])
        else:
            problem = _("“%(value)s” is no answer to the aspect “%(name)s”.") % {"value": value, "name": key}
            raise Invalid(problem, fields={"aspects": problem})


def _aspect_field(said: Rated | Compared, names: Mapping[Side, str]) -> tuple[str, str]:
    if isinstance(said, Rated):
        value = "na" if said.value is None else str(said.value)
        return f"{_ASPECT}{said.aspect}:{names[said.side]}", value
    return f"{_ASPECT}{said.aspect}", next(name for name, better in _ON_SCREEN.items() if better == said.better)


def _flag(form: QueryDict, sides: Mapping[str, Side]) -> FlagRaised | None:
    kind = form.get("flag_kind", "")
    if not kind:
        return None
    about = form.get("flag_about", "both")
    named: FlagAbout = "prompt" if about == "prompt" else sides.get(about, "both")
    return FlagRaised(kind, named, form.get("flag_note", "").strip())


def _seconds(text: str) -> float | None:
    try:
        return plausible_seconds(float(text)) if text else None
    except ValueError:
        return None


def flag_words(judgment: Judgment) -> str:
    """What was flagged of a judgment, for people to read; empty if nothing was."""
    flag = getattr(judgment, "flag", None)
    if flag is None:
        return ""
    about = _("the response") if judgment.kind == Judgment.Kind.RATING else flag.get_about_display()
    if flag.about.isdecimal() and judgment.kind == Judgment.Kind.RANKING:
        layout = layout_of(judgment)
        about = letters(len(layout.own))[layout.own.index(flag.about)]
    return f"{flag.get_kind_display()} · {about}"
