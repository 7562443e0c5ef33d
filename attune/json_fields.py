"""Files of JSON lines read one line, one field at a time: what is wrong is said with file, line and field."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import orjson

from attune.errors import ArtifactError, BadData

MAX_LINE_BYTES = 16_000_000
Row = TypeVar("Row")
Word = TypeVar("Word", bound=str)


class FieldError(Exception):
    """A field's value is not what was expected; the caller adds file and line."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        shown = repr(value)
        super().__init__(f"field {name!r} is {shown if len(shown) <= 80 else shown[:77] + '...'}; expected {expected}")


def lines(path: Path) -> Iterator[bytes]:
    """Each line of a file, plain or ``.gz``. Raises ``ArtifactError`` where it can't be read."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            while line := stream.readline(MAX_LINE_BYTES):
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from None


def parsed(path: Path, number: int, line: bytes, parse: Callable[[dict[str, object]], Row]) -> Row:
    """What ``parse`` makes of a line's object. Raises ``BadData`` with file, line, field and reason."""
    try:
        row = orjson.loads(line)
        if not isinstance(row, dict):
            raise BadData(f"{path.name} line {number} is not a JSON object")
        return parse(row)
    except orjson.JSONDecodeError as error:
        raise BadData(f"{path.name} line {number} is not JSON: {error}") from None
    except FieldError as wrong:
        raise BadData(f"{path.name} line {number}, {wrong}") from None


def text(row: Mapping[str, object], name: str, *, empty: bool = False, absent: str | None = None) -> str:
    """A text. Raises ``FieldError``, as all that follow."""
    value = row.get(name, absent)
    if not isinstance(value, str) or not (value or empty):
        raise FieldError(name, value, "a text" if empty else "a text that is not empty")
    return value


def texts(row: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A list of texts; none where it is absent."""
    value = row.get(name, ())
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise FieldError(name, value, "a list of texts")
    return tuple(value)


def flag(row: Mapping[str, object], name: str) -> bool:
    """True or false; false where it is absent."""
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise FieldError(name, value, "true or false")
    return value


def one_of(row: Mapping[str, object], name: str, allowed: tuple[Word, ...], absent: str | None = None) -> Word:
    """One of the words that are allowed."""
    value = row.get(name, absent)
    for each in allowed:
        if value == each:
            return each
    raise FieldError(name, value, " or ".join(repr(each) for each in allowed))
