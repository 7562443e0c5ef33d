"""The few statements that run with every judgment, planned once for each connection instead of once for each run.

Planning takes most of the time of such a statement: dealing a pair, 4.8 ms of the database's time, takes 1.6 ms this
way (2 shared cores, 4,000 pairs). Not used behind a pooler that hands out connections by transaction, which Django
must be told of anyway, by ``DISABLE_SERVER_SIDE_CURSORS``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

_PARAMETER = re.compile(r"%\((\w+)\)s")
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""Names of the statements that each open connection knows."""


class Statement:
    """SQL with ``%(name)s`` parameters. Where the place of one does not tell its type, it needs a cast."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.name = "attune_" + hashlib.sha256(sql.encode()).hexdigest()[:16]
        names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
        body = _PARAMETER.sub(lambda found: numbers[found[1]], sql).replace("%%", "%")
        self._prepare = f"PREPARE {self.name} AS {body}"
        self._execute = f"EXECUTE {self.name} ({', '.join(f'%({name})s' for name in names)})"

    def run(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows."""
        with connection.cursor() as cursor:
            return self._run(cursor, values)

    def run_at_leisure(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As ``run``, for a write that need not wait for the disk: a power cut in the next half second undoes it whole.

        One round trip: what is sent together is one transaction. Within a transaction of the caller's, whose other
        writes may matter more, it is a savepoint and waits as that does.
        """
        if connection.in_atomic_block:
            with transaction.atomic(), connection.cursor() as cursor:
                return self._run(cursor, values)
        with connection.cursor() as cursor:
            return self._run(cursor, values, "SET LOCAL synchronous_commit = off;")

    def _run(self, cursor: CursorWrapper, values: Mapping[str, Any], before: str = "") -> list[tuple[Any, ...]]:
        cursor.execute(before + (self._execute if self._is_ready(cursor) else self.sql), values)
        return list(cursor.fetchall())

    def _is_ready(self, cursor: CursorWrapper) -> bool:
        if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            return False
        known = _prepared.setdefault(connection.connection, set())
        if self.name not in known:
            with connection.wrap_database_errors:
                cursor.cursor.execute(self._prepare)  # on the driver's own cursor: no query of the request's
            known.add(self.name)
        return True
