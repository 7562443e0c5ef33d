"""Whether a kept connection is still good is asked of the socket first: every request would wait for ``SELECT 1``.

A thread that will not need its connection for a while lends it: the next thread without one takes it, statements planned and all.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import Any

from django.db import connections
from django.db.backends.postgresql import base

_lent: deque[tuple[int, str, float | None, Any]] = deque()
"""Of this process (its id is kept, for a fork's child must not use them): database, when it is to be closed, connection."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for when it asks the server, and for lending."""

    _ends: float | None = None

    def close_if_health_check_failed(self) -> None:
        """A server that has gone has closed the socket, which can then be read from; one that is idle has sent nothing."""
        if self.connection is not None and not self.connection.closed and _is_silent(self.connection.fileno()):
            self.health_check_done = True
        super().close_if_health_check_failed()

    def connect(self) -> None:
        """As Django does; a connection that was lent ends when it would have ended anyway."""
        self._ends = None
        super().connect()
        self.close_at = self._ends or self.close_at

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One that another thread has lent, if it is good, else a new one."""
        for _ in range(len(_lent)):
            try:
                process, name, self._ends, connection = _lent.popleft()
            except IndexError:  # another thread was quicker
                break
            if (process, name) != (os.getpid(), self.settings_dict["NAME"]):
                _lent.append((process, name, self._ends, connection))
            elif not connection.closed and _is_silent(connection.fileno()) and not _past(self._ends):
                return connection
            else:
                connection.close()
        self._ends = None
        return super().get_new_connection(conn_params)

    def lend(self) -> None:
        """Part with the connection, unless a transaction or an error is under way on it."""
        if self.connection is None or self.in_atomic_block or self.errors_occurred or not self.get_autocommit():
            return
        _lent.append((os.getpid(), self.settings_dict["NAME"], self.close_at, self.connection))
        self.connection = None


def lend_connections() -> None:
    """Those of the calling thread."""
    for connection in connections.all(initialized_only=True):
        if isinstance(connection, DatabaseWrapper):
            connection.lend()


def _past(moment: float | None) -> bool:
    return moment is not None and time.monotonic() >= moment


def _is_silent(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLPRI)
    return not poll.poll(0)
