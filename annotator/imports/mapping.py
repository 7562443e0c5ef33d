"""Columns that a file calls otherwise than we do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.imports.fields import suggestion
from annotator.imports.rows import JUDGMENT_FIELDS, PROMPT_FIELDS

MOST_COLUMNS = 100
MAX_NAME = 200
OTHERS = ("chosen", "rejected", "completion", "label", "messages")
"""Fields of other tools' rows that a file may have under other names, too."""
TARGETS = (*sorted(JUDGMENT_FIELDS | PROMPT_FIELDS), *OTHERS)


def read_columns(given: Iterable[str]) -> dict[str, str]:
    """From ``theirs=ours``. Raises ``Invalid`` for what is not of that form, or not a field of ours."""
    found: dict[str, str] = {}
    for each in given:
        theirs, equals, ours = each.rpartition("=")
        if not (theirs.strip() and equals and ours.strip()):
            raise Invalid(
                _("“%(text)s” is not of the form theirs=ours.") % {"text": each[:80]},
                fields={"map": _("Expected theirs=ours.")},
            )
        found[theirs.strip()] = ours.strip()
    check_columns(found)
    return found


def check_columns(columns: Mapping[str, str]) -> None:
    """Raises ``Invalid`` for a field that we don't have, one that is named twice, and for too many."""
    if len(columns) > MOST_COLUMNS:
        raise Invalid(
            _("At most %(most)s columns can be mapped.") % {"most": MOST_COLUMNS},
            fields={"map": _("%(n)s are given.") % {"n": len(columns)}},
        )
    for theirs, ours in columns.items():
        if len(theirs) > MAX_NAME or "\x00" in theirs:
            raise Invalid(
                _("A column’s name is too long."),
                fields={"map": _("At most %(most)s characters.") % {"most": MAX_NAME}},
            )
        if ours not in TARGETS and not ours.startswith("response_"):
            known = {"name": ours[:80], "expected": suggestion(ours, frozenset(TARGETS))}
            raise Invalid(
                _("There is no field “%(name)s”; expected %(expected)s.") % known,
                fields={"map": _("“%(name)s” is no field.") % known},
            )
    twice = [ours for ours in columns.values() if list(columns.values()).count(ours) > 1]
    if twice:
        raise Invalid(
            _("Two columns are to be “%(name)s”.") % {"name": twice[0]},
            fields={"map": _("“%(name)s” is given twice.") % {"name": twice[0]}},
        )
