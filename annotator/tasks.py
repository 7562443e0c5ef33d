"""What runs by the clock. The schedule is in the settings."""

from __future__ import annotations

from celery import shared_task

from annotator.services.idempotency import forget_old_answers
from annotator.services.leases import expire_leases


@shared_task
def sweep() -> None:
    """Free the slots of leases that ran out; forget answers to writes that nobody will repeat any more."""
    expire_leases()
    forget_old_answers()
