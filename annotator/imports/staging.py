"""Rows on their way in: a temporary table, filled by COPY, from which one statement moves them on.

Nothing is known to the planner about a temporary table, and little about tables that grow in the same transaction. So
queries that look rows up say ``CROSS JOIN LATERAL (… OFFSET 0)``: one index lookup a row, never a scan of the table.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
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
        self.copy("\t".join([cell(value) for value in row]) + "\n" for row in rows)

    def copy(self, lines: Iterable[str]) -> None:
        """Replace what it holds by ``lines``, in the text form of COPY."""
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {self.name} ({self.columns}) ON COMMIT DROP")
            cursor.execute(f"TRUNCATE {self.name}")
            cursor.cursor.copy_expert(f"COPY {self.name} FROM STDIN", io.StringIO("".join(lines)))


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


def escaped(text: str) -> str:
    """A text as COPY reads it."""
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text


def cell(value: object) -> str:
    """A value as COPY reads it; None is null."""
    if isinstance(value, str):
        return escaped(value)
    return "\\N" if value is None else str(value)
