"""Rows as Parquet, a few thousand at a time; equal rows give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from annotator.exports.dataset_columns import Column

ROWS = 2_000
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TYPES = {
    "text": pa.string(),
    "flag": pa.bool_(),
    "whole": pa.int64(),
    "real": pa.float64(),
    "messages": _MESSAGES,
    "texts": pa.list_(pa.string()),
    "wholes": pa.list_(pa.int64()),
    "reals": pa.list_(pa.float64()),
    "json": pa.string(),
}


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The columns as Arrow has them; ``json`` is a text that holds JSON."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in columns])


class ParquetFile:
    """A file that rows are added to one by one."""

    def __init__(self, out: BinaryIO, columns: Sequence[Column]) -> None:
        self._schema = schema_of(columns)
        self._json = [column.name for column in columns if column.type == "json"]
        self._writer = pq.ParquetWriter(out, self._schema, compression="zstd")
        self._waiting: list[dict[str, Any]] = []
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """One more row."""
        if self._json:
            row = row | {name: orjson.dumps(row[name]).decode() for name in self._json}
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is waiting, and the end."""
        if self._waiting or not self.rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []


def write_parquet(rows: Iterable[dict[str, Any]], out: BinaryIO, columns: Sequence[Column]) -> int:
    """All rows into one file. Returns how many."""
    file = ParquetFile(out, columns)
    for row in rows:
        file.add(row)
    file.close()
    return file.rows
