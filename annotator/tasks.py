"""What runs by the clock. The schedule is in the settings."""

from __future__ import annotations

from celery import shared_task

from annotator.exports.keeping import forget_old
from annotator.imports.batches import sweep_imports
from annotator.imports.tasks import read_batch as read_batch  # registers it with the workers
from annotator.models import Project
from annotator.services.idempotency import forget_old_answers
from annotator.services.leases import expire_leases
from annotator.services.standing import check_all_standing
from annotator.services.webhook_delivery import deliver_due, forget_old_messages


@shared_task
def sweep() -> None:
    """Free the slots of leases that ran out; act on failed checks; forget old answers to retries; find lost imports."""
    expire_leases()
    check_all_standing()
    forget_old_answers()
    sweep_imports()
    forget_old_messages()
    forget_old()


@shared_task(expires=30)
def deliver_webhooks() -> None:
    """Send what is due of the outbox."""
    deliver_due()


@shared_task(expires=60)
def assess_quality() -> None:
    """Make the quality reports of projects whose judgments have changed."""
    from annotator.services.assessing import assess_due  # loads scipy

    assess_due()


@shared_task
def assess_project(project_id: int) -> None:
    """Make one project's report now, because somebody asked for it."""
    from annotator.services.assessing import assess

    assess(project=Project.objects.get(pk=project_id))
