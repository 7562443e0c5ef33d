"""What runs by the clock. The schedule is in the settings."""

from __future__ import annotations

from celery import shared_task

from annotator.imports.batches import sweep_imports
from annotator.imports.tasks import read_batch as read_batch  # registers it with the workers
from annotator.services.idempotency import forget_old_answers
from annotator.services.leases import expire_leases
from annotator.services.standing import check_all_standing


@shared_task
def sweep() -> None:
    """Free the slots of leases that ran out; act on failed checks; forget old answers to retries; find lost imports."""
    expire_leases()
    check_all_standing()
    forget_old_answers()
    sweep_imports()
