"""Stored files that no row names: of deleted projects, and of runs killed between storing and registering."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from training import store
from training.errors import StoreError
from training.models import ModelVersion, PolicyRun, PolicyTrial, PolicyVersion, Snapshot

log = logging.getLogger(__name__)

ROWS = {
    "snapshots": (Snapshot.objects, "path"),
    "models": (ModelVersion.objects, "path"),
    "policies": (PolicyVersion.objects, "path"),
    "opinions": (PolicyRun.objects, "opinions"),
}
"""Whose rows name the folders under a prefix, and in which field."""
KEPT = timedelta(days=1)
"""Longer than any run: what it has stored and not yet registered is younger."""
TRIALS_KEPT = timedelta(days=30)


def remove_unreferenced(now: datetime | None = None) -> int:
    """Remove folders older than ``KEPT`` that no row names. Returns how many; the first that can't be removed ends it."""
    older_than = (now or timezone.now()) - KEPT
    removed = 0
    try:
        for prefix, (rows, field) in ROWS.items():
            old = [path for path, at in store.folders_under(prefix) if at < older_than]
            named = set(rows.filter(**{f"{field}__in": old}).values_list(field, flat=True))
            removed += sum(store.remove_folder(path, older_than=older_than) for path in old if path not in named)
    except StoreError as error:
        log.warning("cleaning the artifacts storage stopped: %s", error)
    if removed:
        log.info("removed %s folders that no row named", removed)
    return removed


def remove_old_trials(now: datetime | None = None) -> None:
    """Forget what policies answered in playgrounds longer ago than ``TRIALS_KEPT``."""
    PolicyTrial.objects.filter(created_at__lt=(now or timezone.now()) - TRIALS_KEPT).delete()
