"""The few statements that run with every judgment, planned a few times for each connection instead of once for each run.

Planning takes most of the time of such a statement: dealing a pair, 4.8 ms of the database's time, takes 1.6 ms this
way (2 shared cores, 4,000 pairs). A plan is for tables as large as they were: one made while they were empty reads them
from end to end when they no longer are. So a statement is planned again when it has run twice as often as the last time;
later the database's own statistics see to that. Not used behind a pooler that hands out connections by transaction, which Django
must be told of anyway, by ``DISABLE_SERVER_SIDE_CURSORS``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

_PARAMETER = re.compile(r"%\((\w+)\)s")
_runs: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()
"""How often each open connection has run the statements that it knows, by name."""
PLANNED_AFTER = frozenset({0, *(2**n for n in range(3, 13))})
"""The numbers of runs after which a statement is planned."""


class Statement:
    """SQL with ``%(name)s`` parameters. Where the place of one does not tell its type, it needs a cast."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.name = "attune_" + hashlib.sha256(sql.encode()).hexdigest()[:16]
        names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
        body = _PARAMETER.sub(lambda found: numbers[found[1]], sql).replace("%%", "%")
        self._prepare = f"SET plan_cache_mode = force_generic_plan; PREPARE {self.name} AS {body}"
        self._execute = f"EXECUTE {self.name} ({', '.join(f'%({name})s' for name in names)})"

    def run(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows."""
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            return self._run(connection, cursor, values)

    def run_at_leisure(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As ``run``, for a write that need not wait for the disk: a power cut in the next half second undoes it whole.

        One round trip: what is sent together is one transaction. Within a transaction of the caller's, whose other
        writes may matter more, it is a savepoint and waits as that does.
        """
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.in_atomic_block:
            with transaction.atomic(), connection.cursor() as cursor:
                return self._run(connection, cursor, values)
        with connection.cursor() as cursor:
            return self._run(connection, cursor, values, "SET LOCAL synchronous_commit = off;")

    def _run(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, values: Mapping[str, Any], before: str = ""
    ) -> list[tuple[Any, ...]]:
        cursor.execute(before + (self._execute if self._is_ready(connection, cursor) else self.sql), values)
        return list(cursor.fetchall())

    def _is_ready(self, connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> bool:
        if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            return False
        runs = _runs.setdefault(connection.connection, {})
        count = runs.get(self.name, 0)
        if count in PLANNED_AFTER:
            with connection.wrap_database_errors:  # on the driver's own cursor: no query of the request's
                cursor.cursor.execute((f"DEALLOCATE {self.name};" if count else "") + self._prepare)
        runs[self.name] = count + 1
        return True
