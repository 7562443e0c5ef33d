"""What can be wrong with a file, and with a row of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.errors import AnnotatorError

SHOWN = 80
"""Characters of a value that a message repeats."""


class BadFile(AnnotatorError):
    """The file as a whole can't be read, so nothing of it is written: cut off, not text, another format."""

    code = "bad_file"
    status = 422


class WrongHeader(BadFile):
    """The columns of a table are not ours; ``names`` are those that it has, for mapping."""

    def __init__(self, problem: str, names: Sequence[str]) -> None:
        super().__init__(problem)
        self.names = list(names)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one row. ``reason`` is stable for programs; ``line`` counts from 1."""

    line: int
    field: str
    value: str
    reason: str
    expected: str

    def __str__(self) -> str:
        known = {"line": self.line, "field": self.field}
        where = (_("line %(line)s, %(field)s") if self.field else _("line %(line)s")) % known
        what = f"{_(REASONS[self.reason])} {self.value}" if self.value else _(REASONS[self.reason])
        return f"{where}: " + _("%(what)s; expected %(expected)s") % {"what": what, "expected": self.expected}

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "message": str(self)}


class BadRow(Exception):
    """Raised while a row is checked; the reader knows its line."""

    def __init__(self, reason: str, field: str, value: object, expected: str) -> None:
        super().__init__(reason, field, expected)
        self.reason, self.field, self.expected = reason, field, expected
        self.value = shortened(value)

    def on(self, line: int) -> Problem:
        return Problem(line, self.field, self.value, self.reason, self.expected)


REASONS = {
    "not_json": gettext_noop("not JSON,"),
    "not_an_object": gettext_noop("not a JSON object,"),
    "not_utf8": gettext_noop("not UTF-8,"),
    "line_too_long": gettext_noop("too long a line,"),
    "bad_csv": gettext_noop("not a CSV row,"),
    "duplicate_field": gettext_noop("the same field twice,"),
    "unknown_field": gettext_noop("an unknown field,"),
    "missing": gettext_noop("missing"),
    "wrong_type": gettext_noop("a value of the wrong type,"),
    "wrong_picture": gettext_noop("no picture that can be taken,"),
    "wrong_value": gettext_noop("a wrong value,"),
    "empty": gettext_noop("an empty text"),
    "too_long": gettext_noop("too long a text,"),
    "nul": gettext_noop("a NUL character in"),
    "same_responses": gettext_noop("both responses are the same,"),
    "id_reused": gettext_noop("the id already stands for another text,"),
    "second_judgment": gettext_noop("a second judgment of this pair by the same annotator,"),
    "key_reused": gettext_noop("the client key is another judgment's,"),
    "gold_differs": gettext_noop("another known answer than the stored one,"),
    "simulated_differs": gettext_noop("simulated and real judgments under one name,"),
}
"""Every reason, in words that stand before the value."""


def shortened(value: object) -> str:
    """A value as it may stand in a message or a log: one line, no more than ``SHOWN`` characters."""
    if value is None:
        return ""
    shown = repr(value[: SHOWN + 1]) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"
