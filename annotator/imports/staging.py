"""Rows on their way in: a temporary table, filled by COPY, from which one statement moves them on.

Nothing is known to the planner about a temporary table, and little about tables that grow in the same transaction. So
queries that look rows up say ``CROSS JOIN LATERAL (… OFFSET 0)``: one index lookup a row, never a scan of the table.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"))


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table of this transaction: ``columns`` as SQL, the first of them ``n``, the rows' own order."""

    name: str
    columns: str

    def fill(self, rows: Iterable[Sequence[object]]) -> None:
        """Replace what it holds by ``rows``."""
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {self.name} ({self.columns}) ON COMMIT DROP")
            cursor.execute(f"TRUNCATE {self.name}")
            lines = io.StringIO("".join([_line(row) for row in rows]))
            cursor.cursor.copy_expert(f"COPY {self.name} FROM STDIN", lines)


def run(sql: str, **values: Any) -> int:
    """Execute a statement and say how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def fetch(sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def packed(value: object) -> str:
    """JSON text."""
    return orjson.dumps(value).decode()


def _line(row: Sequence[object]) -> str:
    return "\t".join([_CELL[type(value)](value) for value in row]) + "\n"


def _escaped(text: str) -> str:
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text


def _number(value: object) -> str:
    return str(value)


_CELL: dict[type, Callable[[Any], str]] = {
    str: _escaped,
    int: _number,
    float: repr,
    bool: lambda value: "t" if value else "f",
    type(None): lambda _: "\\N",
}
