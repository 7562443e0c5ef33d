"""What kind of file it is, by how it begins: JSON lines or CSV, judgments or prompts with responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from annotator.imports.errors import BadFile
from annotator.imports.fields import suggestion
from annotator.imports.reading import Line, Opened, RawRow, json_rows
from annotator.imports.reporting import Shape
from annotator.imports.rows import JUDGMENT_FIELDS, PROMPT_FIELDS
from annotator.imports.tables import csv_rows, is_column, read_header

FIELDS = {"judgments": JUDGMENT_FIELDS, "prompts": PROMPT_FIELDS}
_NEEDED: dict[Shape, tuple[str, ...]] = {
    "judgments": ("annotator", "prompt", "response_a", "response_b", "preference"),
    "prompts": ("prompt",),
}
_LOOK_AT = 20
"""Rows looked at for one that shows the shape; the first may be broken."""


@dataclass(slots=True)
class Detected:
    """A file's format and shape, and its rows from the first on."""

    format: str
    shape: Shape
    rows: Iterator[RawRow]


def detected(file: Opened, *, keep_extra: bool) -> Detected:
    """Look at the beginning of a file. Raises ``BadFile`` where it is neither, or a CSV header is wrong."""
    lines = file.lines()
    first = next(((number, line) for number, line in lines if line is None or line.strip()), None)
    if first is None:
        raise BadFile(f"{file.name} is empty.")
    line = first[1]
    if line is not None and line.lstrip().startswith(b"["):
        raise BadFile(f"{file.name} is a JSON array; expected one JSON object a line (JSON lines).")
    if line is None or line.lstrip().startswith(b"{"):
        return _json(chain([first], lines))
    header = read_header(file, line)
    shape: Shape = "prompts" if "preference" not in header and _has_responses(header) else "judgments"
    _check_header(file, header, shape, keep_extra=keep_extra)
    return Detected("csv", shape, csv_rows(file, header, line, lines))


def _json(lines: Iterator[Line]) -> Detected:
    rows = json_rows(lines)
    beginning = list(islice(rows, _LOOK_AT))
    readable = next((row.data for row in beginning if isinstance(row.data, dict)), {})
    return Detected("jsonl", "prompts" if "responses" in readable else "judgments", chain(beginning, rows))


def _has_responses(header: Sequence[str]) -> bool:
    return any(
        name == "responses" or is_column(name, PROMPT_FIELDS - {"prompt"}) for name in header if "response" in name
    )


def _check_header(file: Opened, header: Sequence[str], shape: Shape, *, keep_extra: bool) -> None:
    known = FIELDS[shape]
    for name in _NEEDED[shape]:
        if name not in header:
            raise BadFile(f"{file.name}: there is no column {name!r} in the header ({', '.join(header)[:200]}).")
    for name in header:
        if not keep_extra and not is_column(name, known):
            raise BadFile(f"{file.name}: unknown column {name!r}; expected {suggestion(name, known)}.")
