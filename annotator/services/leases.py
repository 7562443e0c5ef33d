"""How a lease ends without a judgment. A pinned pair then waits again for the same person; others go back to everybody."""

from __future__ import annotations

import re
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, QuerySet, Value, When
from django.utils import timezone
from django.utils.crypto import salted_hmac

from annotator.models import Annotator, Assignment
from annotator.selectors.pairs import PINNED

_BATCH = 1000
_HIDDEN = re.compile(r"-?[0-9a-f]{1,15}")
_SWEEPING = 0x5EE9  # key of the advisory lock that lets one sweep run at a time


def mark_of(key: UUID, number: int) -> str:
    """How a page names what a lease that it holds is of, without being told: ``number`` is a pair's id, or a lineup's with a
    minus.

    A pair's own number would tell a hidden repeat; read back it costs no query.
    """
    return f"{key}.{'-' if number < 0 else ''}{abs(number) ^ _mask(str(key)):x}"


def number_of_mark(mark: str) -> int | None:
    """The number in a mark; None for what is no mark, and nothing's number for one that was made up."""
    key, _, hidden = mark.partition(".")
    if not _HIDDEN.fullmatch(hidden):
        return None
    number = int(hidden.lstrip("-"), 16) ^ _mask(key)
    return -number if hidden.startswith("-") else number


def _mask(key: str) -> int:
    return int.from_bytes(salted_hmac("attune.leases", key, algorithm="sha256").digest()[:7])


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
