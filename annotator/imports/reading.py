"""From bytes to rows, in constant memory: plain or gzip, JSON lines or CSV, told apart by what the file begins with."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.imports.archives import MAGIC, Archive
from annotator.imports.errors import BadFile, BadRow
from annotator.imports.folders import files_in

MAX_LINE_BYTES = 16_000_000
"""Two responses of the greatest length, every character escaped, fit three times."""
MAX_RATIO = 200
"""How many bytes a compressed byte may become; text makes 3 to 30, a bomb makes 1,000."""
RATIO_FLOOR = 64_000_000
"""Bytes before the ratio counts: a small file of one repeated line is no bomb."""
NOTHING_USED = gettext_noop("Nothing of it was used.")
_BUFFER = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ODD_KEY = re.compile(rb'"[ \t]+:')

Row = dict[str, object]
Line = tuple[int, bytes | None]
"""Its number, from 1, and its bytes; None where it is longer than the limit."""


class Readable(Protocol):
    """What an upload, a stored file and standard input have in common."""

    def read(self, size: int = -1, /) -> bytes: ...


Source = str | Path | Readable
"""A path, ``"-"`` for standard input, or an open binary file."""


@dataclass(slots=True)
class RawRow:
    """A row as it came (``raw``: the line, or the cells of a CSV row), and as a mapping or why it is none."""

    line: int
    raw: bytes | Row
    data: Row | BadRow


class Opened:
    """A file being read: ``position`` of ``size`` bytes (None: not known), ``stream`` of its plain bytes."""

    def __init__(self, source: Readable, *, name: str, size: int | None, archive: Archive | None = None) -> None:
        self.name, self.size, self.archive = name, size, archive
        self._counted = _Counted(source, name)
        raw = io.BufferedReader(self._counted, _BUFFER)
        packed = raw.peek(2)[:2] == _GZIP_MAGIC
        self.stream = io.BufferedReader(_Unpacked(raw, self), _BUFFER) if packed else raw

    @property
    def position(self) -> int:
        return self._counted.position

    def lines(self) -> Iterator[Line]:
        """(line number, line) with its end; None for a line beyond the limit. Raises ``BadFile``."""
        number = 0
        while line := self._readline():
            number += 1
            if number == 1:
                line = _without_bom(line, self.name)
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := self._readline()) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            else:
                yield number, line

    def _readline(self) -> bytes:
        return self.stream.readline(MAX_LINE_BYTES + 1)


class OpenedFolder:
    """Files being read one after the other as if they were one."""

    def __init__(self, paths: Sequence[Path], *, name: str) -> None:
        self.name, self._paths = name, paths
        self.size: int | None = sum(path.stat().st_size for path in paths)
        self.archive: Archive | None = None
        self._before = 0
        self._file: Opened | None = None

    @property
    def position(self) -> int:
        return self._before + (self._file.position if self._file else 0)

    def files(self) -> Iterator[Opened]:
        """Each open until the next one is asked for. Raises ``BadFile``."""
        for path in self._paths:
            try:
                file = path.open("rb")
            except OSError as error:
                raise BadFile(
                    _("%(path)s cannot be read: %(error)s.") % {"path": path, "error": error.strerror}
                ) from None
            with file:
                self._file = Opened(file, name=path.name, size=path.stat().st_size)
                yield self._file
            self._before += path.stat().st_size
            self._file = None


@contextmanager
def opened(source: Source) -> Iterator[Opened | OpenedFolder]:
    """Open a source for reading; what was open before stays open. Of a zip, its file of rows. Raises ``BadFile``."""
    if not isinstance(source, str | Path):
        yield _perhaps_zip(source, Path(str(getattr(source, "name", "the file"))).name, _size(source))
    elif str(source) == "-":
        yield Opened(sys.stdin.buffer, name="standard input", size=None)
    else:
        path = Path(source)
        if path.is_dir():
            yield OpenedFolder(files_in(path), name=path.name)
            return
        try:
            file: BinaryIO = path.open("rb")
        except OSError as error:
            raise BadFile(_("%(path)s cannot be read: %(error)s.") % {"path": path, "error": error.strerror}) from None
        with file:
            yield _perhaps_zip(file, path.name, path.stat().st_size)


def _perhaps_zip(source: Any, name: str, size: int | None) -> Opened:
    seekable = getattr(source, "seekable", None)
    if seekable is None or not seekable() or not _begins_with(source, MAGIC):
        return Opened(source, name=name, size=size)
    archive = Archive(source, name)
    rows = archive.open_rows()
    if rows.size > max(RATIO_FLOOR, MAX_RATIO * rows.packed):
        raise BadFile(
            _("%(name)s unpacks to more than %(most)s times its size; expected ordinary text.")
            % {"name": rows.name, "most": MAX_RATIO}
        )
    return Opened(rows, name=rows.name, size=rows.size, archive=archive)


def _begins_with(source: Any, magic: bytes) -> bool:
    try:
        at = source.tell()
        begin = source.read(len(magic))
        source.seek(at)
    except OSError as error:
        raise BadFile(_("The file cannot be read: %(error)s.") % {"error": error.strerror or error}) from None
    return bool(begin == magic)


def json_rows(lines: Iterable[Line]) -> Iterator[RawRow]:
    """The rows of a file of JSON lines; blank lines are no rows."""
    for number, line in lines:
        if line is None or (line and not line.isspace()):
            yield _json_row(number, line)


def _json_row(number: int, line: bytes | None) -> RawRow:
    if line is None:
        too_long = BadRow(
            "line_too_long", "", None, _("at most %(most)s bytes a line") % {"most": f"{MAX_LINE_BYTES:,}"}
        )
        return RawRow(number, b"", too_long)
    try:
        return RawRow(number, line, _object(line))
    except BadRow as bad:
        return RawRow(number, line, bad)


def _object(line: bytes) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _why_not_json(line, error) from None
    if not isinstance(row, dict):
        raise BadRow("not_an_object", "", row, _("one JSON object a line"))
    if line.count(b'":') > len(row) or _ODD_KEY.search(line):
        _refuse_duplicates(line)
    return row


def _why_not_json(line: bytes, error: orjson.JSONDecodeError) -> BadRow:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        value = line[max(0, wrong.start - 10) : wrong.end + 10].decode(errors="backslashreplace")
        return BadRow(
            "not_utf8",
            "",
            value,
            _("UTF-8 (byte %(place)s of the line is 0x%(byte)s)")
            % {"place": wrong.start + 1, "byte": f"{line[wrong.start]:02x}"},
        )
    return BadRow(
        "not_json",
        "",
        line[:200].decode(errors="replace").strip(),
        _("one JSON object a line (%(error)s)") % {"error": error},
    )


def _refuse_duplicates(line: bytes) -> None:
    """orjson keeps the last of two equal keys in silence; called where a line has more of what ends a key than keys."""

    def once(pairs: list[tuple[str, object]]) -> Row:
        seen: Row = {}
        for name, value in pairs:
            if name in seen:
                raise BadRow("duplicate_field", name, value, _("each field once"))
            seen[name] = value
        return seen

    json.loads(line, object_pairs_hook=once)


class _Counted(io.RawIOBase):
    """Counts the bytes that were read of a file."""

    def __init__(self, source: Readable, name: str) -> None:
        self._source, self._name = source, name
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except OSError as error:
            raise BadFile(
                _("%(name)s cannot be read: %(error)s.") % {"name": self._name, "error": error.strerror or error}
            ) from None
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """The plain bytes of a gzip file, as long as they stay in proportion."""

    def __init__(self, packed: io.BufferedReader[_Counted], file: Opened) -> None:
        self._unzip = gzip.GzipFile(fileobj=packed)
        self._file = file
        self._produced = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        try:
            data = self._unzip.read(len(buffer))
        except EOFError:
            raise BadFile(
                _("%(name)s is cut off: its gzip stream ends early. %(rest)s")
                % {"name": self._file.name, "rest": _(NOTHING_USED)}
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise BadFile(
                _("%(name)s is damaged: %(error)s. %(rest)s")
                % {"name": self._file.name, "error": error, "rest": _(NOTHING_USED)}
            ) from None
        self._produced += len(data)
        if self._produced > max(RATIO_FLOOR, MAX_RATIO * self._file.position):
            raise BadFile(
                _("%(name)s unpacks to more than %(most)s times its size; expected ordinary text.")
                % {"name": self._file.name, "most": MAX_RATIO}
            )
        buffer[: len(data)] = data
        return len(data)


def _without_bom(line: bytes, name: str) -> bytes:
    if line.startswith(_UTF16_BOMS):
        raise BadFile(_("%(name)s is UTF-16; expected UTF-8.") % {"name": name})
    return line.removeprefix(_UTF8_BOM)


def _size(source: Readable) -> int | None:
    size = getattr(source, "size", None)
    return size if isinstance(size, int) else None
