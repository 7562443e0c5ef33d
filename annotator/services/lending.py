"""What lending a pair and lending a lineup share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotator.models import Annotator, Judgment
from annotator.selectors.progress import start_of_today
from annotator.services.answers import Answer, answer_of


def renewal(assignment_id: int, annotator: Annotator) -> dict[str, Any]:
    """What showing an open lease is asked with: whose, and until when it is kept if more than half of it has passed."""
    now, lease = timezone.now(), timedelta(minutes=annotator.project.lease_minutes)
    return {
        "assignment": assignment_id,
        "annotator": annotator.pk,
        "today": start_of_today(),
        "until": now + lease,
        "half": now + lease / 2,
    }


def quotas_of(annotator: Annotator) -> dict[str, int | None]:
    """The annotator's own quotas or else the project's; None for no limit."""
    project = annotator.project
    total = project.quota_total if annotator.quota_total is None else annotator.quota_total
    day = project.quota_day if annotator.quota_day is None else annotator.quota_day
    return {"quota_total": total or None, "quota_day": day or None}


def last_answer(assignment_id: int) -> Answer | None:
    """The latest answer that was given on this assignment and then taken back."""
    given = Judgment.objects.filter(assignment_id=assignment_id, withdrawn=False)
    last = given.select_related("pair", "lineup", "rationale", "flag").order_by("-revision").first()
    return answer_of(last) if last else None
