"""Whether a kept connection is still good is asked of the socket first: every request would wait for ``SELECT 1``."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for when it asks the server."""

    def close_if_health_check_failed(self) -> None:
        """A server that has gone has closed the socket, which can then be read from; one that is idle has sent nothing."""
        if self.connection is not None and not self.connection.closed and _is_silent(self.connection.fileno()):
            self.health_check_done = True
        super().close_if_health_check_failed()


def _is_silent(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLPRI)
    return not poll.poll(0)
