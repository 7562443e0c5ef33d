"""CSV cells that a spreadsheet may not take for formulas, and back."""

from __future__ import annotations

import re

# What spreadsheets run: = + - @, also in full width, and what hides one of them from view (OWASP, "CSV Injection").
_FIRST = frozenset("'=+-@\t\r\n＝＋－＠")
_RISKY = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile("'+[=+\\-@\t\r\n＝＋－＠]")


def guarded(text: str) -> str:
    """A text as a cell that no spreadsheet runs: with ``'`` before it where it could be taken for a formula."""
    return f"'{text}" if text and text[0] in _FIRST and _RISKY.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell: ``unguarded(guarded(text)) == text``."""
    return cell[1:] if _GUARDED.match(cell) else cell
