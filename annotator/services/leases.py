"""How a lease ends without a judgment. A pinned pair then waits again for the same person; others go back to everybody."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, QuerySet, Value, When
from django.utils import timezone

from annotator.models import Annotator, Assignment
from annotator.selectors.pairs import PINNED

_BATCH = 1000
_SWEEPING = 0x5EE9  # key of the advisory lock that lets one sweep run at a time


def release(*, annotator: Annotator, assignment_key: UUID) -> bool:
    """Give an open lease back, so that somebody else can have the pair at once. False if it was not open."""
    return bool(end_leases(Assignment.objects.filter(key=assignment_key, annotator=annotator)))


def end_leases(rows: QuerySet[Assignment], state: Assignment.State = Assignment.State.RELEASED) -> int:
    """Put those of ``rows`` that are open into ``state``, pinned ones back to where they were. Returns how many."""
    after = Case(When(chosen_by=PINNED, then=Value(Assignment.State.PINNED.value)), default=Value(state.value))
    return rows.filter(state=Assignment.State.OPEN).update(state=after)


def expire_leases() -> int:
    """End the open leases whose time is over and free their slots. Returns how many."""
    expired = 0
    while batch := _expire_batch():
        expired += batch
    return expired


@transaction.atomic
def _expire_batch() -> int:
    """One sweep at a time: two of them could lock the same pairs in a different order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SWEEPING])
        if not cursor.fetchone()[0]:
            return 0
    over = Assignment.objects.filter(state=Assignment.State.OPEN, lease_until__lt=timezone.now())
    ids = over.select_for_update(skip_locked=True).order_by("id").values_list("id", flat=True)[:_BATCH]
    return end_leases(Assignment.objects.filter(id__in=list(ids)), Assignment.State.EXPIRED)
