"""CSV files: the same rows as JSON lines, with lists and objects as JSON in their cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

import orjson
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.cells import unguarded
from annotator.imports.errors import BadFile, BadRow
from annotator.imports.reading import MAX_LINE_BYTES, Line, Opened, RawRow, Row

WHOLE = ("strength", "occasion", "revision", "rating")
FLAGS = ("swapped", "simulated", "withdrawn", "qualifying")
LISTS = ("tags", "slices")
OBJECTS = (
    *("extra", "style", "about", "responses", "spans", "flag", "aspects", "after", "after_a", "after_b"),
    *("ranking", "shown"),
)
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBERED = re.compile(r"response_[1-9]\d?\Z")
_DELIMITERS = (",", ";", "\t")


def read_header(file: Opened, first: bytes) -> list[str]:
    """The columns of a CSV file by its first line. Raises ``BadFile`` where that can't be a header."""
    try:
        line = first.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadFile(_("%(name)s begins with neither JSON nor a CSV header in UTF-8.") % {"name": file.name}) from None
    names = [name.strip() for name in next(csv.reader([line], delimiter=_delimiter(line)), [])]
    if len(names) < 2:
        raise BadFile(
            _("%(name)s begins with neither a JSON object nor a CSV header, but with %(line)s.")
            % {"name": file.name, "line": repr(line[:80])}
        )
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadFile(
            _("%(name)s: the column %(twice)s stands twice in the header; expected each once.")
            % {"name": file.name, "twice": repr(twice[0])}
        )
    return names


def is_column(name: str, known: frozenset[str]) -> bool:
    """Whether the header may have it: a field, or ``response_1`` … of a row of prompts."""
    return name in known or ("responses" in known and _NUMBERED.match(name) is not None)


def csv_rows(file: Opened, header: Sequence[str], first: bytes, rest: Iterator[Line]) -> Iterator[RawRow]:
    """The rows of a CSV file after its header line ``first``. Raises ``BadFile`` for a quote that never closes."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    source = _Lines(file, rest)
    reader = csv.reader(source, delimiter=_delimiter(first.decode()), strict=True)
    while True:
        line = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise BadFile(
                    _("%(name)s: a quote that opens on line %(line)s is never closed.")
                    % {"name": file.name, "line": line}
                ) from None
            yield RawRow(
                line,
                {},
                BadRow("bad_csv", "", None, _("commas between cells, quotes doubled (%(error)s)") % {"error": error}),
            )
            continue
        if cells:
            yield _row(line, header, cells)


class _Lines:
    """Text lines for the csv module, which asks for another one only while a quoted cell goes on."""

    def __init__(self, file: Opened, rest: Iterator[Line]) -> None:
        self._file, self._rest = file, rest
        self.number = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._rest)
        if line is None:
            raise BadFile(
                _("%(name)s, line %(number)s: longer than %(most)s bytes.")
                % {"name": self._file.name, "number": self.number, "most": f"{MAX_LINE_BYTES:,}"}
            )
        # Bytes that are no UTF-8 become lone surrogates here, and the row is refused by its line below.
        return line.decode(errors="surrogateescape")


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _row(line: int, header: Sequence[str], cells: list[str]) -> RawRow:
    raw: Row = dict(zip(header, cells, strict=False))
    for name, cell in zip(header, cells, strict=False):
        if not cell.isascii() and (broken := _not_utf8(cell)):
            return RawRow(line, {}, BadRow("not_utf8", name, broken, "UTF-8"))
    if len(cells) != len(header):
        return RawRow(
            line,
            raw,
            BadRow(
                "bad_csv",
                "",
                ngettext("%(n)s cell", "%(n)s cells", len(cells)) % {"n": len(cells)},
                ngettext("%(n)s cell, as in the header", "%(n)s cells, as in the header", len(header))
                % {"n": len(header)},
            ),
        )
    return RawRow(line, raw, _values(header, cells))


def _not_utf8(cell: str) -> str:
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        return cell[max(0, error.start - 10) : error.end + 10].encode(errors="backslashreplace").decode()
    return ""


def _values(header: Sequence[str], cells: list[str]) -> Row:
    """The row as JSON would have it; a cell that does not read as its type stays text, for the check to refuse."""
    row: Row = {}
    numbered: list[object] = []
    for name, cell in zip(header, cells, strict=True):
        if not cell:
            continue
        if _NUMBERED.match(name):
            numbered.append(unguarded(cell))
        else:
            row[name] = _value(name, cell)
    if numbered:
        row.setdefault("responses", numbered)
    return row


def _value(name: str, cell: str) -> object:
    if name in WHOLE:
        return int(cell) if cell.isdecimal() and len(cell) < 10 else cell
    if name == "seconds":
        return _number(cell)
    if name in FLAGS:
        return _TRUTHS.get(cell.lower(), cell)
    text = unguarded(cell)
    if name == "gold":  # a choice of a pair, or the JSON of an order or of ratings
        return _json(text) if text[:1] in ("[", "{") or text.isdecimal() else text
    if name in LISTS and not text.startswith("["):
        return [each.strip() for each in text.split(";") if each.strip()]
    if name in LISTS or name in OBJECTS:
        return _json(text)
    if name == "prompt" and text.startswith("[{"):
        return _json(text)
    return text


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell
