"""Gunicorn's worker with threads, whose threads step aside while they wait for the scorer."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker

from config.database.base import lend_connections
from personalization.scorer.aside import Places

MOST_ASIDE = 64


class Worker(ThreadWorker):
    """``--threads`` are those that run at a time."""

    def get_thread_pool(self) -> Places:
        """Gunicorn asks for it once, in the worker's process."""
        return Places(self.cfg.threads, most_aside=MOST_ASIDE, let_go=lend_connections)
