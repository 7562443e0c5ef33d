"""What somebody entered and has not submitted: kept with the lease, so that a reload or another device finds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import NotFound
from annotator.models import Annotator, Assignment, Draft

KEPT_DAYS = 30
"""For so long the list of what was never sent goes back."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as stored; ``version`` is another one after every change."""

    values: dict[str, Any]
    version: str


def save_draft(*, annotator: Annotator, assignment_key: UUID, values: dict[str, Any]) -> str:
    """Keep ``values`` for an assignment of the annotator's, and its lease going. Returns the draft's version.

    Nothing is kept once it is judged: a late draft would come back after an undo. Raises ``NotFound``.
    """
    held = Assignment.objects.filter(key=assignment_key, annotator=annotator).only("pk", "state").first()
    if held is None:
        raise NotFound(_("This pair was not given to you."))
    if held.state in (Assignment.State.JUDGED, Assignment.State.SKIPPED):
        return ""
    draft, _made = Draft.objects.update_or_create(assignment=held, defaults={"values": values})
    lease = timedelta(minutes=annotator.project.lease_minutes)
    half_over = Assignment.objects.filter(pk=held.pk, state=Assignment.State.OPEN)
    half_over.filter(lease_until__lt=timezone.now() + lease / 2).update(lease_until=timezone.now() + lease)
    return _version(draft.updated_at)


def draft_of(assignment_id: int) -> Kept | None:
    """What was entered for an assignment, if anything is kept."""
    draft = Draft.objects.filter(assignment=assignment_id).first()
    return Kept(draft.values, _version(draft.updated_at)) if draft else None


def _version(at: datetime) -> str:
    return at.isoformat()
