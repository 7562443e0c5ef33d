"""The same write twice is one write: its answer is kept in its own transaction and given again to whoever repeats it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import IdempotencyRecord, User

MAX_KEY = 200
KEPT = timedelta(days=7)


class InFlight(Conflict):
    """The first request with this key is not finished yet."""

    code = "in_flight"
    retry_after = 1


class KeyReused(Invalid):
    """The key came before with another payload."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer. ``replayed``: as the first time, and nothing was written now."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


def once(*, user: User, key: str, route: str, payload: bytes, write: Callable[[], Outcome]) -> Outcome:
    """Run ``write`` unless ``key`` has an answer already. An error is not kept: the same key may try again.

    Raises ``KeyReused`` where the key came before with another route or payload, ``InFlight`` while the first request
    with it is still running.
    """
    digest = hashlib.sha256(payload).hexdigest()
    with transaction.atomic():
        _claim(user, key)
        if kept := IdempotencyRecord.objects.filter(user=user, key=key).first():
            if (kept.route, kept.payload_digest) != (route, digest):
                raise KeyReused(_("The Idempotency-Key “%(key)s” was used for another request before.") % {"key": key})
            return Outcome(kept.status, kept.body, replayed=True)
        outcome = write()
        IdempotencyRecord.objects.create(
            user=user, key=key, route=route, payload_digest=digest, status=outcome.status, body=outcome.body
        )
    return outcome


def _claim(user: User, key: str) -> None:
    """Hold the key until the end of the transaction, or say that another request holds it."""
    number = int.from_bytes(hashlib.sha256(f"{user.pk}:{key}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise InFlight(_("A request with this Idempotency-Key is still being answered. Try again in a moment."))


def forget_old_answers() -> int:
    """Delete the answers that are older than ``KEPT``. Returns how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
