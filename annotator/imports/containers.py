"""Files whose rows are not one a line: a JSON array, read element by element; Parquet and Arrow, read batch by batch."""

from __future__ import annotations

import codecs
import json
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

import orjson
from django.utils.translation import gettext as _

from annotator.imports.errors import BadFile, BadRow
from annotator.imports.reading import MAX_LINE_BYTES, MAX_RATIO, RATIO_FLOOR, Opened, RawRow

PARQUET_MAGIC = b"PAR1"
ARROW_MAGICS = (b"ARROW1", b"\xff\xff\xff\xff")
"""Of the file format, and of the stream format, which `datasets` saves."""
_PIECE = 1 << 20
_BATCH = 1_000
_SPACE = " \t\r\n"


def array_rows(file: Opened) -> Iterator[RawRow]:
    """The objects of a JSON array, numbered from 1; never more than one element and a piece of the file in memory."""
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    text, at, number, ended = "", 0, 0, False
    opened = False
    while True:
        at = _skip(text, at, opened)
        if at < len(text):
            if not opened:
                opened, at = True, at + 1  # the bracket
                continue
            if text[at] == "]":
                _check_rest(text[at + 1 :], file)
                return
            if found := _element(file.name, text, at, number, ended):
                value, at = found
                number += 1
                yield _row(number, value)
                continue
            if len(text) - at > MAX_LINE_BYTES:
                raise BadFile(
                    _("%(name)s: element %(number)s is longer than %(most)s characters.")
                    % {"name": file.name, "number": number + 1, "most": f"{MAX_LINE_BYTES:,}"}
                )
        elif ended:
            raise BadFile(
                _("%(name)s is cut off after element %(number)s: the array does not end.")
                % {"name": file.name, "number": number}
            )
        piece = file.stream.read(_PIECE)
        ended = not piece
        try:
            text, at = text[at:] + decode(piece, final=ended), 0
        except UnicodeDecodeError as error:
            raise BadFile(
                _("%(name)s is not UTF-8 after element %(number)s: %(reason)s.")
                % {"name": file.name, "number": number, "reason": error.reason}
            ) from None


def _element(name: str, text: str, at: int, before: int, ended: bool) -> tuple[Any, int] | None:
    """The value that begins there and its end; None where the next piece of the file is needed to tell."""
    try:
        value, end = _parse(text, at)
    except ValueError as error:
        if ended:
            raise BadFile(
                _("%(name)s is not JSON after element %(number)s: %(error)s.")
                % {"name": name, "number": before, "error": error}
            ) from None
        return None
    except RecursionError:
        raise BadFile(
            _("%(name)s: element %(number)s is nested too deeply.") % {"name": name, "number": before + 1}
        ) from None
    return (value, end) if end < len(text) or ended else None  # a number or a word may go on in the next piece


def parquet_rows(file: Opened) -> Iterator[RawRow]:
    """The rows of a Parquet file, numbered from 1. It is copied to a temporary file, as it is read from its end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as copy:
        while piece := file.stream.read(_PIECE):
            copy.write(piece)
        size = copy.tell()
        copy.seek(0)
        try:
            found = pq.ParquetFile(copy)
            groups = (found.metadata.row_group(n) for n in range(found.metadata.num_row_groups))
            unpacked = sum(group.total_byte_size for group in groups)
            if unpacked > max(RATIO_FLOOR, MAX_RATIO * size):
                raise BadFile(
                    _("%(name)s unpacks to %(unpacked)s bytes from %(size)s: more than %(most)s times as many.")
                    % {"name": file.name, "unpacked": f"{unpacked:,}", "size": f"{size:,}", "most": MAX_RATIO}
                )
            yield from _arrow_rows(found.iter_batches(_BATCH))
        except (pa.ArrowException, OSError) as error:
            raise BadFile(
                _("%(name)s is not a Parquet file that can be read: %(error)s.") % {"name": file.name, "error": error}
            ) from None


def arrow_rows(file: Opened) -> Iterator[RawRow]:
    """The rows of an Arrow file or stream, numbered from 1. A compressed one may not unpack without bounds."""
    import pyarrow as pa

    read = 0

    def bounded(batches: Iterable[Any]) -> Iterator[Any]:
        nonlocal read
        for batch in batches:
            read += batch.nbytes
            if read > max(RATIO_FLOOR, MAX_RATIO * file.position):
                raise BadFile(
                    _("%(name)s unpacks to more than %(most)s times its size; expected ordinary text.")
                    % {"name": file.name, "most": MAX_RATIO}
                )
            for start in range(0, batch.num_rows, _BATCH):
                yield batch.slice(start, _BATCH)

    try:
        if file.stream.peek(len(ARROW_MAGICS[0])).startswith(ARROW_MAGICS[0]):
            with tempfile.TemporaryFile() as copy:
                while piece := file.stream.read(_PIECE):
                    copy.write(piece)
                copy.seek(0)
                found = pa.ipc.open_file(copy)
                yield from _arrow_rows(bounded(found.get_batch(n) for n in range(found.num_record_batches)))
        else:
            yield from _arrow_rows(bounded(pa.ipc.open_stream(pa.PythonFile(file.stream, mode="r"))))
    except (pa.ArrowException, OSError) as error:
        raise BadFile(
            _("%(name)s is not an Arrow file that can be read: %(error)s.") % {"name": file.name, "error": error}
        ) from None


def _arrow_rows(batches: Iterable[Any]) -> Iterator[RawRow]:
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield _row(number, {name: _plain(value) for name, value in row.items()})


def _skip(text: str, at: int, opened: bool) -> int:
    """Past spaces, and past the comma between two elements."""
    skipped = _SPACE + "," if opened else _SPACE
    while at < len(text) and text[at] in skipped:
        at += 1
    return at


def _check_rest(rest: str, file: Opened) -> None:
    if rest.strip() or file.stream.read(_PIECE).strip():
        raise BadFile(_("%(name)s goes on after the array's end.") % {"name": file.name})


def _row(number: int, value: Any) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(number, b"", BadRow("not_an_object", "", value, _("an object")))
    try:
        raw = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        return RawRow(number, b"", BadRow("not_json", "", str(error), _("values that JSON has")))
    return RawRow(number, raw, value)


def _plain(value: Any) -> Any:
    """A value of Arrow's as JSON has it; what is null is left out of objects."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).raw_decode
