"""What kind of file it is, by how it begins: its container, and whose rows it holds; judgments or prompts with responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from django.utils.translation import gettext as _

from annotator.imports.containers import ARROW_MAGICS, PARQUET_MAGIC, array_rows, arrow_rows, parquet_rows
from annotator.imports.errors import BadFile, BadRow, WrongHeader
from annotator.imports.fields import suggestion
from annotator.imports.foreign import UNPAIRED, converted, recognised
from annotator.imports.foreign_prompts import are_paired, paired
from annotator.imports.lineups import LINEUP_FIELDS
from annotator.imports.reading import Opened, OpenedFolder, RawRow, json_rows
from annotator.imports.reporting import Shape
from annotator.imports.rows import JUDGMENT_FIELDS, PROMPT_FIELDS
from annotator.imports.tables import csv_rows, is_column, read_header

FIELDS = {"judgments": JUDGMENT_FIELDS, "prompts": PROMPT_FIELDS}
_NEEDED: dict[Shape, tuple[str, ...]] = {
    "judgments": ("annotator", "prompt", "response_a", "response_b", "preference"),
    "prompts": ("prompt",),
}
_BOM = b"\xef\xbb\xbf"
_LOOK_AT = 20
"""Rows looked at for one that shows the shape; the first may be broken."""
MOST_NAMES = 100
"""Names of fields that are shown for mapping."""


@dataclass(slots=True)
class Detected:
    """A file's format and shape, its rows from the first on, and the names of fields in the first of them."""

    format: str
    shape: Shape
    rows: Iterator[RawRow]
    names: list[str]


def detected(
    file: Opened, *, keep_extra: bool, who: str = "imported", columns: Mapping[str, str] | None = None
) -> Detected:
    """Look at the beginning of a file. ``columns`` are names of the file's that stand for ours; ``who`` judged where rows of
    other tools don't say. Raises ``BadFile`` where it is none of what can be read, or a CSV header is wrong."""
    renames = columns or {}
    start = file.stream.peek(len(_BOM) + len(ARROW_MAGICS[0])).removeprefix(_BOM)
    if start.startswith(PARQUET_MAGIC):
        return _shaped(file.name, "parquet", parquet_rows(file), renames, who)
    if start.startswith(ARROW_MAGICS):
        return _shaped(file.name, "arrow", arrow_rows(file), renames, who)
    if start.lstrip().startswith(b"["):
        return _shaped(file.name, "json", array_rows(file), renames, who)
    lines = file.lines()
    first = next(((number, line) for number, line in lines if line is None or line.strip()), None)
    if first is None:
        raise BadFile(_("%(name)s is empty.") % {"name": file.name})
    line = first[1]
    if line is None or line.lstrip().startswith(b"{"):
        return _shaped(file.name, "jsonl", json_rows(chain([first], lines)), renames, who)
    theirs = read_header(file, line)
    header = [renames.get(name, name) for name in theirs]
    judged = "preference" in header or "kind" in header  # rankings and ratings have responses, too
    shape: Shape = "judgments" if judged or not _has_responses(header) else "prompts"
    _check_header(file, header, theirs, shape, keep_extra=keep_extra)
    return Detected("csv", shape, csv_rows(file, header, line, lines), theirs[:MOST_NAMES])


def detected_folder(folder: OpenedFolder, **options: Any) -> Detected:
    """The files of a folder as one: each must be of the first one's format and shape. Rows are numbered through. Options
    and errors as ``detected``."""
    files = folder.files()
    first = detected(next(files), **options)

    def rows() -> Iterator[RawRow]:
        number = 0
        for raw in first.rows:
            number = raw.line
            yield raw
        for file in files:
            further = detected(file, **options)
            if (further.format, further.shape) != (first.format, first.shape):
                raise BadFile(
                    _("%(name)s is %(format)s; the files before it are %(before)s.")
                    % {"name": file.name, "format": further.format, "before": first.format}
                )
            before = number
            for raw in further.rows:
                number = before + raw.line
                yield replace(raw, line=number)

    return Detected(f"folder of {first.format}", first.shape, rows(), first.names)


def _shaped(name: str, container: str, rows: Iterator[RawRow], renames: Mapping[str, str], who: str) -> Detected:
    """Ours, or those of another tool, turned into ours."""
    beginning = list(islice(rows, _LOOK_AT))
    if not beginning:
        raise BadFile(_("%(name)s is empty.") % {"name": name})
    names = list(dict.fromkeys(name for row in beginning if isinstance(row.data, dict) for name in row.data))[
        :MOST_NAMES
    ]
    beginning = list(_renamed(iter(beginning), renames))
    readable = next((row.data for row in beginning if isinstance(row.data, dict)), {})
    every = chain(beginning, _renamed(rows, renames))
    if foreign := recognised(readable):
        if foreign.name == UNPAIRED and are_paired(beginning):
            return Detected(f"{container}: {UNPAIRED}, paired by prompt", "judgments", paired(every, who), names)
        return Detected(f"{container}: {foreign.name}", foreign.shape, converted(every, foreign, who), names)
    prompts = "responses" in readable and "kind" not in readable  # rankings and ratings have both
    return Detected(container, "prompts" if prompts else "judgments", every, names)


def _renamed(rows: Iterator[RawRow], columns: Mapping[str, str]) -> Iterator[RawRow]:
    if not columns:
        return rows
    return (
        row
        if isinstance(row.data, BadRow)
        else replace(row, data={columns.get(name, name): value for name, value in row.data.items()})
        for row in rows
    )


def _has_responses(header: Sequence[str]) -> bool:
    return any(
        name == "responses" or is_column(name, PROMPT_FIELDS - {"prompt"}) for name in header if "response" in name
    )


def _check_header(
    file: Opened, header: Sequence[str], theirs: Sequence[str], shape: Shape, *, keep_extra: bool
) -> None:
    known, needed = FIELDS[shape], _NEEDED[shape]
    if shape == "judgments" and "kind" in header:
        known, needed = known | LINEUP_FIELDS, ("annotator", "prompt", "kind")
    for name in needed:
        if name not in header:
            raise WrongHeader(
                _("%(name)s: there is no column %(column)s in the header (%(known)s).")
                % {"name": file.name, "column": repr(name), "known": ", ".join(header)[:200]},
                theirs,
            )
    for name in header:
        if not keep_extra and not is_column(name, known):
            raise WrongHeader(
                _("%(name)s: unknown column %(column)s; expected %(expected)s.")
                % {"name": file.name, "column": repr(name), "expected": suggestion(name, known)},
                theirs,
            )
