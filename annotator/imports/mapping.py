"""Columns that a file calls otherwise than we do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
            raise Invalid(f"“{each[:80]}” is not of the form theirs=ours.", fields={"map": "Expected theirs=ours."})
        found[theirs.strip()] = ours.strip()
    check_columns(found)
    return found


def check_columns(columns: Mapping[str, str]) -> None:
    """Raises ``Invalid`` for a field that we don't have, one that is named twice, and for too many."""
    if len(columns) > MOST_COLUMNS:
        raise Invalid(f"At most {MOST_COLUMNS} columns can be mapped.", fields={"map": f"{len(columns)} are given."})
    for theirs, ours in columns.items():
        if len(theirs) > MAX_NAME or "\x00" in theirs:
            raise Invalid("A column’s name is too long.", fields={"map": f"At most {MAX_NAME} characters."})
        if ours not in TARGETS and not ours.startswith("response_"):
            raise Invalid(
                f"There is no field “{ours[:80]}”; expected {suggestion(ours, frozenset(TARGETS))}.",
                fields={"map": f"“{ours[:80]}” is no field."},
            )
    twice = [ours for ours in columns.values() if list(columns.values()).count(ours) > 1]
    if twice:
        raise Invalid(f"Two columns are to be “{twice[0]}”.", fields={"map": f"“{twice[0]}” is given twice."})
