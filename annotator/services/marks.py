"""Stretches of a response that somebody marked: of the source text, in code points, with the quote as a check.

Programs name source and quote. A page shows rendered Markdown and never has the source: it sends the places, which it
knows from the map that comes with the HTML, and what a reader sees there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from django.utils.translation import gettext as _

from annotator.markdown import render
from annotator.models import Project
from annotator.services.texts import text_problem

Side = Literal["left", "right", "1", "2", "3", "4", "5", "6", "7", "8"]
"""Where a response is on the screen: of a pair, or its place in a lineup."""
SIDES: tuple[Side, ...] = ("left", "right")
PLACES: tuple[Side, ...] = ("1", "2", "3", "4", "5", "6", "7", "8")
MAX_SPANS = 100
MAX_COMMENT = 2_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of one side's source text, code points ``start`` to ``end``; ``quote`` must be what stands there.

    A page gives ``seen``, the words as rendered, in place of the quote.
    """

    side: Side
    start: int
    end: int
    quote: str
    good: bool
    tag: str = ""
    comment: str = ""
    seen: str | None = None


def marks_problem(marks: tuple[Mark, ...], project: Project, texts: Mapping[Side, str]) -> str:
    """What is wrong with the first mark that can't be stored, in words; empty if all can. ``texts``: as shown."""
    if len(marks) > MAX_SPANS:
        return _("At most %(max_spans)s stretches can be marked, not %(n)s.") % {
            "max_spans": MAX_SPANS,
            "n": len(marks),
        }
    return next((problem for mark in marks if (problem := _problem(mark, project, texts))), "")


def with_quotes(marks: tuple[Mark, ...], texts: Mapping[Side, str]) -> tuple[Mark, ...]:
    """The marks as they are stored: with the source's words, each only once. They must have no problem."""
    quoted = (replace(mark, quote=texts[mark.side][mark.start : mark.end], seen=None) for mark in marks)
    return tuple(dict.fromkeys(quoted))


def _problem(mark: Mark, project: Project, texts: Mapping[Side, str]) -> str:
    if mark.side not in texts:
        return _("“%(side)s” is not a side.") % {"side": mark.side}
    text = texts.get(mark.side, "")
    if not 0 <= mark.start < mark.end <= len(text):
        return _("Characters %(start)s to %(end)s are not within the response of %(n)s characters.") % {
            "start": mark.start,
            "end": mark.end,
            "n": len(text),
        }
    if not _says_so(mark, text):
        return _("Characters %(start)s to %(end)s of the response are not what was quoted.") % {
            "start": mark.start,
            "end": mark.end,
        }
    if mark.tag and mark.tag not in project.tag_labels:
        return _("“%(tag)s” is not a reason tag of this project.") % {"tag": mark.tag}
    return text_problem(mark.comment, limit=MAX_COMMENT)


def _says_so(mark: Mark, text: str) -> bool:
    if mark.seen is None:
        return mark.quote == text[mark.start : mark.end]
    return _bare(mark.seen) == _bare(render(text).seen(mark.start, mark.end)) != ""


def _bare(words: str) -> str:
    """Without blanks: how they fall between blocks is the browser's business."""
    return "".join(words.split())
